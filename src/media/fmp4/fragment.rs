//! The fragment of one access unit: `moof` with one `traf` and one sample, and its `mdat`.
//!
//! Order and sizes of the boxes are fixed: players of the 2022 program look for `trun` at byte 76 and
//! for the first sample's flags at byte 92 of a message.

use super::boxes::write_u32;
use super::init::TRACK_ID;
use crate::media::recovery::Recovery;

/// One access unit as a sample.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sample {
    /// Number of the fragment, from 1, one more each time (14496-12, 8.8.5).
    pub sequence: u32,
    /// Decoding time, in [`TIMESCALE`](crate::time::TIMESCALE) ticks.
    pub decode_time: u64,
    /// Nominal duration in ticks. Never 0: browsers drop frames without a duration.
    pub duration: u32,
    /// Composition time minus decoding time in ticks; `None` for streams in which they are the same.
    pub composition_offset: Option<i32>,
    /// An IDR picture.
    pub is_keyframe: bool,
    /// Other frames may depend on it.
    pub is_reference: bool,
    /// Decoding can begin here in addition to keyframes.
    pub recovery: Option<Recovery>,
}

const MOOF_BYTES: usize = 104;
const MDAT_HEADER_BYTES: usize = 8;
const COMPOSITION_BYTES: usize = 4;

/// Size of the fragment around `nals`, in bytes.
pub fn fragment_bytes<'a>(sample: &Sample, nals: impl Iterator<Item = &'a [u8]>) -> usize {
    head_bytes(sample) + sample_bytes(nals)
}

/// Size of what stands before the sample in the fragment, in bytes.
pub fn head_bytes(sample: &Sample) -> usize {
    moof_bytes(sample) + MDAT_HEADER_BYTES
}

fn moof_bytes(sample: &Sample) -> usize {
    MOOF_BYTES
        + if sample.composition_offset.is_some() {
            COMPOSITION_BYTES
        } else {
            0
        }
}

/// Each NAL unit has four bytes of length before it (14496-15, 5.3.4.2).
fn sample_bytes<'a>(nals: impl Iterator<Item = &'a [u8]>) -> usize {
    nals.map(|nal| 4 + nal.len()).sum()
}

/// Appends the fragment that holds `nals` (without start codes) as one sample. The assembler keeps access
/// units far below the 4 GiB that the size fields could hold.
pub fn write_fragment<'a>(
    out: &mut Vec<u8>,
    sample: &Sample,
    nals: impl Iterator<Item = &'a [u8]> + Clone,
) {
    let moof = moof_bytes(sample) as u32;
    let size = sample_bytes(nals.clone()) as u32;
    let (decode_time_high, decode_time_low) =
        ((sample.decode_time >> 32) as u32, sample.decode_time as u32);
    // 14496-12, 8.8.8: the composition offset is there where decoding order is not display order
    // (version 1: it has a sign).
    let (run_bytes, run_flags) = match sample.composition_offset {
        None => (32, 0x0000_0305),
        Some(_) => (36, 0x0100_0b05),
    };
    // All fields have 32 bits or twice that. Written at once they cost a third.
    let head: [u32; MOOF_BYTES / 4] = [
        moof,
        kind(b"moof"),
        16, // 8.8.5
        kind(b"mfhd"),
        0,
        sample.sequence,
        moof - 24, // 8.8.6
        kind(b"traf"),
        20, // 8.8.7: base is the moof, default sample flags
        kind(b"tfhd"),
        0x0002_0020,
        TRACK_ID,
        NON_SYNC_SAMPLE,
        20, // 8.8.12, version 1: 64 bits
        kind(b"tfdt"),
        0x0100_0000,
        decode_time_high,
        decode_time_low,
        run_bytes, // 8.8.8
        kind(b"trun"),
        run_flags,
        1, // samples
        moof + MDAT_HEADER_BYTES as u32,
        sample_flags(sample),
        sample.duration,
        size,
    ];
    out.extend_from_slice(head.map(u32::to_be_bytes).as_flattened());
    if let Some(offset) = sample.composition_offset {
        out.extend_from_slice(&offset.to_be_bytes());
    }
    write_u32(out, MDAT_HEADER_BYTES as u32 + size); // 8.1.1
    out.extend_from_slice(b"mdat");
    for nal in nals {
        write_u32(out, nal.len() as u32);
        out.extend_from_slice(nal);
    }
}

/// Returns the type of a box as a number.
const fn kind(name: &[u8; 4]) -> u32 {
    u32::from_be_bytes(*name)
}

/// Depends on others, is not a sync sample (14496-12, 8.8.3.1).
const NON_SYNC_SAMPLE: u32 = 0x0101_0000;
/// Depends on no other sample, is a sync sample.
const SYNC_SAMPLE: u32 = 0x0200_0000;
/// No other sample depends on this one.
const DISPOSABLE_SAMPLE: u32 = 0x0080_0000;

/// Returns the flags of the sample (14496-12, 8.8.3.1), with its recovery point in the priority.
fn sample_flags(sample: &Sample) -> u32 {
    let flags = match (sample.is_keyframe, sample.is_reference) {
        (true, _) => SYNC_SAMPLE,
        (false, true) => NON_SYNC_SAMPLE,
        (false, false) => NON_SYNC_SAMPLE | DISPOSABLE_SAMPLE,
    };
    flags | u32::from(Recovery::to_priority(sample.recovery))
}
