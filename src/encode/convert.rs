//! Converts raw frames of every [`PixelLayout`] to I420, row by row: each row is copied out of the
//! camera's memory into the processor's nearest cache and converted from there, so that the frame
//! is read once and written once.

mod split;

use super::{FrameMemory, PixelLayout, RawVideoFormat, pixel_layout};
use split::{split_packed, split_pairs};

/// Frame as software encoders take it: YUV 4:2:0 in three planes without gaps, of even width and
/// height.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct I420 {
    width: usize,
    height: usize,
    /// The planes, one behind the other.
    bytes: Vec<u8>,
}

impl I420 {
    /// Creates a frame of this size (rounded down to even numbers), to be written to; `bytes` is
    /// memory to reuse.
    pub fn new(width: u32, height: u32, mut bytes: Vec<u8>) -> Self {
        let (width, height) = (width as usize & !1, height as usize & !1);
        bytes.resize(width * height / 2 * 3, 0);
        Self {
            width,
            height,
            bytes,
        }
    }

    /// Width and height in pixels; both are even.
    pub fn size(&self) -> (usize, usize) {
        (self.width, self.height)
    }

    /// Returns the planes Y, U and V, without gaps between rows.
    pub fn planes(&self) -> [&[u8]; 3] {
        let (y, colours) = self.bytes.split_at(self.width * self.height);
        let (u, v) = colours.split_at(colours.len() / 2);
        [y, u, v]
    }

    pub(super) fn planes_mut(&mut self) -> [&mut [u8]; 3] {
        let (y, colours) = self.bytes.split_at_mut(self.width * self.height);
        let (u, v) = colours.split_at_mut(colours.len() / 2);
        [y, u, v]
    }

    /// The planes, one behind the other.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

/// True if buffers of these lengths hold a whole frame.
pub fn is_whole(bytes_in: &dyn Fn(usize) -> usize, format: &RawVideoFormat) -> bool {
    pixel_layout(format.fourcc)
        .is_some_and(|layout| PlaneSources::new(format, layout).fit_in(bytes_in))
}

/// Converts a frame; returns false if it is shorter than its format says, or has no
/// [`PixelLayout`]. The result has the colours of the format, but BT.601 with limited range of RGB.
pub fn to_i420(pixels: &FrameMemory, format: &RawVideoFormat, out: &mut I420) -> bool {
    let Some(layout) = pixel_layout(format.fourcc) else {
        return false;
    };
    let sources = PlaneSources::new(format, layout);
    if !sources.fit_in(&|plane| pixels.bytes_in(plane)) {
        return false;
    }
    let mut lines = LineReader {
        pixels,
        sources,
        lines: [Vec::new(), Vec::new()],
    };
    match layout {
        PixelLayout::Packed { y, u, v } => match (y, u, v) {
            (0, 1, _) => lines.packed::<0, 1, 3>(out),
            (0, ..) => lines.packed::<0, 3, 1>(out),
            (_, 0, _) => lines.packed::<1, 0, 2>(out),
            _ => lines.packed::<1, 2, 0>(out),
        },
        PixelLayout::SemiPlanar { is_v_first, .. } => lines.semi_planar(is_v_first, out),
        PixelLayout::Planar { is_v_first, .. } => lines.planar(is_v_first, out),
        PixelLayout::Rgb { bytes, r, g, b } => match (bytes, r, g, b) {
            (3, 0, ..) => lines.rgb::<3, 0, 1, 2>(out),
            (3, ..) => lines.rgb::<3, 2, 1, 0>(out),
            (_, 0, ..) => lines.rgb::<4, 0, 1, 2>(out),
            (_, 1, ..) => lines.rgb::<4, 1, 2, 3>(out),
            (_, 2, ..) => lines.rgb::<4, 2, 1, 0>(out),
            _ => lines.rgb::<4, 3, 2, 1>(out),
        },
        PixelLayout::Grey => lines.grey(out),
    }
    true
}

/// Offset of a plane, and its stride.
#[derive(Clone, Copy, Default, Debug)]
struct PlaneSource {
    /// Buffer that it is in.
    buffer: usize,
    offset: usize,
    stride: usize,
}

/// Offsets of the planes of a frame.
#[derive(Debug)]
struct PlaneSources {
    planes: [PlaneSource; 3],
    /// There are half as many chroma rows as luma rows.
    has_half_height_chroma: bool,
    /// Least size of each buffer, in bytes.
    min_bytes: [usize; 3],
}

impl PlaneSources {
    fn new(format: &RawVideoFormat, layout: PixelLayout) -> Self {
        let (width, height) = (format.width as usize, format.height as usize);
        // Bytes of a luma row, and of a row of each further plane, as a fraction of the first.
        let (line, planes, divisor, has_half_lines, is_apart) = match layout {
            PixelLayout::Packed { .. } => (width.div_ceil(2) * 4, 1, 1, false, false),
            PixelLayout::Rgb { bytes, .. } => (width * bytes, 1, 1, false, false),
            PixelLayout::Grey => (width, 1, 1, false, false),
            PixelLayout::SemiPlanar {
                has_half_height_chroma: has_half_lines,
                has_separate_buffers: is_apart,
                ..
            } => (width, 2, 1, has_half_lines, is_apart),
            PixelLayout::Planar {
                has_half_height_chroma: has_half_lines,
                has_separate_buffers: is_apart,
                ..
            } => (width, 3, 2, has_half_lines, is_apart),
        };
        let stride = |memory: usize, least: usize| (format.strides[memory] as usize).max(least);
        let first = stride(0, line);
        let mut all = Self {
            planes: [PlaneSource::default(); 3],
            has_half_height_chroma: has_half_lines,
            min_bytes: [0; 3],
        };
        let mut offset = 0_usize;
        for (number, place) in all.planes.iter_mut().enumerate().take(planes) {
            let (lines, least) = match number {
                0 => (height, line),
                _ if has_half_lines => (height.div_ceil(2), line.div_ceil(divisor)),
                _ => (height, line.div_ceil(divisor)),
            };
            *place = match (is_apart, number) {
                (true, _) => PlaneSource {
                    buffer: number,
                    offset: 0,
                    stride: stride(number, least),
                },
                (false, 0) => PlaneSource {
                    buffer: 0,
                    offset,
                    stride: first,
                },
                (false, _) => PlaneSource {
                    buffer: 0,
                    offset,
                    stride: (first / divisor).max(least),
                },
            };
            // The last row need not be padded.
            let end = place.offset + place.stride * lines.saturating_sub(1) + least;
            all.min_bytes[place.buffer] = all.min_bytes[place.buffer].max(end);
            offset += place.stride * lines;
        }
        all
    }
}

impl PlaneSources {
    fn fit_in(&self, bytes_in: &dyn Fn(usize) -> usize) -> bool {
        self.min_bytes
            .iter()
            .enumerate()
            .all(|(memory, needed)| bytes_in(memory) >= *needed)
    }
}

/// Reads rows of a frame.
struct LineReader<'a> {
    pixels: &'a FrameMemory,
    sources: PlaneSources,
    /// Copies of rows, for two at a time.
    lines: [Vec<u8>; 2],
}

