//! Memory layout of raw frames, as far as copying rows between drivers' buffers needs it.

use crate::{FourCc, NegotiatedFormat};
use std::ops::Range;

/// Largest number of parts of a frame: luma and two chroma planes.
const MAX_PARTS: usize = 3;

/// Raw frame layout in memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RawFormat {
    /// Pixel format.
    pub fourcc: FourCc,
    /// Width in pixels.
    pub width: u32,
    /// Height in rows.
    pub height: u32,
    /// Bytes from one row to the next in each plane; 0 if unknown, which means no gap.
    pub strides: [u32; 3],
}

impl From<&NegotiatedFormat> for RawFormat {
    fn from(agreed: &NegotiatedFormat) -> Self {
        Self {
            fourcc: agreed.fourcc,
            width: agreed.width,
            height: agreed.height,
            strides: agreed.strides,
        }
    }
}

/// Part of a frame (luma or chroma), in units of the frame's width and height.
#[derive(Clone, Copy, Debug)]
struct PlanePart {
    /// Plane that holds it.
    piece: usize,
    /// Bytes of a pixel group, and pixels in the group.
    bytes: (u32, u32),
    /// Rows of the frame for each row of this part.
    lines: u32,
}

/// Rows of a part in memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct RowLayout {
    /// Plane that holds it.
    pub(super) piece: usize,
    /// Offset of the first row.
    pub(super) offset: usize,
    /// Bytes from one row to the next.
    pub(super) stride: usize,
    /// Bytes of pixels in a row.
    pub(super) bytes: usize,
    pub(super) count: usize,
}

impl RowLayout {
    /// Returns the bytes of row `number`.
    pub(super) fn row(&self, number: usize) -> Range<usize> {
        let start = self.offset + number * self.stride;
        start..start + self.bytes
    }

    /// Returns the range from the first byte of the first row to the last of the last.
    pub(super) fn whole(&self) -> Range<usize> {
        match self.count {
            0 => self.offset..self.offset,
            count => self.offset..self.row(count - 1).end,
        }
    }
}

impl RawFormat {
    /// Returns the rows of a frame of `width` x `height` pixels in the top left corner of this
    /// layout. `None` for unknown formats and sizes beyond memory.
    pub(super) fn row_layouts(&self, width: u32, height: u32) -> Option<Vec<RowLayout>> {
        let (width, height) = (width.min(self.width), height.min(self.height));
        let mut out: Vec<RowLayout> = Vec::with_capacity(MAX_PARTS);
        let (first, mut piece, mut end) = (parts(self.fourcc)?.first()?, 0, 0);
        for part in parts(self.fourcc)? {
            if part.piece != piece {
                (piece, end) = (part.piece, 0);
            }
            let own = bytes(part, self.width)?;
            let stride = match self.strides.get(part.piece) {
                Some(&stride) if stride > 0 && part.piece == 0 => {
                    // Drivers give the stride of the first part; those of the others are in
                    // proportion.
                    let (of_part, of_first) = (part.bytes, first.bytes);
                    scale(
                        stride,
                        of_part.0.checked_mul(of_first.1)?,
                        of_part.1.checked_mul(of_first.0)?,
                    )?
                }
                Some(&stride) if stride > 0 => stride,
                _ => own,
            };
            let lines = RowLayout {
                piece,
                offset: end,
                stride: usize::try_from(stride).ok()?,
                bytes: usize::try_from(bytes(part, width)?.min(stride)).ok()?,
                count: usize::try_from(height.div_ceil(part.lines)).ok()?,
            };
            let size = u64::from(stride) * u64::from(self.height.div_ceil(part.lines));
            end = end.checked_add(usize::try_from(size).ok()?)?;
            out.push(lines);
        }
        Some(out)
    }

    /// Returns true if a frame of this layout has the same bytes in `other`, which may be larger.
    pub(super) fn is_within(&self, other: &Self) -> bool {
        let own = self.row_layouts(self.width, self.height);
        self.fourcc == other.fourcc
            && own.is_some()
            && own == other.row_layouts(self.width, self.height)
    }
}

/// Returns the bytes of a row of `width` pixels, rounded up to whole groups.
fn bytes(part: &PlanePart, width: u32) -> Option<u32> {
    let (bytes, group) = part.bytes;
    width.div_ceil(group).checked_mul(bytes)
}

fn scale(value: u32, numerator: u32, denominator: u32) -> Option<u32> {
    let scaled = (u64::from(value) * u64::from(numerator)).checked_div(u64::from(denominator))?;
    u32::try_from(scaled).ok()
}

