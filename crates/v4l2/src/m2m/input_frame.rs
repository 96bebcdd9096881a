//! Raw frame for an encoder: imported from the camera's buffer, or copied into the encoder's.

use super::negotiate::NegotiationError;
use super::plane_layout::{RawFormat, RowLayout};
use crate::stream::BufferGuard;
use crate::sys::Writable;
use std::ops::Range;

/// Raw frame for the encoder.
#[derive(Debug)]
pub enum InputFrame<'a> {
    /// In our memory, with as many planes as the format has.
    Copy([&'a [u8]; 3]),
    /// In a buffer of the camera, which the encoder keeps until it is done.
    Import(BufferGuard),
}

/// Returns the row copies from the camera's layout to the encoder's.
pub(super) fn row_copies(
    from: &RawFormat,
    to: &RawFormat,
) -> Result<Vec<(RowLayout, RowLayout)>, NegotiationError> {
    let (width, height) = (from.width, from.height);
    let unknown = || NegotiationError::NoRawFormat(from.fourcc);
    let from = from.row_layouts(width, height).ok_or_else(unknown)?;
    let to = to.row_layouts(width, height).ok_or_else(unknown)?;
    Ok(from.into_iter().zip(to).collect())
}

/// Equal strides allow a single copy.
pub(super) fn copy_rows(
    raw: &InputFrame<'_>,
    from: &RowLayout,
    piece: &mut Writable,
    to: &RowLayout,
) {
    if from.stride == to.stride {
        copy_bytes(raw, from.piece, from.whole(), piece, to.offset);
        return;
    }
    for number in 0..from.count.min(to.count) {
        copy_bytes(
            raw,
            from.piece,
            from.row(number),
            piece,
            to.row(number).start,
        );
    }
}

fn copy_bytes(
    raw: &InputFrame<'_>,
    from: usize,
    range: Range<usize>,
    piece: &mut Writable,
    at: usize,
) {
    match raw {
        InputFrame::Copy(pieces) => {
            let bytes = pieces.get(from).copied().unwrap_or_default();
            let end = range.end.min(bytes.len());
            piece.write(at, bytes.get(range.start.min(end)..end).unwrap_or_default());
        }
        InputFrame::Import(guard) => guard.copy_to(from, range, piece, at),
    }
}
