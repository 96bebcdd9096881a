//! Heuristic that takes a program's pauses for the ends of its access units.
//!
//! A program that writes each access unit with one `write()` pauses exactly there, and a viewer may
//! get the unit at once. A program that writes in blocks pauses anywhere. The stream does not tell
//! them apart, so the heuristic learns from what follows the pauses. One pause in the wrong place
//! costs the trust.

use super::au_boundary::Boundary;

/// Confirmed pauses in a row before the next one is trusted.
const MIN_CONFIRMED_PAUSES: u32 = 8;

/// Confirmed drains in a row before the next one is trusted. On a busy machine, units in two writes
/// are mostly read whole.
const MIN_CONFIRMED_DRAINS: u32 = 60;

/// Access units without trust after the first mismatch: about a minute.
const DISTRUST_UNITS: u32 = 2000;

/// Mismatches after which pauses are never trusted again.
const MAX_MISMATCHES: u32 = 2;

/// Block sizes at which streams are cut: pages and stdio buffers, and the payload of a TCP segment.
/// A pause after such a block is neutral: stdio writes the blocks of a unit first and its rest a
/// moment later.
const BLOCK_SIZES: [usize; 2] = [4096, 1448];

/// Largest ratio of a unit's size to the largest confirmed one. Otherwise a keyframe larger than
/// one write would be cut first.
const MAX_SIZE_RATIO: usize = 4;

/// Trackers for the three reports of a reader. [`ChunkEnd::Drained`](super::ChunkEnd::Drained)
/// comes at once, but also between two quick writes. [`ChunkEnd::Pause`](super::ChunkEnd::Pause)
/// comes after a millisecond. [`ChunkEnd::Silence`](super::ChunkEnd::Silence) comes after half a
/// second and is trusted without confirmation until the first mismatch.
#[derive(Debug)]
pub(crate) struct PauseHeuristic {
    drains: PauseTracker,
    pauses: PauseTracker,
    silences: PauseTracker,
}

impl Default for PauseHeuristic {
    fn default() -> Self {
        Self {
            drains: PauseTracker::new(MIN_CONFIRMED_DRAINS),
            pauses: PauseTracker::new(MIN_CONFIRMED_PAUSES),
            silences: PauseTracker::new(0),
        }
    }
}

impl PauseHeuristic {
    /// Records the next bytes.
    pub(crate) fn on_bytes(&mut self, bytes: &[u8]) -> PauseFeedback {
        let drained = self.drains.on_bytes(bytes);
        let paused = self.pauses.on_bytes(bytes);
        let silent = self.silences.on_bytes(bytes);
        if [drained, paused, silent].contains(&PauseFeedback::Mismatch) {
            PauseFeedback::Mismatch
        } else {
            PauseFeedback::None
        }
    }

    /// Records the classification of the newest NAL unit. `is_slice` is true for all parts of a
    /// picture.
    pub(crate) fn on_boundary(&mut self, boundary: Boundary, is_slice: bool) {
        self.drains.on_boundary(boundary, is_slice);
        self.pauses.on_boundary(boundary, is_slice);
        self.silences.on_boundary(boundary, is_slice);
    }

    /// Records a drain; returns true if it ends the access unit.
    pub(crate) fn on_drain(&mut self, place: UnitPosition) -> bool {
        let is_end = self.drains.on_pause(place);
        if is_end {
            // Its pause need not be reported, and the next bytes are not measured with these.
            self.pauses.bytes_since_pause = 0;
            self.silences.bytes_since_pause = 0;
        }
        is_end
    }

    /// Records a pause; returns true if it ends the access unit.
    pub(crate) fn on_pause(&mut self, place: UnitPosition) -> bool {
        let is_end = self.pauses.on_pause(place);
        if is_end {
            self.silences.bytes_since_pause = 0;
        }
        is_end
    }

    /// Records half a second of silence; returns true if it ends the access unit.
    pub(crate) fn on_silence(&mut self, place: UnitPosition) -> bool {
        self.silences.on_pause(place)
    }

    /// Records the end of an access unit, however it was found.
    pub(crate) fn on_unit_end(&mut self) {
        self.drains.on_unit_end();
        self.pauses.on_unit_end();
        self.silences.on_unit_end();
    }

    /// Forgets pending pauses, but not what was learned, as the stream was interrupted.
    pub(crate) fn interrupt(&mut self) {
        self.drains.interrupt();
        self.pauses.interrupt();
        self.silences.interrupt();
    }

    /// Returns true while pauses are trusted.
    #[cfg(test)]
    pub(crate) fn is_trusted(&self) -> bool {
        self.pauses.is_trusted()
    }
}

/// Tracker of one kind of report.
#[derive(Debug)]
struct PauseTracker {
    min_confirmed: u32,
    confirmed_pauses: u32,
    mismatches: u32,
    distrust_units: u32,
    largest_confirmed_bytes: usize,
    bytes_since_pause: usize,
    pause: PauseState,
}