impl LineReader<'_> {
    /// Copies `len` bytes of a row of a plane to copy number `slot`.
    fn fetch(&mut self, slot: usize, plane: usize, line: usize, len: usize) {
        let place = self.sources.planes[plane];
        let start = place.offset + line * place.stride;
        self.lines[slot].clear();
        self.pixels
            .copy(place.buffer, start..start + len, &mut self.lines[slot]);
    }

    /// Copies luma in a plane of its own.
    fn copy_luma(&mut self, out: &mut I420) {
        let width = out.width;
        let [y, ..] = out.planes_mut();
        for (number, to) in y.chunks_exact_mut(width.max(1)).enumerate() {
            self.fetch(0, 0, number, width);
            to.copy_from_slice(&self.lines[0]);
        }
    }

    /// Fetches the two chroma rows of row `number` of the result: twice the same if there is only
    /// one.
    fn fetch_chroma(&mut self, plane: usize, number: usize, len: usize) {
        let [first, second] = if self.sources.has_half_height_chroma {
            [number; 2]
        } else {
            [2 * number, 2 * number + 1]
        };
        self.fetch(0, plane, first, len);
        if first != second {
            self.fetch(1, plane, second, len);
        }
    }

    fn planar(&mut self, is_v_first: bool, out: &mut I420) {
        self.copy_luma(out);
        let half = out.width / 2;
        let [_, u, v] = out.planes_mut();
        let colours = if is_v_first { [v, u] } else { [u, v] };
        for (plane, colour) in colours.into_iter().enumerate() {
            for (number, to) in colour.chunks_exact_mut(half.max(1)).enumerate() {
                self.fetch_chroma(plane + 1, number, half);
                if self.sources.has_half_height_chroma {
                    to.copy_from_slice(&self.lines[0]);
                } else {
                    average(&self.lines[0], &self.lines[1], to);
                }
            }
        }
    }

    fn semi_planar(&mut self, is_v_first: bool, out: &mut I420) {
        self.copy_luma(out);
        let half = out.width / 2;
        let [_, u, v] = out.planes_mut();
        let (first, second) = if is_v_first { (v, u) } else { (u, v) };
        let lines = first
            .chunks_exact_mut(half.max(1))
            .zip(second.chunks_exact_mut(half.max(1)));
        for (number, (first, second)) in lines.enumerate() {
            self.fetch_chroma(1, number, 2 * half);
            let [upper, lower] = &self.lines;
            if self.sources.has_half_height_chroma {
                split_pairs(upper, upper, first, second);
            } else {
                split_pairs(upper, lower, first, second);
            }
        }
    }

    fn packed<const Y: usize, const U: usize, const V: usize>(&mut self, out: &mut I420) {
        let width = out.width;
        let [y, u, v] = out.planes_mut();
        let colours = u
            .chunks_exact_mut((width / 2).max(1))
            .zip(v.chunks_exact_mut((width / 2).max(1)));
        let pairs = y.chunks_exact_mut((2 * width).max(1));
        for (number, (two, (u, v))) in pairs.zip(colours).enumerate() {
            self.fetch(0, 0, 2 * number, 2 * width);
            self.fetch(1, 0, 2 * number + 1, 2 * width);
            let (upper_y, lower_y) = two.split_at_mut(width);
            let [upper, lower] = &self.lines;
            split_packed::<Y, U, V>([upper, lower], [upper_y, lower_y], u, v);
        }
    }

    fn rgb<const BYTES: usize, const R: usize, const G: usize, const B: usize>(
        &mut self,
        out: &mut I420,
    ) {
        let width = out.width;
        let [y, u, v] = out.planes_mut();
        let colours = u
            .chunks_exact_mut((width / 2).max(1))
            .zip(v.chunks_exact_mut((width / 2).max(1)));
        let pairs = y.chunks_exact_mut((2 * width).max(1));
        for (number, (two, (u, v))) in pairs.zip(colours).enumerate() {
            self.fetch(0, 0, 2 * number, BYTES * width);
            self.fetch(1, 0, 2 * number + 1, BYTES * width);
            let (upper_y, lower_y) = two.split_at_mut(width);
            let [upper, lower] = &self.lines;
            for (line, to) in [(upper, upper_y), (lower, lower_y)] {
                for (pixel, y) in line.chunks_exact(BYTES).zip(to) {
                    *y = luma(pixel[R].into(), pixel[G].into(), pixel[B].into());
                }
            }
            let squares = upper
                .chunks_exact(2 * BYTES)
                .zip(lower.chunks_exact(2 * BYTES));
            for (((upper, lower), u), v) in squares.zip(u).zip(v) {
                let sum = |at: usize| {
                    [upper[at], upper[at + BYTES], lower[at], lower[at + BYTES]]
                        .map(i32::from)
                        .iter()
                        .sum::<i32>()
                };
                (*u, *v) = chroma_of_four(sum(R), sum(G), sum(B));
            }
        }
    }

    fn grey(&mut self, out: &mut I420) {
        self.copy_luma(out);
        let [_, u, v] = out.planes_mut();
        u.fill(128);
        v.fill(128);
    }
}

