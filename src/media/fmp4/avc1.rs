//! The sample entry of H.264: ISO/IEC 14496-12, 12.1.3, and 14496-15, 5.3.3.1 and 5.4.2.

use super::boxes::{write_box, write_u8, write_u16, write_u32, write_zeros};
use crate::h264::VideoParameters;

/// Bytes of a sample entry before the boxes in it, with its own header.
const VISUAL_BYTES: usize = 86;

/// Profiles that existed in the first edition: their configuration ends with the parameter sets.
const FIRST_PROFILES: [u8; 3] = [66, 77, 88];

/// Returns the sample entry of such a stream, a whole `avc1` box.
pub fn sample_entry(format: &VideoParameters) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    write_box(&mut out, b"avc1", |out| write(out, format));
    out
}

/// Returns width and height of the track: with what is not shown, and in the shape of square samples.
pub fn track_size(format: &VideoParameters) -> (u32, u32) {
    let (horizontal, vertical) = format.sample_aspect;
    // Chromium gives the decoded frame this shape, whatever is in `clap`.
    let (width, height) = coded_size(format);
    let shown = u64::from(width) * u64::from(horizontal.max(1)) / u64::from(vertical.max(1));
    (u32::try_from(shown).unwrap_or(u32::MAX), height)
}

fn coded_size(format: &VideoParameters) -> (u32, u32) {
    let (left, top) = format.hidden;
    (format.width + left, format.height + top)
}

fn write(out: &mut Vec<u8>, format: &VideoParameters) {
    write_zeros(out, 6);
    write_u16(out, 1); // data reference index
    write_zeros(out, 16);
    let (width, height) = coded_size(format);
    write_u16(out, width.min(0xffff) as u16);
    write_u16(out, height.min(0xffff) as u16);
    write_u32(out, 0x0048_0000); // 72 dpi
    write_u32(out, 0x0048_0000);
    write_u32(out, 0);
    write_u16(out, 1); // frames per sample
    write_zeros(out, 32); // compressor name
    write_u16(out, 0x0018); // depth
    write_u16(out, 0xffff); // pre-defined
    write_box(out, b"avcC", |out| decoder_configuration(out, format));
    if format.hidden != (0, 0) {
        // 14496-12, 12.1.4: offsets are from centre to centre
        write_box(out, b"clap", |out| {
            let (width, height) = (format.width, format.height);
            let (left, top) = format.hidden;
            for value in [width, 1, height, 1, left, 2, top, 2] {
                write_u32(out, value);
            }
        });
    }
    if format.sample_aspect.0 != format.sample_aspect.1 {
        // 14496-12, 12.1.4
        write_box(out, b"pasp", |out| {
            write_u32(out, format.sample_aspect.0);
            write_u32(out, format.sample_aspect.1);
        });
    }
}

/// 14496-15, 5.3.3.1
fn decoder_configuration(out: &mut Vec<u8>, format: &VideoParameters) {
    let first: &[u8] = format.sps.first().map_or(&[], Vec::as_slice);
    let header = |at: usize| first.get(at).copied().unwrap_or(0);
    let profile = header(1);
    write_u8(out, 1);
    write_u8(out, profile);
    write_u8(out, header(2)); // constraint flags
    write_u8(out, header(3)); // level
    write_u8(out, 0xfc | 3); // four bytes of length before each NAL unit
    let sps = &format.sps[..format.sps.len().min(31)];
    write_u8(out, 0xe0 | sps.len() as u8);
    sps.iter().for_each(|set| parameter_set(out, set));
    let pps = &format.pps[..format.pps.len().min(255)];
    write_u8(out, pps.len() as u8);
    pps.iter().for_each(|set| parameter_set(out, set));
    if !FIRST_PROFILES.contains(&profile) {
        write_u8(out, 0xfc | format.chroma_format & 3);
        write_u8(out, 0xf8 | format.luma_bits.saturating_sub(8) & 7);
        write_u8(out, 0xf8 | format.chroma_bits.saturating_sub(8) & 7);
        write_u8(out, 0); // no extension sets
    }
}

