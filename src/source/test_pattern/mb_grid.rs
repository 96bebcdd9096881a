//! The macroblocks of a picture: where each is, and which ones a part of the picture touches. They are counted in raster order.

use super::layout::Rectangle;
use super::parameter_sets::Format;

/// Samples along an edge of a macroblock.
const EDGE: u32 = 16;

/// So many macroblocks across and down.
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

    /// How many there are.
    pub(super) fn count(self) -> usize {
        (self.columns * self.rows) as usize
    }

    /// The pixels of a macroblock.
    pub(super) fn place(self, index: usize) -> Rectangle {
        let index = index as u32;
        Rectangle {
            x: index % self.columns * EDGE,
            y: index / self.columns * EDGE,
            width: EDGE,
            height: EDGE,
        }
    }

    /// The macroblocks that a rectangle touches.
    pub(super) fn touched(self, rectangle: Rectangle) -> impl Iterator<Item = usize> {
        let right = rectangle.right().div_ceil(EDGE).min(self.columns);
        let bottom = rectangle.bottom().div_ceil(EDGE).min(self.rows);
        (rectangle.y / EDGE..bottom).flat_map(move |row| {
            (rectangle.x / EDGE..right).map(move |column| (row * self.columns + column) as usize)
        })
    }
}
