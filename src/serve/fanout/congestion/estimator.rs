//! One viewer's line: what it carries, whether it is full, and whether the next picture may go out.
//!
//! TCP queues the past: what was handed to the kernel cannot be taken back, and on a line that is too slow it arrives
//! seconds late. So a line that is slow is never given more than it carries in a moment, [`QUEUE`]; what else there is
//! stays in the hub's ring, where it can still be left out. No I/O and no clock here.

use crate::hub::CongestedLink;
use crate::os::tcp::Reading;
use crate::time::Timestamp;
use std::collections::VecDeque;
use std::time::Duration;

/// A line is slow when a picture has not arrived for so long after it was published, beside three round trips: so many may TCP
/// need for a keyframe. One of a quarter of a second's bits takes less on a line that carries just the stream.
const LATE: Duration = Duration::from_millis(300);

/// Round trip above the shortest one that shows a queue on the way. A link that only loses packets has none: what is late
/// there waits for what was lost, and comes no sooner if less is sent.
const QUEUE_ROUND_TRIP: Duration = Duration::from_millis(100);

/// A slow line is given the benefit of the doubt when nothing was late, and no spare picture left out, for so long. As long as something is
/// left out, that little is late says only that enough is left out.
const CALM: Duration = Duration::from_secs(3);

/// What may be on its way beside what fills two of the shortest round trips, as time on the line. Enough to keep the line busy
/// between two pictures; what is more would only wait.
const QUEUE: Duration = Duration::from_millis(60);

/// Twice as much may be on its way if all of it was given to the line within this time and two round trips. Else, on a line whose delay
/// swings, what we allow would be what we measure, and the less we allow the less it would seem to carry.
const FRESH: Duration = Duration::from_millis(100);

/// The kernel remembers the shortest round trip for five minutes. When the way has become longer, that shows as the shortest of
/// the last seconds, of one or two such stretches.
const MEMORY: Duration = Duration::from_secs(5);

/// By so much at most: the rest is what waits on the way.
const LONGER: Duration = Duration::from_millis(300);

/// Most moments of handing over that are remembered: looks at a slow line within some seconds.
const MOMENTS: usize = 64;

/// Nothing acknowledged for so long, beside the round trip, while something should be: a hole in the line.
const HOLE: Duration = Duration::from_millis(300);

/// The kernel ends a connection whose peer has not acknowledged anything for so long. Its buffers take pings alone for
/// hours, so that without pictures nobody else would notice that the viewer is gone; with a ping each 8 s that is 50 s. Less would
/// give up who is in a tunnel.
const UNACKNOWLEDGED: Duration = Duration::from_secs(40);

/// Into a hole the kernel tries again at the latest so long after it did last, if the round trip is not longer.
const RETRY: Duration = Duration::from_millis(300);

/// The kernel is told anew when this has passed. What remains of [`RETRY`] is how long this program may be kept from doing so
/// before the kernel gives the connection up.
const RETRY_STEP: Duration = Duration::from_millis(50);

/// The same where nothing has to be tried again.
const CALM_STEP: Duration = Duration::from_secs(1);

/// A line on which everything arrives is asked no more than that for so long, three looks: how far away the viewer is changes slowly.
const REST: Duration = Duration::from_millis(900);

/// The rate is taken over stretches of about this length: acknowledgements come in lumps. Half of it will do if the line was
/// done before.
const STRETCH: Duration = Duration::from_millis(200);

/// What others are told is the mean over at least this time, ...
const LONG_STRETCH: Duration = Duration::from_secs(2);

/// ... but for a first word: until the encoder has heard it, each picture comes later than the one before.
const FIRST_LONG_STRETCH: Duration = Duration::from_secs(1);

/// What was measured counts less and less: half after so long. The best of the last seconds is what the line can do, since
/// most of the time it is the stream that limits.
const HALF_LIFE: Duration = Duration::from_secs(4);

