//! Inverse cosine transform of JPEG (ITU-T T.81, A.3.3) to eight or, for half the size, four
//! samples each way.
//!
//! Halving is exact: the mean of two neighbouring samples is a sum of the same cosines at half as
//! many positions, so each coefficient goes, with a factor, to one of the lower four
//! ([`AxisScale`]). All factors, dequantization and colour range included, are multiplied once for
//! each picture. The eight-point transform is that of Arai, Agui and Nakajima in 32-bit floating
//! point: exact to 1/100 of a sample, with vector instructions that every target has.

use std::f64::consts::{FRAC_1_SQRT_2, PI};
use wide::{f32x4, f32x8, i16x8, u8x16};

/// Samples of a block in each direction.
pub(super) const SIDE: usize = 8;

/// Scale of a block in one direction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum AxisScale {
    /// All eight samples.
    Full,
    /// Four samples, each the mean of two.
    Halved,
}

impl AxisScale {
    pub(super) const fn samples(self) -> usize {
        match self {
            Self::Full => 8,
            Self::Halved => 4,
        }
    }

    /// Returns the transform input for the coefficient of frequency `k` (0 to 7), and its factor.
    fn input(self, k: usize) -> (usize, f64) {
        let angle = k as f64 * PI / 16.0;
        let plain = if k == 0 { FRAC_1_SQRT_2 / 2.0 } else { 0.5 };
        match self {
            // Scale factors of the transform: cos(k pi / 16) times the square root of 2, but 1 for
            // the first.
            Self::Full if k == 0 => (0, plain),
            Self::Full => (k, plain * angle.cos()),
            Self::Halved => {
                let (to, sign) = if k > 4 { (8 - k, -1.0) } else { (k, 1.0) };
                let own = if to == 2 { FRAC_1_SQRT_2 } else { 1.0 };
                match k {
                    // All its samples are zero.
                    4 => (0, 0.0),
                    _ => (to, plain * sign * angle.cos() * own),
                }
            }
        }
    }
}

/// Position of each coefficient in zigzag order (Figure A.6): eight times its row plus its column.
#[rustfmt::skip]
const ZIGZAG: [u8; 64] = [
     0,  1,  8, 16,  9,  2,  3, 10, 17, 24, 32, 25, 18, 11,  4,  5,
    12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13,  6,  7, 14, 21, 28,
    35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51,
    58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
];

/// Last index in zigzag order with all coefficients in the first four rows and columns.
const LAST_LOW_FREQUENCY: usize = 9;

/// Transform of a component's blocks to samples.
#[derive(Clone, Debug)]
pub(super) struct InverseTransform {
    /// Across and down.
    axes: [AxisScale; 2],
    /// Position in the block for each coefficient in zigzag order; columns are together.
    pub(super) positions: [u8; 64],
    /// Factor of each coefficient in zigzag order.
    pub(super) scale: [f32; 64],
    /// Offset of all samples.
    offset: f32,
    /// Smallest and largest sample.
    range: [u8; 2],
}

impl InverseTransform {
    /// Creates a transform. `quantization` is in zigzag order; samples from 0 to 255 are multiplied
    /// by `factor` around 128 and shifted to `middle`.
    pub(super) fn new(
        axes: [AxisScale; 2],
        quantization: &[u16; 64],
        factor: f64,
        middle: f64,
        range: [u8; 2],
    ) -> Self {
        let mut transform = Self {
            axes,
            positions: [0; 64],
            scale: [0.0; 64],
            offset: middle as f32,
            range,
        };
        for (k, &place) in ZIGZAG.iter().enumerate() {
            let (row, column) = (usize::from(place / 8), usize::from(place % 8));
            let (across, of_column) = axes[0].input(column);
            let (down, of_row) = axes[1].input(row);
            transform.positions[k] = (8 * across + down) as u8;
            transform.scale[k] = (f64::from(quantization[k]) * of_column * of_row * factor) as f32;
        }
        transform
    }

    /// Returns width and height of a block in samples.
    pub(super) const fn size(&self) -> (usize, usize) {
        (self.axes[0].samples(), self.axes[1].samples())
    }

