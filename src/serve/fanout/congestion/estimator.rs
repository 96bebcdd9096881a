//! One viewer's line: what it carries, whether it is full, and whether the next picture may go out.
//!
//! TCP queues the past: what was handed to the kernel cannot be taken back, and on a line that is too slow it arrives
//! seconds late. So a line that is slow is never given more than it carries in a moment, [`QUEUE`]; what else there is
//! stays in the hub's ring, where it can still be left out. No I/O and no clock here.

use crate::hub::CongestedLink;
use crate::os::tcp::TcpSample;
use crate::time::Timestamp;
use std::collections::VecDeque;
use std::time::Duration;

/// A line is slow when a picture has not arrived for so long after it was published, beside three round trips: so many may TCP
/// need for a keyframe. One of a quarter of a second's bits takes less on a line that carries just the stream.
const ACK_LATE_AFTER: Duration = Duration::from_millis(300);

/// Round trip above the shortest one that shows a queue on the way. A link that only loses packets has none: what is late
/// there waits for what was lost, and comes no sooner if less is sent.
const QUEUE_RTT_INCREASE: Duration = Duration::from_millis(100);

/// A slow line is given the benefit of the doubt when nothing was late, and no spare picture left out, for so long. As long as something is
/// left out, that little is late says only that enough is left out.
const CONGESTION_CLEAR_AFTER: Duration = Duration::from_secs(3);

/// What may be on its way beside what fills two of the shortest round trips, as time on the line. Enough to keep the line busy
/// between two pictures; what is more would only wait.
const MAX_QUEUE_DELAY: Duration = Duration::from_millis(60);

/// Twice as much may be on its way if all of it was given to the line within this time and two round trips. Else, on a line whose delay
/// swings, what we allow would be what we measure, and the less we allow the less it would seem to carry.
const BURST_ALLOWANCE_AGE: Duration = Duration::from_millis(100);

/// The kernel remembers the shortest round trip for five minutes. When the way has become longer, that shows as the shortest of
/// the last seconds, of one or two such stretches.
const MIN_RTT_WINDOW: Duration = Duration::from_secs(5);

/// By so much at most: the rest is what waits on the way.
const MAX_RTT_INCREASE: Duration = Duration::from_millis(300);

/// Most moments of handing over that are remembered: looks at a slow line within some seconds.
const MAX_TRACKED_SENDS: usize = 64;

/// Nothing acknowledged for so long, beside the round trip, while something should be: a hole in the line.
const OUTAGE_AFTER: Duration = Duration::from_millis(300);

/// The kernel ends a connection whose peer has not acknowledged anything for so long. Its buffers take pings alone for
/// hours, so that without pictures nobody else would notice that the viewer is gone; with a ping each 8 s that is 50 s. Less would
/// give up who is in a tunnel.
const USER_TIMEOUT: Duration = Duration::from_secs(40);

/// Into a hole the kernel tries again at the latest so long after it did last, if the round trip is not longer.
const MAX_RTO: Duration = Duration::from_millis(300);

/// The kernel is told anew when this has passed. What remains of [`RETRY`] is how long this program may be kept from doing so
/// before the kernel gives the connection up.
const USER_TIMEOUT_STEP: Duration = Duration::from_millis(50);

/// The same where nothing has to be tried again.
const USER_TIMEOUT_STEP_IDLE: Duration = Duration::from_secs(1);

/// A line on which everything arrives is asked no more than that for so long, three looks: how far away the viewer is changes slowly.
const IDLE_SAMPLE_INTERVAL: Duration = Duration::from_millis(900);

/// The rate is taken over stretches of about this length: acknowledgements come in lumps. Half of it will do if the line was
/// done before.
const RATE_WINDOW: Duration = Duration::from_millis(200);

/// What others are told is the mean over at least this time, ...
const MEAN_WINDOW: Duration = Duration::from_secs(2);

/// ... but for a first word: until the encoder has heard it, each picture comes later than the one before.
const FIRST_MEAN_WINDOW: Duration = Duration::from_secs(1);

/// What was measured counts less and less: half after so long. The best of the last seconds is what the line can do, since
/// most of the time it is the stream that limits.
const RATE_HALF_LIFE: Duration = Duration::from_secs(4);

/// Half after so long while pictures are late and much is on its way all the time: then it is the line that limits, and what it did in better
/// times is the past.
const RATE_HALF_LIFE_FULL: Duration = Duration::from_millis(50);