/// The mean of two, rounded up at the half.
const fn mean(a: u8, b: u8) -> u8 {
    ((a as u16 + b as u16 + 1) >> 1) as u8
}

fn average(upper: &[u8], lower: &[u8], to: &mut [u8]) {
    for ((a, b), to) in upper.iter().zip(lower).zip(to) {
        *to = mean(*a, *b);
    }
}

// BT.601 with limited range (16 to 235, colours 16 to 240) from RGB of full range (ITU-R BT.601-7, 2.5.1 and 2.5.3), in 1/65536.
const Y_RED: i32 = 16_829;
const Y_GREEN: i32 = 33_039;
const Y_BLUE: i32 = 6_416;
const U_RED: i32 = -9_714;
const U_GREEN: i32 = -19_070;
const V_GREEN: i32 = -24_103;
const V_BLUE: i32 = -4_681;
/// Factor of blue to U and of red to V.
const U_BLUE_V_RED: i32 = 28_784;

const fn luma(r: i32, g: i32, b: i32) -> u8 {
    ((Y_RED * r + Y_GREEN * g + Y_BLUE * b + (16 << 16) + (1 << 15)) >> 16) as u8
}

/// U and V of the sums of four pixels.
const fn chroma_of_four(r: i32, g: i32, b: i32) -> (u8, u8) {
    const MIDDLE: i32 = (128 << 18) + (1 << 17);
    let u = (U_RED * r + U_GREEN * g + U_BLUE_V_RED * b + MIDDLE) >> 18;
    let v = (U_BLUE_V_RED * r + V_GREEN * g + V_BLUE * b + MIDDLE) >> 18;
    (u as u8, v as u8)
}

#[cfg(test)]
mod tests;