    /// Transforms a block to samples, row by row without gaps; `last` is the index of its last
    /// coefficient.
    #[inline(always)]
    pub(super) fn transform_block(&self, block: &mut [f32; 64], last: usize, out: &mut [u8; 64]) {
        block[0] += self.offset;
        let [least, greatest] = self.range;
        let clamp = |samples: u8x16| samples.max(u8x16::splat(least)).min(u8x16::splat(greatest));
        if last == 0 {
            let both = [block[0].round_ties_even() as u8; 16];
            let [sample, ..] = clamp(u8x16::new(both)).to_array();
            out.fill(sample);
            return;
        }
        let is_corner = last <= LAST_LOW_FREQUENCY;
        match self.axes {
            [AxisScale::Full, AxisScale::Full] => {
                let [lower, upper] = transform_rows_full(block, is_corner, true);
                transform_columns_full(&lower, &upper, is_corner, clamp, out);
            }
            [AxisScale::Full, AxisScale::Halved] => {
                let [lower, _] = transform_rows_full(block, is_corner, false);
                for (to, [a, b]) in out
                    .chunks_exact_mut(16)
                    .zip(transform_columns_halved(&lower))
                {
                    to.copy_from_slice(clamp(pack(a, b)).as_array());
                }
            }
            [AxisScale::Halved, AxisScale::Full] => {
                let [lower, upper] = transform_rows_halved(block, !is_corner);
                transform_columns_narrow(&lower, &upper, is_corner, clamp, out);
            }
            [AxisScale::Halved, AxisScale::Halved] => {
                let [lower, _] = transform_rows_halved(block, false);
                let [a, b, c, d] = transform_4(lower);
                let samples = clamp(pack(join_8(a, b), join_8(c, d)));
                out[..16].copy_from_slice(samples.as_array());
            }
        }
    }
}

#[inline(always)]
fn load_4(block: &[f32; 64], at: usize) -> f32x4 {
    let mut lanes = [0.0; 4];
    lanes.copy_from_slice(&block[at..at + 4]);
    f32x4::new(lanes)
}

#[inline(always)]
fn join_8(a: f32x4, b: f32x4) -> f32x8 {
    let ([a, b, c, d], [e, f, g, h]) = (a.to_array(), b.to_array());
    f32x8::new([a, b, c, d, e, f, g, h])
}

/// Rounds sixteen samples to bytes.
#[inline(always)]
fn pack(a: f32x8, b: f32x8) -> u8x16 {
    let words = |it: f32x8| i16x8::from_i32x8_saturate(it.fast_round_int());
    u8x16::narrow_i16x8(words(a), words(b))
}

/// Rows of eight samples, for the first four frequencies down and, if needed, the last four.
type Rows = [[f32x8; 4]; 2];

/// Transforms rows to eight samples. In `block` a row is a lane.
#[inline(always)]
fn transform_rows_full(block: &[f32; 64], is_corner: bool, has_upper: bool) -> Rows {
    let rows = |first: usize| {
        let samples = if is_corner {
            transform_8_of_4([0, 8, 16, 24].map(|at| load_4(block, at + first)))
        } else {
            transform_8([0, 8, 16, 24, 32, 40, 48, 56].map(|at| load_4(block, at + first)))
        };
        let [a, b, c, d, e, f, g, h] = samples;
        let left = f32x4::transpose([a, b, c, d]);
        let right = f32x4::transpose([e, f, g, h]);
        [
            join_8(left[0], right[0]),
            join_8(left[1], right[1]),
            join_8(left[2], right[2]),
            join_8(left[3], right[3]),
        ]
    };
    let upper = if has_upper && !is_corner {
        rows(4)
    } else {
        [f32x8::ZERO; 4]
    };
    [rows(0), upper]
}

/// Transforms rows to four samples.
#[inline(always)]
fn transform_rows_halved(block: &[f32; 64], has_upper: bool) -> [[f32x4; 4]; 2] {
    let rows = |first: usize| {
        let inputs = [0, 8, 16, 24].map(|at| load_4(block, at + first));
        f32x4::transpose(transform_4(inputs))
    };
    let upper = if has_upper { rows(4) } else { [f32x4::ZERO; 4] };
    [rows(0), upper]
}

