//! Assembly of access units from chunks of a byte stream, each as soon as it is known to be
//! complete.
//!
//! An access unit has no end mark: it ends where the next one begins, and waiting for that costs
//! one frame time. So the end of a chunk ends the unit if the source knows it
//! ([`ChunkEnd::Complete`]), or if the program has been seen to pause only there
//! ([`ChunkEnd::Pause`], see [`pause_heuristic`](super::pause_heuristic)). A wrong end costs the
//! trust. An incomplete picture has then been emitted, so the assembler discards everything up to
//! the next IDR picture.

mod oversize;

pub use oversize::Oversize;

use super::ChunkEnd;
use super::annexb::{AnnexBBuffer, NalRange, Nals, StartCode};
use super::au_boundary::{Boundary, BoundaryDetector};
use super::nal::{NalHeader, NalUnitType};
use super::pause_heuristic::{PauseFeedback, PauseHeuristic, UnitPosition};
use crate::time::Timestamp;
use oversize::oversize;

/// Size of the parts in which a long chunk is ingested, so that it is not held in memory twice.
const CHUNK_BYTES: usize = 1 << 20;

/// Longest part of a slice header that classifying an unfinished NAL unit needs.
const MAX_SLICE_HEADER_BYTES: usize = 128;

/// Source of access unit ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BoundaryMode {
    /// Trust the device; ignore pauses.
    Trusted,
    /// Trust pauses of the program too, once they are confirmed.
    Inferred,
}

/// Access unit: the NAL units of a picture and what belongs to it.
#[derive(Clone, Copy, Debug)]
pub struct AccessUnit<'a> {
    /// NAL units in order, without start codes and trailing zeros, none empty. Broken pictures
    /// yield units with parameter sets alone.
    pub nals: Nals<'a>,
    /// Time of the chunk in which the unit began. Parameter sets in an earlier chunk do not count.
    pub captured_at: Timestamp,
    /// True if the unit was emitted at a pause, before its end was certain.
    pub is_early: bool,
}

/// Assembler that splits a byte stream into access units.
#[derive(Debug)]
pub struct Assembler {
    mode: BoundaryMode,
    stream: AnnexBBuffer,
    detector: BoundaryDetector,
    pause_heuristic: PauseHeuristic,
    trusts_device: bool,
    trailing: Trailing,
    unit: PendingUnit,
    /// True after a broken or dropped picture: nothing is usable before an IDR picture.
    awaiting_idr: bool,
    discarded_bytes: u64,
    oversize: Option<Oversize>,
}

/// State of the newest bytes.
#[derive(Clone, Copy, Debug)]
enum Trailing {
    /// Outside of NAL units: no start code since this index.
    Outside(usize),
    /// NAL unit whose end is unknown.
    Nal {
        start: usize,
        captured_at: Timestamp,
        is_classified: bool,
    },
    /// Rest of a NAL unit that is skipped.
    Skipped,
}

/// Access unit under assembly.
#[derive(Debug)]
struct PendingUnit {
    nals: Vec<NalRange>,
    captured_at: Option<Timestamp>,
    state: UnitState,
    /// Index of the first NAL unit that goes with the next slice, and its time.
    undecided_from: Option<(usize, Timestamp)>,
    has_idr: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum UnitState {
    Collecting,
    /// Emitted; whatever still comes for it was missing.
    Emitted(ChunkEnd),
    /// Too large.
    Discarded,
}

impl Assembler {
    /// Creates an assembler at the beginning of a stream.
    pub fn new(ends: BoundaryMode) -> Self {
        Self {
            mode: ends,
            stream: AnnexBBuffer::default(),
            detector: BoundaryDetector::default(),
            pause_heuristic: PauseHeuristic::default(),
            trusts_device: true,
            trailing: Trailing::Outside(0),
            unit: PendingUnit::new(),
            awaiting_idr: false,
            discarded_bytes: 0,
            oversize: None,
        }
    }

