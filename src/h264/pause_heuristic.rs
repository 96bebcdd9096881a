//! Whether a program's pauses may be taken for the ends of its access units.
//!
//! A program that writes each access unit with one `write()` pauses exactly there, and a viewer may have the unit at
//! once; one that writes blocks pauses anywhere. Nothing in the stream tells which it is, so it is learned from what
//! comes after the pauses, and one pause in the wrong place costs the trust.

use super::au_boundary::Boundary;

/// Pauses in a row that were ends of access units, before the next one is believed.
const MIN_CONFIRMED_PAUSES: u32 = 8;

/// Reads in a row that ended with the access unit, before the next one is believed: a program that writes a unit in two
/// parts is mostly seen whole on a busy machine.
const MIN_CONFIRMED_DRAINS: u32 = 60;

/// Access units for which nothing is believed after the first pause in the wrong place: about a minute.
const DISTRUST_UNITS: u32 = 2000;

/// Pauses in the wrong place after which nothing is ever believed again.
const MAX_MISMATCHES: u32 = 2;

/// Sizes that pieces of streams have when they are cut by the block: pages and stdio buffers, and the payload of a TCP
/// segment. A pause after such a piece says nothing, and is not held against the program either: stdio writes the
/// blocks of a unit first and its rest a moment later.
const BLOCK_SIZES: [usize; 2] = [4096, 1448];

/// How much larger than any unit with a proven end a unit may be. A keyframe that is larger than what the program
/// can write at once would otherwise be the first thing to be cut.
const MAX_SIZE_RATIO: usize = 4;

/// What has been learned about a program, for each of the three words that its reader has: "I have read all there is"
/// ([`ChunkEnd::Drained`](super::ChunkEnd::Drained)), which comes at once but also between two writes that follow each other
/// closely, "nothing came after it for a while" ([`ChunkEnd::Pause`](super::ChunkEnd::Pause)), and "nothing came for half a second"
/// ([`ChunkEnd::Silence`](super::ChunkEnd::Silence)), which is believed without proof until it was wrong.
#[derive(Debug)]
pub struct PauseHeuristic {
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
    /// Takes in the next bytes.
    pub fn on_bytes(&mut self, bytes: &[u8]) -> PauseFeedback {
        let drained = self.drains.on_bytes(bytes);
        let paused = self.pauses.on_bytes(bytes);
        let silent = self.silences.on_bytes(bytes);
        if [drained, paused, silent].contains(&PauseFeedback::Mismatch) {
            PauseFeedback::Mismatch
        } else {
            PauseFeedback::None
        }
    }

    /// Takes in what the newest NAL unit was found to be. `is_slice` is true for all that is part of a picture.
    pub fn on_boundary(&mut self, boundary: Boundary, is_slice: bool) {
        self.drains.on_boundary(boundary, is_slice);
        self.pauses.on_boundary(boundary, is_slice);
        self.silences.on_boundary(boundary, is_slice);
    }

    /// Takes in that all there was has been read; true if that may be taken for the end of the access unit.
    pub fn on_drain(&mut self, place: UnitPosition) -> bool {
        let is_end = self.drains.on_pause(place);
        if is_end {
            // The pause behind it need not be told, and what comes next is not measured together with this.
            self.pauses.bytes_since_pause = 0;
            self.silences.bytes_since_pause = 0;
        }
        is_end
    }

    /// Takes in a pause; true if it may be taken for the end of the access unit.
    pub fn on_pause(&mut self, place: UnitPosition) -> bool {
        let is_end = self.pauses.on_pause(place);
        if is_end {
            self.silences.bytes_since_pause = 0;
        }
        is_end
    }

    /// Takes in a silence of half a second; true if the access unit is taken for complete.
    pub fn on_silence(&mut self, place: UnitPosition) -> bool {
        self.silences.on_pause(place)
    }

    /// Takes in that an access unit has ended, however that was found.
    pub fn on_unit_end(&mut self) {
        self.drains.on_unit_end();
        self.pauses.on_unit_end();
        self.silences.on_unit_end();
    }

    /// Forgets the last words, but not what was learned: the stream goes on elsewhere.
    pub fn interrupt(&mut self) {
        self.drains.interrupt();
        self.pauses.interrupt();
        self.silences.interrupt();
    }

    /// True if pauses are believed at present.
    pub fn is_trusted(&self) -> bool {
        self.pauses.is_trusted()
    }
}

/// What has been learned about one of the three.
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

/// The last pause, as far as it is not known yet what it was.
#[derive(Clone, Copy, Debug, Default)]
enum PauseState {
    #[default]
    Settled,
    /// So many zero bytes came since.
    Zeros(u32, UnitPosition),
    /// A start code came; which unit the NAL unit after it belongs to is not known yet.
    StartCode(UnitPosition),
}

/// Where a pause was.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum UnitPosition {
    /// After a NAL unit that may be the last of an access unit of so many bytes.
    UnitEnd(usize),
    /// After what may be a NAL unit, but not the last of its access unit.
    BetweenNals,
    /// Where the stream cannot go on with a start code.
    InsideNal,
    /// Between bytes that are not used.
    Nowhere,
}

/// What has become known about the last pause.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PauseFeedback {
    /// Nothing that calls for action.
    None,
    /// It was not the end of an access unit.
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

    /// Takes in the next bytes.
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

    /// Takes in what the newest NAL unit was found to be. `is_slice` is true for all that is part of a picture.
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

    /// Takes in a pause; true if it may be taken for the end of the access unit.
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

    /// Takes in that an access unit has ended, however that was found.
    fn on_unit_end(&mut self) {
        self.distrust_units = self.distrust_units.saturating_sub(1);
    }

    /// Forgets the last pause, but not what was learned: the stream goes on elsewhere.
    fn interrupt(&mut self) {
        self.bytes_since_pause = 0;
        self.pause = PauseState::Settled;
    }

    /// True if pauses are believed at present.
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
