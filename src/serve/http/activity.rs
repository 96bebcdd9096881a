//! Measures how fast a client takes its answers, and decides which clients are too slow to stay. Pure, with tests.

use crate::serve::limits::{MIN_WINDOW_BYTES, RATE_WINDOW};
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// Age before which no connection makes room for another one.
const EVICT_AFTER: Duration = Duration::from_secs(1);

/// Age from which a request that is being worked on makes room: longer than any answer takes.
const EVICT_PROCESSING_AFTER: Duration = Duration::from_secs(30);

/// Time without a frame after which the reader of a stream makes room for a new viewer.
const EVICT_STREAM_AFTER: Duration = Duration::from_secs(5);

/// Reason for the end of a client that is too slow.
pub(crate) const TOO_SLOW: &str = "it reads too slowly";

/// Tracks one connection while it speaks HTTP.
#[derive(Debug)]
pub(crate) struct ConnectionActivity {
    state: Mutex<State>,
    end: Notify,
}

#[derive(Debug)]
struct State {
    phase: Phase,
    /// Start of the phase.
    since: Instant,
    /// Set while bytes wait that the socket does not take.
    waiting: Option<Window>,
    is_stream: bool,
    frames: Frames,
    /// The task that waits until everything is taken.
    taken_waker: Option<Waker>,
    close_reason: Option<&'static str>,
}

/// Frames of a stream that are on their way since everything was taken last.
#[derive(Debug, Default)]
struct Frames {
    /// Bytes that the socket took.
    taken: u64,
    /// End of each frame among those bytes, without HTTP's chunk headers.
    ends: VecDeque<u64>,
    /// Bytes of all frames.
    total: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    /// The next request's head has not come yet.
    Reading,
    /// The request is worked on.
    Processing,
    /// The answer is on its way.
    Responding,
}

/// Bytes that a client took since something began to wait for it, since its last frame or since the
/// last window.
#[derive(Debug)]
struct Window {
    since: Instant,
    bytes: u64,
}

