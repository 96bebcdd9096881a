//! Requests to the decoder's process and its replies, as bytes. The server takes the replies for bytes from outside.
//!
//! Both begin with a head of 13 bytes: the kind, a number, the length of what follows (little endian). Replies carry no text, so
//! that nothing the process says reaches a log or a client but a picture.

use crate::media::orientation::Orientation;
use crate::snapshot::JpegOptions;
use std::io::{self, IoSlice, Read, Write};

/// Bytes of a head.
const HEAD_BYTES: usize = 13;

/// Most bytes after the head of a request: an access unit has at most 8 MB.
const MAX_REQUEST_BYTES: usize = 32 << 20;

/// First bytes of a JPEG, and its last ones.
const JPEG_START: [u8; 3] = [0xff, 0xd8, 0xff];
const JPEG_END: [u8; 2] = [0xff, 0xd9];

/// What a decoder is for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Start {
    /// Memory that it may take, in bytes.
    pub(super) memory: u64,
    /// Columns at the left and rows at the top that are cropped, in pixels.
    pub(super) hidden: (u32, u32),
    pub(super) orientation: Orientation,
    /// Its sequence parameter set.
    pub(super) sps: Vec<u8>,
}

/// Request of the server.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Request {
    /// The first one, once.
    Start(Start),
    /// Decode the access unit that follows the head; keep the picture if it is wanted.
    Decode { is_wanted: bool },
    /// Return the picture as JPEG.
    Jpeg(JpegOptions),
}

/// Reply of the process, one to each request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Reply {
    /// It has a decoder, and whether the kernel confines it to its task.
    Ready {
        is_confined: bool,
    },
    /// The access unit was decoded; with a picture or not.
    Decoded {
        has_picture: bool,
    },
    /// The access unit is damaged: the library's code.
    Damaged(i64),
    /// Such frames are never decoded.
    Unsupported,
    Jpeg(Vec<u8>),
    /// There is no picture, or it cannot become a JPEG.
    NoJpeg,
}

impl Request {
    /// Writes it with an access unit (for `Decode`) in one go.
    pub(super) fn write(&self, out: &mut impl Write, annexb: &[u8]) -> io::Result<()> {
        match self {
            Self::Start(start) => {
                let (left, top) = start.hidden;
                let turns = start.orientation.quarter_turns();
                let mirror = u8::from(start.orientation.is_mirrored());
                let mut body = vec![turns, mirror];
                body.extend([left, top].into_iter().flat_map(u32::to_le_bytes));
                body.extend_from_slice(&start.sps);
                write_message(out, 0, start.memory, &body)
            }
            Self::Decode { is_wanted } => write_message(out, 1, u64::from(*is_wanted), annexb),
            Self::Jpeg(options) => {
                let width = u64::from(options.width.unwrap_or(0));
                let quality = u64::from(options.quality.unwrap_or(0));
                write_message(out, 2, width << 8 | quality, &[])
            }
        }
    }

    /// Reads the next one, with its access unit into `annexb`; `None` at the end.
    pub(super) fn read(from: &mut impl Read, annexb: &mut Vec<u8>) -> io::Result<Option<Self>> {
        let Some((kind, number, length)) = read_head(from)? else {
            return Ok(None);
        };
        if length > MAX_REQUEST_BYTES {
            return Err(io::ErrorKind::InvalidData.into());
        }
        annexb.resize(length, 0);
        from.read_exact(annexb)?;
        Ok(Some(match kind {
            0 => {
                let &[turns, mirror, a, b, c, d, e, f, g, h, ref sps @ ..] = annexb.as_slice()
                else {
                    return Err(io::ErrorKind::InvalidData.into());
                };
                Self::Start(Start {
                    memory: number,
                    hidden: (
                        u32::from_le_bytes([a, b, c, d]),
                        u32::from_le_bytes([e, f, g, h]),
                    ),
                    orientation: Orientation::new(u16::from(turns % 4) * 90, mirror != 0, false),
                    sps: sps.to_vec(),
                })
            }
            1 => Self::Decode {
                is_wanted: number != 0,
            },
            2 => Self::Jpeg(JpegOptions {
                width: u32::try_from(number >> 8).ok().filter(|width| *width > 0),
                quality: Some(number as u8).filter(|quality| *quality > 0),
            }),
            _ => return Err(io::ErrorKind::InvalidData.into()),
        }))
    }
}

