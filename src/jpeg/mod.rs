//! Marker segments of JPEG (ITU-T T.81, B.1), and the H.264 that some USB cameras embed in them.
//!
//! Such cameras send MJPEG with an access unit of H.264 in APP4 segments: a header, the number of
//! bytes and the bytes, split into segments ("H.264 Payload" 1.0 for USB video, on multiplexed
//! streams). No picture is decoded here.

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

/// Marker segment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Segment<'a> {
    /// Second byte of the marker.
    pub marker: u8,
    /// Bytes after the length.
    pub payload: &'a [u8],
}

/// Iterator over the segments up to the first scan; stops at anything else, where `rest` stays.
#[derive(Clone, Debug)]
pub struct Segments<'a> {
    rest: &'a [u8],
}

/// Returns the segments of `jpeg`; none if it does not begin as JPEG does.
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
                // Fill bytes may precede a marker.
                [0xff, ..] => self.rest = rest,
                [marker, ref rest @ ..] if marker == TEM || RST.contains(&marker) => {
                    self.rest = rest;
                }
                [EOI | SOS, ..] => return None,
                [marker, high, low, ref rest @ ..] => {
                    // The length includes its own two bytes.
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

/// Result of [`extract_h264`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EmbeddedH264 {
    /// The picture has no H.264.
    Absent,
    /// All of the access unit was found.
    Complete,
    /// Part of it is missing.
    Truncated,
}

/// Header of an auxiliary stream.
struct AuxStreamHeader {
    is_h264: bool,
    /// Bytes that follow, in this segment and the next ones.
    size: usize,
}

impl AuxStreamHeader {
    /// Position of the FourCC: after the version and the length of the header.
    const FOURCC: std::ops::Range<usize> = 4..8;

    /// Parses the header at the front of `payload`; returns it with the bytes behind it, or `None`
    /// for other data.
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
        // YUY2 and NV12 are the other possible streams.
        let is_known = header.is_h264 || [b"YUY2", b"NV12"].iter().any(|it| code == *it);
        is_known.then_some((header, rest))
    }
}

/// Appends the H.264 in the APP4 segments of `jpeg` to `out`: Annex B, one access unit, or nothing
/// if it is incomplete.
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
        // Bytes behind the last one in its segment are padding.
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
