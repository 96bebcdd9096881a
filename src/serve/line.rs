//! One viewer's line: what it carries, whether it is full, and whether the next picture may go out.
//!
//! TCP queues the past: what was handed to the kernel cannot be taken back, and on a line that is too slow it arrives
//! seconds late. So a line that is slow is never given more than it carries in a moment, [`QUEUE`]; what else there is
//! stays in the hub's ring, where it can still be left out. No I/O and no clock here.

use super::socket::Reading;
use crate::time::Timestamp;
use std::collections::VecDeque;
use std::time::Duration;

/// A line is slow when a picture has not arrived for so long after it was published, beside three round trips: so many may TCP
/// need for a keyframe. One of a quarter of a second's bits takes less on a line that carries just the stream.
const LATE: Duration = Duration::from_millis(300);

/// A slow line is given the benefit of the doubt when nothing was late for so long.
const CALM: Duration = Duration::from_secs(3);

/// What may be on its way beside what fills two of the shortest round trips, as time on the line. Enough to keep the line busy
/// between two pictures; what is more would only wait.
const QUEUE: Duration = Duration::from_millis(60);

/// Twice as much may be on its way if all of it was given to the line within this time and two round trips. Else, on a line whose delay
/// swings, what we allow would be what we measure, and the less we allow the less it would seem to carry.
const FRESH: Duration = Duration::from_millis(100);

/// Most moments of handing over that are remembered: looks at a slow line within some seconds.
const MOMENTS: usize = 64;

/// Nothing acknowledged for so long, beside the round trip, while something should be: a hole in the line.
const HOLE: Duration = Duration::from_millis(300);

/// The rate is taken over stretches of about this length: acknowledgements come in lumps. Half of it will do if the line was
/// done before.
const STRETCH: Duration = Duration::from_millis(200);

/// What others are told is the mean over at least this time.
const LONG_STRETCH: Duration = Duration::from_secs(2);

/// What was measured counts less and less: half after so long. The best of the last seconds is what the line can do, since
/// most of the time it is the stream that limits.
const HALF_LIFE: Duration = Duration::from_secs(4);

/// Two packets: the least that keeps a line going.
const LEAST_WINDOW: u64 = 3000;

/// What is known of a line. New ones are good until the contrary is seen.
#[derive(Debug)]
pub(super) struct Line {
    /// Nobody is late for what was published before.
    since: Timestamp,
    outstanding: u64,
    round_trip: Duration,
    /// Bytes per second, if known.
    rate: Option<f64>,
    /// Where the present stretch began: when, and what was acknowledged by then.
    stretch: Option<(Timestamp, u64)>,
    /// The same for the long stretches; there are some only while the line is slow.
    long_stretch: Option<(Timestamp, u64)>,
    /// Mean of the long stretches, bytes per second.
    mean: Option<f64>,
    /// Up to which byte, counted as acknowledgements are, everything had been given to the line when.
    handed: VecDeque<(u64, Timestamp)>,
    acknowledged: u64,
    /// When something was acknowledged last, or nothing was left to be.
    moved_at: Timestamp,
    /// When a picture was late last, if the line is slow.
    late_at: Option<Timestamp>,
}

impl Line {
    pub(super) fn new(now: Timestamp) -> Self {
        Self {
            since: now,
            outstanding: 0,
            round_trip: Duration::ZERO,
            rate: None,
            stretch: None,
            long_stretch: None,
            mean: None,
            handed: VecDeque::new(),
            acknowledged: 0,
            moved_at: now,
            late_at: None,
        }
    }

    /// Takes in what the kernel says at the time `now`, and since when the oldest picture that the viewer has not got is
    /// published, if there is one.
    pub(super) fn learn(
        &mut self,
        reading: Reading,
        waiting_since: Option<Timestamp>,
        now: Timestamp,
    ) {
        if reading.acknowledged > self.acknowledged || reading.outstanding == 0 {
            self.moved_at = now;
        }
        self.measure(reading, now);
        self.acknowledged = reading.acknowledged;
        self.outstanding = reading.outstanding;
        self.round_trip = reading.round_trip;
        let limit = self.round_trip * 3 + LATE;
        let is_late = waiting_since.is_some_and(|since| now.since(since.max(self.since)) > limit);
        if is_late {
            self.late_at = Some(now);
        } else if self.late_at.is_some_and(|late| now.since(late) > CALM) {
            self.late_at = None;
        }
        self.measure_mean(reading, is_late, now);
        self.remember(reading, now);
    }

