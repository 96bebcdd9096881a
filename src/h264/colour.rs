//! Colour tags as viewers get them: such that a `<video>`, a canvas and a snapshot show the same.
//!
//! Measured in Chromium 156 and Firefox 153, by Media Source Extensions and WebCodecs. Streams without tags are BT.709 in both,
//! at every size. But with `video_full_range_flag` alone Chromium takes BT.601 and Firefox BT.709. With a matrix and
//! unspecified primaries or transfer (as ffmpeg tags what comes from JPEGs) Chromium takes BT.709 with limited range. It
//! converts the primaries of BT.470 on a canvas and not on the screen. Both show the matrices of FCC and SMPTE 240M as BT.601.

use super::vui::ColourDescription;

/// `matrix_coefficients` (table E-5).
const BT709: u8 = 1;
const UNSPECIFIED: u8 = 2;
const FCC: u8 = 4;
const BT470BG: u8 = 5;
const BT601: u8 = 6;
const SMPTE240M: u8 = 7;

impl ColourDescription {
    /// Returns the tags that viewers get. Those that all ways show alike stay, as do BT.2020, HDR and everything that is not
    /// known here.
    pub fn for_viewers(self) -> Self {
        let Self {
            is_full_range,
            primaries,
            transfer,
            matrix,
        } = self;
        let is_untagged = [primaries, transfer, matrix] == [UNSPECIFIED; 3];
        let matrix = match matrix {
            UNSPECIFIED if is_untagged && !is_full_range => return self,
            // As JFIF has it: where full range comes from.
            UNSPECIFIED if is_untagged => BT601,
            UNSPECIFIED if matches!(primaries, 4..=6) => BT601,
            UNSPECIFIED if matches!(primaries, 1 | 7) => BT709,
            BT709 | BT470BG | BT601 => matrix,
            FCC => BT601,
            // Within 3 levels of it.
            SMPTE240M => BT709,
            _ => return self,
        };
        let has_wide_gamut = !matches!(primaries, 1..=7);
        let has_other_transfer = !matches!(transfer, 1..=8 | 11..=15);
        if has_wide_gamut || has_other_transfer {
            return self;
        }
        if matches!(primaries, 1 | 6) && matches!(transfer, 1 | 6 | 13) && matrix == self.matrix {
            return self;
        }
        let matrix = if matrix == BT709 { BT709 } else { BT601 };
        Self {
            is_full_range,
            primaries: matrix,
            transfer: matrix,
            matrix,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colour_tags_become_compatible_ones() {
        for (tags, is_full_range, expected) in [
            ([2, 2, 2], false, [2, 2, 2]),
            ([2, 2, 2], true, [6, 6, 6]),
            ([1, 1, 1], false, [1, 1, 1]),
            ([1, 1, 1], true, [1, 1, 1]),
            ([6, 6, 6], false, [6, 6, 6]),
            ([1, 13, 6], true, [1, 13, 6]),
            ([1, 1, 5], true, [1, 1, 5]),
            ([5, 6, 5], false, [6, 6, 6]),
            ([5, 5, 5], false, [6, 6, 6]),
            ([2, 2, 5], true, [6, 6, 6]),
            ([2, 2, 6], false, [6, 6, 6]),
            ([2, 2, 1], true, [1, 1, 1]),
            ([1, 2, 1], true, [1, 1, 1]),
            ([6, 6, 2], false, [6, 6, 6]),
            ([1, 1, 2], false, [1, 1, 1]),
            ([4, 4, 4], false, [6, 6, 6]),
            ([7, 7, 7], false, [1, 1, 1]),
            ([9, 14, 9], false, [9, 14, 9]),
            ([9, 16, 9], true, [9, 16, 9]),
            ([9, 18, 1], false, [9, 18, 1]),
            ([1, 13, 0], true, [1, 13, 0]),
            ([0, 255, 8], false, [0, 255, 8]),
        ] {
            let [primaries, transfer, matrix] = tags;
            let colour = ColourDescription {
                is_full_range,
                primaries,
                transfer,
                matrix,
            };
            let found = colour.for_viewers();
            let tags = [found.primaries, found.transfer, found.matrix];
            assert_eq!(tags, expected, "{colour:?}");
            assert_eq!(found.is_full_range, is_full_range);
            assert_eq!(found.for_viewers(), found);
        }
    }
}
