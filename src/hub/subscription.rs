//! One viewer's cursor in the buffer.

use super::gop_buffer::{EntryPoint, GopBuffer};
use super::skip_policy::Action;
use super::{CameraStatus, CongestedLink, Inner, Shared};
use crate::media::{Frame, Parameters};
use crate::time::Timestamp;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Duration;

/// Event for a viewer.
#[derive(Clone, Debug)]
pub enum Event {
    /// The camera's status changed.
    Status(Arc<CameraStatus>),
    /// This many frames were skipped because of congestion; a keyframe follows.
    Skipped(u64),
    /// Parameters of the following frames.
    Parameters(Arc<Parameters>),
    /// The next frame.
    Frame(Frame),
}

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

/// One viewer's subscription to a camera.
#[derive(Debug)]
pub struct Subscription {
    pub(super) shared: Arc<Shared>,
    /// The hub's version when everything had been sent.
    pub(super) seen_version: Option<u64>,
    pub(super) cursor: Cursor,
}

/// Position of a viewer, and what it was sent.
#[derive(Debug)]
pub(super) struct Cursor {
    pub(super) id: u64,
    pub(super) position: Position,
    /// The kept keyframe was sent before the frame with this number; its bytes.
    pub(super) lead_in: Option<(u64, u64)>,
    /// The frame before the next one was sent, or is not needed.
    pub(super) has_previous: bool,
    /// Capture time of the frame sent last.
    pub(super) last_sent_captured_at: Option<Timestamp>,
    /// Frame at which it continued after skipped ones, and the capture time of the picture seen
    /// until then.
    pub(super) seek: Option<(u64, Timestamp)>,
    /// A disposable frame was skipped since the last query.
    pub(super) has_skipped: bool,
    /// Status sent last.
    pub(super) status: Option<Arc<CameraStatus>>,
    pub(super) parameters: Option<Arc<Parameters>>,
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

impl Subscription {
    /// Returns the next event, if there is one now.
    pub fn try_next(&mut self) -> Option<Event> {
        // Nearly every second call: the one after the newest frame.
        if self.seen_version == Some(self.shared.version.load(Ordering::Acquire)) {
            return None;
        }
        let mut inner = self.shared.lock();
        let event = self.cursor.next_from(&mut inner);
        let has_all = matches!(self.cursor.position, Position::At(number) if number == inner.buffer.next_seq())
            && matches!(event, None | Some(Event::Frame(_)));
        self.seen_version = has_all.then(|| self.shared.version.load(Ordering::Acquire));
        event
    }

    /// Returns the next event, or wakes the task when there is one.
    pub fn poll_next(&mut self, context: &Context<'_>) -> Poll<Event> {
        let mut inner = self.shared.lock();
        match self.cursor.next_from(&mut inner) {
            Some(event) => Poll::Ready(event),
            None => {
                let before = inner
                    .waiting_wakers
                    .insert(self.cursor.id, context.waker().clone());
                drop(inner);
                drop(before);
                Poll::Pending
            }
        }
    }

    /// Starts at the newest keyframe, for a viewer that still waits for the next one.
    pub fn start_now(&mut self) {
        let inner = self.shared.lock();
        if let (Position::NextKeyframe(_), Some(entry)) =
            (self.cursor.position, inner.buffer.entry_point())
        {
            self.cursor.position = entry.into();
            self.seen_version = None;
        }
    }

    /// Sets how large a frame is as the viewer is sent it; else that is the size of its WebSocket message.
    pub fn set_bytes_of(&mut self, bytes_of: fn(&Frame) -> usize) {
        self.cursor.bytes_of = bytes_of;
    }

    /// Sets the congestion of the viewer's link.
    pub fn set_congested(&self, line: Option<CongestedLink>) {
        let mut inner = self.shared.lock();
        match line {
            Some(line) => inner.congested.insert(self.cursor.id, line),
            None => inner.congested.remove(&self.cursor.id),
        };
    }

    /// Returns true once after a disposable frame was skipped.
    pub fn take_skipped_flag(&mut self) -> bool {
        std::mem::take(&mut self.cursor.has_skipped)
    }

