//! The 4x4 transform of H.264 (8.5) with its quantiser, forward and back.
//!
//! Only QPs of the form 4 + 6n are used. There the DC coefficients are scaled by a power of two, so
//! that a flat block of any level comes out of every decoder exactly as it went in.

/// 16 samples or coefficients, row by row.
pub(super) type Block = [i32; 16];

/// Place in a [`Block`] of each coefficient in the order of coding: the zig-zag scan, Table 8-2.
pub(super) const SCAN: [usize; 16] = [0, 1, 4, 8, 5, 2, 3, 6, 9, 12, 13, 10, 7, 11, 14, 15];

/// LevelScale(4, i, j) / 16, equation 8-314, for DC, odd-odd and mixed places.
const SCALE: [i32; 3] = [16, 25, 20];
/// 2^15 over the transform's own gain and `SCALE`, in the same order.
const INVERSE_SCALE: [i32; 3] = [8192, 3355, 5243];

/// Which of the three scales a place of a block has.
const CLASS: [usize; 16] = [0, 2, 0, 2, 2, 1, 2, 1, 0, 2, 0, 2, 2, 1, 2, 1];

/// Samples (a prediction's error) to coefficients.
pub(super) fn forward(samples: &Block) -> Block {
    let mut out = *samples;
    for start in [0, 4, 8, 12] {
        forward_line(&mut out, start, 1);
    }
    for start in 0..4 {
        forward_line(&mut out, start, 4);
    }
    out
}

fn forward_line(block: &mut Block, start: usize, step: usize) {
    let [a, b, c, d] = [0, 1, 2, 3].map(|i| block[start + i * step]);
    let (outer_sum, inner_sum, inner, outer) = (a + d, b + c, b - c, a - d);
    block[start] = outer_sum + inner_sum;
    block[start + step] = 2 * outer + inner;
    block[start + 2 * step] = outer_sum - inner_sum;
    block[start + 3 * step] = outer - 2 * inner;
}

/// Scaled coefficients to samples as every decoder does it, 8.5.12.2.
pub(super) fn inverse(coefficients: &Block) -> Block {
    let mut out = *coefficients;
    for start in [0, 4, 8, 12] {
        inverse_line(&mut out, start, 1);
    }
    for start in 0..4 {
        inverse_line(&mut out, start, 4);
    }
    out.map(|sample| (sample + 32) >> 6)
}

fn inverse_line(block: &mut Block, start: usize, step: usize) {
    let [a, b, c, d] = [0, 1, 2, 3].map(|i| block[start + i * step]);
    let (even_sum, even, odd, odd_sum) = (a + c, a - c, (b >> 1) - d, b + (d >> 1));
    block[start] = even_sum + odd_sum;
    block[start + step] = even + odd;
    block[start + 2 * step] = even - odd;
    block[start + 3 * step] = even_sum - odd_sum;
}

/// The 4x4 Hadamard transform of the luma DC coefficients; its own inverse but for a factor of 16.
pub(super) fn hadamard_4x4(block: &Block) -> Block {
    let mut out = *block;
    for (starts, step) in [([0, 4, 8, 12], 1), ([0, 1, 2, 3], 4)] {
        for start in starts {
            let [a, b, c, d] = [0, 1, 2, 3].map(|i| out[start + i * step]);
            out[start] = a + b + c + d;
            out[start + step] = a + b - c - d;
            out[start + 2 * step] = a - b - c + d;
            out[start + 3 * step] = a - b + c - d;
        }
    }
    out
}

/// The 2x2 Hadamard transform of the chroma DC coefficients; its own inverse but for a factor of 4.
pub(super) fn hadamard_2x2([a, b, c, d]: [i32; 4]) -> [i32; 4] {
    [a + b + c + d, a - b + c - d, a + b - c - d, a - b - c + d]
}

/// A quantiser of QP 4 + 6 * `octave`: every octave doubles the step.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Quantiser {
    /// 0 to 5; the DC rules below are those for QPs under 36.
    pub(super) octave: u32,
}

