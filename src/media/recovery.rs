//! Points at which decoding can begin in addition to keyframes.

/// Point at which decoding can begin in addition to keyframes, after any IDR frame of the stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Recovery {
    /// Reference frames until all frames are right.
    pub frames: u32,
    /// The stream says so by a recovery point SEI (ITU-T H.264, D.1.8); else it is an I frame.
    pub is_marked: bool,
}

/// Bit of a degradation priority for a recovery point that the stream does not mark.
const UNMARKED: u16 = 0x8000;

impl Recovery {
    /// Returns the degradation priority (ISO/IEC 14496-12, 8.8.3.1) that stands for `recovery` in
    /// this program's MP4: 0 without one, else the number of frames and 1. The standard leaves its
    /// meaning open, and players ignore it.
    pub(super) fn to_priority(recovery: Option<Self>) -> u16 {
        let Some(Self { frames, is_marked }) = recovery else {
            return 0;
        };
        let frames = u16::try_from(frames.saturating_add(1)).unwrap_or(u16::MAX);
        frames.min(!UNMARKED) | if is_marked { 0 } else { UNMARKED }
    }

    /// Returns the recovery point that a degradation priority stands for.
    pub(super) fn from_priority(priority: u16) -> Option<Self> {
        let frames = u32::from(priority & !UNMARKED).checked_sub(1)?;
        Some(Self {
            frames,
            is_marked: priority & UNMARKED == 0,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recovery_point_survives_its_priority() {
        assert_eq!(Recovery::to_priority(None), 0);
        assert_eq!(Recovery::from_priority(0), None);
        for is_marked in [false, true] {
            for (frames, read) in [(0, 0), (1, 1), (0x7ffe, 0x7ffe), (65_535, 0x7ffe)] {
                let priority = Recovery::to_priority(Some(Recovery { frames, is_marked }));
                let expected = Recovery {
                    frames: read,
                    is_marked,
                };
                assert_eq!(Recovery::from_priority(priority), Some(expected));
            }
        }
    }
}
