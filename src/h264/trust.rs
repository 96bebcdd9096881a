//! Whether a program's pauses may be taken for the ends of its access units.
//!
//! A program that writes each access unit with one `write()` pauses exactly there, and a viewer may have the unit at
//! once; one that writes blocks pauses anywhere. Nothing in the stream tells which it is, so it is learned from what
//! comes after the pauses, and one pause in the wrong place costs the trust.

use super::boundary::Verdict;

/// Pauses in a row that were ends of access units, before the next one is believed.
const PROVEN_PAUSES: u32 = 8;

/// Reads in a row that ended with the access unit, before the next one is believed: a program that writes a unit in two
/// parts is mostly seen whole on a busy machine.
const PROVEN_DRAINS: u32 = 60;

/// Access units for which nothing is believed after the first pause in the wrong place: about a minute.
const BARRED_UNITS: u32 = 2000;

/// Pauses in the wrong place after which nothing is ever believed again.
const MAX_CONTRADICTIONS: u32 = 2;

/// Sizes that pieces of streams have when they are cut by the block: pages and stdio buffers, and the payload of a TCP
/// segment. A pause after such a piece says nothing, and is not held against the program either: stdio writes the
/// blocks of a unit first and its rest a moment later.
const BLOCKS_BYTES: [usize; 2] = [4096, 1448];

/// How much larger than any unit with a proven end a unit may be. A keyframe that is larger than what the program
/// can write at once would otherwise be the first thing to be cut.
const MAX_GROWTH: usize = 4;

/// What has been learned about a program, for each of the three words that its reader has: "I have read all there is"
/// ([`End::Drained`](super::End::Drained)), which comes at once but also between two writes that follow each other
/// closely, "nothing came after it for a while" ([`End::Pause`](super::End::Pause)), and "nothing came for half a second"
/// ([`End::Silence`](super::End::Silence)), which is believed without proof until it was wrong.
#[derive(Debug)]
pub struct Trust {
    drained: Habit,
    paused: Habit,
    silent: Habit,
}

impl Default for Trust {
    fn default() -> Self {
        Self {
            drained: Habit::new(PROVEN_DRAINS),
            paused: Habit::new(PROVEN_PAUSES),
            silent: Habit::new(0),
        }
    }
}

impl Trust {
    /// Takes in the next bytes.
    pub fn bytes_came(&mut self, bytes: &[u8]) -> Finding {
        let drained = self.drained.bytes_came(bytes);
        let paused = self.paused.bytes_came(bytes);
        let silent = self.silent.bytes_came(bytes);
        if [drained, paused, silent].contains(&Finding::Contradiction) {
            Finding::Contradiction
        } else {
            Finding::Nothing
        }
    }

    /// Takes in what the newest NAL unit was found to be. `is_slice` is true for all that is part of a picture.
    pub fn judged(&mut self, verdict: Verdict, is_slice: bool) {
        self.drained.judged(verdict, is_slice);
        self.paused.judged(verdict, is_slice);
        self.silent.judged(verdict, is_slice);
    }

    /// Takes in that all there was has been read; true if that may be taken for the end of the access unit.
    pub fn drained(&mut self, place: Place) -> bool {
        let is_end = self.drained.paused(place);
        if is_end {
            // The pause behind it need not be told, and what comes next is not measured together with this.
            self.paused.piece_bytes = 0;
            self.silent.piece_bytes = 0;
        }
        is_end
    }

    /// Takes in a pause; true if it may be taken for the end of the access unit.
    pub fn paused(&mut self, place: Place) -> bool {
        let is_end = self.paused.paused(place);
        if is_end {
            self.silent.piece_bytes = 0;
        }
        is_end
    }

    /// Takes in a silence of half a second; true if the access unit is taken for complete.
    pub fn silent(&mut self, place: Place) -> bool {
        self.silent.paused(place)
    }

    /// Takes in that an access unit has ended, however that was found.
    pub fn unit_ended(&mut self) {
        self.drained.unit_ended();
        self.paused.unit_ended();
        self.silent.unit_ended();
    }

    /// Forgets the last words, but not what was learned: the stream goes on elsewhere.
    pub fn interrupt(&mut self) {
        self.drained.interrupt();
        self.paused.interrupt();
        self.silent.interrupt();
    }

    /// True if pauses are believed at present.
    pub fn is_proven(&self) -> bool {
        self.paused.is_proven()
    }
}