impl Quantiser {
    /// The quantisation parameter, 7.4.5.
    pub(super) fn qp(self) -> i32 {
        4 + 6 * self.octave as i32
    }

    /// Levels of a block's AC coefficients, in the order of coding; the first is always 0.
    pub(super) fn ac_levels(self, coefficients: &Block) -> Block {
        let shift = 15 + self.octave;
        let mut levels = [0; 16];
        for (level, &place) in levels.iter_mut().zip(&SCAN).skip(1) {
            *level = divide(coefficients[place], INVERSE_SCALE[CLASS[place]], shift);
        }
        levels
    }

    /// Coefficients as a decoder scales them, from AC levels in the order of coding and a scaled DC.
    pub(super) fn scale(self, dc: i32, ac_levels: &Block) -> Block {
        let mut coefficients = [0; 16];
        coefficients[0] = dc;
        for (&level, &place) in ac_levels.iter().zip(&SCAN).skip(1) {
            coefficients[place] = (level * SCALE[CLASS[place]]) << self.octave;
        }
        coefficients
    }

    /// Levels, row by row, of the luma DC coefficients of an Intra_16x16 macroblock's 16 blocks.
    pub(super) fn luma_dc_levels(self, dc: &Block) -> Block {
        hadamard_4x4(dc).map(|sum| divide(sum / 2, INVERSE_SCALE[0], 16 + self.octave))
    }

    /// The DC coefficients as a decoder scales them, 8.5.10.
    pub(super) fn scale_luma_dc(self, levels: &Block) -> Block {
        let shift = 6 - self.octave;
        hadamard_4x4(levels).map(|sum| (16 * SCALE[0] * sum + (1 << (shift - 1))) >> shift)
    }

    /// Levels of the DC coefficients of a chroma component's four blocks.
    pub(super) fn chroma_dc_levels(self, dc: [i32; 4]) -> [i32; 4] {
        hadamard_2x2(dc).map(|sum| divide(sum, INVERSE_SCALE[0], 16 + self.octave))
    }

    /// The DC coefficients as a decoder scales them, 8.5.11.2.
    pub(super) fn scale_chroma_dc(self, levels: [i32; 4]) -> [i32; 4] {
        hadamard_2x2(levels).map(|sum| ((16 * SCALE[0] * sum) << self.octave) >> 5)
    }
}

/// `value * factor / 2^shift`, rounded down from two thirds on as is usual for intra blocks: small
/// coefficients are worth less than their bits.
fn divide(value: i32, factor: i32, shift: u32) -> i32 {
    let magnitude = (value.abs() * factor + (1 << shift) / 3) >> shift;
    if value < 0 { -magnitude } else { magnitude }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flat_blocks_of_every_level_are_exact() {
        for octave in 2..=4 {
            let quantiser = Quantiser { octave };
            for level in -255..=255 {
                let dc = [forward(&[level; 16])[0]; 16];
                let scaled = quantiser.scale_luma_dc(&quantiser.luma_dc_levels(&dc));
                assert_eq!(inverse(&quantiser.scale(scaled[5], &[0; 16])), [level; 16]);

                let chroma = Quantiser { octave: octave - 1 };
                let scaled = chroma.scale_chroma_dc(chroma.chroma_dc_levels([dc[0]; 4]));
                assert_eq!(inverse(&chroma.scale(scaled[3], &[0; 16])), [level; 16]);
            }
        }
    }

    #[test]
    fn detailed_block_is_within_the_quantiser_step() {
        let quantiser = Quantiser { octave: 2 };
        let samples: Block = std::array::from_fn(|i| (i as i32 * 7919) % 181 - 90);
        let coefficients = forward(&samples);
        let levels = quantiser.ac_levels(&coefficients);
        let back = inverse(&quantiser.scale(coefficients[0] * 4, &levels));
        for (sample, back) in samples.iter().zip(back) {
            assert!((sample - back).abs() <= 6, "{sample} {back}");
        }
    }
}