/// Returns the parts of a format in memory order.
fn parts(fourcc: FourCc) -> Option<&'static [PlanePart]> {
    const fn part(piece: usize, bytes: (u32, u32), lines: u32) -> PlanePart {
        PlanePart {
            piece,
            bytes,
            lines,
        }
    }
    const PACKED_2: &[PlanePart] = &[part(0, (4, 2), 1)];
    const PACKED_3: &[PlanePart] = &[part(0, (3, 1), 1)];
    const PACKED_4: &[PlanePart] = &[part(0, (4, 1), 1)];
    const GREY: &[PlanePart] = &[part(0, (1, 1), 1)];
    const SEMI_420: &[PlanePart] = &[part(0, (1, 1), 1), part(0, (2, 2), 2)];
    const SEMI_422: &[PlanePart] = &[part(0, (1, 1), 1), part(0, (2, 2), 1)];
    const SEMI_420_APART: &[PlanePart] = &[part(0, (1, 1), 1), part(1, (2, 2), 2)];
    const PLANAR_420: &[PlanePart] = &[part(0, (1, 1), 1), part(0, (1, 2), 2), part(0, (1, 2), 2)];
    const PLANAR_422: &[PlanePart] = &[part(0, (1, 1), 1), part(0, (1, 2), 1), part(0, (1, 2), 1)];
    const PLANAR_420_APART: &[PlanePart] =
        &[part(0, (1, 1), 1), part(1, (1, 2), 2), part(2, (1, 2), 2)];
    Some(match &fourcc.code() {
        b"YUYV" | b"YVYU" | b"UYVY" | b"VYUY" | b"RGBP" => PACKED_2,
        b"RGB3" | b"BGR3" => PACKED_3,
        b"RGB4" | b"BGR4" | b"XR24" | b"XB24" | b"AR24" | b"AB24" | b"BX24" | b"RX24" => PACKED_4,
        b"GREY" => GREY,
        b"NV12" | b"NV21" => SEMI_420,
        b"NV16" | b"NV61" => SEMI_422,
        b"NM12" | b"NM21" => SEMI_420_APART,
        b"YU12" | b"YV12" => PLANAR_420,
        b"422P" => PLANAR_422,
        b"YM12" | b"YM21" => PLANAR_420_APART,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn format(code: &[u8; 4], width: u32, height: u32, strides: [u32; 3]) -> RawFormat {
        RawFormat {
            fourcc: FourCc::new(*code),
            width,
            height,
            strides,
        }
    }

    fn ends(format: &RawFormat) -> Vec<(usize, Range<usize>)> {
        let lines = format.row_layouts(format.width, format.height).unwrap();
        lines.iter().map(|it| (it.piece, it.whole())).collect()
    }

    #[test]
    fn plane_parts_are_contiguous() {
        assert_eq!(
            ends(&format(b"YU12", 320, 240, [0; 3])),
            [(0, 0..76_800), (0, 76_800..96_000), (0, 96_000..115_200)]
        );
        assert_eq!(
            ends(&format(b"NV12", 320, 240, [320, 0, 0])),
            [(0, 0..76_800), (0, 76_800..115_200)]
        );
        assert_eq!(
            ends(&format(b"NM12", 320, 240, [320, 320, 0])),
            [(0, 0..76_800), (1, 0..38_400)]
        );
    }

    #[test]
    fn row_padding_is_skipped() {
        // Lines of 100 pixels, 128 bytes apart; the colours' in proportion.
        let lines = format(b"YU12", 100, 51, [128, 0, 0])
            .row_layouts(100, 51)
            .unwrap();
        let shapes: Vec<_> = lines
            .iter()
            .map(|it| (it.offset, it.stride, it.bytes, it.count))
            .collect();
        assert_eq!(
            shapes,
            [
                (0, 128, 100, 51),
                (6528, 64, 50, 26),
                (6528 + 26 * 64, 64, 50, 26)
            ]
        );
        assert_eq!(lines[0].row(1), 128..228);
    }

    #[test]
    fn frame_fits_only_matching_strides() {
        let camera = format(b"YUYV", 320, 180, [640, 0, 0]);
        assert!(camera.is_within(&format(b"YUYV", 320, 192, [640, 0, 0])));
        assert!(!camera.is_within(&format(b"YUYV", 320, 180, [704, 0, 0])));
        assert!(!camera.is_within(&format(b"UYVY", 320, 180, [640, 0, 0])));
        // With more lines of brightness the colours begin elsewhere.
        let planar = format(b"NV12", 320, 180, [320, 0, 0]);
        assert!(!planar.is_within(&format(b"NV12", 320, 192, [320, 0, 0])));
        assert!(!format(b"MJPG", 320, 180, [0; 3]).is_within(&camera));
    }

    #[test]
    fn sizes_do_not_overflow() {
        for code in [b"YUYV", b"YU12", b"NM12", b"RGB3"] {
            let huge = format(code, u32::MAX, u32::MAX, [u32::MAX; 3]);
            let _ = huge.row_layouts(u32::MAX, u32::MAX);
            let _ = huge.row_layouts(1, u32::MAX);
        }
        assert_eq!(format(b"XYZ9", 2, 2, [0; 3]).row_layouts(2, 2), None);
    }
}
