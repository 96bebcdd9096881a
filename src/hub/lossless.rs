//! A subscriber that gets every frame: for recording and for publishing elsewhere.
//!
//! It has a queue of its own, whose frames share their bytes with all others. The publisher never waits for it. Where the
//! queue is full it loses frames up to the next at which decoding can begin, and its reader is told how many.

use super::gop_buffer::EntryPoint;
use super::{Hub, Shared};
use crate::media::Frame;
use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll};

/// Event for a lossless subscriber.
#[derive(Clone, Debug)]
pub enum LosslessEvent {
    /// The next frame. The first one is a keyframe, and so is the one after an overrun, or a recovery point.
    Frame(Frame),
    /// This many frames were lost since the last event: the reader was too slow for its byte limit.
    Overrun(u64),
}

/// Reading end of a subscriber's queue.
#[derive(Debug)]
pub struct LosslessSubscription {
    shared: Arc<Shared>,
    id: u64,
}

/// Frames that wait for one subscriber.
#[derive(Debug)]
pub(super) struct Queue {
    events: VecDeque<LosslessEvent>,
    bytes: usize,
    max_bytes: usize,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// It takes every frame.
    Flowing,
    /// It waits for its first frame.
    Starting,
    /// It waits for a keyframe or recovery point, and has lost this many frames since the last
    /// event.
    Overrun(u64),
}

impl Queue {
    fn new(max_bytes: usize) -> Self {
        Self {
            events: VecDeque::new(),
            bytes: 0,
            max_bytes,
            state: State::Flowing,
        }
    }

    /// Adds the newest frame. Returns true if it would go on sooner with a keyframe.
    pub(super) fn push(&mut self, frame: &Frame) -> bool {
        let has_room = self.bytes + frame.len() <= self.max_bytes;
        let can_begin = frame.is_keyframe || frame.recovery.is_some();
        match self.state {
            State::Flowing if !has_room => {
                self.state = State::Overrun(1);
                return true;
            }
            State::Starting if !has_room || !can_begin => return false,
            State::Overrun(lost) if !has_room || !can_begin => {
                self.state = State::Overrun(lost + 1);
                return false;
            }
            State::Overrun(lost @ 1..) => self.events.push_back(LosslessEvent::Overrun(lost)),
            _ => {}
        }
        self.state = State::Flowing;
        self.bytes += frame.len();
        self.events.push_back(LosslessEvent::Frame(frame.clone()));
        false
    }

    /// Adds a frame that was there before the subscriber.
    fn start_with(&mut self, frame: &Frame) {
        self.push(frame);
    }

    fn pop(&mut self) -> Option<LosslessEvent> {
        match (self.events.pop_front(), self.state) {
            (Some(LosslessEvent::Frame(frame)), _) => {
                self.bytes -= frame.len();
                Some(LosslessEvent::Frame(frame))
            }
            (Some(overrun), _) => Some(overrun),
            // The reader is told at once, not when it can go on.
            (None, State::Overrun(lost @ 1..)) => {
                self.state = State::Overrun(0);
                Some(LosslessEvent::Overrun(lost))
            }
            (None, _) => None,
        }
    }
}

impl Hub {
    /// Returns a subscriber that gets every frame, of which at most `max_bytes` wait. It begins where viewers begin now, else
    /// at the next keyframe. As long as it lives a camera on demand is open.
    pub fn subscribe_lossless(&self, max_bytes: usize) -> LosslessSubscription {
        let mut inner = self.0.lock();
        let mut queue = Queue::new(max_bytes);
        let first = match inner.buffer.entry_point() {
            None => None,
            Some(EntryPoint::Keyframe(number)) => Some(number),
            Some(EntryPoint::Recovery(number)) => {
                inner.buffer.lead_in(number).map_or(Some(number), |lead| {
                    lead.frames.iter().for_each(|frame| queue.start_with(frame));
                    Some(lead.next)
                })
            }
        };
        match first {
            Some(first) => inner
                .buffer
                .from(first)
                .for_each(|frame| queue.start_with(frame)),
            None => {
                queue.state = State::Starting;
                inner.mark_keyframe_missing();
            }
        }
        let id = inner.next_id;
        inner.next_id += 1;
        inner.lossless.insert(id, queue);
        inner.demand_guards += 1;
        self.0.demand_changed.notify_all();
        drop(inner);
        LosslessSubscription {
            shared: self.0.clone(),
            id,
        }
    }
}

