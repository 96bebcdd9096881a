//! The init segment: `ftyp` and `moov` of a stream that has no end.
//!
//! All durations are 0 and there is no `mehd`: that is how a browser tells a live stream from a
//! recording and shows each picture as soon as it has it.

use super::boxes::{write_box, write_full_box, write_u16, write_u32, write_zeros};
use crate::media::orientation::Orientation;
use crate::time::TIMESCALE;

/// Number of the only track.
pub(super) const TRACK_ID: u32 = 1;

/// Track of an init segment.
#[derive(Clone, Copy, Debug)]
pub struct Track<'a> {
    /// The sample entry, a whole box.
    pub sample_entry: &'a [u8],
    /// Width and height in pixels.
    pub size: (u32, u32),
    /// How the display turns and mirrors it (14496-12, 8.3.2 `matrix`).
    pub orientation: Orientation,
}

/// Appends the init segment.
pub fn write_init_segment(out: &mut Vec<u8>, track: &Track<'_>) {
    // 14496-12, 4.3
    write_box(out, b"ftyp", |out| {
        out.extend_from_slice(b"iso5");
        write_u32(out, 512);
        out.extend_from_slice(b"iso5iso6avc1mp41");
    });
    write_box(out, b"moov", |out| {
        write_movie_header(out);
        write_box(out, b"trak", |out| {
            write_track_header(out, track);
            write_box(out, b"mdia", |out| write_media(out, track));
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
fn write_track_header(out: &mut Vec<u8>, track: &Track<'_>) {
    write_full_box(out, b"tkhd", 0, 7, |out| {
        write_zeros(out, 8);
        write_u32(out, TRACK_ID);
        write_zeros(out, 4);
        write_u32(out, 0); // duration: live
        write_zeros(out, 8);
        write_zeros(out, 8); // layer, group, volume, reserved
        write_matrix(out, track.orientation);
        let (width, height) = track.size;
        write_u32(out, fixed_16_16(width));
        write_u32(out, fixed_16_16(height));
    });
}

/// Width and height are 16.16 fixed point numbers.
fn fixed_16_16(pixels: u32) -> u32 {
    pixels.min(0xffff) << 16
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

fn write_media(out: &mut Vec<u8>, track: &Track<'_>) {
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
        write_box(out, b"stbl", |out| write_sample_table(out, track));
    });
}

/// 8.5.1: everything but the description is empty, the samples are in the fragments
fn write_sample_table(out: &mut Vec<u8>, track: &Track<'_>) {
    write_full_box(out, b"stsd", 0, 0, |out| {
        write_u32(out, 1);
        out.extend_from_slice(track.sample_entry);
    });
    write_full_box(out, b"stts", 0, 0, |out| write_u32(out, 0));
    write_full_box(out, b"stsc", 0, 0, |out| write_u32(out, 0));
    write_full_box(out, b"stsz", 0, 0, |out| write_zeros(out, 8));
    write_full_box(out, b"stco", 0, 0, |out| write_u32(out, 0));
}

/// 14496-12, 8.8.3: every fragment states its own values
fn write_track_extends(out: &mut Vec<u8>) {
    write_full_box(out, b"trex", 0, 0, |out| {
        write_u32(out, TRACK_ID);
        write_u32(out, 1); // sample description
        write_zeros(out, 12); // duration, size, flags
    });
}