/// Two packets: the least that keeps a line going.
const MIN_WINDOW_BYTES: u64 = 3000;

/// A time over which it is counted what the line carries.
#[derive(Clone, Copy, Debug)]
struct SampleWindow {
    since: Timestamp,
    /// What had arrived by then.
    delivered_before: u64,
    /// The least that was on its way whenever somebody looked.
    min_in_flight: u64,
}

/// What is known of a line. New ones are good until the contrary is seen.
#[derive(Debug)]
pub(crate) struct CongestionEstimator {
    /// Nobody is late for what was published before.
    started_at: Timestamp,
    /// When the kernel said all it knows; `None`: never.
    sampled_at: Option<Timestamp>,
    bytes_in_flight: u64,
    min_rtt: Duration,
    srtt: Duration,
    /// When the present stretch of [`MEMORY`] began, and the shortest round trips of this one and the one before.
    recent_min_srtt: (Timestamp, [Duration; 2]),
    /// Bytes per second, if known.
    rate: Option<f64>,
    rate_window: Option<SampleWindow>,
    /// When the present long stretch began, and what had arrived by then; there are some only while the line is slow.
    mean_window: Option<(Timestamp, u64)>,
    /// Mean of the long stretches, bytes per second.
    mean_rate: Option<f64>,
    /// Up to which byte, counted as acknowledgements are, everything had been given to the line when.
    in_flight_marks: VecDeque<(u64, Timestamp)>,
    bytes_delivered: u64,
    /// When something arrived last, or nothing was left to be.
    last_progress_at: Timestamp,
    /// A picture is late.
    is_late: bool,
    /// When one was late or left out last, if the line is slow.
    congested_at: Option<Timestamp>,
    /// A good line that may be slow: something is on its way for half as long as it takes to be late.
    is_suspected_congested: bool,
    /// Before this the kernel had not yet tried anything again that is under way.
    ca_open_at: Timestamp,
    in_rto_backoff: bool,
    /// How long the kernel was allowed to try, when it was told last.
    user_timeout: Duration,
}

impl CongestionEstimator {
    pub(crate) fn new(now: Timestamp) -> Self {
        Self {
            started_at: now,
            sampled_at: None,
            bytes_in_flight: 0,
            min_rtt: Duration::ZERO,
            srtt: Duration::ZERO,
            recent_min_srtt: (now, [Duration::MAX; 2]),
            rate: None,
            rate_window: None,
            mean_window: None,
            mean_rate: None,
            in_flight_marks: VecDeque::new(),
            bytes_delivered: 0,
            last_progress_at: now,
            is_late: false,
            congested_at: None,
            is_suspected_congested: false,
            ca_open_at: now,
            in_rto_backoff: false,
            user_timeout: Duration::ZERO,
        }
    }

    /// Takes in what the kernel says at the time `now`, and since when the oldest picture that the viewer has not got is
    /// published, if there is one.
    pub(crate) fn on_sample(
        &mut self,
        sample: TcpSample,
        waiting_since: Option<Timestamp>,
        now: Timestamp,
    ) {
        self.sampled_at = Some(now);
        if self.bytes_in_flight > 0 && now.since(self.last_progress_at) > FIRST_MEAN_WINDOW {
            // A hole says nothing of what the line carries. A shorter silence may be between two lumps.
            self.mean_window = None;
        }
        if sample.bytes_delivered > self.bytes_delivered || sample.bytes_in_flight == 0 {
            self.last_progress_at = now;
        }
        if sample.is_ca_open {
            self.ca_open_at = now;
        }
        self.in_rto_backoff = sample.in_rto_backoff;
        self.measure_rate(sample, now);
        self.bytes_delivered = sample.bytes_delivered;
        self.bytes_in_flight = sample.bytes_in_flight;
        self.min_rtt = sample.min_rtt;
        self.srtt = sample.srtt;
        if now.since(self.recent_min_srtt.0) > MIN_RTT_WINDOW {
            self.recent_min_srtt = (now, [Duration::MAX, self.recent_min_srtt.1[0]]);
        }
        self.recent_min_srtt.1[0] = self.recent_min_srtt.1[0].min(sample.srtt);
        let limit = self.rtt_allowance() + ACK_LATE_AFTER;
        let waiting = waiting_since.map_or(Duration::ZERO, |since| {
            now.since(since.max(self.started_at))
        });
        let has_queue =
            sample.bytes_unsent > 0 || sample.srtt > sample.min_rtt + QUEUE_RTT_INCREASE;
        let is_late = waiting > limit && has_queue;
        self.is_late = is_late;
        if is_late {
            self.congested_at = Some(now);
        } else if self
            .congested_at
            .is_some_and(|late| now.since(late) > CONGESTION_CLEAR_AFTER)
        {
            self.congested_at = None;
        }
        self.is_suspected_congested = self.congested_at.is_none() && waiting > limit / 2;
        self.measure_mean(sample, is_late, now);
        self.track_in_flight(sample, now);
    }

