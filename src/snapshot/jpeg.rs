//! Encodes planes as JPEG: colours as JFIF has them, rotated and mirrored. Row by row, so that
//! there is never a second frame in memory.

use super::yuv420::Yuv420Frame;
use crate::h264::vui::ColourDescription;
use crate::media::orientation::Orientation;
use jpeg_encoder::{Encoder, ImageBuffer, JpegColorType, SamplingFactor};

/// Hardly distinguishable from the camera's frame, at half the size of quality 95.
const JPEG_QUALITY: u8 = 85;

/// Encodes a frame with these colours, oriented as `orientation` says; `quality` is from 1 to 100.
pub(super) fn encode(
    picture: &Yuv420Frame,
    colour: ColourDescription,
    orientation: Orientation,
    quality: Option<u8>,
) -> Result<Vec<u8>, String> {
    let mut out = Vec::new();
    let mut encoder = Encoder::new(&mut out, quality.unwrap_or(JPEG_QUALITY));
    // That of the planes: more would only be larger.
    encoder.set_sampling_factor(SamplingFactor::F_2_2);
    encoder
        .encode_image(OrientedImage::new(picture, colour, orientation))
        .map_err(|error| format!("no JPEG: {error}"))?;
    Ok(out)
}

/// Returns the size, before rotation, at which a frame of this `size` has square pixels and is,
/// after rotation, no wider than `width`. It never exceeds `size`.
pub(super) fn output_size(
    (width, height): (u32, u32),
    (across, down): (u32, u32),
    orientation: Orientation,
    wanted: Option<u32>,
) -> (u32, u32) {
    let scaled = |length: u32, numerator: u32, denominator: u32| {
        let scaled = u64::from(length) * u64::from(numerator) + u64::from(denominator) / 2;
        let scaled = scaled / u64::from(denominator.max(1));
        u32::try_from(scaled)
            .unwrap_or(length)
            .clamp(1, length.max(1))
    };
    let square = if across > down {
        (width, scaled(height, down, across))
    } else {
        (scaled(width, across, down), height)
    };
    let (mut shown_width, mut shown_height) = square;
    if orientation.swaps_axes() {
        (shown_width, shown_height) = (shown_height, shown_width);
    }
    let narrow = wanted.unwrap_or(shown_width).clamp(1, shown_width);
    let low = scaled(shown_height, narrow, shown_width);
    if orientation.swaps_axes() {
        (low, narrow)
    } else {
        (narrow, low)
    }
}

/// Frame in its final orientation.
struct OrientedImage<'a> {
    picture: &'a Yuv420Frame,
    conversion: YuvToJfif,
    width: u16,
    height: u16,
    /// Position of the first pixel in the frame, and the steps there for one to the right and one
    /// down.
    origin: (isize, isize),
    steps: [(isize, isize); 2],
}

impl<'a> OrientedImage<'a> {
    fn new(picture: &'a Yuv420Frame, colour: ColourDescription, orientation: Orientation) -> Self {
        let (columns, lines) = picture.size();
        let steps = orientation
            .inverse()
            .steps()
            .map(|(x, y)| (isize::from(x), isize::from(y)));
        let [(ax, ay), (bx, by)] = steps;
        let start = |sum: isize, length: u32| if sum < 0 { length as isize - 1 } else { 0 };
        let (mut width, mut height) = (columns, lines);
        if orientation.swaps_axes() {
            (width, height) = (height, width);
        }
        Self {
            picture,
            conversion: YuvToJfif::new(colour),
            width: u16::try_from(width).unwrap_or(u16::MAX),
            height: u16::try_from(height).unwrap_or(u16::MAX),
            origin: (start(ax + bx, columns), start(ay + by, lines)),
            steps,
        }
    }
}

impl OrientedImage<'_> {
    /// Appends a row of the frame, from right to left if it `is_mirrored`. Two neighbours have the same colour, which is
    /// converted once.
    fn fill_row(&self, row: [&[u8]; 3], is_mirrored: bool, out: [&mut Vec<u8>; 3]) {
        let width = usize::from(self.width);
        let [luma, blue, red] = out.map(|plane| {
            let start = plane.len();
            plane.resize(start + width, 0);
            plane.get_mut(start..).unwrap_or_default()
        });
        let pairs = (luma.chunks_mut(2)).zip(blue.chunks_mut(2).zip(red.chunks_mut(2)));
        let colours = row[1].iter().zip(row[2]);
        for (((luma, (blue, red)), from), (b, r)) in pairs.zip(row[0].chunks(2)).zip(colours) {
            let [offset, b, r] = self.conversion.colour(*b, *r);
            for (to, from) in luma.iter_mut().zip(from) {
                *to = self.conversion.luma(*from, offset);
            }
            blue.fill(b as u8);
            red.fill(r as u8);
        }
        if is_mirrored {
            for plane in [luma, blue, red] {
                plane.reverse();
            }
        }
    }
}

