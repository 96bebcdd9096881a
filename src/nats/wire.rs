//! Subjects and messages between cameras and edges over NATS.
//!
//! A frame has a fixed binary header instead of NATS headers: 40 bytes instead of about 170, no text to parse, and servers
//! need no headers for it. After it come the bytes that viewers get: an init segment where decoding can begin, and the
//! fragment. Messages larger than the server's limit are cut into chunks, each with the same header.

use crate::time::Timestamp;
use bytes::{Buf, BufMut, Bytes};

/// First byte of every message. Another number is another format.
const VERSION: u8 = 1;

/// Bytes of a frame's header.
pub const HEADER_BYTES: usize = 40;

/// Largest frame with its init segment, as the rest of the program has it.
pub(crate) const MAX_FRAME_BYTES: usize = 10 << 20;

/// Most chunks of a frame: servers permit messages of 1 kB at least.
const MAX_CHUNKS: u16 = 16 << 10;

/// Most groups of links in one report.
const MAX_GROUPS: usize = 16;

const KIND_FRAME: u8 = 1;
const KIND_PROBE: u8 = 2;
const KIND_WELCOME: u8 = 3;
const KIND_ANNOUNCE: u8 = 4;
const KIND_JOIN: u8 = 5;
const KIND_RESEND: u8 = 6;
const KIND_KEYFRAME: u8 = 7;
const KIND_CLOCK: u8 = 8;
const KIND_REPORT: u8 = 9;
const KIND_PRESENCE: u8 = 10;

/// Decoding can begin at the frame.
const FLAG_ENTRY: u8 = 1;
/// The camera is live.
const FLAG_LIVE: u8 = 1;
/// The camera leaves.
const FLAG_GONE: u8 = 1;

fn saturating(count: u64) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// Subjects of one camera below a prefix.
///
/// ```
/// use berrymse::nats::wire::Subjects;
///
/// let subjects = Subjects::new("berrymse", "front.door");
/// assert_eq!(subjects.frames, "berrymse.front%2Edoor.frames");
/// assert_eq!(Subjects::camera("berrymse", subjects.announce.as_bytes()), Some("front.door".to_owned()));
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Subjects {
    /// Frames, from the camera to all edges.
    pub frames: String,
    /// Questions of edges to the camera.
    pub ask: String,
    /// Signs of life of the camera.
    pub announce: String,
}

impl Subjects {
    /// Returns the subjects of the camera `name`. A dot would begin another token.
    pub fn new(prefix: &str, name: &str) -> Self {
        let token = name.replace('.', "%2E");
        let subject = |word: &str| format!("{prefix}.{token}.{word}");
        Self {
            frames: subject("frames"),
            ask: subject("ask"),
            announce: subject("announce"),
        }
    }

    /// Returns the subject of the signs of life of all cameras.
    pub fn all_announcements(prefix: &str) -> String {
        format!("{prefix}.*.announce")
    }

    /// Returns the name of the camera that announces itself with `subject`.
    pub fn camera(prefix: &str, subject: &[u8]) -> Option<String> {
        let subject = std::str::from_utf8(subject).ok()?;
        let token = subject.strip_prefix(prefix)?.strip_prefix('.')?;
        let token = token.strip_suffix(".announce")?;
        Some(Self::camera_of_token(token))
    }

    /// Returns the token of the camera's name.
    pub fn token(&self) -> &str {
        let before = self.ask.strip_suffix(".ask").unwrap_or_default();
        before.rsplit('.').next().unwrap_or_default()
    }

    /// Returns the name of a camera by its token.
    pub fn camera_of_token(token: &str) -> String {
        token.replace("%2E", ".")
    }
}

