//! Order of the frames of one camera: they are returned by number, without gaps but before keyframes. Pure, with tests.
//!
//! A gap is closed by frames that are sent again, else the next keyframe ends it, which is asked for. So a decoder never
//! gets a frame whose references are missing.

use super::assembly::Assembled;
use crate::time::Timestamp;
use std::time::Duration;

/// Most frames that wait, and their bytes.
const MAX_FRAMES: usize = 256;
const MAX_BYTES: usize = 24 << 20;

/// Most frames that are asked for again.
const MAX_RESEND: u32 = 30;

/// Time after which a gap is given up for a keyframe, and interval of requests for one.
const RESEND_TIMEOUT: Duration = Duration::from_millis(250);
const KEYFRAME_INTERVAL: Duration = Duration::from_millis(500);

/// Question to the camera.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Request {
    /// Frames, first to last.
    Resend(u32, u32),
    /// A keyframe.
    Keyframe,
}

/// Frames that wait for those before them.
#[derive(Debug, Default)]
pub struct Order {
    /// Sorted by number.
    waiting: Vec<Assembled>,
    bytes: usize,
    /// Number of the next frame; `None` until the first keyframe.
    next: Option<u32>,
    gap_since: Option<Timestamp>,
    has_asked_again: bool,
    keyframe_asked_at: Option<Timestamp>,
    lost: u64,
}

/// Distance from `b` to `a`, as numbers wrap.
fn distance(a: u32, b: u32) -> i32 {
    a.wrapping_sub(b).cast_signed()
}

impl Order {
    /// Takes a frame.
    pub fn push(&mut self, frame: Assembled) {
        let number = frame.header.number;
        if self.next.is_some_and(|next| distance(number, next) < 0) {
            return;
        }
        let at = (self.waiting).partition_point(|other| distance(other.header.number, number) < 0);
        if (self.waiting.get(at)).is_some_and(|other| other.header.number == number) {
            return;
        }
        self.bytes += frame.bytes.len();
        self.waiting.insert(at, frame);
        if self.waiting.len() > MAX_FRAMES || self.bytes > MAX_BYTES {
            self.restart();
        }
    }

    /// Forgets what waits, and begins again with a keyframe.
    pub fn restart(&mut self) {
        self.lost += self.waiting.len() as u64;
        self.waiting.clear();
        self.bytes = 0;
        self.next = None;
        self.gap_since = None;
    }

    /// Returns the next frame, if decoders can take it.
    pub fn pop(&mut self, now: Timestamp) -> Option<Assembled> {
        let first = self.waiting.first()?.header;
        let at = if self.next == Some(first.number) {
            0
        } else {
            // The newest place to begin: earlier ones are history.
            let Some(at) = self.waiting.iter().rposition(|frame| frame.header.is_entry) else {
                self.gap_since.get_or_insert(now);
                return None;
            };
            at
        };
        let skipped: Vec<Assembled> = self.waiting.drain(..at).collect();
        self.bytes -= skipped.iter().map(|frame| frame.bytes.len()).sum::<usize>();
        let frame = self.waiting.remove(0);
        self.bytes -= frame.bytes.len();
        let number = frame.header.number;
        if let Some(next) = self.next {
            self.lost += u64::try_from(distance(number, next)).unwrap_or(0);
        }
        self.next = Some(number.wrapping_add(1));
        self.gap_since = None;
        self.has_asked_again = false;
        if frame.header.is_entry {
            self.keyframe_asked_at = None;
        }
        Some(frame)
    }

    /// Returns the question to ask now.
    pub fn request(&mut self, now: Timestamp) -> Option<Request> {
        let is_waiting = self.next.is_none();
        if let (Some(next), Some(first), Some(since)) =
            (self.next, self.waiting.first(), self.gap_since)
        {
            let last = first.header.number.wrapping_sub(1);
            let is_short = last.wrapping_sub(next) < MAX_RESEND;
            if is_short && !self.has_asked_again {
                self.has_asked_again = true;
                return Some(Request::Resend(next, last));
            }
            if is_short && now.since(since) < RESEND_TIMEOUT {
                return None;
            }
        } else if !is_waiting {
            return None;
        }
        self.keyframe_request(now)
    }