/// What has been learned about one of the three.
#[derive(Debug)]
struct Habit {
    needed_proofs: u32,
    proven_pauses: u32,
    contradictions: u32,
    barred_units: u32,
    largest_proven_bytes: usize,
    piece_bytes: usize,
    pause: Pause,
}

/// The last pause, as far as it is not known yet what it was.
#[derive(Clone, Copy, Debug, Default)]
enum Pause {
    #[default]
    Settled,
    /// So many zero bytes came since.
    Zeros(u32, Place),
    /// A start code came; which unit the NAL unit after it belongs to is not known yet.
    StartCode(Place),
}

/// Where a pause was.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
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
pub enum Finding {
    /// Nothing that calls for action.
    Nothing,
    /// It was not the end of an access unit.
    Contradiction,
}

impl Habit {
    const fn new(needed_proofs: u32) -> Self {
        Self {
            needed_proofs,
            proven_pauses: 0,
            contradictions: 0,
            barred_units: 0,
            largest_proven_bytes: 0,
            piece_bytes: 0,
            pause: Pause::Settled,
        }
    }

    /// Takes in the next bytes.
    fn bytes_came(&mut self, bytes: &[u8]) -> Finding {
        self.piece_bytes = self.piece_bytes.saturating_add(bytes.len());
        let Pause::Zeros(mut zeros, place) = self.pause else {
            return Finding::Nothing;
        };
        for byte in bytes {
            match byte {
                0 => zeros = zeros.saturating_add(1),
                1 if zeros >= 2 => {
                    self.pause = Pause::StartCode(place);
                    return Finding::Nothing;
                }
                _ => {
                    self.contradict();
                    return Finding::Contradiction;
                }
            }
        }
        self.pause = Pause::Zeros(zeros, place);
        Finding::Nothing
    }

    /// Takes in what the newest NAL unit was found to be. `is_slice` is true for all that is part of a picture.
    fn judged(&mut self, verdict: Verdict, is_slice: bool) {
        let Pause::StartCode(place) = self.pause else {
            return;
        };
        match (verdict, place) {
            (Verdict::Unknown | Verdict::AsNextSlice, _) => return,
            (Verdict::Starts, Place::UnitEnd(bytes)) => {
                self.proven_pauses = self.proven_pauses.saturating_add(1);
                self.largest_proven_bytes = self.largest_proven_bytes.max(bytes);
            }
            (Verdict::Continues, Place::UnitEnd(_)) if is_slice => self.contradict(),
            _ => {}
        }
        self.pause = Pause::Settled;
    }

    /// Takes in a pause; true if it may be taken for the end of the access unit.
    fn paused(&mut self, place: Place) -> bool {
        let piece_bytes = std::mem::take(&mut self.piece_bytes);
        if piece_bytes == 0 {
            return false;
        }
        if BLOCKS_BYTES
            .iter()
            .any(|block| piece_bytes.is_multiple_of(*block))
        {
            self.pause = Pause::Settled;
            return false;
        }
        if place == Place::InsideNal || !matches!(self.pause, Pause::Settled) {
            self.contradict();
            return false;
        }
        match place {
            Place::Nowhere => false,
            Place::UnitEnd(bytes) => {
                self.pause = Pause::Zeros(0, place);
                let largest = self.largest_proven_bytes.saturating_mul(MAX_GROWTH);
                self.is_proven() && (self.needed_proofs == 0 || bytes <= largest)
            }
            _ => {
                self.pause = Pause::Zeros(0, place);
                false
            }
        }
    }

    /// Takes in that an access unit has ended, however that was found.
    fn unit_ended(&mut self) {
        self.barred_units = self.barred_units.saturating_sub(1);
    }

    /// Forgets the last pause, but not what was learned: the stream goes on elsewhere.
    fn interrupt(&mut self) {
        self.piece_bytes = 0;
        self.pause = Pause::Settled;
    }

    /// True if pauses are believed at present.
    fn is_proven(&self) -> bool {
        self.proven_pauses >= self.needed_proofs
            && self.barred_units == 0
            && self.contradictions < MAX_CONTRADICTIONS
    }

    fn contradict(&mut self) {
        self.pause = Pause::Settled;
        self.proven_pauses = 0;
        self.contradictions = self.contradictions.saturating_add(1);
        self.barred_units = BARRED_UNITS;
    }
}
