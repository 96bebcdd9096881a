//! One viewer's position in the buffer.

use super::Inner;
use super::event::{Event, Received};
use super::gop_buffer::{EntryPoint, GopBuffer};
use super::lookahead::{Action, LinkPolicy};
use crate::media::Frame;
use crate::time::Timestamp;
use std::time::Duration;

/// Delivery of frames to a viewer: its oldest frame that has not arrived, else the newest frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DeliveryState {
    /// Time of its publication.
    pub published_at: Timestamp,
    /// Time of its capture; for a frame in flight after skipped ones, the capture time of the frame
    /// that the viewer still sees.
    pub captured_at: Timestamp,
    /// The viewer has received it, and everything before it.
    pub is_received: bool,
}

impl DeliveryState {
    /// Returns the age of the viewer's picture on arrival, or by now if it still waits for the
    /// next.
    pub fn delay(&self, one_way: Duration, now: Timestamp) -> Duration {
        if self.is_received {
            self.published_at.since(self.captured_at) + one_way
        } else {
            now.since(self.captured_at)
        }
    }
}

/// Position of a viewer, and what it was sent.
#[derive(Debug)]
pub(super) struct Cursor {
    pub(super) position: Position,
    /// The kept keyframe was sent before the frame with this number; its bytes.
    lead_in: Option<(u64, u64)>,
    /// The frame before the next one was sent, or is not needed.
    has_previous: bool,
    /// Capture time of the frame sent last.
    last_sent_captured_at: Option<Timestamp>,
    /// Frame at which it continued after skipped ones, and the capture time of the picture seen
    /// until then.
    seek: Option<(u64, Timestamp)>,
    /// A disposable frame was skipped since the last query.
    pub(super) has_skipped: bool,
    /// Size of a frame as the viewer is sent it.
    pub(super) bytes_of: fn(&Frame) -> usize,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Position {
    /// The frame with this number is next.
    At(u64),
    /// A viewer begins at the recovery point with this number, and has got this many frames of its lead.
    LeadIn(u64, usize),
    /// The first keyframe or recovery point from this number on is next.
    NextKeyframe(u64),
}

impl Position {
    /// Position at which a viewer starts now; the next keyframe where there is no other way.
    pub(super) fn newest(ring: &GopBuffer) -> Self {
        match ring.entry_point() {
            Some(entry) => entry.into(),
            None => Self::NextKeyframe(ring.next_seq()),
        }
    }
}

impl From<EntryPoint> for Position {
    fn from(entry: EntryPoint) -> Self {
        match entry {
            EntryPoint::Keyframe(number) => Self::At(number),
            EntryPoint::Recovery(number) => Self::LeadIn(number, 0),
        }
    }
}

impl Cursor {
    pub(super) fn new(position: Position) -> Self {
        Self {
            position,
            lead_in: None,
            has_previous: true,
            last_sent_captured_at: None,
            seek: None,
            has_skipped: false,
            bytes_of: Frame::len,
        }
    }

    /// Returns true if it is behind the newest frame.
    pub(super) fn has_all(&self, inner: &Inner) -> bool {
        matches!(self.position, Position::At(number) if number == inner.buffer.next_seq())
    }

