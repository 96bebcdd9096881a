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
pub const MAX_FRAME_BYTES: usize = 10 << 20;

/// Most chunks of a frame: servers permit messages of 1 kB at least.
const MAX_CHUNKS: u16 = 16 << 10;

/// Most links in one report.
pub const MAX_LINKS: usize = 32;

const KIND_FRAME: u8 = 1;
const KIND_PROBE: u8 = 2;
const KIND_WELCOME: u8 = 3;
const KIND_ANNOUNCE: u8 = 4;
const KIND_JOIN: u8 = 5;
const KIND_RESEND: u8 = 6;
const KIND_KEYFRAME: u8 = 7;
const KIND_CLOCK: u8 = 8;
const KIND_REPORT: u8 = 9;

/// Decoding can begin at the frame.
const FLAG_ENTRY: u8 = 1;
/// The camera is live.
const FLAG_LIVE: u8 = 1;
/// The camera leaves.
const FLAG_GONE: u8 = 1;

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
        Some(token.replace("%2E", "."))
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
    /// Viewers of an edge and their links.
    Report {
        /// Random number of the edge.
        edge: u64,
        /// Number of viewers.
        viewers: u32,
        /// Bandwidths of congested links, in bits per second.
        congested_bps: Vec<u32>,
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
    /// A sign of life; true when it leaves.
    Announce(bool),
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
            KIND_ANNOUNCE => Some(Self::Announce(rest.try_get_u8().ok()? & FLAG_GONE != 0)),
            _ => None,
        }
    }

    /// Returns the bytes of a test.
    pub fn probe() -> [u8; 2] {
        [VERSION, KIND_PROBE]
    }

    /// Returns the bytes of a sign of life.
    pub fn announcement(is_gone: bool) -> [u8; 3] {
        [VERSION, KIND_ANNOUNCE, u8::from(is_gone) * FLAG_GONE]
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
                congested_bps,
            } => {
                out.put_u8(KIND_REPORT);
                out.put_u64(*edge);
                out.put_u32(*viewers);
                let links = congested_bps.iter().take(MAX_LINKS);
                links.for_each(|bps| out.put_u32(*bps));
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
                let mut congested_bps = Vec::new();
                while let Ok(bps) = rest.try_get_u32() {
                    if congested_bps.len() == MAX_LINKS {
                        return None;
                    }
                    congested_bps.push(bps);
                }
                Some(Self::Report {
                    edge,
                    viewers,
                    congested_bps,
                })
            }
            _ => None,
        }
    }
}

/// A frame, put together.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Assembled {
    /// Header of its first chunk that came.
    pub header: FrameHeader,
    /// Init segment, if any, and fragment.
    pub bytes: Bytes,
}

/// Frames of which some chunks are missing. Bounded in number and bytes: the oldest gives way.
#[derive(Debug, Default)]
pub struct Assembly {
    partial: Vec<Partial>,
}

#[derive(Debug)]
struct Partial {
    header: FrameHeader,
    chunks: Vec<Bytes>,
    missing: usize,
    bytes: usize,
}

impl Assembly {
    /// Most frames that wait for chunks.
    const MAX_FRAMES: usize = 8;

    /// Most bytes of all of them.
    const MAX_BYTES: usize = 2 * MAX_FRAME_BYTES;

    /// Takes a frame or chunk; returns the frame once it is whole.
    pub fn push(&mut self, header: FrameHeader, bytes: Bytes) -> Option<Assembled> {
        if bytes.is_empty() || bytes.len() > MAX_FRAME_BYTES {
            return None;
        }
        if header.chunks == 1 {
            return Some(Assembled { header, bytes });
        }
        let is_same = |other: &Partial| {
            let other = &other.header;
            (other.epoch, other.number, other.chunks)
                == (header.epoch, header.number, header.chunks)
        };
        let at = match self.partial.iter().position(is_same) {
            Some(at) => at,
            None => {
                if self.partial.len() >= Self::MAX_FRAMES {
                    self.partial.remove(0);
                }
                let chunks = usize::from(header.chunks);
                self.partial.push(Partial {
                    header,
                    chunks: vec![Bytes::new(); chunks],
                    missing: chunks,
                    bytes: 0,
                });
                self.partial.len() - 1
            }
        };
        let partial = self.partial.get_mut(at)?;
        let slot = partial.chunks.get_mut(usize::from(header.chunk))?;
        if slot.is_empty() {
            partial.bytes += bytes.len();
            partial.missing -= 1;
            *slot = bytes;
        }
        if partial.bytes > MAX_FRAME_BYTES {
            self.partial.remove(at);
            return None;
        }
        if partial.missing > 0 {
            while self.partial.iter().map(|other| other.bytes).sum::<usize>() > Self::MAX_BYTES {
                self.partial.remove(0);
            }
            return None;
        }
        let whole = self.partial.remove(at);
        Some(Assembled {
            header: whole.header,
            bytes: whole.chunks.concat().into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(number: u32, chunk: u16, chunks: u16) -> FrameHeader {
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
        for ask in [
            Ask::Join(Timestamp::from_nanos(9)),
            Ask::Resend(1, 2),
            Ask::Keyframe,
            Ask::Clock(Timestamp::from_nanos(9)),
            Ask::Report {
                edge: 1,
                viewers: 2,
                congested_bps: vec![3, 4],
            },
        ] {
            assert_eq!(Ask::decode(&ask.encode()), Some(ask));
        }
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

    #[test]
    fn chunks_in_any_order_make_the_frame() {
        let mut assembly = Assembly::default();
        let part = |text: &'static str| Bytes::from_static(text.as_bytes());
        assert_eq!(assembly.push(header(1, 2, 3), part("c")), None);
        assert_eq!(assembly.push(header(2, 0, 2), part("x")), None);
        assert_eq!(assembly.push(header(1, 0, 3), part("a")), None);
        assert_eq!(assembly.push(header(1, 0, 3), part("again")), None);
        let whole = assembly.push(header(1, 1, 3), part("b")).unwrap();
        assert_eq!(&whole.bytes[..], b"abc");
        assert_eq!(assembly.partial.len(), 1);
    }

    #[test]
    fn unfinished_frames_are_bounded() {
        let mut assembly = Assembly::default();
        let piece = Bytes::from(vec![0; 1 << 20]);
        for number in 0..1000 {
            for chunk in 0..15 {
                assembly.push(header(number, chunk, 16), piece.clone());
            }
            let bytes: usize = assembly.partial.iter().map(|p| p.bytes).sum();
            assert!(assembly.partial.len() <= 8 && bytes <= Assembly::MAX_BYTES);
        }
        assert_eq!(assembly.push(header(0, 0, 1), Bytes::new()), None);
    }
}
