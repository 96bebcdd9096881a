//! The macroblock layer (ITU-T H.264, 7.3.5) as far as the test pattern needs it: Intra_16x16
//! macroblocks, flat or with detail. What their coding takes from the macroblocks around them is in `neighbours`.
//!
//! Intra prediction is constrained (constrained_intra_pred_flag is 1): it uses only intra macroblocks
//! of the same picture, so a line of edges is all the memory that coding needs; no picture is kept.

use super::bits::BitWriter;
use super::cavlc::{Context, write_block};
use super::mb_context::{ChromaPrediction, MbContext};
use super::transform::{self, Block, Quantiser, SCAN};

/// A colour in limited-range Y'CbCr.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Colour {
    pub(super) luma: u8,
    /// Cb and Cr.
    pub(super) chroma: [u8; 2],
}

/// The samples of one macroblock, row by row.
#[derive(Clone)]
pub(super) struct Samples {
    pub(super) luma: [u8; 256],
    /// Cb and Cr.
    pub(super) chroma: [[u8; 64]; 2],
}

/// Content of a macroblock.
pub(super) enum Content<'a> {
    Flat(Colour),
    Detailed(&'a Samples),
}

/// Distance of the chroma QP to the luma QP, in octaves of the quantiser: with the finer chroma a
/// level of its DC means the same as one of luma, so flat colours are exact as well.
pub(super) const CHROMA_OCTAVES: u32 = 1;

/// The row and column of the luma blocks in the order of coding, Figure 6-10.
const BLOCK_ORDER: [(usize, usize); 16] = [
    (0, 0),
    (0, 1),
    (1, 0),
    (1, 1),
    (0, 2),
    (0, 3),
    (1, 2),
    (1, 3), // upper half
    (2, 0),
    (2, 1),
    (3, 0),
    (3, 1),
    (2, 2),
    (2, 3),
    (3, 2),
    (3, 3),
];

/// Codes the intra macroblocks of a picture in raster order and is told of the others.
pub(super) struct IntraCoder {
    luma: Quantiser,
    chroma: Quantiser,
    /// Added to mb_type: 0 in I slices, 5 in P slices (Table 7-13).
    type_offset: u32,
    neighbours: MbContext,
}

/// Chroma of a macroblock on its way into the bit stream.
struct CodedChroma<'a> {
    /// The chroma part of the coded block pattern, Table 7-15.
    pattern: u32,
    dc_levels: [[i32; 4]; 2],
    /// `None` if all are 0.
    ac_levels: Option<&'a [[Block; 4]; 2]>,
    scaled_dc: [[i32; 4]; 2],
}

impl IntraCoder {
    /// A coder for pictures that are `columns` macroblocks wide.
    pub(super) fn new(columns: usize, octave: u32) -> Self {
        Self {
            luma: Quantiser { octave },
            chroma: Quantiser {
                octave: octave - CHROMA_OCTAVES,
            },
            type_offset: 0,
            neighbours: MbContext::new(columns),
        }
    }

    /// The luma QP of all macroblocks.
    pub(super) fn qp(&self) -> i32 {
        self.luma.qp()
    }

    /// Begins a picture of one slice.
    pub(super) fn start_picture(&mut self, is_idr: bool) {
        self.type_offset = if is_idr { 0 } else { 5 };
        self.neighbours.start_picture();
    }

    /// Passes a macroblock that is not intra.
    pub(super) fn pass(&mut self) {
        self.neighbours.skip();
    }

    /// Passes a whole row of them.
    pub(super) fn pass_row(&mut self) {
        self.neighbours.skip_row();
    }

    /// Writes mb_type and all that follows it.
    pub(super) fn write(&mut self, bits: &mut BitWriter, content: &Content<'_>) {
        match content {
            Content::Flat(colour) => self.write_flat(bits, *colour),
            Content::Detailed(samples) => self.write_detailed(bits, samples),
        }
        self.neighbours.pass_intra();
    }