impl ConnectionActivity {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            state: Mutex::new(State {
                phase: Phase::Reading,
                since: now,
                waiting: None,
                is_stream: false,
                frames: Frames::default(),
                taken_waker: None,
                close_reason: None,
            }),
            end: Notify::new(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that a request's head has come.
    pub(crate) fn on_request(&self, now: Instant) {
        self.state().enter(Phase::Processing, now);
    }

    /// Notes that the answer is ready; `is_stream` if it has no end.
    pub(crate) fn on_response(&self, is_stream: bool, now: Instant) {
        let mut state = self.state();
        state.enter(Phase::Responding, now);
        state.is_stream = is_stream;
    }

    /// Notes that the socket took `bytes`.
    pub(crate) fn on_bytes_sent(&self, bytes: usize, now: Instant) {
        let mut state = self.state();
        let has_taken_frame = state.is_stream && state.frames.take(bytes as u64);
        if let Some(window) = &mut state.waiting {
            window.bytes += bytes as u64;
            if has_taken_frame {
                *window = Window::new(now);
            }
        }
    }

    /// Notes that a frame of `bytes` is the next to be sent.
    pub(crate) fn queue_frame(&self, bytes: usize) {
        let mut state = self.state();
        if state.is_stream {
            let frames = &mut state.frames;
            frames.total += bytes as u64;
            frames.ends.push_back(frames.total);
        }
    }

    /// Notes that the socket takes nothing more for now.
    pub(crate) fn on_blocked(&self, now: Instant) {
        self.state().waiting.get_or_insert(Window::new(now));
    }

    /// Notes that the socket took everything.
    pub(crate) fn on_flushed(&self, now: Instant) {
        let mut state = self.state();
        state.waiting = None;
        (state.frames.taken, state.frames.total) = (0, 0);
        state.frames.ends.clear();
        let waker = state.taken_waker.take();
        if state.phase == Phase::Responding && !state.is_stream {
            state.enter(Phase::Reading, now);
        }
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Waits until the socket has taken all frames of the stream.
    pub(crate) fn poll_taken(&self, context: &Context<'_>) -> Poll<()> {
        let mut state = self.state();
        if state.frames.total == 0 {
            return Poll::Ready(());
        }
        state.taken_waker = Some(context.waker().clone());
        Poll::Pending
    }

    /// True if no answer of ours is being made or sent.
    pub(crate) fn is_reading(&self) -> bool {
        self.state().phase == Phase::Reading
    }

    /// True if something waits that the client does not take.
    pub(crate) fn is_waiting(&self) -> bool {
        self.state().waiting.is_some()
    }

    /// True for the reader of a stream, which counts as a viewer.
    pub(crate) fn is_stream(&self) -> bool {
        self.state().is_stream
    }

    /// Ends the connection if its client is too slow.
    pub(crate) fn close_if_slow(&self, now: Instant) {
        let mut state = self.state();
        let Some(window) = &mut state.waiting else {
            return;
        };
        if now.saturating_duration_since(window.since) < RATE_WINDOW {
            return;
        }
        if window.bytes >= MIN_WINDOW_BYTES {
            *window = Window::new(now);
            return;
        }
        drop(state);
        self.close(TOO_SLOW);
    }

    /// Returns the idle time of a connection that may make room for another one.
    pub(crate) fn idle_time(&self, now: Instant) -> Option<Duration> {
        let state = self.state();
        if state.is_stream || state.close_reason.is_some() {
            return None;
        }
        let age = now.saturating_duration_since(state.since);
        let least = match state.phase {
            Phase::Processing => EVICT_PROCESSING_AFTER,
            Phase::Reading | Phase::Responding => EVICT_AFTER,
        };
        (age >= least).then_some(age)
    }

    /// Returns the time without progress of a stream's reader that may make room for a viewer.
    pub(crate) fn stalled_time(&self, now: Instant) -> Option<Duration> {
        let state = self.state();
        let window = state.waiting.as_ref()?;
        let age = now.saturating_duration_since(window.since);
        let is_stalled = window.bytes < age.as_secs() * MIN_WINDOW_BYTES / RATE_WINDOW.as_secs();
        let may = state.is_stream && state.close_reason.is_none() && is_stalled;
        (may && age >= EVICT_STREAM_AFTER).then_some(age)
    }

    /// Ends the connection.
    pub(crate) fn close(&self, reason: &'static str) {
        self.state().close_reason.get_or_insert(reason);
        self.end.notify_one();
    }

    /// Ends the connection if something waits that the client does not take.
    pub(crate) fn close_if_waiting(&self, reason: &'static str) {
        if self.is_waiting() {
            self.close(reason);
        }
    }

    /// Returns the reason for which the connection was ended from outside.
    pub(crate) fn close_reason(&self) -> Option<&'static str> {
        self.state().close_reason
    }

    /// Waits until the connection is ended from outside; returns the reason.
    pub(crate) async fn wait_for_end(&self) -> &'static str {
        loop {
            self.end.notified().await;
            if let Some(reason) = self.close_reason() {
                return reason;
            }
        }
    }
}

impl Window {
    fn new(since: Instant) -> Self {
        Self { since, bytes: 0 }
    }
}

impl Frames {
    /// Notes that the socket took `bytes`; returns true if a frame was taken to its end.
    fn take(&mut self, bytes: u64) -> bool {
        self.taken += bytes;
        let before = self.ends.len();
        while self.ends.front().is_some_and(|end| *end <= self.taken) {
            self.ends.pop_front();
        }
        self.ends.len() < before
    }
}