/// Half after so long while pictures are late and much is on its way all the time: then it is the line that limits, and what it did in better
/// times is the past.
const HALF_LIFE_FULL: Duration = Duration::from_millis(50);

/// Two packets: the least that keeps a line going.
const LEAST_WINDOW: u64 = 3000;

/// A time over which it is counted what the line carries.
#[derive(Clone, Copy, Debug)]
struct Stretch {
    since: Timestamp,
    /// What had arrived by then.
    before: u64,
    /// The least that was on its way whenever somebody looked.
    least_outstanding: u64,
}

/// What is known of a line. New ones are good until the contrary is seen.
#[derive(Debug)]
pub(crate) struct Line {
    /// Nobody is late for what was published before.
    since: Timestamp,
    /// When the kernel said all it knows; `None`: never.
    learned_at: Option<Timestamp>,
    outstanding: u64,
    round_trip: Duration,
    present_round_trip: Duration,
    /// When the present stretch of [`MEMORY`] began, and the shortest round trips of this one and the one before.
    shortest: (Timestamp, [Duration; 2]),
    /// Bytes per second, if known.
    rate: Option<f64>,
    stretch: Option<Stretch>,
    /// When the present long stretch began, and what had arrived by then; there are some only while the line is slow.
    long_stretch: Option<(Timestamp, u64)>,
    /// Mean of the long stretches, bytes per second.
    mean: Option<f64>,
    /// Up to which byte, counted as acknowledgements are, everything had been given to the line when.
    handed: VecDeque<(u64, Timestamp)>,
    arrived: u64,
    /// When something arrived last, or nothing was left to be.
    moved_at: Timestamp,
    /// A picture is late.
    is_late: bool,
    /// When one was late or left out last, if the line is slow.
    late_at: Option<Timestamp>,
    /// A good line that may be slow: something is on its way for half as long as it takes to be late.
    is_suspect: bool,
    /// Before this the kernel had not yet tried anything again that is under way.
    undisturbed_at: Timestamp,
    is_retrying: bool,
    /// How long the kernel was allowed to try, when it was told last.
    allowed: Duration,
}

impl Line {
    pub(crate) fn new(now: Timestamp) -> Self {
        Self {
            since: now,
            learned_at: None,
            outstanding: 0,
            round_trip: Duration::ZERO,
            present_round_trip: Duration::ZERO,
            shortest: (now, [Duration::MAX; 2]),
            rate: None,
            stretch: None,
            long_stretch: None,
            mean: None,
            handed: VecDeque::new(),
            arrived: 0,
            moved_at: now,
            is_late: false,
            late_at: None,
            is_suspect: false,
            undisturbed_at: now,
            is_retrying: false,
            allowed: Duration::ZERO,
        }
    }

    /// Takes in what the kernel says at the time `now`, and since when the oldest picture that the viewer has not got is
    /// published, if there is one.
    pub(crate) fn learn(
        &mut self,
        reading: Reading,
        waiting_since: Option<Timestamp>,
        now: Timestamp,
    ) {
        self.learned_at = Some(now);
        if self.outstanding > 0 && now.since(self.moved_at) > FIRST_LONG_STRETCH {
            // A hole says nothing of what the line carries. A shorter silence may be between two lumps.
            self.long_stretch = None;
        }
        if reading.arrived > self.arrived || reading.outstanding == 0 {
            self.moved_at = now;
        }
        if reading.is_undisturbed {
            self.undisturbed_at = now;
        }
        self.is_retrying = reading.is_retrying;
        self.measure(reading, now);
        self.arrived = reading.arrived;
        self.outstanding = reading.outstanding;
        self.round_trip = reading.round_trip;
        self.present_round_trip = reading.present_round_trip;
        if now.since(self.shortest.0) > MEMORY {
            self.shortest = (now, [Duration::MAX, self.shortest.1[0]]);
        }
        self.shortest.1[0] = self.shortest.1[0].min(reading.present_round_trip);
        let limit = self.tolerance() + LATE;
        let waiting =
            waiting_since.map_or(Duration::ZERO, |since| now.since(since.max(self.since)));
        let has_queue = reading.unsent > 0
            || reading.present_round_trip > reading.round_trip + QUEUE_ROUND_TRIP;
        let is_late = waiting > limit && has_queue;
        self.is_late = is_late;
        if is_late {
            self.late_at = Some(now);
        } else if self.late_at.is_some_and(|late| now.since(late) > CALM) {
            self.late_at = None;
        }
        self.is_suspect = self.late_at.is_none() && waiting > limit / 2;
        self.measure_mean(reading, is_late, now);
        self.remember(reading, now);
    }