impl Reply {
    pub(super) fn write(&self, out: &mut impl Write) -> io::Result<()> {
        match self {
            Self::Ready { is_confined } => write_message(out, 0, u64::from(*is_confined), &[]),
            Self::Decoded { has_picture } => write_message(out, 1, u64::from(*has_picture), &[]),
            Self::Damaged(code) => write_message(out, 2, code.cast_unsigned(), &[]),
            Self::Unsupported => write_message(out, 3, 0, &[]),
            Self::Jpeg(jpeg) => write_message(out, 4, 0, jpeg),
            Self::NoJpeg => write_message(out, 5, 0, &[]),
        }
    }

    /// Reads the reply to a request. A JPEG has at most `max_jpeg` bytes, and looks like one.
    ///
    /// # Errors
    ///
    /// `UnexpectedEof` at the end, `InvalidData` for a reply that no decoder of ours sends.
    pub(super) fn read(from: &mut impl Read, max_jpeg: usize) -> io::Result<Self> {
        let invalid = || Err(io::ErrorKind::InvalidData.into());
        let Some((kind, number, length)) = read_head(from)? else {
            return Err(io::ErrorKind::UnexpectedEof.into());
        };
        if length > if kind == 4 { max_jpeg } else { 0 } {
            return invalid();
        }
        Ok(match (kind, number) {
            (0, 0 | 1) => Self::Ready {
                is_confined: number == 1,
            },
            (1, 0 | 1) => Self::Decoded {
                has_picture: number == 1,
            },
            (2, code) => Self::Damaged(code.cast_signed()),
            (3, 0) => Self::Unsupported,
            (4, 0) => {
                let mut jpeg = vec![0; length];
                from.read_exact(&mut jpeg)?;
                if !jpeg.starts_with(&JPEG_START) || !jpeg.ends_with(&JPEG_END) {
                    return invalid();
                }
                Self::Jpeg(jpeg)
            }
            (5, 0) => Self::NoJpeg,
            _ => return invalid(),
        })
    }
}

/// Returns the replies at the beginning of some bytes, each written again. For tests of any bytes.
pub fn decoder_replies(mut from: impl Read, max_jpeg: usize) -> Vec<Vec<u8>> {
    let mut replies = Vec::new();
    while let Ok(reply) = Reply::read(&mut from, max_jpeg) {
        let mut bytes = Vec::new();
        if reply.write(&mut bytes).is_ok() {
            replies.push(bytes);
        }
    }
    replies
}

/// Returns the requests at the beginning of some bytes, each written again. For tests of any bytes.
pub fn decoder_requests(mut from: impl Read) -> Vec<Vec<u8>> {
    let (mut requests, mut annexb) = (Vec::new(), Vec::new());
    while let Ok(Some(request)) = Request::read(&mut from, &mut annexb) {
        let mut bytes = Vec::new();
        if request.write(&mut bytes, &annexb).is_ok() {
            requests.push(bytes);
        }
    }
    requests
}