impl State {
    fn enter(&mut self, phase: Phase, now: Instant) {
        (self.phase, self.since) = (phase, now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// A client whose answer waits since the second 0.
    fn waiting(is_stream: bool) -> (ConnectionActivity, Instant) {
        let begin = Instant::now();
        let activity = ConnectionActivity::new(begin);
        activity.on_request(begin);
        activity.on_response(is_stream, begin);
        activity.on_blocked(begin);
        (activity, begin)
    }

    #[test]
    fn reader_below_one_kb_per_second_is_ended() {
        for (rate, stays) in [(0, false), (990, false), (1010, true)] {
            let (activity, begin) = waiting(false);
            for second in 1..=200 {
                let now = begin + SECOND * second;
                activity.on_bytes_sent(rate, now);
                activity.close_if_slow(now);
                if second == 44 {
                    assert_eq!(activity.close_reason(), None, "{rate} B/s");
                }
            }
            assert_eq!(activity.close_reason().is_none(), stays, "{rate} B/s");
        }
    }

    #[test]
    fn stream_reader_needs_one_frame_per_window() {
        // Frames of 100 bytes, of which this many are taken each second.
        for (rate, stays) in [(3, true), (2, false), (0, false)] {
            let (activity, begin) = waiting(true);
            (0..100).for_each(|_| activity.queue_frame(100));
            for second in 1..=180 {
                let now = begin + SECOND * second;
                activity.on_bytes_sent(rate, now);
                activity.close_if_slow(now);
            }
            assert_eq!(activity.close_reason().is_none(), stays, "{rate} B/s");
        }
    }

    #[test]
    fn frames_that_only_wait_are_not_taken() {
        let (activity, begin) = waiting(true);
        for second in 1..=46 {
            activity.queue_frame(100);
            activity.close_if_slow(begin + SECOND * second);
        }
        assert!(activity.close_reason().is_some());
    }

    #[test]
    fn stream_waits_until_its_frame_is_taken() {
        let (activity, begin) = waiting(true);
        let context = Context::from_waker(Waker::noop());
        assert_eq!(activity.poll_taken(&context), Poll::Ready(()));
        activity.queue_frame(100);
        activity.on_bytes_sent(100, begin);
        assert_eq!(activity.poll_taken(&context), Poll::Pending);
        activity.on_flushed(begin);
        assert_eq!(activity.poll_taken(&context), Poll::Ready(()));
    }

    #[test]
    fn reader_with_nothing_waiting_stays() {
        let (activity, begin) = waiting(true);
        activity.on_flushed(begin + SECOND);
        activity.close_if_slow(begin + SECOND * 10_000);
        assert_eq!(activity.close_reason(), None);
        assert_eq!(activity.stalled_time(begin + SECOND * 10_000), None);
    }

    #[test]
    fn stalled_stream_makes_room_and_a_moving_one_does_not() {
        let (activity, begin) = waiting(true);
        assert_eq!(activity.stalled_time(begin + SECOND * 4), None);
        assert!(activity.stalled_time(begin + SECOND * 5).is_some());
        assert_eq!(
            activity.idle_time(begin + SECOND * 40),
            None,
            "no place of a page"
        );
        activity.queue_frame(100);
        activity.on_bytes_sent(100, begin + SECOND * 6);
        assert_eq!(activity.stalled_time(begin + SECOND * 10), None);
        assert!(activity.stalled_time(begin + SECOND * 11).is_some());
        activity.on_bytes_sent(10_000, begin + SECOND * 11);
        assert_eq!(
            activity.stalled_time(begin + SECOND * 12),
            None,
            "a large frame"
        );
    }

    #[test]
    fn connection_between_requests_is_idle_and_one_at_work_is_not() {
        let (activity, begin) = waiting(false);
        activity.on_flushed(begin);
        assert!(activity.is_reading());
        assert_eq!(activity.idle_time(begin + SECOND * 3), Some(SECOND * 3));
        activity.on_request(begin + SECOND * 3);
        assert_eq!(activity.idle_time(begin + SECOND * 20), None);
        activity.on_response(false, begin + SECOND * 20);
        assert_eq!(activity.idle_time(begin + SECOND * 22), Some(SECOND * 2));
    }
}
