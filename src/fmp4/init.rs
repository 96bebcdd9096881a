//! The init segment: `ftyp` and `moov` of a stream that has no end.
//!
//! All durations are 0 and there is no `mehd`: that is how a browser tells a live stream from a
//! recording and shows each picture as soon as it has it.

use super::boxes::{write_box, write_full_box, write_u8, write_u16, write_u32, write_zeros};
use crate::media::orientation::Orientation;
use crate::time::TIMESCALE;

/// Number of the only track.
pub(super) const TRACK_ID: u32 = 1;

/// Description of the video for an init segment.
#[derive(Clone, Copy, Debug)]
pub struct VideoDescription<'a> {
    /// Sequence parameter sets, without start codes; the first describes the stream. At most 31 count.
    pub sps: &'a [Vec<u8>],
    /// Picture parameter sets. At most 255 count.
    pub pps: &'a [Vec<u8>],
    /// Width after cropping, in samples.
    pub width: u32,
    /// Height after cropping, in samples.
    pub height: u32,
    /// Columns at the left and rows at the top that are decoded and not shown; they come on top of width and height.
    pub hidden: (u32, u32),
    /// Shape of a sample, width to height; (1, 1) for square ones.
    pub sample_aspect: (u32, u32),
    /// `chroma_format_idc` (ITU-T H.264, 7.4.2.1.1).
    pub chroma_format: u8,
    /// Bits of a luma sample.
    pub luma_bits: u8,
    /// Bits of a chroma sample.
    pub chroma_bits: u8,
    /// Rotation and mirroring by the display (14496-12, 8.3.2 `matrix`).
    pub orientation: Orientation,
}

/// Appends the init segment.
pub fn write_init_segment(out: &mut Vec<u8>, video: &VideoDescription<'_>) {
    // 14496-12, 4.3
    write_box(out, b"ftyp", |out| {
        out.extend_from_slice(b"iso5");
        write_u32(out, 512);
        out.extend_from_slice(b"iso5iso6avc1mp41");
    });
    write_box(out, b"moov", |out| {
        write_movie_header(out);
        write_box(out, b"trak", |out| {
            write_track_header(out, video);
            write_box(out, b"mdia", |out| write_media(out, video));
        });
        write_box(out, b"mvex", write_track_extends);
    });
}

/// 14496-12, 8.2.2
fn write_movie_header(out: &mut Vec<u8>) {
    write_full_box(out, b"mvhd", 0, 0, |out| {
        write_zeros(out, 8); // creation and modification time
        write_u32(out, TIMESCALE);
        write_u32(out, 0); // duration: live
        write_u32(out, 0x0001_0000); // rate 1.0
        write_u16(out, 0x0100); // volume 1.0
        write_zeros(out, 10);
        write_matrix(out, Orientation::default());
        write_zeros(out, 24);
        write_u32(out, TRACK_ID + 1); // next track
    });
}

/// 14496-12, 8.3.2; flags: enabled, in movie, in preview
fn write_track_header(out: &mut Vec<u8>, video: &VideoDescription<'_>) {
    write_full_box(out, b"tkhd", 0, 7, |out| {
        write_zeros(out, 8);
        write_u32(out, TRACK_ID);
        write_zeros(out, 4);
        write_u32(out, 0); // duration: live
        write_zeros(out, 8);
        write_zeros(out, 8); // layer, group, volume, reserved
        write_matrix(out, video.orientation);
        let (horizontal, vertical) = video.sample_aspect;
        // Chromium gives the decoded picture this shape, whatever is in `clap`.
        let (width, height) = (video.width + video.hidden.0, video.height + video.hidden.1);
        let shown_width =
            u64::from(width) * u64::from(horizontal.max(1)) / u64::from(vertical.max(1));
        write_u32(out, fixed_16_16(shown_width));
        write_u32(out, fixed_16_16(u64::from(height)));
    });
}

/// Width and height are 16.16 fixed point numbers.
fn fixed_16_16(pixels: u64) -> u32 {
    (pixels.min(0xffff) as u32) << 16
}

/// 14496-12, 6.2.2: a, b, u, c, d, v, x, y, w. The translation that would bring a turned picture back to
/// the origin is left out: players take the turn and lay the picture out themselves.
fn write_matrix(out: &mut Vec<u8>, orientation: Orientation) {
    const ONE: i32 = 0x0001_0000;
    let [(a, b), (c, d)] = orientation
        .steps()
        .map(|(right, down)| (i32::from(right) * ONE, i32::from(down) * ONE));
    for value in [a, b, 0, c, d, 0, 0, 0, 0x4000_0000] {
        out.extend_from_slice(&value.to_be_bytes());
    }
}

