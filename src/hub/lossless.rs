//! Queue of a lossless subscriber: for recording and for publishing elsewhere.
//!
//! Its frames share their bytes with all others. The publisher never waits for the reader. Where the queue is full it
//! loses frames up to the next at which decoding can begin, and the reader is told how many.

use super::event::{Event, Received};
use super::gop_buffer::{EntryPoint, GopBuffer};
use crate::media::Frame;
use std::collections::VecDeque;

/// Frames that wait for one subscriber.
#[derive(Debug)]
pub(super) struct Queue {
    events: VecDeque<Event>,
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
    /// Creates a queue of at most `max_bytes` with the frames from where viewers begin now. Without
    /// such a place it waits for the next.
    pub(super) fn new(max_bytes: usize, buffer: &mut GopBuffer) -> Self {
        let mut queue = Self {
            events: VecDeque::new(),
            bytes: 0,
            max_bytes,
            state: State::Flowing,
        };
        let first = match buffer.entry_point() {
            None => {
                queue.state = State::Starting;
                return queue;
            }
            Some(EntryPoint::Keyframe(number)) => number,
            Some(EntryPoint::Recovery(number)) => match buffer.lead_in(number) {
                None => number,
                Some(lead) => {
                    queue.fill(&lead.frames);
                    lead.next
                }
            },
        };
        queue.fill(buffer.from(first));
        queue
    }

    /// Adds frames that were there before the subscriber.
    fn fill<'a>(&mut self, frames: impl IntoIterator<Item = &'a Frame>) {
        for frame in frames {
            self.push(frame);
        }
    }

    /// Returns true if it waits for its first frame.
    pub(super) fn is_starting(&self) -> bool {
        self.state == State::Starting
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
            State::Overrun(lost @ 1..) => self.events.push_back(Event::Skipped(lost)),
            _ => {}
        }
        self.state = State::Flowing;
        self.bytes += frame.len();
        self.events.push_back(Event::Frame(frame.clone()));
        false
    }

    /// Takes the next event of a reader that has `received` so much.
    pub(super) fn pop(&mut self, received: &mut Received) -> Option<Event> {
        if let Some(Event::Frame(frame)) = self.events.front() {
            let parameters = received.new_parameters(frame);
            if parameters.is_some() {
                return parameters;
            }
            self.bytes -= frame.len();
        }
        match (self.events.pop_front(), self.state) {
            // The reader is told at once, not when it can go on.
            (None, State::Overrun(lost @ 1..)) => {
                self.state = State::Overrun(0);
                Some(Event::Skipped(lost))
            }
            (event, _) => event,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::test_channel;
    use super::super::{CameraState, Delivery, Publisher, Subscription};
    use super::*;
    use crate::media::{Description, FrameHeader, Parameters, Recovery};
    use crate::time::Timestamp;
    use std::sync::Arc;
    use std::task::Context;

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

    fn lossless(max_bytes: usize) -> Delivery {
        Delivery::Lossless { max_bytes }
    }

    fn events(subscription: &mut Subscription) -> String {
        let mut out = String::new();
        while let Some(event) = subscription.try_next() {
            out += &match event {
                Event::Frame(frame) => format!("{} ", frame.decode_time),
                Event::Skipped(lost) => format!("lost:{lost} "),
                Event::Status(status) => format!("{} ", status.state.as_str()),
                Event::Parameters(_) => "init ".to_owned(),
            };
        }
        out.trim_end().to_owned()
    }

    #[test]
    fn subscriber_begins_at_a_keyframe_and_gets_all() {
        let (publisher, hub, requests) = test_channel();
        publisher.set_status(CameraState::Live, "");
        let mut early = hub.subscribe(lossless(1 << 20));
        assert!(publisher.has_demand() && requests.take());
        publish(&publisher, 0, "ppKpp");
        let mut late = hub.subscribe(lossless(1 << 20));
        publish(&publisher, 5, "pKp");
        let all = "live init 2 3 4 init 5 6 7";
        assert_eq!(events(&mut early), all, "nothing is lost");
        assert_eq!(events(&mut late), all);
        drop((early, late));
        assert!(!publisher.has_demand());
    }

    #[test]
    fn slow_reader_is_told_what_it_lost() {
        let (publisher, hub, requests) = test_channel();
        let mut slow = hub.subscribe(lossless(3 * FRAME_BYTES));
        requests.take();
        publish(&publisher, 0, "Kpp");
        assert!(!requests.take());
        publish(&publisher, 3, "pp");
        assert!(requests.take(), "it goes on with a keyframe");
        publish(&publisher, 5, "Kp");
        assert_eq!(events(&mut slow), "starting init 0 1 2 lost:4");
        // What came before the next keyframe is told when there is one.
        publish(&publisher, 7, "pprp");
        assert_eq!(events(&mut slow), "lost:2 init 9 10");
    }

    #[test]
    fn reader_is_woken_for_the_next_frame() {
        let (publisher, hub, _) = test_channel();
        let mut reader = hub.subscribe(lossless(1 << 20));
        let context = Context::from_waker(std::task::Waker::noop());
        assert!(reader.poll_next(&context).is_ready(), "the status");
        assert!(reader.poll_next(&context).is_pending());
        assert_eq!(hub.0.lock().waiting_wakers.len(), 1);
        publish(&publisher, 0, "K");
        assert!(hub.0.lock().waiting_wakers.is_empty());
        assert!(reader.poll_next(&context).is_ready());
    }
}