    /// That everything has arrived is all there is to be known of it. Not while what the line carries is being measured.
    pub(crate) fn can_skip_sample(&self, now: Timestamp) -> bool {
        let is_known = self
            .sampled_at
            .is_some_and(|at| now.since(at) < IDLE_SAMPLE_INTERVAL);
        is_known
            && !self.is_congested()
            && !self.needs_frequent_poll()
            && self.rate_window.is_none()
    }

    /// Everything has arrived, at the time `now`: what [`CongestionEstimator::learn`] makes of that, where [`CongestionEstimator::may_rest`].
    pub(crate) fn on_all_acked(&mut self, now: Timestamp) {
        self.bytes_in_flight = 0;
        (self.last_progress_at, self.ca_open_at) = (now, now);
    }

    /// A spare picture is not given to it, because it would not carry it. Ends of groups do not count: on a long way whose delay swings it
    /// would be kept slow for ever by what it is not given.
    pub(crate) fn on_frame_skipped(&mut self, now: Timestamp) {
        // Where the way is long and swings, what is allowed to be on it may be the reason.
        if self.is_congested() && self.rtt_allowance() < ACK_LATE_AFTER {
            self.congested_at = Some(now);
        }
    }

    /// When what is on its way was given to the line, while it is slow.
    fn track_in_flight(&mut self, sample: TcpSample, now: Timestamp) {
        if !self.is_congested() {
            self.in_flight_marks = VecDeque::new();
            return;
        }
        let end = sample.bytes_acked + sample.bytes_in_flight;
        if self
            .in_flight_marks
            .back()
            .is_none_or(|(last, _)| *last < end)
            && self.in_flight_marks.len() < MAX_TRACKED_SENDS
        {
            self.in_flight_marks.push_back((end, now));
        }
        while self
            .in_flight_marks
            .front()
            .is_some_and(|(end, _)| *end <= sample.bytes_acked)
        {
            self.in_flight_marks.pop_front();
        }
    }

    /// While pictures are late, what the line has carried is what it carries. Over seconds, the bursts that a provider lets
    /// through, or that come out of a buffer, do not count.
    fn measure_mean(&mut self, sample: TcpSample, is_late: bool, now: Timestamp) {
        let here = (now, sample.bytes_delivered);
        if !self.is_congested() {
            (self.mean_rate, self.mean_window) = (None, None);
            return;
        }
        let (since, before) = *self.mean_window.get_or_insert(here);
        let time = now.since(since);
        let least = if self.mean_rate.is_none() {
            FIRST_MEAN_WINDOW
        } else {
            MEAN_WINDOW
        };
        if time < least {
            return;
        }
        self.mean_window = Some(here);
        let carried = sample.bytes_delivered.saturating_sub(before) as f64 / time.as_secs_f64();
        if is_late && carried > 0.0 {
            self.mean_rate = Some(
                self.mean_rate
                    .map_or(carried, |mean| (mean + carried) / 2.0),
            );
        }
    }

