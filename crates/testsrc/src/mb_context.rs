//! Context of a macroblock from its neighbours (ITU-T H.264, 6.4.9): predictions from their edges,
//! and coefficient contexts from their counts. Only a line of edges is kept.

use super::cavlc::Context;

/// Edges around the next macroblock in raster order.
pub(super) struct MbContext {
    column: usize,
    left: Edge,
    /// Lowest row of the last coded macroblock in each column.
    above: Vec<Edge>,
}

/// Edge of a macroblock that later ones use.
#[derive(Clone)]
struct Edge {
    kind: Kind,
    luma: [u8; 16],
    chroma: [[u8; 8]; 2],
    /// Coefficients in each of the blocks along the edge.
    luma_counts: [u8; 4],
    chroma_counts: [[u8; 2]; 2],
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Outside of the frame.
    Outside,
    /// Skipped or moved: without prediction and coefficients.
    Inter,
    Intra,
}

impl Edge {
    const OUTSIDE: Self = Self {
        kind: Kind::Outside,
        luma: [0; 16],
        chroma: [[0; 8]; 2],
        luma_counts: [0; 4],
        chroma_counts: [[0; 2]; 2],
    };

    fn is_intra(&self) -> bool {
        self.kind == Kind::Intra
    }

    /// `count` as the context of a block next to it takes it, 9.2.1.
    fn count(&self, count: u8) -> Option<u8> {
        match self.kind {
            Kind::Outside => None,
            Kind::Inter => Some(0),
            Kind::Intra => Some(count),
        }
    }

    fn has_flat_chroma(&self) -> bool {
        self.is_intra()
            && self
                .chroma
                .iter()
                .all(|row| row.iter().all(|sample| *sample == row[0]))
    }
}

/// A chroma prediction: the same sample over each of the four blocks of both components.
pub(super) struct ChromaPrediction {
    /// intra_chroma_pred_mode, Table 7-16.
    pub(super) mode: u32,
    pub(super) blocks: [[u8; 4]; 2],
}

impl MbContext {
    /// Creates the context for frames that are `columns` macroblocks wide.
    pub(super) fn new(columns: usize) -> Self {
        Self {
            column: 0,
            left: Edge::OUTSIDE,
            above: vec![Edge::OUTSIDE; columns],
        }
    }

    /// Starts a frame of one slice.
    pub(super) fn start_picture(&mut self) {
        self.column = 0;
        self.left.kind = Kind::Outside;
        for edge in &mut self.above {
            edge.kind = Kind::Outside;
        }
    }

    /// Skips a macroblock that is not intra.
    pub(super) fn skip(&mut self) {
        self.left.kind = Kind::Inter;
        self.above[self.column].kind = Kind::Inter;
        self.advance();
    }

    /// Skips a row of them.
    pub(super) fn skip_row(&mut self) {
        for edge in &mut self.above {
            edge.kind = Kind::Inter;
        }
    }

    /// Advances past an intra macroblock that was recorded.
    pub(super) fn pass_intra(&mut self) {
        self.left.kind = Kind::Intra;
        self.above[self.column].kind = Kind::Intra;
        self.advance();
    }

    fn advance(&mut self) {
        self.column += 1;
        if self.column == self.above.len() {
            self.column = 0;
            self.left.kind = Kind::Outside;
        }
    }

    /// Intra_16x16 DC prediction, 8.3.3.3.
    pub(super) fn predict_luma(&self) -> u8 {
        let sum = |edge: &Edge| {
            edge.luma
                .iter()
                .map(|sample| u32::from(*sample))
                .sum::<u32>()
        };
        let above = &self.above[self.column];
        let mean = match (self.left.is_intra(), above.is_intra()) {
            (true, true) => (sum(&self.left) + sum(above) + 16) >> 5,
            (true, false) => (sum(&self.left) + 8) >> 4,
            (false, true) => (sum(above) + 8) >> 4,
            (false, false) => 128,
        };
        mean as u8
    }

