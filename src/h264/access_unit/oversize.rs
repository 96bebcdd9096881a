//! Limits of an access unit by the levels of the standard (Annex A).

/// Largest access unit in bytes. Level 5.2 at its lowest compression (A.3.1) stays below; a
/// camera's keyframe is a twentieth.
pub(super) const MAX_UNIT_BYTES: usize = 8 << 20;

/// Largest number of NAL units in an access unit: a slice has at least one macroblock, a frame at
/// most `MaxFS` (Table A-1, level 6.2), and the rest is for parameter sets and SEI.
pub(super) const MAX_UNIT_NALS: usize = 139_264 + 1024;

/// Reason why an access unit was dropped: it exceeds the levels of the standard (Annex A).
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Oversize {
    /// Size of all NAL units.
    #[error(
        "a frame has more than {MAX_UNIT_BYTES} bytes, which no level of H.264 up to 5.2 needs (Annex A); lower the bit rate"
    )]
    Bytes,
    /// Number of NAL units.
    #[error(
        "a frame has more than {MAX_UNIT_NALS} NAL units, which no level of H.264 allows (Annex A); use fewer slices"
    )]
    Nals,
}

/// Returns the exceeded limit of an access unit, if any.
pub(super) fn oversize(bytes: usize, nals: usize) -> Option<Oversize> {
    if bytes > MAX_UNIT_BYTES {
        Some(Oversize::Bytes)
    } else {
        (nals > MAX_UNIT_NALS).then_some(Oversize::Nals)
    }
}