impl ImageBuffer for OrientedImage<'_> {
    fn get_jpeg_color_type(&self) -> JpegColorType {
        JpegColorType::Ycbcr
    }

    fn width(&self) -> u16 {
        self.width
    }

    fn height(&self) -> u16 {
        self.height
    }

    fn fill_buffers(&self, line: u16, buffers: &mut [Vec<u8>; 4]) {
        let [(ax, ay), (bx, by)] = self.steps;
        let down = line as isize;
        let (mut x, mut y) = (self.origin.0 + down * bx, self.origin.1 + down * by);
        let [luma, blue, red, _] = buffers;
        if ay == 0 {
            let row = self.picture.row(y.unsigned_abs());
            return self.fill_row(row, ax < 0, [luma, blue, red]);
        }
        for _ in 0..self.width {
            // Every step stays inside.
            let [l, b, r] = self
                .conversion
                .apply(self.picture.pixel(x.unsigned_abs(), y.unsigned_abs()));
            luma.push(l);
            blue.push(b);
            red.push(r);
            (x, y) = (x + ax, y + ay);
        }
    }
}

/// From the stream's Y'CbCr to that of JFIF: BT.601, full range. Factors are 65536ths.
struct YuvToJfif {
    black: i32,
    scale: i32,
    /// Contributions of blue and red difference to luma, to blue and to red difference.
    blue: [i32; 3],
    red: [i32; 3],
}

impl YuvToJfif {
    fn new(colour: ColourDescription) -> Self {
        let colour = colour.for_viewers();
        // Shares of red and blue in luma (ITU-T H.264, table E-5). Untagged video is BT.709 in
        // browsers, at every size.
        let (kr, kb) = match colour.matrix {
            1 | 2 => (0.2126, 0.0722),
            4 => (0.30, 0.11),
            7 => (0.212, 0.087),
            9 | 10 => (0.2627, 0.0593),
            _ => (0.299, 0.114),
        };
        // The differences' part in red, green and blue, and from there to luma and differences of BT.601.
        let of = |r: f64, b: f64| {
            let g = -(kr * r + kb * b) / (1.0 - kr - kb);
            let luma = 0.299 * r + 0.587 * g + 0.114 * b;
            [luma, (b - luma) / 1.772, (r - luma) / 1.402]
        };
        let (black, luma_range, difference_range) = if colour.is_full_range {
            (0, 255.0, 255.0)
        } else {
            (16, 219.0, 224.0)
        };
        let fixed = |factor: f64| (factor * 65_536.0).round() as i32;
        let of_difference =
            |part: [f64; 3]| part.map(|part| fixed(part * 255.0 / difference_range));
        Self {
            black,
            scale: fixed(255.0 / luma_range),
            blue: of_difference(of(0.0, 2.0 * (1.0 - kb))),
            red: of_difference(of(2.0 * (1.0 - kr), 0.0)),
        }
    }

    #[inline]
    fn apply(&self, [luma, blue, red]: [u8; 3]) -> [u8; 3] {
        let [offset, blue, red] = self.colour(blue, red);
        [self.luma(luma, offset), blue as u8, red as u8]
    }

    /// Returns what a colour adds to luma, in 65536ths, and both differences, from 0 to 255.
    #[inline]
    fn colour(&self, blue: u8, red: u8) -> [i32; 3] {
        let (b, r) = (i32::from(blue) - 128, i32::from(red) - 128);
        let sum = |i: usize| self.blue[i] * b + self.red[i] * r + 32_768;
        let difference = |i: usize| ((sum(i) >> 16) + 128).clamp(0, 255);
        [sum(0), difference(1), difference(2)]
    }

