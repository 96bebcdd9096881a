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
/// The byte of `trun`'s flags that says whether there is a composition offset.
const TRUN_FLAGS: usize = 82;
const OFFSET: std::ops::Range<usize> = 104..108;

/// The first [`HEAD_BYTES`] of `fragment`, which [`fragment`](super::fragment) has made, with these times. `None`
/// for bytes that are too short to be one.
pub fn retimed_head(fragment: &[u8], times: FragmentTimes) -> Option<[u8; HEAD_BYTES]> {
    let mut head = *fragment.first_chunk::<HEAD_BYTES>()?;
    head[SEQUENCE].copy_from_slice(&times.sequence.to_be_bytes());
    head[DECODE_TIME].copy_from_slice(&times.decode_time.to_be_bytes());
    head[DURATION].copy_from_slice(&times.duration.to_be_bytes());
    Some(head)
}

/// Composition time minus decoding time of `fragment`'s sample in ticks (8.8.8); 0 where it is not told.
pub fn composition_offset(fragment: &[u8]) -> i32 {
    let has_offset = fragment
        .get(TRUN_FLAGS)
        .is_some_and(|flags| *flags & 8 != 0);
    let bytes = fragment.get(OFFSET).filter(|_| has_offset);
    let bytes = bytes.and_then(|bytes| bytes.first_chunk().copied());
    bytes.map_or(0, i32::from_be_bytes)
}

/// Appends `fragment`, which [`fragment`](super::fragment) has made, with other times and NAL units; the composition offset
/// only where there is one. Appends nothing for bytes that are too short to be one.
pub fn write_retimed_fragment<'a>(
    out: &mut Vec<u8>,
    fragment: &[u8],
    times: FragmentTimes,
    composition_offset: i32,
    nals: impl Iterator<Item = &'a [u8]> + Clone,
) {
    let moof_bytes = fragment
        .first_chunk()
        .map_or(0, |size| u32::from_be_bytes(*size)) as usize;
    let has_offset = fragment
        .get(HEAD_BYTES + 4..moof_bytes)
        .map(|rest| !rest.is_empty());
    let (Some(head), Some(has_offset)) = (retimed_head(fragment, times), has_offset) else {
        return;
    };
    let size: usize = nals.clone().map(|nal| 4 + nal.len()).sum();
    out.extend_from_slice(&head);
    out.extend_from_slice(&(size as u32).to_be_bytes()); // of the sample
    if has_offset {
        out.extend_from_slice(&composition_offset.to_be_bytes());
    }
    out.extend_from_slice(&(size as u32 + 8).to_be_bytes());
    out.extend_from_slice(b"mdat");
    for nal in nals {
        out.extend_from_slice(&(nal.len() as u32).to_be_bytes());
        out.extend_from_slice(nal);
    }
}

/// The times of `fragment`, which [`fragment`](super::fragment) has made.
pub fn fragment_times(fragment: &[u8]) -> Option<FragmentTimes> {
    let head = fragment.first_chunk::<HEAD_BYTES>()?;
    let four = |at: usize| head.get(at..)?.first_chunk().copied();
    Some(FragmentTimes {
        sequence: u32::from_be_bytes(four(SEQUENCE.start)?),
        decode_time: u64::from_be_bytes(*head.get(DECODE_TIME.start..)?.first_chunk()?),
        duration: u32::from_be_bytes(four(DURATION.start)?),
    })
}