fn parameter_set(out: &mut Vec<u8>, set: &[u8]) {
    let set = &set[..set.len().min(0xffff)];
    write_u16(out, set.len() as u16);
    out.extend_from_slice(set);
}

/// Stream that a sample entry describes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// The `codecs` parameter (RFC 6381).
    pub rfc6381: String,
    /// Sequence parameter sets, then picture parameter sets.
    pub parameter_sets: Vec<Vec<u8>>,
    /// Width and height as shown, in pixels of the stream.
    pub size: (u32, u32),
    /// Columns at the left and rows at the top that are decoded and not shown.
    pub hidden: (u32, u32),
}

/// Reads a sample entry; `None` if it is not one of H.264 with four bytes of length before each NAL unit.
pub fn parse(entry: &[u8]) -> Option<Entry> {
    let (visual, mut rest) = entry.split_at_checked(VISUAL_BYTES)?;
    if visual.get(4..8)? != b"avc1" {
        return None;
    }
    let two = |at: usize| {
        Some(u32::from(u16::from_be_bytes(
            *visual.get(at..)?.first_chunk()?,
        )))
    };
    let mut size = (two(32)?, two(34)?);
    let mut hidden = (0, 0);
    let mut configuration = None;
    while let Some((size_field, _)) = rest.split_first_chunk::<4>() {
        let (whole, behind) = rest.split_at_checked(u32::from_be_bytes(*size_field) as usize)?;
        let (kind, content) = (whole.get(4..8)?, whole.get(8..)?);
        match kind {
            b"avcC" => configuration = Some(content),
            b"clap" => {
                let value = |n: usize| {
                    let four = content.get(4 * n..)?.first_chunk()?;
                    Some(u32::from_be_bytes(*four))
                };
                // As written here: whole numbers of pixels, offsets in halves.
                if (value(1)?, value(3)?, value(5)?, value(7)?) == (1, 1, 2, 2) {
                    size = (value(0)?, value(2)?);
                    hidden = (value(4)?, value(6)?);
                }
            }
            _ => {}
        }
        rest = behind;
    }
    let configuration = configuration?;
    let (head, mut sets) = configuration.split_at_checked(5)?;
    let &[1, profile, flags, level, lengths] = head else {
        return None;
    };
    if lengths & 3 != 3 {
        return None;
    }
    let mut parameter_sets = Vec::new();
    for mask in [0x1f, 0xff] {
        let (count, behind) = sets.split_first()?;
        sets = behind;
        for _ in 0..count & mask {
            let (length, behind) = sets.split_first_chunk()?;
            let (set, behind) =
                behind.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
            parameter_sets.push(set.to_vec());
            sets = behind;
        }
    }
    Some(Entry {
        rfc6381: format!("avc1.{profile:02x}{flags:02x}{level:02x}"),
        parameter_sets,
        size,
        hidden,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sample_entry_is_read_back() {
        for (hidden, sample_aspect, profile) in [
            ((0, 0), (1, 1), 66),
            ((26, 60), (1, 1), 100),
            ((0, 0), (4, 3), 77),
        ] {
            let format = VideoParameters {
                sps: vec![vec![0x67, profile, 0xc0, 0x1f, 7], vec![0x67, 1]],
                pps: vec![vec![0x68, 9]],
                width: 640,
                height: 360,
                hidden,
                sample_aspect,
                chroma_format: 1,
                luma_bits: 8,
                chroma_bits: 8,
                codec: format!("avc1.{profile:02x}c01f"),
                reorder: 0,
            };
            let entry = sample_entry(&format);
            let expected = Entry {
                rfc6381: format.codec.clone(),
                parameter_sets: [format.sps.clone(), format.pps.clone()].concat(),
                size: (640, 360),
                hidden,
            };
            assert_eq!(parse(&entry), Some(expected));
            for cut in 0..entry.len() {
                // Nothing panics; what ends within a box is refused.
                let _ = parse(&entry[..cut]);
            }
            assert_eq!(parse(&entry[..entry.len() - 1]), None);
        }
    }
}