    /// Returns a request for a keyframe, unless there was one just now.
    pub fn keyframe_request(&mut self, now: Timestamp) -> Option<Request> {
        let is_due = |at: Timestamp| now.since(at) >= KEYFRAME_INTERVAL;
        if !self.keyframe_asked_at.is_none_or(is_due) {
            return None;
        }
        self.keyframe_asked_at = Some(now);
        Some(Request::Keyframe)
    }

    /// Returns the number of frames lost so far.
    pub fn lost(&self) -> u64 {
        self.lost
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nats::wire::FrameHeader;
    use bytes::Bytes;

    fn at(ms: u64) -> Timestamp {
        Timestamp::from_nanos(ms * 1_000_000)
    }

    fn push(order: &mut Order, number: u32, is_entry: bool) {
        order.push(Assembled {
            header: FrameHeader {
                is_entry,
                chunk: 0,
                chunks: 1,
                epoch: 1,
                number,
                nominal_duration: 1,
                captured_at: at(0),
                sent_at: at(0),
            },
            bytes: Bytes::from_static(b"x"),
        });
    }

    fn popped(order: &mut Order) -> Vec<u32> {
        std::iter::from_fn(|| order.pop(at(0)))
            .map(|frame| frame.header.number)
            .collect()
    }

    #[test]
    fn frames_begin_at_a_keyframe_and_come_in_order() {
        let mut order = Order::default();
        push(&mut order, 9, false);
        assert!(popped(&mut order).is_empty());
        assert_eq!(order.request(at(0)), Some(Request::Keyframe));
        assert_eq!(order.request(at(100)), None);
        assert_eq!(order.request(at(500)), Some(Request::Keyframe));
        // The answer to a join comes after frames that are newer.
        for number in [12, 11, 10, 7, 8] {
            push(&mut order, number, number == 7);
        }
        assert_eq!(popped(&mut order), [7, 8, 9, 10, 11, 12]);
        push(&mut order, 11, false);
        assert!(popped(&mut order).is_empty());
        assert_eq!(order.request(at(9000)), None);
        assert_eq!(order.lost(), 0);
    }

    #[test]
    fn gap_is_closed_by_frames_sent_again() {
        let mut order = Order::default();
        push(&mut order, u32::MAX - 1, true);
        assert_eq!(popped(&mut order), [u32::MAX - 1]);
        push(&mut order, 1, false);
        assert!(popped(&mut order).is_empty());
        assert_eq!(order.request(at(0)), Some(Request::Resend(u32::MAX, 0)));
        assert_eq!(order.request(at(100)), None);
        push(&mut order, 0, false);
        push(&mut order, u32::MAX, false);
        assert_eq!(popped(&mut order), [u32::MAX, 0, 1]);
        assert_eq!((order.request(at(9000)), order.lost()), (None, 0));
    }

    #[test]
    fn gap_that_stays_ends_at_the_next_keyframe() {
        let mut order = Order::default();
        push(&mut order, 1, true);
        push(&mut order, 3, false);
        assert_eq!(popped(&mut order), [1]);
        assert_eq!(order.request(at(0)), Some(Request::Resend(2, 2)));
        assert_eq!(order.request(at(250)), Some(Request::Keyframe));
        push(&mut order, 5, true);
        push(&mut order, 6, false);
        assert_eq!(popped(&mut order), [5, 6]);
        assert_eq!(order.lost(), 3);
    }

    #[test]
    fn waiting_frames_are_bounded() {
        let mut order = Order::default();
        push(&mut order, 1, true);
        popped(&mut order);
        for number in 3..10_000 {
            push(&mut order, number, false);
            assert!(order.waiting.len() <= MAX_FRAMES);
            popped(&mut order);
        }
        assert!(order.request(at(1000)).is_some());
    }
}
