//! Macroblock grid of a frame, in raster order: positions, and the macroblocks that a rectangle
//! touches.

use super::layout::Rectangle;
use super::parameter_sets::Format;

/// Samples along an edge of a macroblock.
const EDGE: u32 = 16;

/// Grid size in macroblocks, across and down.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct MbGrid {
    pub(super) columns: u32,
    pub(super) rows: u32,
}

impl MbGrid {
    pub(super) fn of(format: Format) -> Self {
        Self {
            columns: format.columns(),
            rows: format.rows(),
        }
    }

    /// Returns the number of macroblocks.
    pub(super) fn count(self) -> usize {
        (self.columns * self.rows) as usize
    }

    /// Returns the pixels of a macroblock.
    pub(super) fn place(self, index: usize) -> Rectangle {
        let index = index as u32;
        Rectangle {
            x: index % self.columns * EDGE,
            y: index / self.columns * EDGE,
            width: EDGE,
            height: EDGE,
        }
    }

    /// Returns the macroblocks that a rectangle touches.
    pub(super) fn touched(self, rectangle: Rectangle) -> impl Iterator<Item = usize> {
        let right = rectangle.right().div_ceil(EDGE).min(self.columns);
        let bottom = rectangle.bottom().div_ceil(EDGE).min(self.rows);
        (rectangle.y / EDGE..bottom).flat_map(move |row| {
            (rectangle.x / EDGE..right).map(move |column| (row * self.columns + column) as usize)
        })
    }
}