/// Header of a frame, or of a chunk of one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FrameHeader {
    /// Decoding can begin here, and the init segment comes first.
    pub is_entry: bool,
    /// Which chunk it is, from 0.
    pub chunk: u16,
    /// Number of chunks, at least 1.
    pub chunks: u16,
    /// Start of the camera's program: another one begins again.
    pub epoch: u64,
    /// Number of the frame, one more each time.
    pub number: u32,
    /// Duration of frames at present, in media ticks.
    pub nominal_duration: u32,
    /// Capture time on the clock of the camera's machine.
    pub captured_at: Timestamp,
    /// Time at which it was handed to NATS, on the same clock.
    pub sent_at: Timestamp,
}

impl FrameHeader {
    /// Returns its bytes.
    pub fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut out = [0; HEADER_BYTES];
        let mut at = &mut out[..];
        at.put_u8(VERSION);
        at.put_u8(KIND_FRAME);
        at.put_u8(u8::from(self.is_entry) * FLAG_ENTRY);
        at.put_u8(0);
        at.put_u16(self.chunk);
        at.put_u16(self.chunks);
        at.put_u64(self.epoch);
        at.put_u32(self.number);
        at.put_u32(self.nominal_duration);
        at.put_u64(self.captured_at.as_nanos());
        at.put_u64(self.sent_at.as_nanos());
        out
    }

    fn decode(mut bytes: &[u8]) -> Option<Self> {
        let header = Self {
            is_entry: bytes.try_get_u8().ok()? & FLAG_ENTRY != 0,
            chunk: {
                bytes.try_get_u8().ok()?;
                bytes.try_get_u16().ok()?
            },
            chunks: bytes.try_get_u16().ok()?,
            epoch: bytes.try_get_u64().ok()?,
            number: bytes.try_get_u32().ok()?,
            nominal_duration: bytes.try_get_u32().ok()?,
            captured_at: Timestamp::from_nanos(bytes.try_get_u64().ok()?),
            sent_at: Timestamp::from_nanos(bytes.try_get_u64().ok()?),
        };
        (header.chunk < header.chunks && header.chunks <= MAX_CHUNKS).then_some(header)
    }
}

/// Answer of a camera to an edge, with the time of its clock.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Welcome {
    /// Start of the camera's program.
    pub epoch: u64,
    /// Time of the question, as the edge wrote it.
    pub asked_at: Timestamp,
    /// Time of the answer on the camera's clock.
    pub now: Timestamp,
    /// The camera has frames.
    pub is_live: bool,
}

/// Question or report of an edge to a camera.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Ask {
    /// Send what a decoder needs to begin, and your clock.
    Join(Timestamp),
    /// Send these frames again, first to last.
    Resend(u32, u32),
    /// Make a keyframe.
    Keyframe,
    /// Send your clock.
    Clock(Timestamp),
    /// Answer if you are there; nobody watches.
    Presence(Timestamp),
    /// Viewers of an edge and their links.
    Report {
        /// Random number of the edge.
        edge: u64,
        /// Number of viewers.
        viewers: u32,
        /// Congested links: bandwidths in bits per second, and how many links have about each.
        congested: Vec<(u32, u32)>,
    },
}

/// A message from a camera.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum FromCamera {
    /// A frame or a chunk of one.
    Frame(FrameHeader, Bytes),
    /// A test whether anybody subscribes.
    Probe,
    /// An answer.
    Welcome(Welcome),
    /// A sign of life.
    Announce(Announcement),
}

impl FromCamera {
    /// Reads a message; `None` if it is no such message.
    pub fn decode(payload: &Bytes) -> Option<Self> {
        let (&[VERSION, kind], mut rest) = payload.split_first_chunk()? else {
            return None;
        };
        match kind {
            KIND_FRAME => {
                let header = FrameHeader::decode(rest)?;
                Some(Self::Frame(header, payload.slice(HEADER_BYTES..)))
            }
            KIND_PROBE => Some(Self::Probe),
            KIND_WELCOME => Some(Self::Welcome(Welcome {
                is_live: rest.try_get_u8().ok()? & FLAG_LIVE != 0,
                epoch: rest.try_get_u64().ok()?,
                asked_at: Timestamp::from_nanos(rest.try_get_u64().ok()?),
                now: Timestamp::from_nanos(rest.try_get_u64().ok()?),
            })),
            KIND_ANNOUNCE => Some(Self::Announce(Announcement {
                is_gone: rest.try_get_u8().ok()? & FLAG_GONE != 0,
                epoch: rest.try_get_u64().ok()?,
            })),
            _ => None,
        }
    }