    fn write_flat(&mut self, bits: &mut BitWriter, colour: Colour) {
        let error = i32::from(colour.luma) - i32::from(self.neighbours.predict_luma());
        let mut dc_levels = [0; 16];
        dc_levels[0] = self.luma.luma_dc_levels(&[16 * error; 16])[0];

        let prediction = self.neighbours.predict_chroma();
        let dc = [0, 1].map(|component| {
            prediction.blocks[component]
                .map(|predicted| 16 * (i32::from(colour.chroma[component]) - i32::from(predicted)))
        });
        let chroma = self.code_chroma(dc, None);

        self.write_header(bits, chroma.pattern, false, &prediction);
        write_block(
            bits,
            &dc_levels,
            self.neighbours.luma_context(0, 0, &[[0; 4]; 4]),
        );
        self.write_chroma(bits, &chroma);
        self.neighbours
            .keep_luma([colour.luma; 16], [colour.luma; 16], &[[0; 4]; 4]);
        self.keep_chroma(&chroma, &prediction);
    }

    fn write_detailed(&mut self, bits: &mut BitWriter, samples: &Samples) {
        let prediction = self.neighbours.predict_luma();
        let mut dc = [0; 16];
        let mut ac_levels = [[0; 16]; 16];
        let mut has_ac = false;
        for (index, (dc, ac_levels)) in dc.iter_mut().zip(&mut ac_levels).enumerate() {
            let error = error_of_block(&samples.luma, 16, index / 4, index % 4, prediction);
            (*dc, *ac_levels) = transformed(self.luma, &error);
            has_ac |= ac_levels.iter().any(|level| *level != 0);
        }
        let dc_levels = self.luma.luma_dc_levels(&dc);

        let chroma_prediction = self.neighbours.predict_chroma();
        let mut chroma_dc = [[0; 4]; 2];
        let mut chroma_ac = [[[0; 16]; 4]; 2];
        for component in 0..2 {
            for block in 0..4 {
                let prediction = chroma_prediction.blocks[component][block];
                let error = error_of_block(
                    &samples.chroma[component],
                    8,
                    block / 2,
                    block % 2,
                    prediction,
                );
                (chroma_dc[component][block], chroma_ac[component][block]) =
                    transformed(self.chroma, &error);
            }
        }
        let chroma = self.code_chroma(chroma_dc, Some(&chroma_ac));

        self.write_header(bits, chroma.pattern, has_ac, &chroma_prediction);
        write_block(
            bits,
            &SCAN.map(|place| dc_levels[place]),
            self.neighbours.luma_context(0, 0, &[[0; 4]; 4]),
        );
        let mut counts = [[0; 4]; 4];
        if has_ac {
            for (row, column) in BLOCK_ORDER {
                let context = self.neighbours.luma_context(row, column, &counts);
                counts[row][column] = write_block(bits, &ac_levels[4 * row + column][1..], context);
            }
        }
        self.write_chroma(bits, &chroma);

        let scaled_dc = self.luma.scale_luma_dc(&dc_levels);
        let decoded = |row: usize, column: usize| {
            let index = 4 * row + column;
            decoded_block(
                self.luma,
                scaled_dc[index],
                has_ac.then_some(&ac_levels[index]),
                prediction,
            )
        };
        let blocks = [0, 1, 2, 3];
        let right = blocks.map(|row| column_of(&decoded(row, 3), 3));
        let lowest = blocks.map(|column| row_of(&decoded(3, column), 3));
        self.neighbours
            .keep_luma(joined(right), joined(lowest), &counts);
        self.keep_chroma(&chroma, &chroma_prediction);
    }

    /// mb_type (Table 7-11, DC prediction), intra_chroma_pred_mode and mb_qp_delta.
    fn write_header(
        &self,
        bits: &mut BitWriter,
        chroma_pattern: u32,
        has_luma_ac: bool,
        chroma: &ChromaPrediction,
    ) {
        bits.ue(self.type_offset + 3 + 4 * chroma_pattern + if has_luma_ac { 12 } else { 0 });
        bits.ue(chroma.mode);
        bits.se(0);
    }

