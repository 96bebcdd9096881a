//! Picture order count (8.2.1) and the display order that follows from it, without lookahead.

use super::slice::{PictureStructure, PocFields, SliceHeader};
use super::sps::{PocType, Sps};

/// Largest decoded picture buffer: pictures kept to count how many a later one overtakes.
const MAX_REORDER: usize = 16;

/// Largest distance of display from decoding order (A.3.1 bounds it by the decoded picture buffer).
/// Larger ones are gaps in the counts (an encoder that skips pictures), which must not become a
/// delay.
const MAX_DISTANCE: i64 = 2 * MAX_REORDER as i64;

/// Pictures without reordering after which none is expected.
const NO_REORDER_AFTER_PICTURES: u32 = 16;

/// The same for a stream that announces reordering: ten seconds, because encoders may omit B
/// pictures for a while.
const NO_REORDER_AFTER_PICTURES_DESPITE_VUI: u32 = 300;

/// Decoder of picture order counts.
#[derive(Clone, Debug, Default)]
pub(crate) struct PocDecoder {
    /// `prevPicOrderCntMsb` and `prevPicOrderCntLsb`.
    reference: (i64, i64),
    /// `prevFrameNum` and `prevFrameNumOffset`.
    frame_num: (u32, i64),
}

impl PocDecoder {
    /// Returns `PicOrderCnt` (8-1) of the frame or field. `resets` is true for memory management
    /// control operation 5.
    pub(crate) fn decode(&mut self, slice: &SliceHeader, resets: bool, sps: &Sps) -> i64 {
        let (top, bottom) = match (slice.poc, &sps.poc_type) {
            (PocFields::Type0 { lsb, delta_bottom }, PocType::Type0 { lsb_bits }) => self
                .poc_type_0(
                    slice,
                    i64::from(lsb),
                    i64::from(delta_bottom),
                    1 << lsb_bits,
                ),
            (PocFields::Type1(deltas), cycle @ PocType::Type1 { .. }) => {
                let offset = self.frame_num_offset(slice, sps);
                poc_type_1(slice, offset, deltas.map(i64::from), cycle)
            }
            _ => {
                let offset = self.frame_num_offset(slice, sps);
                let count =
                    (offset + i64::from(slice.frame_num)) * 2 - i64::from(!slice.is_reference);
                (count, count)
            }
        };
        let count = match slice.structure {
            PictureStructure::Frame => top.min(bottom),
            PictureStructure::TopField => top,
            PictureStructure::BottomField => bottom,
        };
        if resets {
            let lsb = if slice.structure == PictureStructure::BottomField {
                0
            } else {
                top - count
            };
            self.reference = (0, lsb);
            self.frame_num = (0, 0);
            return 0;
        }
        count
    }

    /// Type 0 (8.2.1.1).
    fn poc_type_0(
        &mut self,
        slice: &SliceHeader,
        lsb: i64,
        delta_bottom: i64,
        max_lsb: i64,
    ) -> (i64, i64) {
        if slice.idr_id.is_some() {
            self.reference = (0, 0);
        }
        let (previous_msb, previous_lsb) = self.reference;
        let msb = if lsb < previous_lsb && previous_lsb - lsb >= max_lsb / 2 {
            previous_msb + max_lsb
        } else if lsb > previous_lsb && lsb - previous_lsb > max_lsb / 2 {
            previous_msb - max_lsb
        } else {
            previous_msb
        };
        if slice.is_reference {
            self.reference = (msb, lsb);
        }
        (msb + lsb, msb + lsb + delta_bottom)
    }

    /// Returns `FrameNumOffset` (8-6, 8-11).
    fn frame_num_offset(&mut self, slice: &SliceHeader, sps: &Sps) -> i64 {
        let (previous, previous_offset) = self.frame_num;
        let offset = if slice.idr_id.is_some() {
            0
        } else if previous > slice.frame_num {
            previous_offset + (1 << sps.frame_num_bits)
        } else {
            previous_offset
        };
        self.frame_num = (slice.frame_num, offset);
        offset
    }
}