#[inline(always)]
fn transform_columns_full(
    lower: &[f32x8; 4],
    upper: &[f32x8; 4],
    is_corner: bool,
    clamp: impl Fn(u8x16) -> u8x16,
    out: &mut [u8; 64],
) {
    let lines = if is_corner {
        transform_8_of_4(*lower)
    } else {
        let ([a, b, c, d], [e, f, g, h]) = (*lower, *upper);
        transform_8([a, b, c, d, e, f, g, h])
    };
    for (to, two) in out.chunks_exact_mut(16).zip(lines.chunks_exact(2)) {
        to.copy_from_slice(clamp(pack(two[0], two[1])).as_array());
    }
}

/// Transforms columns to four samples: two pairs of lines.
#[inline(always)]
fn transform_columns_halved(lower: &[f32x8; 4]) -> [[f32x8; 2]; 2] {
    let [a, b, c, d] = transform_4(*lower);
    [[a, b], [c, d]]
}

#[inline(always)]
fn transform_columns_narrow(
    lower: &[f32x4; 4],
    upper: &[f32x4; 4],
    is_corner: bool,
    clamp: impl Fn(u8x16) -> u8x16,
    out: &mut [u8; 64],
) {
    let lines = if is_corner {
        transform_8_of_4(*lower)
    } else {
        let ([a, b, c, d], [e, f, g, h]) = (*lower, *upper);
        transform_8([a, b, c, d, e, f, g, h])
    };
    for (to, four) in out.chunks_exact_mut(16).zip(lines.chunks_exact(4)) {
        let samples = pack(join_8(four[0], four[1]), join_8(four[2], four[3]));
        to.copy_from_slice(clamp(samples).as_array());
    }
}

/// SIMD vectors of numbers.
trait SimdLanes:
    Copy + std::ops::Add<Output = Self> + std::ops::Sub<Output = Self> + std::ops::Mul<Output = Self>
{
    fn splat(number: f32) -> Self;
}

impl SimdLanes for f32x4 {
    #[inline(always)]
    fn splat(number: f32) -> Self {
        Self::splat(number)
    }
}

impl SimdLanes for f32x8 {
    #[inline(always)]
    fn splat(number: f32) -> Self {
        Self::splat(number)
    }
}

/// cos(pi/4), cos(pi/8), and sums of cosines of the algorithm, times 2.
const SQRT_2: f32 = std::f32::consts::SQRT_2;
const C2: f32 = 1.847_759_1;
const C2_MINUS_C6: f32 = 1.082_392_2;
const C2_PLUS_C6: f32 = 2.613_126;

#[inline(always)]
fn transform_8<T: SimdLanes>([i0, i1, i2, i3, i4, i5, i6, i7]: [T; 8]) -> [T; 8] {
    let (t10, t11) = (i0 + i4, i0 - i4);
    let t13 = i2 + i6;
    let t12 = (i2 - i6) * T::splat(SQRT_2) - t13;
    let even = [t10 + t13, t11 + t12, t11 - t12, t10 - t13];
    let (z13, z10) = (i5 + i3, i5 - i3);
    let (z11, z12) = (i1 + i7, i1 - i7);
    let t7 = z11 + z13;
    let t11 = (z11 - z13) * T::splat(SQRT_2);
    let z5 = (z10 + z12) * T::splat(C2);
    let t10 = z5 - z12 * T::splat(C2_MINUS_C6);
    let t12 = z5 - z10 * T::splat(C2_PLUS_C6);
    combine(even, t7, t10, t11, t12)
}

/// Equals [`transform_8`] for inputs whose last four are zero.
#[inline(always)]
fn transform_8_of_4<T: SimdLanes>([i0, i1, i2, i3]: [T; 4]) -> [T; 8] {
    let t12 = i2 * T::splat(SQRT_2 - 1.0);
    let even = [i0 + i2, i0 + t12, i0 - t12, i0 - i2];
    let difference = i1 - i3;
    let t7 = i1 + i3;
    let t11 = difference * T::splat(SQRT_2);
    let z5 = difference * T::splat(C2);
    let t10 = z5 - i1 * T::splat(C2_MINUS_C6);
    let t12 = z5 + i3 * T::splat(C2_PLUS_C6);
    combine(even, t7, t10, t11, t12)
}