    /// Ingests a chunk and passes every completed access unit to `out`.
    pub fn push(
        &mut self,
        bytes: &[u8],
        captured_at: Timestamp,
        end: ChunkEnd,
        out: &mut dyn FnMut(AccessUnit<'_>),
    ) {
        for piece in bytes.chunks(CHUNK_BYTES) {
            let finding = self.pause_heuristic.on_bytes(piece);
            if finding == PauseFeedback::Mismatch
                && matches!(self.unit.state, UnitState::Emitted(_))
            {
                self.awaiting_idr = true;
            }
            self.stream.append(piece);
            self.ingest(captured_at, out);
            self.enforce_limits();
            self.discard_consumed();
        }
        match end {
            ChunkEnd::Complete if self.trusts_device => self.on_complete(out),
            ChunkEnd::Drained | ChunkEnd::Pause | ChunkEnd::Silence
                if self.mode == BoundaryMode::Inferred =>
            {
                self.on_pause(end, out)
            }
            _ => {}
        }
        self.discard_consumed();
    }

    /// Emits the rest at the end of the stream (end of file). After a break use
    /// [`Assembler::reset`].
    pub fn flush(&mut self, out: &mut dyn FnMut(AccessUnit<'_>)) {
        self.close_nal(self.stream.end(), out);
        if self.unit.state == UnitState::Collecting && self.detector.has_picture() {
            self.emit(self.unit.nals.len(), false, out);
        }
        self.resync();
    }

    /// Discards the rest, as the stream was interrupted. Nothing is emitted before the next IDR
    /// picture. Parameter sets and what was learned of the source are kept.
    pub fn reset(&mut self) {
        self.resync();
        self.awaiting_idr = true;
    }

    /// Returns true if the newest bytes belong to an emitted unit: a pause after them is no news.
    pub fn is_drained(&self) -> bool {
        matches!(self.unit.state, UnitState::Emitted(_))
            && matches!(self.trailing, Trailing::Skipped)
    }

    /// Returns the number of bytes outside of NAL units or in oversized access units.
    #[cfg(test)]
    pub(crate) fn discarded_bytes(&self) -> u64 {
        self.discarded_bytes
    }

    /// Returns once why an access unit was dropped since the last call.
    pub fn take_oversize(&mut self) -> Option<Oversize> {
        self.oversize.take()
    }

    fn resync(&mut self) {
        self.detector.reset_unit();
        self.pause_heuristic.interrupt();
        self.unit = PendingUnit::new();
        self.detach_trailing();
        self.discard_consumed();
    }

    /// Finds all NAL units that begin in the newest bytes.
    fn ingest(&mut self, captured_at: Timestamp, out: &mut dyn FnMut(AccessUnit<'_>)) {
        while let Some(StartCode { at, nal }) = self.stream.next_start_code() {
            self.close_nal(at, out);
            self.trailing = Trailing::Nal {
                start: nal,
                captured_at,
                is_classified: false,
            };
        }
        self.classify_nal(self.stream.end(), false, out);
    }

    /// Closes the open NAL unit, which ends at `end` at the latest.
    fn close_nal(&mut self, end: usize, out: &mut dyn FnMut(AccessUnit<'_>)) {
        self.classify_nal(end, true, out);
        match self.trailing {
            Trailing::Outside(from) => {
                self.discarded_bytes += self.stream.nal(from, end).len() as u64
            }
            Trailing::Skipped => {}
            Trailing::Nal { start, .. } => {
                let nal = self.stream.nal(start, end);
                if nal.is_empty() {
                    return;
                }
                self.detector.add_parameter_set(nal);
                let unit_type = NalHeader::of(nal).map(NalHeader::unit_type);
                self.unit.has_idr |= unit_type == Some(NalUnitType::IdrSlice);
                self.unit.nals.push(NalRange {
                    start,
                    end: start + nal.len(),
                });
            }
        }
    }

    /// Classifies the open NAL unit by its bytes before `end`.
    fn classify_nal(&mut self, end: usize, is_complete: bool, out: &mut dyn FnMut(AccessUnit<'_>)) {
        let Trailing::Nal {
            start,
            captured_at,
            is_classified: false,
        } = self.trailing
        else {
            return;
        };
        let seen_to = if is_complete {
            end
        } else {
            end.min(start + MAX_SLICE_HEADER_BYTES)
        };
        let nal = self.stream.nal(start, seen_to);
        let boundary = self.detector.classify(nal, is_complete);
        if boundary == Boundary::NeedMoreData {
            return;
        }
        let is_slice = NalHeader::of(nal)
            .map(NalHeader::unit_type)
            .is_some_and(is_part_of_picture);
        self.pause_heuristic.on_boundary(boundary, is_slice);
        self.trailing = Trailing::Nal {
            start,
            captured_at,
            is_classified: true,
        };
        match boundary {
            Boundary::NewUnit => self.begin_unit(captured_at, out),
            Boundary::FollowsNextSlice => {
                self.unit
                    .undecided_from
                    .get_or_insert((self.unit.nals.len(), captured_at));
            }
            Boundary::SameUnit | Boundary::NeedMoreData => self.continue_unit(is_slice),
        }
        self.unit.captured_at.get_or_insert(captured_at);
    }

    /// Starts an access unit with the open NAL unit, maybe after undecided ones.
    fn begin_unit(&mut self, captured_at: Timestamp, out: &mut dyn FnMut(AccessUnit<'_>)) {
        let (count, began_at) = self
            .unit
            .undecided_from
            .take()
            .unwrap_or((self.unit.nals.len(), captured_at));
        if self.unit.state == UnitState::Collecting {
            self.emit(count, false, out);
        }
        self.unit.nals.drain(..count.min(self.unit.nals.len()));
        self.unit.captured_at = Some(began_at);
        self.unit.state = UnitState::Collecting;
        self.unit.has_idr = false;
        self.pause_heuristic.on_unit_end();
    }

    /// Adds the open NAL unit to the current access unit.
    fn continue_unit(&mut self, is_slice: bool) {
        if is_slice {
            self.unit.undecided_from = None;
        }
        match self.unit.state {
            UnitState::Collecting => return,
            UnitState::Emitted(end) if is_slice => {
                self.awaiting_idr = true;
                self.trusts_device &= end != ChunkEnd::Complete;
            }
            _ => {}
        }
        self.unit.nals.clear();
        self.trailing = Trailing::Skipped;
    }

    /// Ends the access unit, as the device says.
    fn on_complete(&mut self, out: &mut dyn FnMut(AccessUnit<'_>)) {
        self.close_nal(self.stream.end(), out);
        self.detach_trailing();
        self.pause_heuristic.interrupt();
        self.end_unit(ChunkEnd::Complete, out);
    }

    /// Handles a pause of the program, or an empty pipe.
    fn on_pause(&mut self, end: ChunkEnd, out: &mut dyn FnMut(AccessUnit<'_>)) {
        let is_nal_end = self.stream.bytes().last().is_some_and(|&byte| byte != 0);
        let place = match self.trailing {
            Trailing::Outside(_) | Trailing::Skipped => UnitPosition::Nowhere,
            Trailing::Nal {
                is_classified: false,
                ..
            } => UnitPosition::InsideNal,
            Trailing::Nal { .. } if !self.detector.has_picture() => UnitPosition::BetweenNals,
            Trailing::Nal { .. } if self.unit.undecided_from.is_some() || !is_nal_end => {
                UnitPosition::BetweenNals
            }
            Trailing::Nal { .. } => UnitPosition::UnitEnd(self.unit_bytes()),
        };
        let is_believed = match end {
            ChunkEnd::Drained => self.pause_heuristic.on_drain(place),
            ChunkEnd::Silence => self.pause_heuristic.on_silence(place),
            _ => self.pause_heuristic.on_pause(place),
        };
        if is_believed {
            self.close_nal(self.stream.end(), out);
            self.trailing = Trailing::Skipped;
            self.end_unit(end, out);
        } else if place == UnitPosition::BetweenNals && !self.detector.has_picture() {
            self.unit.captured_at = None;
        }
    }

    /// Emits the unit if it holds a picture; otherwise it waits for one.
    fn end_unit(&mut self, end: ChunkEnd, out: &mut dyn FnMut(AccessUnit<'_>)) {
        if !self.detector.has_picture() {
            self.unit.captured_at = None;
        } else if self.unit.state == UnitState::Collecting {
            self.emit(self.unit.nals.len(), end != ChunkEnd::Complete, out);
            self.unit.nals.clear();
            self.unit.undecided_from = None;
            self.unit.state = UnitState::Emitted(end);
        }
    }

    /// Emits the first `count` NAL units, unless viewers must not get them.
    fn emit(&mut self, count: usize, is_early: bool, out: &mut dyn FnMut(AccessUnit<'_>)) {
        let mut nals = self.unit.nals.get(..count).unwrap_or_default();
        let (Some(first), Some(last)) = (nals.first(), nals.last()) else {
            return;
        };
        if let Some(oversize) = oversize(last.end - first.start, nals.len()) {
            self.discard_unit(oversize);
            return;
        }
        let bytes = self.stream.bytes();
        let sets: Vec<NalRange>;
        self.awaiting_idr &= !self.unit.has_idr;
        if self.awaiting_idr {
            let is_set = |span: &&NalRange| {
                let unit_type = bytes
                    .get(span.start..span.end)
                    .and_then(NalHeader::of)
                    .map(NalHeader::unit_type);
                matches!(unit_type, Some(NalUnitType::Sps | NalUnitType::Pps))
            };
            sets = nals.iter().filter(is_set).copied().collect();
            nals = &sets;
        }
        if let (false, Some(captured_at)) = (nals.is_empty(), self.unit.captured_at) {
            out(AccessUnit {
                nals: Nals {
                    bytes,
                    ranges: nals,
                },
                captured_at,
                is_early,
            });
        }
    }

    /// Enforces the limits of an access unit.
    fn enforce_limits(&mut self) {
        if let Some(oversize) = oversize(self.unit_bytes(), self.unit.nals.len()) {
            self.discard_unit(oversize);
            self.trailing = Trailing::Skipped;
        }
    }

    fn discard_unit(&mut self, oversize: Oversize) {
        self.oversize = Some(oversize);
        self.discarded_bytes += self.unit_bytes() as u64;
        self.unit.nals.clear();
        self.unit.undecided_from = None;
        self.unit.state = UnitState::Discarded;
        self.awaiting_idr = true;
    }

    /// Returns the bytes from the first retained one of the unit to the newest.
    fn unit_bytes(&self) -> usize {
        self.retained_from()
            .map_or(0, |from| self.stream.end().saturating_sub(from))
    }

    fn retained_from(&self) -> Option<usize> {
        let open = if let Trailing::Nal { start, .. } = self.trailing {
            Some(start)
        } else {
            None
        };
        self.unit.nals.first().map(|span| span.start).or(open)
    }

    /// Separates the next bytes from the present ones.
    fn detach_trailing(&mut self) {
        self.stream.mark_searched();
        self.trailing = Trailing::Outside(self.stream.end());
    }

    /// Frees the bytes that nothing refers to.
    fn discard_consumed(&mut self) {
        let end = self.stream.end();
        if let Trailing::Outside(from) = self.trailing {
            self.discarded_bytes += self.stream.nal(from, end).len() as u64;
        }
        let moved = self
            .stream
            .discard_before(self.retained_from().unwrap_or(end));
        if moved == 0 && !matches!(self.trailing, Trailing::Outside(_)) {
            return;
        }
        for span in &mut self.unit.nals {
            span.start -= moved;
            span.end -= moved;
        }
        match &mut self.trailing {
            Trailing::Outside(from) => *from = end - moved,
            Trailing::Nal { start, .. } => *start -= moved,
            Trailing::Skipped => {}
        }
    }
}

impl PendingUnit {
    fn new() -> Self {
        Self {
            nals: Vec::new(),
            captured_at: None,
            state: UnitState::Collecting,
            undecided_from: None,
            has_idr: false,
        }
    }
}

/// Returns true for NAL units without which a picture is incomplete.
fn is_part_of_picture(unit_type: NalUnitType) -> bool {
    unit_type.has_slice_header()
        || matches!(
            unit_type,
            NalUnitType::PartitionBc | NalUnitType::AuxiliarySlice | NalUnitType::SliceExtension
        )
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