    /// Returns the delivery state while `outstanding` bytes of the sent frames are in flight;
    /// `None` before the first frame.
    pub fn delivery_state(&self, outstanding: u64) -> Option<DeliveryState> {
        let Position::At(next) = self.cursor.position else {
            return None;
        };
        let inner = self.shared.lock();
        // The frames before the next one are those that were sent, so that nothing is kept for each
        // viewer.
        let (mut number, mut bytes) = (next, 0);
        while bytes < outstanding {
            if let Some((_, lead)) = self.cursor.lead_in.filter(|(before, _)| *before == number) {
                bytes += lead;
                if bytes >= outstanding {
                    break;
                }
            }
            match number
                .checked_sub(1)
                .and_then(|before| inner.buffer.get(before))
            {
                Some(before) => bytes += (self.cursor.bytes_of)(&before.frame) as u64,
                None => break,
            }
            number -= 1;
        }
        // A frame that the buffer has dropped is older than all it keeps; otherwise a link that is
        // silent for longer would count as idle.
        let missing = inner.buffer.get(number.max(inner.buffer.oldest_seq()));
        let kept = missing.or_else(|| inner.buffer.newest())?;
        let seen_until_then = self.cursor.seek.filter(|(to, _)| *to == number);
        Some(DeliveryState {
            published_at: kept.published_at,
            captured_at: seen_until_then.map_or(kept.frame.captured_at, |(_, seen)| seen),
            is_received: missing.is_none(),
        })
    }
}

impl Cursor {
    fn next_from(&mut self, inner: &mut Inner) -> Option<Event> {
        if !self
            .status
            .as_ref()
            .is_some_and(|told| Arc::ptr_eq(told, &inner.status))
        {
            self.status = Some(inner.status.clone());
            return Some(Event::Status(inner.status.clone()));
        }
        if let Position::NextKeyframe(from) = self.position {
            let is_there = |entry: &u64| *entry >= from || inner.buffer.can_start_anywhere();
            inner.buffer.entry_seq().filter(is_there)?;
            self.position = Position::newest(&inner.buffer);
        }
        let mut number = match self.position {
            Position::At(number) | Position::NextKeyframe(number) => number,
            Position::LeadIn(number, given) => return self.next_of_lead_in(inner, number, given),
        };
        if number < inner.buffer.oldest_seq() {
            return self.seek_to_entry_point(inner, number);
        }
        match inner.next_action(self.id, number, self.has_previous) {
            Action::Send => {}
            Action::SeekToKeyframe => return self.seek_to_entry_point(inner, number),
            Action::RequestKeyframe | Action::Wait => return None,
            Action::Skip => {
                inner.skipped += 1;
                self.has_skipped = true;
                number += 1;
                self.has_previous = false;
                self.position = Position::At(number);
            }
        }
        let frame = &inner.buffer.get(number)?.frame;
        if let Some(event) = self.new_parameters(frame) {
            self.position = Position::At(number);
            return Some(event);
        }
        self.last_sent_captured_at = Some(frame.captured_at);
        self.position = Position::At(number + 1);
        self.has_previous = true;
        Some(Event::Frame(frame.clone()))
    }

    /// Returns the parameters of `frame`, if the viewer does not have them.
    fn new_parameters(&mut self, frame: &Frame) -> Option<Event> {
        let has_them = |told: &Arc<Parameters>| Arc::ptr_eq(told, &frame.parameters);
        if self.parameters.as_ref().is_some_and(has_them) {
            return None;
        }
        self.parameters = Some(frame.parameters.clone());
        Some(Event::Parameters(frame.parameters.clone()))
    }

    /// Returns the next frame of the lead-in of the recovery point `number`.
    fn next_of_lead_in(&mut self, inner: &mut Inner, number: u64, given: usize) -> Option<Event> {
        let lead = inner.buffer.lead_in(number);
        let Some((lead, frame)) = lead.and_then(|lead| {
            let frame = lead.frames.get(given)?.clone();
            Some((lead, frame))
        }) else {
            // Too old, or without a keyframe that could go before it.
            self.position = Position::At(number);
            return self.next_from(inner);
        };
        if let Some(event) = self.new_parameters(&frame) {
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
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let mut inner = self.shared.lock();
        inner.viewers -= 1;
        inner.congested.remove(&self.cursor.id);
        // Dropped without the lock: it may be the last hold on a task that holds other viewers.
        let waker = inner.waiting_wakers.remove(&self.cursor.id);
        drop(inner);
        drop(waker);
    }
}