    fn write_chroma(&mut self, bits: &mut BitWriter, chroma: &CodedChroma<'_>) {
        if chroma.pattern > 0 {
            for levels in &chroma.dc_levels {
                write_block(bits, levels, Context::ChromaDc);
            }
        }
        for component in 0..2 {
            let mut counts = [[0; 2]; 2];
            if let Some(ac_levels) = chroma.ac_levels {
                for (index, levels) in ac_levels[component].iter().enumerate() {
                    let (row, column) = (index / 2, index % 2);
                    let context = self
                        .neighbours
                        .chroma_context(component, row, column, &counts);
                    counts[row][column] = write_block(bits, &levels[1..], context);
                }
            }
            self.neighbours.keep_chroma_counts(component, counts);
        }
    }

    fn code_chroma<'a>(
        &self,
        dc: [[i32; 4]; 2],
        ac_levels: Option<&'a [[Block; 4]; 2]>,
    ) -> CodedChroma<'a> {
        let dc_levels = dc.map(|dc| self.chroma.chroma_dc_levels(dc));
        let has = |levels: &[i32]| levels.iter().any(|level| *level != 0);
        let ac_levels =
            ac_levels.filter(|levels| levels.iter().flatten().any(|levels| has(levels)));
        let pattern = match ac_levels {
            Some(_) => 2,
            None => u32::from(dc_levels.iter().any(|levels| has(levels))),
        };
        let scaled_dc = dc_levels.map(|levels| self.chroma.scale_chroma_dc(levels));
        CodedChroma {
            pattern,
            dc_levels,
            ac_levels,
            scaled_dc,
        }
    }

    fn keep_chroma(&mut self, chroma: &CodedChroma<'_>, prediction: &ChromaPrediction) {
        for component in 0..2 {
            let decoded = |block: usize| {
                let levels = chroma.ac_levels.map(|levels| &levels[component][block]);
                let (dc, predicted) = (
                    chroma.scaled_dc[component][block],
                    prediction.blocks[component][block],
                );
                decoded_block(self.chroma, dc, levels, predicted)
            };
            let [upper_right, lower_left, lower_right] = [decoded(1), decoded(2), decoded(3)];
            self.neighbours.keep_chroma(
                component,
                joined([column_of(&upper_right, 3), column_of(&lower_right, 3)]),
                joined([row_of(&lower_left, 3), row_of(&lower_right, 3)]),
            );
        }
    }
}

/// Residual of a flat prediction for one block of samples in rows of `stride`.
fn error_of_block(
    samples: &[u8],
    stride: usize,
    row: usize,
    column: usize,
    prediction: u8,
) -> Block {
    let start = 4 * (row * stride + column);
    std::array::from_fn(|i| {
        i32::from(samples[start + i / 4 * stride + i % 4]) - i32::from(prediction)
    })
}

/// The DC coefficient and the AC levels of a block.
fn transformed(quantiser: Quantiser, error: &Block) -> (i32, Block) {
    if error.iter().all(|sample| *sample == error[0]) {
        return (16 * error[0], [0; 16]);
    }
    let coefficients = transform::forward(error);
    (coefficients[0], quantiser.ac_levels(&coefficients))
}

/// The samples that a decoder makes of a block.
fn decoded_block(
    quantiser: Quantiser,
    scaled_dc: i32,
    ac_levels: Option<&Block>,
    prediction: u8,
) -> [u8; 16] {
    let decoded = |error: i32| (i32::from(prediction) + error).clamp(0, 255) as u8;
    match ac_levels {
        Some(levels) => transform::inverse(&quantiser.scale(scaled_dc, levels)).map(decoded),
        None => [decoded((scaled_dc + 32) >> 6); 16],
    }
}

fn row_of(block: &[u8; 16], row: usize) -> [u8; 4] {
    [0, 1, 2, 3].map(|i| block[4 * row + i])
}

fn column_of(block: &[u8; 16], column: usize) -> [u8; 4] {
    [0, 1, 2, 3].map(|i| block[4 * i + column])
}

/// Pieces of four samples, one after the other.
fn joined<const N: usize, const PIECES: usize>(pieces: [[u8; 4]; PIECES]) -> [u8; N] {
    std::array::from_fn(|i| pieces[i / 4][i % 4])
}