impl LosslessSubscription {
    /// Returns the next event, if there is one now.
    pub fn try_next(&mut self) -> Option<LosslessEvent> {
        self.shared.lock().lossless.get_mut(&self.id)?.pop()
    }

    /// Returns the next event; the task is woken when there is one.
    pub fn poll_next(&mut self, context: &Context<'_>) -> Poll<LosslessEvent> {
        let mut inner = self.shared.lock();
        if let Some(event) = inner.lossless.get_mut(&self.id).and_then(Queue::pop) {
            return Poll::Ready(event);
        }
        let waker = context.waker().clone();
        let before = inner.waiting_wakers.insert(self.id, waker);
        drop(inner);
        drop(before);
        Poll::Pending
    }
}

impl Drop for LosslessSubscription {
    fn drop(&mut self) {
        let mut inner = self.shared.lock();
        inner.demand_guards -= 1;
        let queue = inner.lossless.remove(&self.id);
        let waker = inner.waiting_wakers.remove(&self.id);
        drop(inner);
        drop((queue, waker));
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::test_channel;
    use super::super::{CameraState, Publisher};
    use super::*;
    use crate::media::{Description, FrameHeader, Parameters, Recovery};
    use crate::time::Timestamp;

    /// `K` is a keyframe, `r` a recovery point.
    fn publish(publisher: &Publisher, from: u64, kinds: &str) {
        let parameters = Arc::new(Parameters::new(Description::default()));
        for (number, kind) in (from..).zip(kinds.chars()) {
            let header = FrameHeader {
                parameters: parameters.clone(),
                sequence: 0,
                decode_time: number,
                composition_offset: None,
                duration: 1,
                nominal_duration: 1,
                captured_at: Timestamp::default(),
                is_keyframe: kind == 'K',
                is_disposable: false,
                recovery: (kind == 'r').then_some(Recovery {
                    frames: 1,
                    is_marked: true,
                }),
            };
            let nal: &[u8] = &[1; 10];
            publisher.publish(Frame::new(header, [nal].into_iter()), Timestamp::default());
        }
    }

    /// Bytes of a frame of `publish`.
    const FRAME_BYTES: usize = 130;

    fn events(subscription: &mut LosslessSubscription) -> String {
        let mut out = String::new();
        while let Some(event) = subscription.try_next() {
            out += &match event {
                LosslessEvent::Frame(frame) => format!("{} ", frame.decode_time),
                LosslessEvent::Overrun(lost) => format!("lost:{lost} "),
            };
        }
        out.trim_end().to_owned()
    }

    #[test]
    fn subscriber_begins_at_a_keyframe_and_gets_all() {
        let (publisher, hub, requests) = test_channel();
        publisher.set_status(CameraState::Live, "");
        let mut early = hub.subscribe_lossless(1 << 20);
        assert!(publisher.has_demand() && requests.take());
        publish(&publisher, 0, "ppKpp");
        let mut late = hub.subscribe_lossless(1 << 20);
        publish(&publisher, 5, "pKp");
        assert_eq!(events(&mut early), "2 3 4 5 6 7", "nothing is lost");
        assert_eq!(events(&mut late), "2 3 4 5 6 7");
        drop((early, late));
        assert!(!publisher.has_demand());
    }

    #[test]
    fn slow_reader_is_told_what_it_lost() {
        let (publisher, hub, requests) = test_channel();
        let mut slow = hub.subscribe_lossless(3 * FRAME_BYTES);
        requests.take();
        publish(&publisher, 0, "Kpp");
        assert!(!requests.take());
        publish(&publisher, 3, "pp");
        assert!(requests.take(), "it goes on with a keyframe");
        publish(&publisher, 5, "Kp");
        assert_eq!(events(&mut slow), "0 1 2 lost:4");
        // What came before the next keyframe is told when there is one.
        publish(&publisher, 7, "pprp");
        assert_eq!(events(&mut slow), "lost:2 9 10");
    }

    #[test]
    fn reader_is_woken_for_the_next_frame() {
        let (publisher, hub, _) = test_channel();
        let mut reader = hub.subscribe_lossless(1 << 20);
        let context = Context::from_waker(std::task::Waker::noop());
        assert!(reader.poll_next(&context).is_pending());
        assert_eq!(hub.0.lock().waiting_wakers.len(), 1);
        publish(&publisher, 0, "K");
        assert!(hub.0.lock().waiting_wakers.is_empty());
        assert!(reader.poll_next(&context).is_ready());
    }
}