    /// That everything has arrived is all there is to be known of it. Not while what the line carries is being measured.
    pub(crate) fn may_rest(&self, now: Timestamp) -> bool {
        let is_known = self.learned_at.is_some_and(|at| now.since(at) < REST);
        is_known && !self.is_slow() && !self.is_critical() && self.stretch.is_none()
    }

    /// Everything has arrived, at the time `now`: what [`Line::learn`] makes of that, where [`Line::may_rest`].
    pub(crate) fn rest(&mut self, now: Timestamp) {
        self.outstanding = 0;
        (self.moved_at, self.undisturbed_at) = (now, now);
    }

    /// A spare picture is not given to it, because it would not carry it. Ends of groups do not count: on a long way whose delay swings it
    /// would be kept slow for ever by what it is not given.
    pub(crate) fn leave_out(&mut self, now: Timestamp) {
        // Where the way is long and swings, what is allowed to be on it may be the reason.
        if self.is_slow() && self.tolerance() < LATE {
            self.late_at = Some(now);
        }
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
        let here = (now, reading.arrived);
        if !self.is_slow() {
            (self.mean, self.long_stretch) = (None, None);
            return;
        }
        let (since, before) = *self.long_stretch.get_or_insert(here);
        let time = now.since(since);
        let least = if self.mean.is_none() {
            FIRST_LONG_STRETCH
        } else {
            LONG_STRETCH
        };
        if time < least {
            return;
        }
        self.long_stretch = Some(here);
        let carried = reading.arrived.saturating_sub(before) as f64 / time.as_secs_f64();
        if is_late && carried > 0.0 {
            self.mean = Some(self.mean.map_or(carried, |mean| (mean + carried) / 2.0));
        }
    }

    /// What was carried while the line was busy from the beginning of the stretch to its end is what it carries; with pauses
    /// in between it carries at least that. When nothing at all comes through, it is a hole, which says nothing of the rate.
    fn measure(&mut self, reading: Reading, now: Timestamp) {
        let is_busy = reading.outstanding > 0;
        let begin = is_busy.then_some(Stretch {
            since: now,
            before: reading.arrived,
            least_outstanding: reading.outstanding,
        });
        let Some(stretch) = &mut self.stretch else {
            self.stretch = begin;
            return;
        };
        stretch.least_outstanding = stretch.least_outstanding.min(reading.outstanding);
        let stretch = *stretch;
        let time = now.since(stretch.since);
        let carried = reading.arrived.saturating_sub(stretch.before) as f64;
        let least = if carried > 0.0 { STRETCH } else { HOLE };
        if is_busy && time < least {
            return;
        }
        self.stretch = begin;
        if carried > 0.0 && time >= STRETCH / 2 {
            let seen = carried / time.as_secs_f64();
            let half_life = if self.is_late && stretch.least_outstanding / 2 > self.window_at(seen)
            {
                HALF_LIFE_FULL
            } else {
                HALF_LIFE
            };
            let half_lives = time.as_secs_f64() / half_life.as_secs_f64();
            let fading = if is_busy {
                0.5_f64.powf(half_lives)
            } else {
                1.0
            };
            self.rate = Some(self.rate.map_or(seen, |rate| seen.max(rate * fading)));
        }
    }