fn write_media(out: &mut Vec<u8>, video: &VideoDescription<'_>) {
    // 8.4.2
    write_full_box(out, b"mdhd", 0, 0, |out| {
        write_zeros(out, 8);
        write_u32(out, TIMESCALE);
        write_u32(out, 0); // duration: live
        write_u16(out, 0x55c4); // language "und"
        write_u16(out, 0);
    });
    // 8.4.3
    write_full_box(out, b"hdlr", 0, 0, |out| {
        write_u32(out, 0);
        out.extend_from_slice(b"vide");
        write_zeros(out, 12);
        out.extend_from_slice(b"BerryMSE\0");
    });
    write_box(out, b"minf", |out| {
        // 12.1.2
        write_full_box(out, b"vmhd", 0, 1, |out| write_zeros(out, 8));
        // 8.7.2: the media data is in the same file
        write_box(out, b"dinf", |out| {
            write_full_box(out, b"dref", 0, 0, |out| {
                write_u32(out, 1);
                write_full_box(out, b"url ", 0, 1, |_| {});
            });
        });
        write_box(out, b"stbl", |out| write_sample_table(out, video));
    });
}

/// 8.5.1: everything but the description is empty, the samples are in the fragments
fn write_sample_table(out: &mut Vec<u8>, video: &VideoDescription<'_>) {
    write_full_box(out, b"stsd", 0, 0, |out| {
        write_u32(out, 1);
        write_box(out, b"avc1", |out| write_sample_entry(out, video));
    });
    write_full_box(out, b"stts", 0, 0, |out| write_u32(out, 0));
    write_full_box(out, b"stsc", 0, 0, |out| write_u32(out, 0));
    write_full_box(out, b"stsz", 0, 0, |out| write_zeros(out, 8));
    write_full_box(out, b"stco", 0, 0, |out| write_u32(out, 0));
}

/// 14496-12, 12.1.3 and 14496-15, 5.4.2
fn write_sample_entry(out: &mut Vec<u8>, video: &VideoDescription<'_>) {
    write_zeros(out, 6);
    write_u16(out, 1); // data reference index
    write_zeros(out, 16);
    let (left, top) = video.hidden;
    write_u16(out, (video.width + left).min(0xffff) as u16);
    write_u16(out, (video.height + top).min(0xffff) as u16);
    write_u32(out, 0x0048_0000); // 72 dpi
    write_u32(out, 0x0048_0000);
    write_u32(out, 0);
    write_u16(out, 1); // frames per sample
    write_zeros(out, 32); // compressor name
    write_u16(out, 0x0018); // depth
    write_u16(out, 0xffff); // pre-defined
    write_box(out, b"avcC", |out| write_decoder_configuration(out, video));
    if video.hidden != (0, 0) {
        // 14496-12, 12.1.4: offsets are from centre to centre
        write_box(out, b"clap", |out| {
            let (width, height) = (video.width, video.height);
            for value in [width, 1, height, 1, left, 2, top, 2] {
                write_u32(out, value);
            }
        });
    }
    if video.sample_aspect.0 != video.sample_aspect.1 {
        // 14496-12, 12.1.4
        write_box(out, b"pasp", |out| {
            write_u32(out, video.sample_aspect.0);
            write_u32(out, video.sample_aspect.1);
        });
    }
}

/// 14496-15, 5.3.3.1
fn write_decoder_configuration(out: &mut Vec<u8>, video: &VideoDescription<'_>) {
    let first: &[u8] = video.sps.first().map_or(&[], Vec::as_slice);
    let header = |at: usize| first.get(at).copied().unwrap_or(0);
    let profile = header(1);
    write_u8(out, 1);
    write_u8(out, profile);
    write_u8(out, header(2)); // constraint flags
    write_u8(out, header(3)); // level
    write_u8(out, 0xfc | 3); // four bytes of length before each NAL unit
    let sps = &video.sps[..video.sps.len().min(31)];
    write_u8(out, 0xe0 | sps.len() as u8);
    sps.iter().for_each(|set| parameter_set(out, set));
    let pps = &video.pps[..video.pps.len().min(255)];
    write_u8(out, pps.len() as u8);
    pps.iter().for_each(|set| parameter_set(out, set));
    // Only the profiles that existed in the first edition go without these.
    if !matches!(profile, 66 | 77 | 88) {
        write_u8(out, 0xfc | video.chroma_format & 3);
        write_u8(out, 0xf8 | video.luma_bits.saturating_sub(8) & 7);
        write_u8(out, 0xf8 | video.chroma_bits.saturating_sub(8) & 7);
        write_u8(out, 0); // no extension sets
    }
}

fn parameter_set(out: &mut Vec<u8>, set: &[u8]) {
    let set = &set[..set.len().min(0xffff)];
    write_u16(out, set.len() as u16);
    out.extend_from_slice(set);
}

/// 14496-12, 8.8.3: every fragment states its own values
fn write_track_extends(out: &mut Vec<u8>) {
    write_full_box(out, b"trex", 0, 0, |out| {
        write_u32(out, TRACK_ID);
        write_u32(out, 1); // sample description
        write_zeros(out, 12); // duration, size, flags
    });
}