    /// Returns the bytes of a test.
    pub fn probe() -> [u8; 2] {
        [VERSION, KIND_PROBE]
    }
}

/// Sign of life of a camera.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Announcement {
    /// It leaves.
    pub is_gone: bool,
    /// Start of the camera's program, in nanoseconds of Unix time where the machine has a clock.
    pub epoch: u64,
}

impl Announcement {
    /// Returns its bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![VERSION, KIND_ANNOUNCE, u8::from(self.is_gone) * FLAG_GONE];
        out.put_u64(self.epoch);
        out
    }
}

impl Welcome {
    /// Returns its bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![VERSION, KIND_WELCOME, u8::from(self.is_live) * FLAG_LIVE];
        out.put_u64(self.epoch);
        out.put_u64(self.asked_at.as_nanos());
        out.put_u64(self.now.as_nanos());
        out
    }
}

impl Ask {
    /// Returns a report. Links of about the same bandwidth become one group, so that it stays small.
    pub fn report(edge: u64, viewers: u64, congested: &[(u32, u32)]) -> Self {
        let mut links = congested.to_vec();
        links.sort_unstable();
        let size = links.len().div_ceil(MAX_GROUPS).max(1);
        let group = |links: &[(u32, u32)]| {
            let (bps, _) = *links.get(links.len() / 2)?;
            let count = links.iter().map(|(_, count)| u64::from(*count)).sum();
            Some((bps, saturating(count)))
        };
        Self::Report {
            edge,
            viewers: saturating(viewers),
            congested: links.chunks(size).filter_map(group).collect(),
        }
    }

