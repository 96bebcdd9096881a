//! Chunks of a byte stream to access units, each as soon as it is known to be complete.
//!
//! An access unit has no end mark: it ends where the next one begins, and to wait for that costs one frame time. So
//! the end of a chunk counts as the end of the unit where the source knows it ([`End::Complete`]) or where a program has
//! shown that it pauses only there ([`End::Pause`], see [`trust`](super::trust)). Whoever turns out to be wrong about that
//! is not believed again, and since a picture has then been given out that lacks a part, all that follows is withheld up
//! to the next IDR picture.

use super::End;
use super::annexb::{Nals, Span, StartCode, Stream};
use super::boundary::{Detector, Verdict};
use super::nal::{Header, UnitType};
use super::trust::{Finding, Place, Trust};
use crate::time::Timestamp;

/// Largest access unit. Level 5.2 at its lowest compression (A.3.1) stays below; a camera's keyframe is a twentieth.
const MAX_UNIT_BYTES: usize = 8 << 20;

/// Most NAL units in an access unit: a slice has at least one macroblock, and a frame at most `MaxFS` of them (Table A-1,
/// level 6.2); the rest is for parameter sets and SEI.
const MAX_UNIT_NALS: usize = 139_264 + 1024;

/// Why an access unit was dropped: it is beyond what the standard's levels allow (Annex A).
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Oversize {
    /// Of all its NAL units together.
    #[error(
        "a frame has more than {MAX_UNIT_BYTES} bytes, which no level of H.264 up to 5.2 needs (Annex A); lower the bit rate"
    )]
    Bytes,
    /// Of the count of its NAL units.
    #[error(
        "a frame has more than {MAX_UNIT_NALS} NAL units, which no level of H.264 allows (Annex A); use fewer slices"
    )]
    Nals,
}

/// How much is taken in before it is looked at, so that a long chunk does not need its size in memory again.
const PIECE_BYTES: usize = 1 << 20;

/// No slice header is longer than this, as far as it is read to judge an unfinished NAL unit.
const HEADER_BYTES: usize = 128;

/// Whose word is taken for the end of an access unit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ends {
    /// Only the device's: pauses mean nothing.
    FromDevice,
    /// A program's pauses too, once they have proved right.
    Learned,
}

/// One access unit: the NAL units of a picture and what goes with it.
#[derive(Clone, Copy, Debug)]
pub struct AccessUnit<'a> {
    /// The NAL units in their order, without start codes and trailing zeros, none empty. While a broken picture is being
    /// passed over there are units with parameter sets alone.
    pub nals: Nals<'a>,
    /// Time of the chunk in which the unit began. Parameter sets that came alone, in a chunk before, do not count: their
    /// time is not that of the picture.
    pub captured_at: Timestamp,
    /// The unit was given out because a program paused, before its end was certain.
    pub is_early: bool,
}

/// Cuts a byte stream into access units.
#[derive(Debug)]
pub struct Assembler {
    ends: Ends,
    stream: Stream,
    detector: Detector,
    trust: Trust,
    is_device_believed: bool,
    tail: Tail,
    unit: Unit,
    /// A picture has been given out broken or not at all: nothing is of use before an IDR picture.
    is_withholding: bool,
    discarded_bytes: u64,
    oversize: Option<Oversize>,
}

/// What the newest bytes of the stream are.
#[derive(Clone, Copy, Debug)]
enum Tail {
    /// Not part of a NAL unit: no start code has come since this index.
    Outside(usize),
    /// The NAL unit whose end is not known.
    Nal {
        start: usize,
        captured_at: Timestamp,
        is_judged: bool,
    },
    /// The rest of a NAL unit that is not wanted.
    Unwanted,
}

/// The access unit that is being put together.
#[derive(Debug)]
struct Unit {
    nals: Vec<Span>,
    captured_at: Option<Timestamp>,
    state: State,
    /// From this NAL unit on, all goes with the next slice; and the time it came.
    undecided_from: Option<(usize, Timestamp)>,
    has_idr: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Collecting,
    /// Given out; what still comes for it was missing.
    GivenOut(End),
    /// Too large.
    Dropped,
}