/// Type 1 (8.2.1.2).
fn poc_type_1(slice: &SliceHeader, offset: i64, deltas: [i64; 2], cycle: &PocType) -> (i64, i64) {
    let PocType::Type1 {
        non_ref_offset,
        top_to_bottom,
        ref_frame_offsets,
        ..
    } = cycle
    else {
        return (0, 0);
    };
    let length = ref_frame_offsets.len() as i64;
    let mut frame = if length == 0 {
        0
    } else {
        offset + i64::from(slice.frame_num)
    };
    if !slice.is_reference && frame > 0 {
        frame -= 1;
    }
    let mut expected = 0;
    if frame > 0 {
        let sum = |count: i64| {
            ref_frame_offsets
                .iter()
                .take(count as usize)
                .copied()
                .map(i64::from)
                .sum::<i64>()
        };
        expected = sum(length)
            .wrapping_mul((frame - 1) / length)
            .wrapping_add(sum((frame - 1) % length + 1));
    }
    if !slice.is_reference {
        expected = expected.wrapping_add(i64::from(*non_ref_offset));
    }
    let top = expected.wrapping_add(deltas[0]);
    match slice.structure {
        PictureStructure::Frame => (
            top,
            top.wrapping_add(i64::from(*top_to_bottom))
                .wrapping_add(deltas[1]),
        ),
        _ => (top, top.wrapping_add(i64::from(*top_to_bottom))),
    }
}

/// Reordering seen so far in the pictures of one sequence parameter set.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct ReorderStats {
    /// Most pictures decoded before another one and shown after it.
    pub depth: u32,
    pictures: u32,
    has_whole_sequence: bool,
    has_odd_counts: bool,
}

impl ReorderStats {
    /// Returns true after enough pictures in display order. `is_announced` is true if the stream
    /// announces reordering.
    pub(crate) fn confirms_no_reordering(&self, is_announced: bool) -> bool {
        let enough = if is_announced {
            NO_REORDER_AFTER_PICTURES_DESPITE_VUI
        } else {
            NO_REORDER_AFTER_PICTURES
        };
        self.depth == 0 && self.has_whole_sequence && self.pictures >= enough
    }

    /// Records that a whole coded video sequence was seen, from one IDR picture to the next.
    pub(crate) fn sequence_ended(&mut self) {
        self.has_whole_sequence = true;
    }
}

/// Display positions from one IDR picture (or reset) to the next.
#[derive(Clone, Debug, Default)]
pub(crate) struct DisplayOrder {
    /// Order count of the picture shown first.
    base: i64,
    /// Number of pictures decoded since.
    decoded: i64,
    /// Shift of all later pictures by a gap in the order counts.
    gap: i64,
    recent: std::collections::VecDeque<i64>,
}

impl DisplayOrder {
    /// Returns the display index of the next picture minus its decoding index. `begins` is true if
    /// nothing before it is shown after it.
    pub(crate) fn display_offset(
        &mut self,
        count: i64,
        begins: bool,
        stats: &mut ReorderStats,
    ) -> i64 {
        if begins {
            *self = Self {
                base: count,
                recent: std::mem::take(&mut self.recent),
                ..Self::default()
            };
            self.recent.clear();
        }
        let overtaken = self
            .recent
            .iter()
            .filter(|&&earlier| earlier > count)
            .count();
        stats.depth = stats.depth.max(overtaken as u32);
        stats.pictures = stats.pictures.saturating_add(1);
        if self.recent.len() == MAX_REORDER {
            self.recent.pop_front();
        }
        self.recent.push_back(count);
        let since_base = count.wrapping_sub(self.base);
        // A frame counts by 2, one for each field, except with encoders that count frames.
        stats.has_odd_counts |= since_base % 2 != 0;
        let displayed = if stats.has_odd_counts {
            since_base
        } else {
            since_base / 2
        };
        let mut distance = displayed.wrapping_sub(self.decoded).wrapping_sub(self.gap);
        if !(-MAX_DISTANCE..=MAX_DISTANCE).contains(&distance) {
            self.gap = self.gap.wrapping_add(distance);
            distance = 0;
        }
        self.decoded = self.decoded.wrapping_add(1);
        distance
    }
}