/// State of the last pause until it is confirmed.
#[derive(Clone, Copy, Debug, Default)]
enum PauseState {
    #[default]
    Settled,
    /// Pause followed by this many zero bytes.
    Zeros(u32, UnitPosition),
    /// Pause followed by a start code; the NAL unit after it is not classified yet.
    StartCode(UnitPosition),
}

/// Position of a pause.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum UnitPosition {
    /// After a NAL unit that may end an access unit of this many bytes.
    UnitEnd(usize),
    /// After a NAL unit that does not end its access unit.
    BetweenNals,
    /// Where no start code can follow.
    InsideNal,
    /// Between skipped bytes.
    Nowhere,
}

/// Result for the last pause.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum PauseFeedback {
    /// No result, or confirmed.
    None,
    /// Not the end of an access unit.
    Mismatch,
}

impl PauseTracker {
    const fn new(needed_proofs: u32) -> Self {
        Self {
            min_confirmed: needed_proofs,
            confirmed_pauses: 0,
            mismatches: 0,
            distrust_units: 0,
            largest_confirmed_bytes: 0,
            bytes_since_pause: 0,
            pause: PauseState::Settled,
        }
    }

    /// Records the next bytes.
    fn on_bytes(&mut self, bytes: &[u8]) -> PauseFeedback {
        self.bytes_since_pause = self.bytes_since_pause.saturating_add(bytes.len());
        let PauseState::Zeros(mut zeros, place) = self.pause else {
            return PauseFeedback::None;
        };
        for byte in bytes {
            match byte {
                0 => zeros = zeros.saturating_add(1),
                1 if zeros >= 2 => {
                    self.pause = PauseState::StartCode(place);
                    return PauseFeedback::None;
                }
                _ => {
                    self.record_mismatch();
                    return PauseFeedback::Mismatch;
                }
            }
        }
        self.pause = PauseState::Zeros(zeros, place);
        PauseFeedback::None
    }

    /// Records the classification of the newest NAL unit. `is_slice` is true for all parts of a
    /// picture.
    fn on_boundary(&mut self, boundary: Boundary, is_slice: bool) {
        let PauseState::StartCode(place) = self.pause else {
            return;
        };
        match (boundary, place) {
            (Boundary::NeedMoreData | Boundary::FollowsNextSlice, _) => return,
            (Boundary::NewUnit, UnitPosition::UnitEnd(bytes)) => {
                self.confirmed_pauses = self.confirmed_pauses.saturating_add(1);
                self.largest_confirmed_bytes = self.largest_confirmed_bytes.max(bytes);
            }
            (Boundary::SameUnit, UnitPosition::UnitEnd(_)) if is_slice => self.record_mismatch(),
            _ => {}
        }
        self.pause = PauseState::Settled;
    }

    /// Records a pause; returns true if it ends the access unit.
    fn on_pause(&mut self, place: UnitPosition) -> bool {
        let piece_bytes = std::mem::take(&mut self.bytes_since_pause);
        if piece_bytes == 0 {
            return false;
        }
        if BLOCK_SIZES
            .iter()
            .any(|block| piece_bytes.is_multiple_of(*block))
        {
            self.pause = PauseState::Settled;
            return false;
        }
        if place == UnitPosition::InsideNal || !matches!(self.pause, PauseState::Settled) {
            self.record_mismatch();
            return false;
        }
        match place {
            UnitPosition::Nowhere => false,
            UnitPosition::UnitEnd(bytes) => {
                self.pause = PauseState::Zeros(0, place);
                let largest = self.largest_confirmed_bytes.saturating_mul(MAX_SIZE_RATIO);
                self.is_trusted() && (self.min_confirmed == 0 || bytes <= largest)
            }
            _ => {
                self.pause = PauseState::Zeros(0, place);
                false
            }
        }
    }

    /// Records the end of an access unit, however it was found.
    fn on_unit_end(&mut self) {
        self.distrust_units = self.distrust_units.saturating_sub(1);
    }

    /// Forgets the pending pause, but not what was learned, as the stream was interrupted.
    fn interrupt(&mut self) {
        self.bytes_since_pause = 0;
        self.pause = PauseState::Settled;
    }

    /// Returns true while pauses are trusted.
    fn is_trusted(&self) -> bool {
        self.confirmed_pauses >= self.min_confirmed
            && self.distrust_units == 0
            && self.mismatches < MAX_MISMATCHES
    }

    fn record_mismatch(&mut self) {
        self.pause = PauseState::Settled;
        self.confirmed_pauses = 0;
        self.mismatches = self.mismatches.saturating_add(1);
        self.distrust_units = DISTRUST_UNITS;
    }
}