#[inline(always)]
fn combine<T: SimdLanes>([e0, e1, e2, e3]: [T; 4], t7: T, t10: T, t11: T, t12: T) -> [T; 8] {
    let t6 = t12 - t7;
    let t5 = t11 - t6;
    let t4 = t10 - t5;
    [
        e0 + t7,
        e1 + t6,
        e2 + t5,
        e3 + t4,
        e3 - t4,
        e2 - t5,
        e1 - t6,
        e0 - t7,
    ]
}

/// cos(pi/8) and cos(3 pi/8).
const COS_1: f32 = 0.923_879_5;
const COS_3: f32 = 0.382_683_43;

#[inline(always)]
fn transform_4<T: SimdLanes>([i0, i1, i2, i3]: [T; 4]) -> [T; 4] {
    let (e0, e1) = (i0 + i2, i0 - i2);
    let o0 = i1 * T::splat(COS_1) + i3 * T::splat(COS_3);
    let o1 = i1 * T::splat(COS_3) - i3 * T::splat(COS_1);
    [e0 + o0, e1 + o1, e1 - o1, e0 - o0]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the samples of a block by the standard's formula, then the means of neighbours.
    fn by_formula(coefficients: &[f64; 64], axes: [AxisScale; 2]) -> Vec<f64> {
        let norm = |k: usize| if k == 0 { FRAC_1_SQRT_2 } else { 1.0 };
        let wave = |n: usize, k: usize| ((2 * n + 1) as f64 * k as f64 * PI / 16.0).cos();
        let sample = |x: usize, y: usize| {
            let terms = (0..64).map(|at| {
                let (v, u) = (at / 8, at % 8);
                norm(u) * norm(v) * coefficients[at] * wave(x, u) * wave(y, v)
            });
            terms.sum::<f64>() / 4.0
        };
        let [step_x, step_y] = axes.map(|axis| 8 / axis.samples());
        let mut out = Vec::new();
        for y in (0..8).step_by(step_y) {
            for x in (0..8).step_by(step_x) {
                let square = (y..y + step_y).flat_map(|y| (x..x + step_x).map(move |x| (x, y)));
                let sum: f64 = square.map(|(x, y)| sample(x, y)).sum();
                out.push(sum / (step_x * step_y) as f64);
            }
        }
        out
    }

    #[test]
    fn samples_match_the_standards_formula() {
        let mut noise = 7_u32;
        let mut random = |most: i32| {
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (noise >> 8) as i32 % (2 * most + 1) - most
        };
        let both = [AxisScale::Full, AxisScale::Halved];
        for axes in both.map(|x| both.map(|y| [x, y])).concat() {
            // Only the first coefficient, the corner, all.
            for last in [0, 1, 9, 10, 37, 63] {
                let quantization: [u16; 64] = std::array::from_fn(|k| 1 + k as u16 % 7);
                let transform = InverseTransform::new(axes, &quantization, 0.75, 100.0, [3, 250]);
                let (mut block, mut wanted) = ([0.0; 64], [0.0; 64]);
                for k in 0..=last {
                    let value = random(if k == 0 { 600 } else { 12 });
                    block[usize::from(transform.positions[k])] += value as f32 * transform.scale[k];
                    wanted[usize::from(ZIGZAG[k])] = f64::from(value) * f64::from(quantization[k]);
                }
                let mut out = [0; 64];
                transform.transform_block(&mut block, last, &mut out);
                for (place, (found, wanted)) in
                    out.iter().zip(by_formula(&wanted, axes)).enumerate()
                {
                    let wanted = (0.75 * wanted + 100.0).clamp(3.0, 250.0);
                    let difference = (f64::from(*found) - wanted).abs();
                    assert!(
                        difference < 0.52,
                        "{axes:?} {last} {place}: {found}, {wanted}"
                    );
                }
            }
        }
    }
}