    /// When what is on its way was given to the line, while it is slow.
    fn remember(&mut self, reading: Reading, now: Timestamp) {
        if !self.is_slow() {
            self.handed = VecDeque::new();
            return;
        }
        let end = reading.acknowledged + reading.outstanding;
        if self.handed.back().is_none_or(|(last, _)| *last < end) && self.handed.len() < MOMENTS {
            self.handed.push_back((end, now));
        }
        while self
            .handed
            .front()
            .is_some_and(|(end, _)| *end <= reading.acknowledged)
        {
            self.handed.pop_front();
        }
    }

    /// While pictures are late, what the line has carried is what it carries. Over seconds, the bursts that a provider lets
    /// through, or that come out of a buffer, do not count.
    fn measure_mean(&mut self, reading: Reading, is_late: bool, now: Timestamp) {
        let here = (now, reading.acknowledged);
        if !self.is_slow() {
            (self.mean, self.long_stretch) = (None, None);
            return;
        }
        let (since, before) = *self.long_stretch.get_or_insert(here);
        let time = now.since(since);
        if time < LONG_STRETCH {
            return;
        }
        self.long_stretch = Some(here);
        let carried = reading.acknowledged.saturating_sub(before) as f64 / time.as_secs_f64();
        if is_late && carried > 0.0 {
            self.mean = Some(self.mean.map_or(carried, |mean| (mean + carried) / 2.0));
        }
    }

    /// What was carried while the line was busy from the beginning of the stretch to its end is what it carries; with pauses
    /// in between it carries at least that. When nothing at all comes through, it is a hole, which says nothing of the rate.
    fn measure(&mut self, reading: Reading, now: Timestamp) {
        let is_busy = reading.outstanding > 0;
        let begin = is_busy.then_some((now, reading.acknowledged));
        let Some((since, before)) = self.stretch else {
            self.stretch = begin;
            return;
        };
        let time = now.since(since);
        let carried = reading.acknowledged.saturating_sub(before) as f64;
        let least = if carried > 0.0 { STRETCH } else { HOLE };
        if is_busy && time < least {
            return;
        }
        self.stretch = begin;
        if carried > 0.0 && time >= STRETCH / 2 {
            let seen = carried / time.as_secs_f64();
            let half_lives = time.as_secs_f64() / HALF_LIFE.as_secs_f64();
            let fading = if is_busy {
                0.5_f64.powf(half_lives)
            } else {
                1.0
            };
            self.rate = Some(self.rate.map_or(seen, |rate| seen.max(rate * fading)));
        }
    }

    /// It carries less than the stream.
    pub(super) fn is_slow(&self) -> bool {
        self.late_at.is_some()
    }

    /// What a slow line carries, in bits per second; the most there is while that is not known yet.
    pub(super) fn capacity(&self) -> Option<u32> {
        let bits = self.mean.map_or(f64::MAX, |mean| mean * 8.0);
        let bits = bits.clamp(1.0, f64::from(u32::MAX));
        self.is_slow().then_some(bits as u32)
    }

    /// The time from here to there.
    pub(super) fn one_way(&self) -> Duration {
        self.round_trip / 2
    }