    #[inline]
    fn luma(&self, luma: u8, offset: i32) -> u8 {
        let scaled = self.scale * (i32::from(luma) - self.black);
        ((scaled + offset) >> 16).clamp(0, 255) as u8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BT601: ColourDescription = ColourDescription {
        is_full_range: false,
        primaries: 6,
        transfer: 6,
        matrix: 6,
    };

    #[test]
    fn colours_of_bt_601_get_full_range_and_grey_stays_grey() {
        let conversion = YuvToJfif::new(BT601);
        for (from, to) in [
            ([16, 128, 128], [0, 128, 128]),
            ([235, 128, 128], [255, 128, 128]),
            ([126, 128, 128], [128, 128, 128]),
            ([126, 18, 238], [128, 3, 253]),
            ([0, 128, 128], [0, 128, 128]),
        ] {
            assert_eq!(conversion.apply(from), to);
        }
        let full = ColourDescription {
            is_full_range: true,
            ..BT601
        };
        let same = YuvToJfif::new(full);
        assert_eq!(same.apply([7, 200, 90]), [7, 200, 90]);
    }

    #[test]
    fn primary_colours_of_bt_709_are_those_of_bt_601() {
        let of = |kr: f64, kb: f64, [r, g, b]: [f64; 3]| {
            let y = kr * r + (1.0 - kr - kb) * g + kb * b;
            [y, (b - y) / (2.0 - 2.0 * kb), (r - y) / (2.0 - 2.0 * kr)]
        };
        for tag in [1, 2] {
            let colour = ColourDescription {
                is_full_range: false,
                primaries: tag,
                transfer: tag,
                matrix: tag,
            };
            for rgb in [
                [1.0, 0.0, 0.0],
                [0.0, 1.0, 0.0],
                [0.0, 0.0, 1.0],
                [0.2, 0.7, 0.4],
            ] {
                let [y, b, r] = of(0.2126, 0.0722, rgb);
                let stream = [16.0 + 219.0 * y, 128.0 + 224.0 * b, 128.0 + 224.0 * r];
                let [y, b, r] = of(0.299, 0.114, rgb);
                let expected = [255.0 * y, 128.0 + 255.0 * b, 128.0 + 255.0 * r];
                let found = YuvToJfif::new(colour).apply(stream.map(|v| v.round() as u8));
                for (found, expected) in found.into_iter().zip(expected) {
                    assert!((f64::from(found) - expected).abs() < 2.0, "{rgb:?}");
                }
            }
        }
    }

    /// The luma of the picture as it is seen, line by line; the picture has 3 x 2 pixels: 1 2 3, 4 5 6.
    fn image(orientation: Orientation) -> Vec<Vec<u8>> {
        let mut picture = Yuv420Frame::default();
        let colour = [128; 2];
        assert!(picture.copy_from(
            (3, 2),
            [(&[1, 2, 3, 4, 5, 6], 3), (&colour, 2), (&colour, 2)]
        ));
        let colour = ColourDescription {
            is_full_range: true,
            ..BT601
        };
        let image = OrientedImage::new(&picture, colour, orientation);
        (0..image.height())
            .map(|line| {
                let mut buffers = [const { Vec::new() }; 4];
                image.fill_buffers(line, &mut buffers);
                buffers[0].clone()
            })
            .collect()
    }

    #[test]
    fn jpeg_pixels_follow_orientation() {
        for (degrees, mirrors, expected) in [
            (0, [false, false], vec![vec![1, 2, 3], vec![4, 5, 6]]),
            (90, [false, false], vec![vec![4, 1], vec![5, 2], vec![6, 3]]),
            (180, [false, false], vec![vec![6, 5, 4], vec![3, 2, 1]]),
            (
                270,
                [false, false],
                vec![vec![3, 6], vec![2, 5], vec![1, 4]],
            ),
            (0, [true, false], vec![vec![3, 2, 1], vec![6, 5, 4]]),
            (0, [false, true], vec![vec![4, 5, 6], vec![1, 2, 3]]),
            (90, [true, false], vec![vec![1, 4], vec![2, 5], vec![3, 6]]),
            (90, [false, true], vec![vec![6, 3], vec![5, 2], vec![4, 1]]),
        ] {
            let orientation = Orientation::new(degrees, mirrors[0], mirrors[1]);
            assert_eq!(image(orientation), expected, "{degrees} {mirrors:?}");
        }
    }

    #[test]
    fn rows_have_the_colours_of_their_pixels() {
        let (luma, colour): (Vec<u8>, Vec<u8>) = ((0..15).collect(), (100..106).collect());
        let red: Vec<u8> = colour.iter().rev().copied().collect();
        let mut picture = Yuv420Frame::default();
        assert!(picture.copy_from((5, 3), [(&luma, 5), (&colour, 3), (&red, 3)]));
        let turned =
            |degrees| OrientedImage::new(&picture, BT601, Orientation::new(degrees, false, false));
        let (upright, upside_down) = (turned(0), turned(180));
        for y in 0..3 {
            let mut rows = [const { [const { Vec::new() }; 4] }; 2];
            upright.fill_buffers(y, &mut rows[0]);
            upside_down.fill_buffers(2 - y, &mut rows[1]);
            for x in 0..5 {
                let expected = upright.conversion.apply(picture.pixel(x, usize::from(y)));
                assert_eq!([0, 1, 2].map(|i| rows[0][i][x]), expected, "{x} {y}");
                assert_eq!([0, 1, 2].map(|i| rows[1][i][4 - x]), expected, "{x} {y}");
            }
        }
    }

    #[test]
    fn output_size_is_square_pixels_never_larger() {
        let upright = Orientation::default();
        let turned = Orientation::new(90, false, false);
        for (size, aspect, orientation, width, expected) in [
            ((1280, 720), (1, 1), upright, None, (1280, 720)),
            ((1280, 720), (1, 1), upright, Some(640), (640, 360)),
            ((1280, 720), (1, 1), upright, Some(5000), (1280, 720)),
            ((1280, 720), (1, 1), turned, None, (1280, 720)),
            ((1280, 720), (1, 1), turned, Some(360), (640, 360)),
            ((720, 576), (16, 15), upright, None, (720, 540)),
            ((720, 576), (1, 2), upright, None, (360, 576)),
            ((720, 576), (1, 2), upright, Some(90), (90, 144)),
            ((16, 16), (1, u32::MAX), upright, Some(1), (1, 16)),
            ((16, 16), (u32::MAX, 0), turned, Some(0), (16, 1)),
        ] {
            let found = output_size(size, aspect, orientation, width);
            assert_eq!(found, expected, "{size:?} {aspect:?} {width:?}");
        }
    }
}