    /// Returns its bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![VERSION];
        match self {
            Self::Join(at) => {
                out.put_u8(KIND_JOIN);
                out.put_u64(at.as_nanos());
            }
            Self::Resend(first, last) => {
                out.put_u8(KIND_RESEND);
                out.put_u32(*first);
                out.put_u32(*last);
            }
            Self::Keyframe => out.put_u8(KIND_KEYFRAME),
            Self::Clock(at) => {
                out.put_u8(KIND_CLOCK);
                out.put_u64(at.as_nanos());
            }
            Self::Report {
                edge,
                viewers,
                congested,
            } => {
                out.put_u8(KIND_REPORT);
                out.put_u64(*edge);
                out.put_u32(*viewers);
                for (bps, count) in congested.iter().take(MAX_GROUPS) {
                    out.put_u32(*bps);
                    out.put_u32(*count);
                }
            }
            Self::Presence(at) => {
                out.put_u8(KIND_PRESENCE);
                out.put_u64(at.as_nanos());
            }
        }
        out
    }

    /// Reads a message; `None` if it is no such message.
    pub fn decode(payload: &[u8]) -> Option<Self> {
        let (&[VERSION, kind], mut rest) = payload.split_first_chunk()? else {
            return None;
        };
        match kind {
            KIND_JOIN => Some(Self::Join(Timestamp::from_nanos(rest.try_get_u64().ok()?))),
            KIND_RESEND => Some(Self::Resend(
                rest.try_get_u32().ok()?,
                rest.try_get_u32().ok()?,
            )),
            KIND_KEYFRAME => Some(Self::Keyframe),
            KIND_CLOCK => Some(Self::Clock(Timestamp::from_nanos(rest.try_get_u64().ok()?))),
            KIND_REPORT => {
                let (edge, viewers) = (rest.try_get_u64().ok()?, rest.try_get_u32().ok()?);
                let mut congested = Vec::new();
                while let (Ok(bps), Ok(count)) = (rest.try_get_u32(), rest.try_get_u32()) {
                    if congested.len() == MAX_GROUPS {
                        return None;
                    }
                    congested.push((bps, count));
                }
                Some(Self::Report {
                    edge,
                    viewers,
                    congested,
                })
            }
            KIND_PRESENCE => Some(Self::Presence(Timestamp::from_nanos(
                rest.try_get_u64().ok()?,
            ))),
            _ => None,
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::nats) fn header(number: u32, chunk: u16, chunks: u16) -> FrameHeader {
        FrameHeader {
            is_entry: true,
            chunk,
            chunks,
            epoch: 7,
            number,
            nominal_duration: 3000,
            captured_at: Timestamp::from_nanos(1),
            sent_at: Timestamp::from_nanos(2),
        }
    }

    #[test]
    fn messages_are_read_as_they_were_written() {
        let mut bytes = header(5, 1, 3).encode().to_vec();
        bytes.extend_from_slice(b"body");
        let frame = FromCamera::decode(&bytes.into());
        let expected = FromCamera::Frame(header(5, 1, 3), Bytes::from_static(b"body"));
        assert_eq!(frame, Some(expected));
        let welcome = Welcome {
            epoch: 3,
            asked_at: Timestamp::from_nanos(4),
            now: Timestamp::from_nanos(5),
            is_live: true,
        };
        let read = FromCamera::decode(&welcome.encode().into());
        assert_eq!(read, Some(FromCamera::Welcome(welcome)));
        let announcement = Announcement {
            is_gone: true,
            epoch: 7,
        };
        let read = FromCamera::decode(&announcement.encode().into());
        assert_eq!(read, Some(FromCamera::Announce(announcement)));
        for ask in [
            Ask::Join(Timestamp::from_nanos(9)),
            Ask::Resend(1, 2),
            Ask::Keyframe,
            Ask::Clock(Timestamp::from_nanos(9)),
            Ask::Report {
                edge: 1,
                viewers: 2,
                congested: vec![(3, 4), (5, 6)],
            },
            Ask::Presence(Timestamp::from_nanos(9)),
        ] {
            assert_eq!(Ask::decode(&ask.encode()), Some(ask));
        }
    }

    #[test]
    fn report_groups_links_of_about_the_same_bandwidth() {
        let links: Vec<(u32, u32)> = (0..100).rev().map(|bps| (bps, 2)).collect();
        let Ask::Report {
            viewers, congested, ..
        } = Ask::report(1, u64::MAX, &links)
        else {
            panic!("no report");
        };
        assert_eq!((viewers, congested.len()), (u32::MAX, 15));
        assert_eq!(congested[0], (3, 14));
        assert_eq!(congested.iter().map(|(_, count)| count).sum::<u32>(), 200);
        let few = Ask::report(1, 2, &[(9, 1), (5, 1)]);
        let expected = Ask::Report {
            edge: 1,
            viewers: 2,
            congested: vec![(5, 1), (9, 1)],
        };
        assert_eq!(few, expected);
    }

    #[test]
    fn other_messages_are_none() {
        for bytes in [
            &b""[..],
            b"\x01",
            b"\x02\x01",
            b"\x01\x01\0\0\0\0\0\0",
            b"\x01\xff",
        ] {
            assert_eq!(FromCamera::decode(&Bytes::from_static(bytes)), None);
            assert_eq!(Ask::decode(bytes), None);
        }
        let none: Bytes = header(1, 1, 1).encode().to_vec().into();
        assert_eq!(FromCamera::decode(&none), None, "chunk 1 of 1");
        let none: Bytes = header(1, 0, 0).encode().to_vec().into();
        assert_eq!(FromCamera::decode(&none), None, "chunk 0 of 0");
    }
}