    /// True if the next picture would only wait, by what was learned last.
    pub(super) fn is_full(&self, now: Timestamp) -> bool {
        let is_hole = self.outstanding > 0 && now.since(self.moved_at) > self.round_trip + HOLE;
        let window = self.rate.map_or(u64::MAX, |rate| {
            (rate * (self.round_trip * 2 + QUEUE).as_secs_f64()) as u64
        });
        let window = window.max(LEAST_WINDOW);
        let is_old = self
            .handed
            .front()
            .is_some_and(|(_, at)| now.since(*at) > self.round_trip * 2 + FRESH);
        let is_much = self.outstanding > window && is_old || self.outstanding / 2 > window;
        self.is_slow() && (is_hole || is_much)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A line of `rate` bytes per second that is looked at each 33 ms.
    struct Model {
        line: Line,
        rate: f64,
        /// How many steps each acknowledgement takes, one after the other.
        swings: &'static [usize],
        in_the_air: VecDeque<(usize, f64)>,
        steps: usize,
        sent: f64,
        carried: f64,
        acknowledged: f64,
        now: Timestamp,
        since: Option<Timestamp>,
    }

    const STEP: Duration = Duration::from_millis(33);

    impl Model {
        fn new(rate: f64) -> Self {
            let now = Timestamp::from_nanos(1_000_000_000);
            Self {
                line: Line::new(now),
                rate,
                swings: &[0],
                in_the_air: VecDeque::new(),
                steps: 0,
                sent: 0.0,
                carried: 0.0,
                acknowledged: 0.0,
                now,
                since: None,
            }
        }

        fn step(&mut self) {
            self.now = self.now + STEP;
            let carried = self.rate * STEP.as_secs_f64();
            self.carried = self.sent.min(self.carried + carried);
            let swing = self.swings[self.steps % self.swings.len()];
            self.in_the_air
                .push_back((self.steps + swing, self.carried));
            while let Some((due, bytes)) = self.in_the_air.front().copied() {
                if due > self.steps {
                    break;
                }
                self.acknowledged = bytes;
                self.in_the_air.pop_front();
            }
            self.steps += 1;
            let reading = Reading {
                acknowledged: self.acknowledged as u64,
                outstanding: (self.sent - self.acknowledged) as u64,
                round_trip: Duration::from_millis(20),
            };
            self.line.learn(reading, self.since, self.now);
        }

        /// Sends `bytes` each step if the line is not full; returns the most that was outstanding.
        fn run(&mut self, seconds: u64, bytes: f64) -> u64 {
            let mut most = 0;
            for _ in 0..seconds * 30 {
                self.step();
                most = most.max(self.line.outstanding);
                if !self.line.is_full(self.now) {
                    self.sent += bytes;
                }
            }
            most
        }
    }

    #[test]
    fn a_line_that_carries_everything_is_never_full() {
        let mut model = Model::new(1e6);
        model.run(10, 6000.0);
        assert!(!model.line.is_slow());
        assert_eq!(model.line.capacity(), None);
    }

    #[test]
    fn a_slow_line_is_kept_busy_with_little_on_its_way() {
        let mut model = Model::new(90_000.0);
        model.run(1, 6000.0);
        // Now it is seen that the pictures are late.
        model.since = Some(Timestamp::from_nanos(0));
        model.run(1, 6000.0);
        let before = model.acknowledged;
        let most = model.run(4, 6000.0);
        let carried = (model.acknowledged - before) / (4.0 * 30.0 * STEP.as_secs_f64());
        assert!(carried > 88_000.0, "{carried}");
        assert!(most < 6000 + 2 * 90 * 100, "{most}");
        let capacity = model.line.capacity().unwrap();
        assert!(capacity.abs_diff(720_000) < 80_000, "{capacity}");
    }

    #[test]
    fn a_line_that_halves_is_soon_given_half() {
        let mut model = Model::new(180_000.0);
        model.since = Some(Timestamp::from_nanos(0));
        model.run(3, 9000.0);
        model.rate = 90_000.0;
        model.run(4, 9000.0);
        assert!(model.run(2, 9000.0) < 9000 + 25_000);
    }

    #[test]
    fn a_line_whose_delay_swings_is_not_taken_for_a_slow_one_for_ever() {
        let mut model = Model::new(20_000.0);
        model.since = Some(Timestamp::from_nanos(0));
        model.run(3, 6000.0);
        // It carries everything now, but what comes back comes up to 130 ms late, and in lumps.
        model.rate = 1e6;
        model.swings = &[2, 4, 3, 2, 1, 3, 2, 4, 1, 3];
        model.run(10, 6000.0);
        let before = model.sent;
        model.run(2, 6000.0);
        assert!(
            model.sent - before > 2.0 * 30.0 * 6000.0 * 0.95,
            "{}",
            model.sent - before
        );
    }

    #[test]
    fn into_a_hole_nothing_is_thrown() {
        let mut model = Model::new(180_000.0);
        model.since = Some(Timestamp::from_nanos(0));
        model.run(2, 6000.0);
        model.rate = 0.0;
        model.run(1, 6000.0);
        let sent = model.sent;
        model.run(20, 6000.0);
        assert_eq!(model.sent, sent);
        model.rate = 180_000.0;
        model.run(1, 6000.0);
        assert!(model.sent > sent + 100_000.0, "{}", model.sent - sent);
    }

    #[test]
    fn a_line_is_good_again_when_nothing_was_late_for_a_while() {
        let mut model = Model::new(1e6);
        model.since = Some(Timestamp::from_nanos(0));
        model.run(1, 6000.0);
        assert!(model.line.is_slow());
        model.since = None;
        model.run(2, 6000.0);
        assert!(model.line.is_slow());
        model.run(2, 6000.0);
        assert!(!model.line.is_slow());
    }
}
