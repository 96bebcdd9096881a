//! The marker segments of JPEG pictures (ITU-T T.81, B.1), and the H.264 that some USB cameras put into them.
//!
//! Such cameras send MJPEG whose pictures carry an access unit of H.264 in APP4 segments: a header, the number of bytes, the bytes,
//! cut into as many segments as it takes ("H.264 Payload" 1.0 for USB video, on multiplexed streams). No picture is decoded here.

mod baseline;
mod complete;
mod huffman;
mod transform;

pub use baseline::{BaselineDecoder, DecodeError, SampleRange, Yuv420Planes};
pub use complete::complete;

const DHT: u8 = 0xc4;
const SOI: u8 = 0xd8;
const EOI: u8 = 0xd9;
const SOS: u8 = 0xda;
const APP4: u8 = 0xe4;
/// TEM and RST0 to RST7 stand alone, as SOI and EOI do.
const TEM: u8 = 0x01;
const RST: std::ops::RangeInclusive<u8> = 0xd0..=0xd7;

/// A marker segment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Segment<'a> {
    /// The second byte of the marker.
    pub marker: u8,
    /// What stands behind the length.
    pub payload: &'a [u8],
}

/// The segments of a picture up to its first scan, in their order; ends early at what is none. `rest` stays there.
#[derive(Clone, Debug)]
pub struct Segments<'a> {
    rest: &'a [u8],
}

/// The segments of `jpeg`; none if it does not begin as a JPEG picture does.
pub fn segments(jpeg: &[u8]) -> Segments<'_> {
    let rest = jpeg.strip_prefix(&[0xff, SOI]).unwrap_or_default();
    Segments { rest }
}

impl<'a> Iterator for Segments<'a> {
    type Item = Segment<'a>;

    fn next(&mut self) -> Option<Segment<'a>> {
        loop {
            let rest = self.rest.strip_prefix(&[0xff])?;
            match *rest {
                // Any number of fill bytes may stand ahead of a marker.
                [0xff, ..] => self.rest = rest,
                [marker, ref rest @ ..] if marker == TEM || RST.contains(&marker) => {
                    self.rest = rest;
                }
                [EOI | SOS, ..] => return None,
                [marker, high, low, ref rest @ ..] => {
                    // The length counts its own two bytes.
                    let length = usize::from(u16::from_be_bytes([high, low])).checked_sub(2)?;
                    let Some((payload, rest)) = rest.split_at_checked(length) else {
                        self.rest = &[];
                        return None;
                    };
                    self.rest = rest;
                    return Some(Segment { marker, payload });
                }
                _ => return None,
            }
        }
    }
}

/// What [`extract_h264`] found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EmbeddedH264 {
    /// No H.264 in this picture.
    Absent,
    /// All of it.
    Complete,
    /// Some of it is missing.
    Truncated,
}

/// What is said of an auxiliary stream ahead of its bytes.
struct AuxStreamHeader {
    is_h264: bool,
    /// Bytes that follow, in this segment and in the next ones.
    size: usize,
}

impl AuxStreamHeader {
    /// Bytes from its start to the number of bytes: version and length of the header, then what the length counts in.
    const FOURCC: std::ops::Range<usize> = 4..8;

    /// The header in front of `payload`, and what stands behind it. `None` if it is of something else.
    fn read(payload: &[u8]) -> Option<(Self, &[u8])> {
        let &[_, _, low, high, ..] = payload else {
            return None;
        };
        let length = usize::from(u16::from_le_bytes([low, high]));
        if length < Self::FOURCC.end {
            return None;
        }
        let code = payload.get(Self::FOURCC)?;
        let (size, rest) = payload.get(length..)?.split_first_chunk::<4>()?;
        let header = Self {
            is_h264: code == b"H264",
            size: usize::try_from(u32::from_le_bytes(*size)).ok()?,
        };
        // YUY2 and NV12 are the other streams that there may be.
        let is_known = header.is_h264 || [b"YUY2", b"NV12"].iter().any(|it| code == *it);
        is_known.then_some((header, rest))
    }
}

/// Appends to `out` the H.264 in the APP4 segments of `jpeg`: Annex B, one access unit. Nothing is appended unless all of it is there.
pub fn extract_h264(jpeg: &[u8], out: &mut Vec<u8>) -> EmbeddedH264 {
    let before = out.len();
    let mut current: Option<AuxStreamHeader> = None;
    let mut has_begun = false;
    for segment in segments(jpeg).filter(|segment| segment.marker == APP4) {
        let (mut header, bytes) = match current.take() {
            Some(header) => (header, segment.payload),
            None => match AuxStreamHeader::read(segment.payload) {
                Some(begun) => begun,
                None => continue,
            },
        };
        has_begun |= header.is_h264;
        // What is behind the last byte in its segment belongs to nothing.
        let count = bytes.len().min(header.size);
        if header.is_h264 {
            out.extend_from_slice(bytes.get(..count).unwrap_or_default());
        }
        header.size -= count;
        if header.size > 0 {
            current = Some(header);
        } else if header.is_h264 {
            return EmbeddedH264::Complete;
        }
    }
    out.truncate(before);
    if has_begun {
        EmbeddedH264::Truncated
    } else {
        EmbeddedH264::Absent
    }
}

#[cfg(test)]
mod tests;