    /// What was carried while the line was busy from the beginning of the stretch to its end is what it carries; with pauses
    /// in between it carries at least that. When nothing at all comes through, it is a hole, which says nothing of the rate.
    fn measure_rate(&mut self, sample: TcpSample, now: Timestamp) {
        let is_busy = sample.bytes_in_flight > 0;
        let begin = is_busy.then_some(SampleWindow {
            since: now,
            delivered_before: sample.bytes_delivered,
            min_in_flight: sample.bytes_in_flight,
        });
        let Some(stretch) = &mut self.rate_window else {
            self.rate_window = begin;
            return;
        };
        stretch.min_in_flight = stretch.min_in_flight.min(sample.bytes_in_flight);
        let stretch = *stretch;
        let time = now.since(stretch.since);
        let carried = sample
            .bytes_delivered
            .saturating_sub(stretch.delivered_before) as f64;
        let least = if carried > 0.0 {
            RATE_WINDOW
        } else {
            OUTAGE_AFTER
        };
        if is_busy && time < least {
            return;
        }
        self.rate_window = begin;
        if carried > 0.0 && time >= RATE_WINDOW / 2 {
            let seen = carried / time.as_secs_f64();
            let half_life =
                if self.is_late && stretch.min_in_flight / 2 > self.window_for_rate(seen) {
                    RATE_HALF_LIFE_FULL
                } else {
                    RATE_HALF_LIFE
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
    pub(crate) fn is_congested(&self) -> bool {
        self.congested_at.is_some()
    }

    /// What the hub is to know of it, if it is slow.
    pub(crate) fn congested_link(&self) -> Option<CongestedLink> {
        let backlog = self.queue_delay();
        self.bandwidth_bps().map(|capacity| CongestedLink {
            bandwidth_bps: capacity,
            queue_delay: backlog,
        })
    }

    /// What a slow line carries, in bits per second; the most there is while that is not known yet.
    fn bandwidth_bps(&self) -> Option<u32> {
        let bits = self.mean_rate.map_or(f64::MAX, |mean| mean * 8.0);
        let bits = bits.clamp(1.0, f64::from(u32::MAX));
        self.is_congested().then_some(bits as u32)
    }

    /// How long the line will be busy with what is on its way, as far as that is known.
    fn queue_delay(&self) -> Duration {
        let rate = self.rate.map_or(f64::MAX, |rate| rate.max(1.0));
        Duration::from_secs_f64((self.bytes_in_flight as f64 / rate).min(3600.0))
    }

    /// The time from here to there.
    pub(crate) fn one_way_delay(&self) -> Duration {
        self.min_rtt / 2
    }

    /// How long the kernel may try to get something through (`TCP_USER_TIMEOUT`), if it is to be told.
    ///
    /// It waits twice as long after each try that fails, up to a second, but never beyond the end of this time, which it counts from its first
    /// try. So in a hole it is given little more than has passed already, again and again.
    pub(crate) fn next_user_timeout(&mut self, now: Timestamp) -> Option<Duration> {
        // On a line that loses much the kernel counts from the first loss, however much has come through since.
        let most = self.last_progress_at.since(self.ca_open_at) + USER_TIMEOUT;
        let allowed = if self.in_rto_backoff {
            let pause = MAX_RTO.max(self.min_rtt * 2).max(self.srtt);
            (now.since(self.ca_open_at) + pause).min(most)
        } else {
            most
        };
        let step = if self.in_rto_backoff {
            USER_TIMEOUT_STEP
        } else {
            USER_TIMEOUT_STEP_IDLE
        };
        let is_longer = allowed >= self.user_timeout + step || allowed == USER_TIMEOUT;
        if allowed == self.user_timeout || allowed > self.user_timeout && !is_longer {
            return None;
        }
        self.user_timeout = allowed;
        Some(allowed)
    }

    /// It has to be looked at soon: there is something for the kernel to be told, or a keyframe on top of what waits already would be
    /// more than the buffers on the way hold.
    pub(crate) fn needs_frequent_poll(&self) -> bool {
        self.in_rto_backoff || self.is_suspected_congested
    }

    /// Three round trips; two, if the way has become longer.
    fn rtt_allowance(&self) -> Duration {
        let recent = self.recent_min_srtt.1[0].min(self.recent_min_srtt.1[1]);
        let present = recent.min(self.min_rtt + MAX_RTT_INCREASE);
        (self.min_rtt * 3).max(present * 2)
    }

    /// So much on its way keeps a line of `rate` bytes per second busy.
    fn window_for_rate(&self, rate: f64) -> u64 {
        let bytes = rate * (self.min_rtt * 2 + MAX_QUEUE_DELAY).as_secs_f64();
        (bytes as u64).max(MIN_WINDOW_BYTES)
    }

    /// True if the next picture would only wait, by what was learned last.
    pub(crate) fn is_window_full(&self, now: Timestamp) -> bool {
        let is_hole = self.bytes_in_flight > 0
            && now.since(self.last_progress_at) > self.min_rtt + OUTAGE_AFTER;
        let window = self
            .rate
            .map_or(u64::MAX, |rate| self.window_for_rate(rate));
        let is_old = self
            .in_flight_marks
            .front()
            .is_some_and(|(_, at)| now.since(*at) > self.min_rtt * 2 + BURST_ALLOWANCE_AGE);
        let is_much = self.bytes_in_flight > window && is_old || self.bytes_in_flight / 2 > window;
        self.is_congested() && (is_hole || is_much)
    }
}

#[cfg(test)]
mod tests;