    /// It carries less than the stream.
    pub(crate) fn is_slow(&self) -> bool {
        self.late_at.is_some()
    }

    /// What the hub is to know of it, if it is slow.
    pub(crate) fn as_slow(&self) -> Option<CongestedLink> {
        let backlog = self.backlog();
        self.capacity().map(|capacity| CongestedLink {
            bandwidth_bps: capacity,
            queue_delay: backlog,
        })
    }

    /// What a slow line carries, in bits per second; the most there is while that is not known yet.
    fn capacity(&self) -> Option<u32> {
        let bits = self.mean.map_or(f64::MAX, |mean| mean * 8.0);
        let bits = bits.clamp(1.0, f64::from(u32::MAX));
        self.is_slow().then_some(bits as u32)
    }

    /// How long the line will be busy with what is on its way, as far as that is known.
    fn backlog(&self) -> Duration {
        let rate = self.rate.map_or(f64::MAX, |rate| rate.max(1.0));
        Duration::from_secs_f64((self.outstanding as f64 / rate).min(3600.0))
    }

    /// The time from here to there.
    pub(crate) fn one_way(&self) -> Duration {
        self.round_trip / 2
    }

    /// How long the kernel may try to get something through (`TCP_USER_TIMEOUT`), if it is to be told.
    ///
    /// It waits twice as long after each try that fails, up to a second, but never beyond the end of this time, which it counts from its first
    /// try. So in a hole it is given little more than has passed already, again and again.
    pub(crate) fn allow(&mut self, now: Timestamp) -> Option<Duration> {
        // On a line that loses much the kernel counts from the first loss, however much has come through since.
        let most = self.moved_at.since(self.undisturbed_at) + UNACKNOWLEDGED;
        let allowed = if self.is_retrying {
            let pause = RETRY.max(self.round_trip * 2).max(self.present_round_trip);
            (now.since(self.undisturbed_at) + pause).min(most)
        } else {
            most
        };
        let step = if self.is_retrying {
            RETRY_STEP
        } else {
            CALM_STEP
        };
        let is_longer = allowed >= self.allowed + step || allowed == UNACKNOWLEDGED;
        if allowed == self.allowed || allowed > self.allowed && !is_longer {
            return None;
        }
        self.allowed = allowed;
        Some(allowed)
    }

    /// It has to be looked at soon: there is something for the kernel to be told, or a keyframe on top of what waits already would be
    /// more than the buffers on the way hold.
    pub(crate) fn is_critical(&self) -> bool {
        self.is_retrying || self.is_suspect
    }

    /// Three round trips; two, if the way has become longer.
    fn tolerance(&self) -> Duration {
        let recent = self.shortest.1[0].min(self.shortest.1[1]);
        let present = recent.min(self.round_trip + LONGER);
        (self.round_trip * 3).max(present * 2)
    }

    /// So much on its way keeps a line of `rate` bytes per second busy.
    fn window_at(&self, rate: f64) -> u64 {
        let bytes = rate * (self.round_trip * 2 + QUEUE).as_secs_f64();
        (bytes as u64).max(LEAST_WINDOW)
    }

    /// True if the next picture would only wait, by what was learned last.
    pub(crate) fn is_full(&self, now: Timestamp) -> bool {
        let is_hole = self.outstanding > 0 && now.since(self.moved_at) > self.round_trip + HOLE;
        let window = self.rate.map_or(u64::MAX, |rate| self.window_at(rate));
        let is_old = self
            .handed
            .front()
            .is_some_and(|(_, at)| now.since(*at) > self.round_trip * 2 + FRESH);
        let is_much = self.outstanding > window && is_old || self.outstanding / 2 > window;
        self.is_slow() && (is_hole || is_much)
    }
}

#[cfg(test)]
mod tests;