    /// Horizontal or vertical prediction where it is flat, so that flat chroma stays exact, else DC.
    pub(super) fn predict_chroma(&self) -> ChromaPrediction {
        let above = &self.above[self.column];
        let flat = |mode, edge: &Edge| ChromaPrediction {
            mode,
            blocks: edge.chroma.map(|samples| [samples[0]; 4]),
        };
        if self.left.has_flat_chroma() {
            flat(1, &self.left)
        } else if above.has_flat_chroma() {
            flat(2, above)
        } else {
            let blocks = [0, 1].map(|component| {
                [0, 1, 2, 3].map(|block| self.predict_chroma_dc(component, block))
            });
            ChromaPrediction { mode: 0, blocks }
        }
    }

    /// DC prediction of one chroma block, 8.3.4.1 to 8.3.4.3.
    fn predict_chroma_dc(&self, component: usize, block: usize) -> u8 {
        let (row, column) = (block / 2, block % 2);
        let sum = |edge: &Edge, half: usize| {
            let samples = edge.chroma[component].iter().skip(4 * half).take(4);
            edge.is_intra()
                .then(|| samples.map(|sample| u32::from(*sample)).sum::<u32>())
        };
        let (left, above) = (sum(&self.left, row), sum(&self.above[self.column], column));
        let mean = match (left, above, row == column) {
            (Some(left), Some(above), true) => (left + above + 4) >> 3,
            (Some(left), Some(_), false) if row > column => (left + 2) >> 2,
            (_, Some(one), _) | (Some(one), None, _) => (one + 2) >> 2,
            (None, None, _) => 128,
        };
        mean as u8
    }

    /// The context of a luma block of this macroblock; `counts` are those of the blocks before it.
    pub(super) fn luma_context(&self, row: usize, column: usize, counts: &[[u8; 4]; 4]) -> Context {
        let above = &self.above[self.column];
        around(
            if column > 0 {
                Some(counts[row][column - 1])
            } else {
                self.left.count(self.left.luma_counts[row])
            },
            if row > 0 {
                Some(counts[row - 1][column])
            } else {
                above.count(above.luma_counts[column])
            },
        )
    }

    /// The same of a chroma block.
    pub(super) fn chroma_context(
        &self,
        component: usize,
        row: usize,
        column: usize,
        counts: &[[u8; 2]; 2],
    ) -> Context {
        let above = &self.above[self.column];
        let outside = |edge: &Edge, place: usize| edge.count(edge.chroma_counts[component][place]);
        around(
            if column > 0 {
                Some(counts[row][0])
            } else {
                outside(&self.left, row)
            },
            if row > 0 {
                Some(counts[0][column])
            } else {
                outside(above, column)
            },
        )
    }

    /// Keeps what later macroblocks see of this one's luma.
    pub(super) fn keep_luma(&mut self, right: [u8; 16], lowest: [u8; 16], counts: &[[u8; 4]; 4]) {
        self.left.luma = right;
        self.left.luma_counts = [counts[0][3], counts[1][3], counts[2][3], counts[3][3]];
        let above = &mut self.above[self.column];
        above.luma = lowest;
        above.luma_counts = counts[3];
    }

    /// Keeps what later macroblocks see of the samples of a chroma component.
    pub(super) fn keep_chroma(&mut self, component: usize, right: [u8; 8], lowest: [u8; 8]) {
        self.left.chroma[component] = right;
        self.above[self.column].chroma[component] = lowest;
    }

    /// Keeps how many coefficients the blocks of a chroma component have.
    pub(super) fn keep_chroma_counts(&mut self, component: usize, counts: [[u8; 2]; 2]) {
        self.left.chroma_counts[component] = [counts[0][1], counts[1][1]];
        self.above[self.column].chroma_counts[component] = counts[1];
    }
}

/// The mean of the numbers of coefficients at the left and above, 9.2.1.
fn around(left: Option<u8>, above: Option<u8>) -> Context {
    Context::Around(match (left, above) {
        (Some(left), Some(above)) => (left + above).div_ceil(2),
        (Some(one), None) | (None, Some(one)) => one,
        (None, None) => 0,
    })
}