impl Assembler {
    /// At the beginning of a stream.
    pub fn new(ends: Ends) -> Self {
        Self {
            ends,
            stream: Stream::default(),
            detector: Detector::default(),
            trust: Trust::default(),
            is_device_believed: true,
            tail: Tail::Outside(0),
            unit: Unit::new(),
            is_withholding: false,
            discarded_bytes: 0,
            oversize: None,
        }
    }

    /// Takes in a chunk and gives every access unit that is complete with it to `out`.
    pub fn push(
        &mut self,
        bytes: &[u8],
        captured_at: Timestamp,
        end: End,
        out: &mut dyn FnMut(AccessUnit<'_>),
    ) {
        for piece in bytes.chunks(PIECE_BYTES) {
            let finding = self.trust.bytes_came(piece);
            if finding == Finding::Contradiction && matches!(self.unit.state, State::GivenOut(_)) {
                self.is_withholding = true;
            }
            self.stream.append(piece);
            self.take_in(captured_at, out);
            self.limit();
            self.forget();
        }
        match end {
            End::Complete if self.is_device_believed => self.complete(out),
            End::Drained | End::Pause | End::Silence if self.ends == Ends::Learned => {
                self.pause(end, out)
            }
            _ => {}
        }
        self.forget();
    }

    /// Gives out what is there: the stream has ended (the end of a file). After a break use [`Assembler::reset`].
    pub fn flush(&mut self, out: &mut dyn FnMut(AccessUnit<'_>)) {
        self.close_nal(self.stream.end(), out);
        if self.unit.state == State::Collecting && self.detector.has_picture() {
            self.give_out(self.unit.nals.len(), false, out);
        }
        self.begin_anew();
    }

    /// Forgets what is there: the stream was broken off and goes on elsewhere. Nothing is given out before the next
    /// IDR picture. What was learned about the source and the parameter sets is kept.
    pub fn reset(&mut self) {
        self.begin_anew();
        self.is_withholding = true;
    }

    /// True if the unit has been given out that the newest bytes belong to: a pause behind them would be no news.
    pub fn has_given_all(&self) -> bool {
        matches!(self.unit.state, State::GivenOut(_)) && matches!(self.tail, Tail::Unwanted)
    }

    /// Bytes so far that were no part of any NAL unit, or of an access unit too large to be real.
    pub fn discarded_bytes(&self) -> u64 {
        self.discarded_bytes
    }

    /// Returns once why an access unit was dropped since the last call.
    pub fn take_oversize(&mut self) -> Option<Oversize> {
        self.oversize.take()
    }

    fn begin_anew(&mut self) {
        self.detector.forget_unit();
        self.trust.interrupt();
        self.unit = Unit::new();
        self.end_outside();
        self.forget();
    }

    /// Finds all NAL units that begin in the newest bytes.
    fn take_in(&mut self, captured_at: Timestamp, out: &mut dyn FnMut(AccessUnit<'_>)) {
        while let Some(StartCode { at, nal }) = self.stream.next_start_code() {
            self.close_nal(at, out);
            self.tail = Tail::Nal {
                start: nal,
                captured_at,
                is_judged: false,
            };
        }
        self.judge(self.stream.end(), false, out);
    }

    /// The open NAL unit ends at `end` at the latest.
    fn close_nal(&mut self, end: usize, out: &mut dyn FnMut(AccessUnit<'_>)) {
        self.judge(end, true, out);
        match self.tail {
            Tail::Outside(from) => self.discarded_bytes += self.stream.nal(from, end).len() as u64,
            Tail::Unwanted => {}
            Tail::Nal { start, .. } => {
                let nal = self.stream.nal(start, end);
                if nal.is_empty() {
                    return;
                }
                self.detector.learn(nal);
                let unit_type = Header::of(nal).map(Header::unit_type);
                self.unit.has_idr |= unit_type == Some(UnitType::IdrSlice);
                self.unit.nals.push(Span {
                    start,
                    end: start + nal.len(),
                });
            }
        }
    }

    /// Finds out where the open NAL unit belongs, from its bytes before `end`.
    fn judge(&mut self, end: usize, is_complete: bool, out: &mut dyn FnMut(AccessUnit<'_>)) {
        let Tail::Nal {
            start,
            captured_at,
            is_judged: false,
        } = self.tail
        else {
            return;
        };
        let seen_to = if is_complete {
            end
        } else {
            end.min(start + HEADER_BYTES)
        };
        let nal = self.stream.nal(start, seen_to);
        let verdict = self.detector.judge(nal, is_complete);
        if verdict == Verdict::Unknown {
            return;
        }
        let is_slice = Header::of(nal)
            .map(Header::unit_type)
            .is_some_and(is_part_of_picture);
        self.trust.judged(verdict, is_slice);
        self.tail = Tail::Nal {
            start,
            captured_at,
            is_judged: true,
        };
        match verdict {
            Verdict::Starts => self.next_unit(captured_at, out),
            Verdict::AsNextSlice => {
                self.unit
                    .undecided_from
                    .get_or_insert((self.unit.nals.len(), captured_at));
            }
            Verdict::Continues | Verdict::Unknown => self.same_unit(is_slice),
        }
        self.unit.captured_at.get_or_insert(captured_at);
    }

    /// The open NAL unit is the first of a new access unit, maybe after some that were undecided.
    fn next_unit(&mut self, captured_at: Timestamp, out: &mut dyn FnMut(AccessUnit<'_>)) {
        let (count, began_at) = self
            .unit
            .undecided_from
            .take()
            .unwrap_or((self.unit.nals.len(), captured_at));
        if self.unit.state == State::Collecting {
            self.give_out(count, false, out);
        }
        self.unit.nals.drain(..count.min(self.unit.nals.len()));
        self.unit.captured_at = Some(began_at);
        self.unit.state = State::Collecting;
        self.unit.has_idr = false;
        self.trust.unit_ended();
    }

    /// The open NAL unit belongs to the current access unit.
    fn same_unit(&mut self, is_slice: bool) {
        if is_slice {
            self.unit.undecided_from = None;
        }
        match self.unit.state {
            State::Collecting => return,
            State::GivenOut(end) if is_slice => {
                self.is_withholding = true;
                self.is_device_believed &= end != End::Complete;
            }
            _ => {}
        }
        self.unit.nals.clear();
        self.tail = Tail::Unwanted;
    }

    /// The device says that the access unit ends here.
    fn complete(&mut self, out: &mut dyn FnMut(AccessUnit<'_>)) {
        self.close_nal(self.stream.end(), out);
        self.end_outside();
        self.trust.interrupt();
        self.unit_may_end(End::Complete, out);
    }

    /// The program has paused here, or nothing more was there to be read.
    fn pause(&mut self, end: End, out: &mut dyn FnMut(AccessUnit<'_>)) {
        let is_nal_end = self.stream.bytes().last().is_some_and(|&byte| byte != 0);
        let place = match self.tail {
            Tail::Outside(_) | Tail::Unwanted => Place::Nowhere,
            Tail::Nal {
                is_judged: false, ..
            } => Place::InsideNal,
            Tail::Nal { .. } if !self.detector.has_picture() => Place::BetweenNals,
            Tail::Nal { .. } if self.unit.undecided_from.is_some() || !is_nal_end => {
                Place::BetweenNals
            }
            Tail::Nal { .. } => Place::UnitEnd(self.unit_bytes()),
        };
        let is_believed = match end {
            End::Drained => self.trust.drained(place),
            End::Silence => self.trust.silent(place),
            _ => self.trust.paused(place),
        };
        if is_believed {
            self.close_nal(self.stream.end(), out);
            self.tail = Tail::Unwanted;
            self.unit_may_end(end, out);
        } else if place == Place::BetweenNals && !self.detector.has_picture() {
            self.unit.captured_at = None;
        }
    }

    /// Gives the unit out if it holds a picture; else it waits for one.
    fn unit_may_end(&mut self, end: End, out: &mut dyn FnMut(AccessUnit<'_>)) {
        if !self.detector.has_picture() {
            self.unit.captured_at = None;
        } else if self.unit.state == State::Collecting {
            self.give_out(self.unit.nals.len(), end != End::Complete, out);
            self.unit.nals.clear();
            self.unit.undecided_from = None;
            self.unit.state = State::GivenOut(end);
        }
    }

    /// Gives out the first `count` NAL units, if viewers may have them.
    fn give_out(&mut self, count: usize, is_early: bool, out: &mut dyn FnMut(AccessUnit<'_>)) {
        let mut nals = self.unit.nals.get(..count).unwrap_or_default();
        let (Some(first), Some(last)) = (nals.first(), nals.last()) else {
            return;
        };
        if let Some(oversize) = oversize(last.end - first.start, nals.len()) {
            self.drop_unit(oversize);
            return;
        }
        let bytes = self.stream.bytes();
        let sets: Vec<Span>;
        self.is_withholding &= !self.unit.has_idr;
        if self.is_withholding {
            let is_set = |span: &&Span| {
                let unit_type = bytes
                    .get(span.start..span.end)
                    .and_then(Header::of)
                    .map(Header::unit_type);
                matches!(unit_type, Some(UnitType::Sps | UnitType::Pps))
            };
            sets = nals.iter().filter(is_set).copied().collect();
            nals = &sets;
        }
        if let (false, Some(captured_at)) = (nals.is_empty(), self.unit.captured_at) {
            out(AccessUnit {
                nals: Nals { bytes, spans: nals },
                captured_at,
                is_early,
            });
        }
    }

    /// Bounds the memory that an access unit takes.
    fn limit(&mut self) {
        if let Some(oversize) = oversize(self.unit_bytes(), self.unit.nals.len()) {
            self.drop_unit(oversize);
            self.tail = Tail::Unwanted;
        }
    }

    fn drop_unit(&mut self, oversize: Oversize) {
        self.oversize = Some(oversize);
        self.discarded_bytes += self.unit_bytes() as u64;
        self.unit.nals.clear();
        self.unit.undecided_from = None;
        self.unit.state = State::Dropped;
        self.is_withholding = true;
    }

    /// Bytes from the first one that is kept for the unit to the newest.
    fn unit_bytes(&self) -> usize {
        self.kept_from()
            .map_or(0, |from| self.stream.end().saturating_sub(from))
    }

    fn kept_from(&self) -> Option<usize> {
        let open = if let Tail::Nal { start, .. } = self.tail {
            Some(start)
        } else {
            None
        };
        self.unit.nals.first().map(|span| span.start).or(open)
    }

    /// What comes next is not glued to what is there.
    fn end_outside(&mut self) {
        self.stream.cut();
        self.tail = Tail::Outside(self.stream.end());
    }

    /// Frees the bytes that nothing refers to any more.
    fn forget(&mut self) {
        let end = self.stream.end();
        if let Tail::Outside(from) = self.tail {
            self.discarded_bytes += self.stream.nal(from, end).len() as u64;
        }
        let moved = self.stream.forget_before(self.kept_from().unwrap_or(end));
        if moved == 0 && !matches!(self.tail, Tail::Outside(_)) {
            return;
        }
        for span in &mut self.unit.nals {
            span.start -= moved;
            span.end -= moved;
        }
        match &mut self.tail {
            Tail::Outside(from) => *from = end - moved,
            Tail::Nal { start, .. } => *start -= moved,
            Tail::Unwanted => {}
        }
    }
}

impl Unit {
    fn new() -> Self {
        Self {
            nals: Vec::new(),
            captured_at: None,
            state: State::Collecting,
            undecided_from: None,
            has_idr: false,
        }
    }
}

fn oversize(bytes: usize, nals: usize) -> Option<Oversize> {
    if bytes > MAX_UNIT_BYTES {
        Some(Oversize::Bytes)
    } else {
        (nals > MAX_UNIT_NALS).then_some(Oversize::Nals)
    }
}

/// True for what a picture lacks when it is missing.
fn is_part_of_picture(unit_type: UnitType) -> bool {
    unit_type.has_slice_header()
        || matches!(
            unit_type,
            UnitType::PartitionBc | UnitType::AuxiliarySlice | UnitType::SliceExtension
        )
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
