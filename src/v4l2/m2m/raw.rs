//! A picture as it is handed to an encoder, and its way into the encoder's own buffers where it cannot stay where it is.

use super::agree::Refusal;
use super::layout::{Lines, RawFormat};
use crate::v4l2::stream::Held;
use crate::v4l2::sys::Writable;
use std::ops::Range;

/// A picture for the encoder.
#[derive(Debug)]
pub enum Raw<'a> {
    /// In our memory, as many pieces as the format has.
    Bytes([&'a [u8]; 3]),
    /// In a buffer of the camera, which it keeps until it is done with it.
    Held(Held),
}

/// From the lines of the camera's pictures to those of the encoder's.
pub(super) fn copies(from: &RawFormat, to: &RawFormat) -> Result<Vec<(Lines, Lines)>, Refusal> {
    let (width, height) = (from.width, from.height);
    let unknown = || Refusal::NoRawFormat(from.fourcc);
    let from = from.lines(width, height).ok_or_else(unknown)?;
    let to = to.lines(width, height).ok_or_else(unknown)?;
    Ok(from.into_iter().zip(to).collect())
}

/// All at once where the lines are as far apart here as there.
pub(super) fn copy_lines(raw: &Raw<'_>, from: &Lines, piece: &mut Writable, to: &Lines) {
    if from.stride == to.stride {
        copy_bytes(raw, from.piece, from.whole(), piece, to.offset);
        return;
    }
    for number in 0..from.count.min(to.count) {
        copy_bytes(
            raw,
            from.piece,
            from.line(number),
            piece,
            to.line(number).start,
        );
    }
}

fn copy_bytes(raw: &Raw<'_>, from: usize, range: Range<usize>, piece: &mut Writable, at: usize) {
    match raw {
        Raw::Bytes(pieces) => {
            let bytes = pieces.get(from).copied().unwrap_or_default();
            let end = range.end.min(bytes.len());
            piece.write(at, bytes.get(range.start.min(end)..end).unwrap_or_default());
        }
        Raw::Held(held) => held.copy_to(from, range, piece, at),
    }
}
