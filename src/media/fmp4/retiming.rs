//! The head of a ready-made fragment with other times, so that its bytes can be shared.

/// Bytes of a fragment up to the end of the last field that differs: the sample's duration.
pub const HEAD_BYTES: usize = 100;

/// Number and times of one fragment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FragmentTimes {
    /// `sequence_number` of `mfhd` (14496-12, 8.8.5).
    pub sequence: u32,
    /// Decoding time in [`TIMESCALE`](crate::time::TIMESCALE) ticks (8.8.12).
    pub decode_time: u64,
    /// Duration of its sample in the same ticks (8.8.8).
    pub duration: u32,
}

const SEQUENCE: std::ops::Range<usize> = 20..24;
const DECODE_TIME: std::ops::Range<usize> = 64..72;
const DURATION: std::ops::Range<usize> = 96..100;

/// The first [`HEAD_BYTES`] of `fragment`, which `super::fragment` has made, with these times. `None`
/// for bytes that are too short to be one.
pub fn retimed_head(fragment: &[u8], times: FragmentTimes) -> Option<[u8; HEAD_BYTES]> {
    let mut head = *fragment.first_chunk::<HEAD_BYTES>()?;
    head[SEQUENCE].copy_from_slice(&times.sequence.to_be_bytes());
    head[DECODE_TIME].copy_from_slice(&times.decode_time.to_be_bytes());
    head[DURATION].copy_from_slice(&times.duration.to_be_bytes());
    Some(head)
}