/// Writes head and body by one system call, if all of it fits: the other side would wake up twice.
fn write_message(out: &mut impl Write, kind: u8, number: u64, body: &[u8]) -> io::Result<()> {
    let length = u32::try_from(body.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    let mut head = [0; HEAD_BYTES];
    let (first, rest) = head.split_at_mut(1);
    first.copy_from_slice(&[kind]);
    let (middle, last) = rest.split_at_mut(8);
    middle.copy_from_slice(&number.to_le_bytes());
    last.copy_from_slice(&length.to_le_bytes());
    let mut slices = [IoSlice::new(&head), IoSlice::new(body)];
    let mut left = slices.as_mut_slice();
    while left.iter().any(|slice| !slice.is_empty()) {
        match out.write_vectored(left) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => IoSlice::advance_slices(&mut left, count),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Reads kind, number and length; `None` if the other side has closed before.
fn read_head(from: &mut impl Read) -> io::Result<Option<(u8, u64, usize)>> {
    let mut head = [0; HEAD_BYTES];
    let count = loop {
        match from.read(&mut head) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            count => break count?,
        }
    };
    if count == 0 {
        return Ok(None);
    }
    from.read_exact(head.get_mut(count..).unwrap_or_default())?;
    let [kind, a, b, c, d, e, f, g, h, i, j, k, l] = head;
    let number = u64::from_le_bytes([a, b, c, d, e, f, g, h]);
    let length = u32::from_le_bytes([i, j, k, l]);
    Ok(Some((kind, number, length as usize)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sent(request: &Request, annexb: &[u8]) -> (Request, Vec<u8>) {
        let (mut bytes, mut unit) = (Vec::new(), vec![9]);
        request.write(&mut bytes, annexb).unwrap();
        let read = Request::read(&mut bytes.as_slice(), &mut unit).unwrap();
        (read.unwrap(), unit)
    }

    #[test]
    fn requests_arrive_as_they_were() {
        let start = Start {
            memory: 40 << 20,
            hidden: (2, 70_000),
            orientation: Orientation::new(270, true, false),
            sps: vec![0x67, 66, 0],
        };
        for request in [
            Request::Start(start),
            Request::Jpeg(JpegOptions::default()),
            Request::Jpeg(JpegOptions {
                width: Some(8192),
                quality: Some(100),
            }),
        ] {
            assert_eq!(sent(&request, &[]).0, request);
        }
        let decode = Request::Decode { is_wanted: true };
        assert_eq!(sent(&decode, &[0, 0, 1]), (decode, vec![0, 0, 1]));
        let end = Request::read(&mut [].as_slice(), &mut Vec::new());
        assert_eq!(end.unwrap(), None);
        assert!(Request::read(&mut [1].as_slice(), &mut Vec::new()).is_err());
    }

    #[test]
    fn replies_arrive_as_they_were() {
        for reply in [
            Reply::Ready { is_confined: true },
            Reply::Decoded { has_picture: true },
            Reply::Decoded { has_picture: false },
            Reply::Damaged(-1),
            Reply::Unsupported,
            Reply::Jpeg(vec![0xff, 0xd8, 0xff, 0xff, 0xd9]),
            Reply::NoJpeg,
        ] {
            let mut bytes = Vec::new();
            reply.write(&mut bytes).unwrap();
            assert_eq!(Reply::read(&mut bytes.as_slice(), 5).unwrap(), reply);
        }
    }

    #[test]
    fn false_replies_are_rejected() {
        let kind = |bytes: &[u8]| Reply::read(&mut &*bytes, 4).unwrap_err().kind();
        let message = |kind: u8, number: u64, body: &[u8]| {
            let mut bytes = Vec::new();
            write_message(&mut bytes, kind, number, body).unwrap();
            bytes
        };
        for (reply, what) in [
            (message(6, 0, &[]), "unknown"),
            (message(0, 2, &[]), "a number out of range"),
            (message(1, 1, &[0]), "a body that has no place"),
            (message(4, 0, &[0xff, 0xd8, 0xff, 0xff, 0xd9]), "too large"),
            (message(4, 0, b"<htm"), "no JPEG"),
            (message(4, 0, &[0xff, 0xd8, 0xff]), "half a JPEG"),
            (message(4, 0, &[]), "nothing"),
        ] {
            assert_eq!(kind(&reply), io::ErrorKind::InvalidData, "{what}");
        }
        let mut announced = message(4, 0, &[0xff; 4]);
        announced.pop();
        for cut in [&announced[..], &announced[..7], &[]] {
            assert_eq!(kind(cut), io::ErrorKind::UnexpectedEof);
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_reply_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            if let Ok(Reply::Jpeg(jpeg)) = Reply::read(&mut bytes.as_slice(), 40) {
                prop_assert!(jpeg.len() <= 40);
            }
        }
    }
}
