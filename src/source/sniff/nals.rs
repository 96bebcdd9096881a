//! Tells H.264 from its successors by the headers of NAL units, which begin with the same start codes.
//!
//! The types of H.264 that every stream has (1, 5, 7, 9) are odd numbers in the low bits of the first byte. In H.265 that bit is the
//! highest of `nuh_layer_id` (ITU-T H.265, 7.3.1.2), which is 0 in all that cameras send.

use super::Format;

/// Frames of H.265 without parameter sets that are needed to know it.
const MIN_SLICES: u32 = 3;

/// First bytes of H.265: video, sequence and picture parameter sets (types 32 to 34).
const H265_SETS: [u8; 3] = [0x40, 0x42, 0x44];
/// First bytes of H.265 that H.264 does not have: delimiter, IDR, CRA, slice.
const H265_OTHERS: [u8; 4] = [0x46, 0x26, 0x2a, 0x02];
/// Second bytes of sequence and picture parameter sets of H.266 (types 15 and 16, ITU-T H.266, 7.3.1.2); the first is 0.
const H266_SETS: [u8; 2] = [0x79, 0x81];

/// Counts the kinds of NAL units of a stream that comes in pieces.
#[derive(Debug, Default)]
pub(super) struct NalScanner {
    zeros: u8,
    header: Header,
    count: u32,
    h264: u32,
    /// Bits by the place in [`H265_SETS`].
    h265_sets: u8,
    h265_others: u32,
    /// Bits by the place in [`H266_SETS`].
    h266_sets: u8,
    /// The verdict, which later NAL units do not change.
    other: Option<Format>,
}

/// Which byte of a NAL unit's header comes next.
#[derive(Clone, Copy, Debug, Default)]
enum Header {
    #[default]
    None,
    First,
    Second(u8),
}

impl NalScanner {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.header = match self.header {
                Header::First => Header::Second(byte),
                Header::Second(first) => {
                    self.record(first, byte);
                    Header::None
                }
                Header::None => Header::None,
            };
            if byte == 1 && self.zeros >= 2 {
                self.header = Header::First;
            }
            self.zeros = if byte == 0 {
                self.zeros.saturating_add(1)
            } else {
                0
            };
        }
    }

    fn record(&mut self, first: u8, second: u8) {
        self.count = self.count.saturating_add(1);
        let is_forbidden = first & 0x80 != 0;
        if first & 1 == 1 && !is_forbidden {
            self.h264 = self.h264.saturating_add(1);
        }
        // nuh_layer_id 0, nuh_temporal_id_plus1 1 to 7
        if (1..=7).contains(&second) {
            if let Some(at) = H265_SETS.iter().position(|&set| set == first) {
                self.h265_sets |= 1 << at;
            } else if H265_OTHERS.contains(&first) {
                self.h265_others += 1;
            }
        }
        if let (0, Some(at)) = (first, H266_SETS.iter().position(|&set| set == second)) {
            self.h266_sets |= 1 << at;
        }
        self.other = self.other.take().or_else(|| self.classify());
    }

    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// True once a NAL unit has come that only H.264 has.
    pub(super) fn has_h264(&self) -> bool {
        self.h264 > 0
    }

    /// The codec, if it is certainly another one.
    pub(super) fn other_codec(&self) -> Option<Format> {
        self.other.clone()
    }

    fn classify(&self) -> Option<Format> {
        if self.has_h264() {
            return None;
        }
        // The video parameter set, and one that refers to it.
        let has_sets = self.h265_sets & 1 != 0 && self.h265_sets & !1 != 0;
        if has_sets || self.h265_others >= MIN_SLICES {
            return Some(Format::H265);
        }
        (self.h266_sets == 0b11).then_some(Format::H266)
    }
}