    /// Returns the next event, if there is one now. `link` is that of a congested viewer.
    pub(super) fn next_from(
        &mut self,
        inner: &mut Inner,
        received: &mut Received,
        link: Option<&mut (dyn LinkPolicy + '_)>,
    ) -> Option<Event> {
        if let Position::NextKeyframe(from) = self.position {
            let is_there = |entry: &u64| *entry >= from || inner.buffer.can_start_anywhere();
            inner.buffer.entry_seq().filter(is_there)?;
            self.position = Position::newest(&inner.buffer);
        }
        let mut number = match self.position {
            Position::At(number) | Position::NextKeyframe(number) => number,
            Position::LeadIn(number, given) => {
                return self.next_of_lead_in(inner, received, link, (number, given));
            }
        };
        if number < inner.buffer.oldest_seq() {
            return self.seek_to_entry_point(inner, number);
        }
        match inner.next_action(number, self.has_previous, link) {
            Action::Send => {}
            Action::SeekToKeyframe => return self.seek_to_entry_point(inner, number),
            Action::Wait => return None,
            Action::RequestKeyframe => {
                inner.keyframes.request();
                return None;
            }
            Action::Skip => {
                inner.skipped += 1;
                self.has_skipped = true;
                number += 1;
                self.has_previous = false;
                self.position = Position::At(number);
            }
        }
        let frame = &inner.buffer.get(number)?.frame;
        if let Some(event) = received.new_parameters(frame) {
            self.position = Position::At(number);
            return Some(event);
        }
        self.last_sent_captured_at = Some(frame.captured_at);
        self.position = Position::At(number + 1);
        self.has_previous = true;
        Some(Event::Frame(frame.clone()))
    }

    /// Returns the next frame of the lead-in of the recovery point `number`.
    fn next_of_lead_in(
        &mut self,
        inner: &mut Inner,
        received: &mut Received,
        link: Option<&mut (dyn LinkPolicy + '_)>,
        (number, given): (u64, usize),
    ) -> Option<Event> {
        let lead = inner.buffer.lead_in(number);
        let Some((lead, frame)) = lead.and_then(|lead| {
            let frame = lead.frames.get(given)?.clone();
            Some((lead, frame))
        }) else {
            // Too old, or without a keyframe that could go before it.
            self.position = Position::At(number);
            return self.next_from(inner, received, link);
        };
        if let Some(event) = received.new_parameters(&frame) {
            return Some(event);
        }
        self.last_sent_captured_at = Some(frame.captured_at);
        let is_last = given + 1 == lead.frames.len();
        self.position = if is_last {
            Position::At(lead.next)
        } else {
            Position::LeadIn(number, given + 1)
        };
        let bytes = lead.frames.iter().map(|one| (self.bytes_of)(one) as u64);
        self.lead_in = Some((lead.next, bytes.sum()));
        self.has_previous = true;
        Some(Event::Frame(frame))
    }

    /// Continues where viewers start now, or at the next keyframe.
    fn seek_to_entry_point(&mut self, inner: &mut Inner, from: u64) -> Option<Event> {
        self.position = Position::newest(&inner.buffer);
        let to = match self.position {
            Position::At(number) | Position::LeadIn(number, _) => number,
            Position::NextKeyframe(number) => {
                inner.mark_keyframe_missing();
                number
            }
        };
        // A frame that never left changes nothing of the picture that is seen.
        let seen = self.seek.filter(|(before, _)| *before == from);
        self.seek = seen
            .map(|(_, seen)| seen)
            .or(self.last_sent_captured_at)
            .map(|seen| (to, seen));
        let count = to.saturating_sub(from);
        inner.skipped += count;
        Some(Event::Skipped(count))
    }

    /// Returns the delivery state while `outstanding` bytes of the sent frames are in flight;
    /// `None` before the first frame.
    pub(super) fn delivery_state(&self, inner: &Inner, outstanding: u64) -> Option<DeliveryState> {
        let Position::At(next) = self.position else {
            return None;
        };
        // The frames before the next one are those that were sent, so that nothing is kept for each
        // viewer.
        let (mut number, mut bytes) = (next, 0);
        while bytes < outstanding {
            if let Some((_, lead)) = self.lead_in.filter(|(before, _)| *before == number) {
                bytes += lead;
                if bytes >= outstanding {
                    break;
                }
            }
            match number
                .checked_sub(1)
                .and_then(|before| inner.buffer.get(before))
            {
                Some(before) => bytes += (self.bytes_of)(&before.frame) as u64,
                None => break,
            }
            number -= 1;
        }
        // A frame that the buffer has dropped is older than all it keeps; otherwise a link that is
        // silent for longer would count as idle.
        let missing = inner.buffer.get(number.max(inner.buffer.oldest_seq()));
        let kept = missing.or_else(|| inner.buffer.newest())?;
        let seen_until_then = self.seek.filter(|(to, _)| *to == number);
        Some(DeliveryState {
            published_at: kept.published_at,
            captured_at: seen_until_then.map_or(kept.frame.captured_at, |(_, seen)| seen),
            is_received: missing.is_none(),
        })
    }
}
