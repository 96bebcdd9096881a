//! Estimates the bandwidth and congestion of one viewer's link, and whether the next frame may
//! leave.
//!
//! TCP queues the past: bytes handed to the kernel cannot be taken back, and on a congested link
//! they arrive seconds late. So a congested link never has more in flight than it carries in
//! [`MAX_QUEUE_DELAY`]. The rest stays in the hub's buffer, where it can still be skipped. No I/O
//! and no clock here.

use crate::camera_handle::CongestedLink;
use crate::os::tcp::TcpSample;
use crate::time::Timestamp;
use std::collections::VecDeque;
use std::time::Duration;

/// Time after publication at which a frame that has not arrived is late, in addition to three round
/// trips: TCP may need that many for a keyframe. A keyframe of a quarter of a second's bits takes
/// less on a link that carries just the stream.
const ACK_LATE_AFTER: Duration = Duration::from_millis(300);

/// Increase of the round trip that shows a queue on the path. A link that only loses packets has no
/// queue. What is late there waits for retransmission, and sending less does not help.
const QUEUE_RTT_INCREASE: Duration = Duration::from_millis(100);

/// Time without a late or skipped frame after which a link is no longer congested. As long as
/// frames are skipped, punctual ones only show that enough is skipped.
const CONGESTION_CLEAR_AFTER: Duration = Duration::from_secs(3);

/// Allowance in flight in addition to two shortest round trips, as time on the link. It keeps the
/// link busy between two frames; more would only wait.
const MAX_QUEUE_DELAY: Duration = Duration::from_millis(60);

/// Age (in addition to two round trips) up to which twice the window may be in flight. Otherwise,
/// on a link with jitter, the allowance would limit the measured rate, and that the next allowance.
const BURST_ALLOWANCE_AGE: Duration = Duration::from_millis(100);

/// Window for the shortest recent round trip, of one or two of which the minimum counts. The kernel
/// remembers its own for five minutes, too long after the path has become longer.
const MIN_RTT_WINDOW: Duration = Duration::from_secs(5);

/// Most increase of the shortest round trip that is believed: the rest is queue.
const MAX_RTT_INCREASE: Duration = Duration::from_millis(300);

/// Most send times remembered: samples of a congested link within some seconds.
const MAX_TRACKED_SENDS: usize = 64;

/// Time without an acknowledgement, in addition to the round trip, that counts as an outage.
const OUTAGE_AFTER: Duration = Duration::from_millis(300);

/// Time after which the kernel ends a connection without acknowledgements. Its buffers take pings
/// alone for hours, so that without frames nothing else would show that the viewer is gone; with a
/// ping each 8 s that is 50 s. A shorter time would end viewers in a tunnel.
const USER_TIMEOUT: Duration = Duration::from_secs(40);

/// Most time between two retransmissions in an outage, if the round trip is not longer.
const MAX_RTO: Duration = Duration::from_millis(300);

/// Step in which the user timeout is renewed in an outage. The rest of [`MAX_RTO`] is how long this
/// program may be late before the kernel ends the connection.
const USER_TIMEOUT_STEP: Duration = Duration::from_millis(50);

/// Step where nothing is retransmitted.
const USER_TIMEOUT_STEP_IDLE: Duration = Duration::from_secs(1);

/// Interval of full samples of a link on which everything is acknowledged, three polls: its round
/// trip changes slowly.
const IDLE_SAMPLE_INTERVAL: Duration = Duration::from_millis(900);

/// Window of the rate: acknowledgements come in lumps. Half of it is enough if the link was idle
/// before.
const RATE_WINDOW: Duration = Duration::from_millis(200);

/// Window of the mean that the hub receives, ...
const MEAN_WINDOW: Duration = Duration::from_secs(2);

/// ... and of the first mean: until the encoder adapts, each frame comes later than the one before.
const FIRST_MEAN_WINDOW: Duration = Duration::from_secs(1);

/// Half-life of the measured rate. The best of the last seconds is the bandwidth, since the stream
/// limits most of the time.
const RATE_HALF_LIFE: Duration = Duration::from_secs(4);

/// Half-life while frames are late and much is in flight: then the link limits, and earlier rates
/// no longer count.
const RATE_HALF_LIFE_FULL: Duration = Duration::from_millis(50);

/// Two packets: the least that keeps a link going.
const MIN_WINDOW_BYTES: u64 = 3000;

/// Window over which delivered bytes are counted.
#[derive(Clone, Copy, Debug)]
struct SampleWindow {
    since: Timestamp,
    /// Bytes delivered before it.
    delivered_before: u64,
    /// Least bytes in flight at any sample.
    min_in_flight: u64,
}

/// Estimator for one link. A new link counts as uncongested.
#[derive(Debug)]
pub(crate) struct CongestionEstimator {
    /// Frames published before do not count as late.
    started_at: Timestamp,
    /// Time of the last full sample; `None`: never.
    sampled_at: Option<Timestamp>,
    bytes_in_flight: u64,
    min_rtt: Duration,
    srtt: Duration,
    /// Start of the present [`MIN_RTT_WINDOW`], and the shortest round trips of this one and the
    /// one before.
    recent_min_srtt: (Timestamp, [Duration; 2]),
    /// Bytes per second, if known.
    rate: Option<f64>,
    rate_window: Option<SampleWindow>,
    /// Start of the present mean window, and the bytes delivered by then; set only while the link
    /// is congested.
    mean_window: Option<(Timestamp, u64)>,
    /// Mean of these windows, bytes per second.
    mean_rate: Option<f64>,
    /// Byte position, counted as acknowledgements are, up to which everything had been sent at that
    /// time.
    in_flight_marks: VecDeque<(u64, Timestamp)>,
    bytes_delivered: u64,
    /// Time of the last acknowledgement, or of nothing in flight.
    last_progress_at: Timestamp,
    /// A frame is late.
    is_late: bool,
    /// Time of the last late or skipped frame, if the link is congested.
    congested_at: Option<Timestamp>,
    /// The link may be congested: bytes are in flight for half the late threshold.
    is_suspected_congested: bool,
    /// Last time at which the kernel retransmitted nothing.
    ca_open_at: Timestamp,
    in_rto_backoff: bool,
    /// User timeout as set last.
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

    /// Takes a sample at the time `now`, and the publication time of the oldest frame that has not
    /// arrived, if there is one.
    pub(crate) fn on_sample(
        &mut self,
        sample: TcpSample,
        waiting_since: Option<Timestamp>,
        now: Timestamp,
    ) {
        self.sampled_at = Some(now);
        if self.bytes_in_flight > 0 && now.since(self.last_progress_at) > FIRST_MEAN_WINDOW {
            // An outage says nothing about the bandwidth. A shorter silence may be between two
            // lumps.
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

    /// True if the next poll need only know whether everything is acknowledged. Not while the rate
    /// is measured.
    pub(crate) fn can_skip_sample(&self, now: Timestamp) -> bool {
        let is_known = self
            .sampled_at
            .is_some_and(|at| now.since(at) < IDLE_SAMPLE_INTERVAL);
        is_known
            && !self.is_congested()
            && !self.needs_frequent_poll()
            && self.rate_window.is_none()
    }

    /// Notes that everything is acknowledged: what [`CongestionEstimator::on_sample`] makes of
    /// that, where [`CongestionEstimator::can_skip_sample`].
    pub(crate) fn on_all_acked(&mut self, now: Timestamp) {
        self.bytes_in_flight = 0;
        (self.last_progress_at, self.ca_open_at) = (now, now);
    }

    /// Notes a disposable frame that is skipped. Skipped ends of GOPs do not count: on a long path
    /// with jitter they would keep the link congested for ever.
    pub(crate) fn on_frame_skipped(&mut self, now: Timestamp) {
        // On a long path with jitter the allowance itself may be the reason.
        if self.is_congested() && self.rtt_allowance() < ACK_LATE_AFTER {
            self.congested_at = Some(now);
        }
    }

    /// Tracks the send times of the bytes in flight, while the link is congested.
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

    /// Measures the mean rate. While frames are late, the delivered rate is the bandwidth. Over
    /// seconds, bursts that a provider lets through, or that come out of a buffer, do not count.
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

    /// Measures the rate. A window in which the link was busy shows its bandwidth, one with pauses
    /// a lower bound. A window without any delivery is an outage, which says nothing about the
    /// rate.
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

    /// True if the link carries less than the stream.
    pub(crate) fn is_congested(&self) -> bool {
        self.congested_at.is_some()
    }

    /// Returns the congestion, if there is any.
    pub(crate) fn congested_link(&self) -> Option<CongestedLink> {
        let backlog = self.queue_delay();
        self.bandwidth_bps().map(|capacity| CongestedLink {
            bandwidth_bps: capacity,
            queue_delay: backlog,
        })
    }

    /// Returns the bandwidth of a congested link in bits per second; the maximum while it is
    /// unknown.
    fn bandwidth_bps(&self) -> Option<u32> {
        let bits = self.mean_rate.map_or(f64::MAX, |mean| mean * 8.0);
        let bits = bits.clamp(1.0, f64::from(u32::MAX));
        self.is_congested().then_some(bits as u32)
    }

    /// Returns the time that the bytes in flight still take, as far as that is known.
    fn queue_delay(&self) -> Duration {
        let rate = self.rate.map_or(f64::MAX, |rate| rate.max(1.0));
        Duration::from_secs_f64((self.bytes_in_flight as f64 / rate).min(3600.0))
    }

    /// Returns the one-way delay.
    pub(crate) fn one_way_delay(&self) -> Duration {
        self.min_rtt / 2
    }

    /// Returns the next user timeout (`TCP_USER_TIMEOUT`), if it must change.
    ///
    /// The kernel doubles its pause after each retransmission that fails, up to a second, but never
    /// beyond the end of this time, which it counts from the first one. So in an outage it is
    /// allowed little more than has passed already, again and again.
    pub(crate) fn next_user_timeout(&mut self, now: Timestamp) -> Option<Duration> {
        // On a lossy link the kernel counts from the first loss, however much has come through
        // since.
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

    /// True if a poll is due soon: the user timeout must be renewed, or a keyframe on top of the
    /// bytes in flight would overflow the buffers on the path.
    pub(crate) fn needs_frequent_poll(&self) -> bool {
        self.in_rto_backoff || self.is_suspected_congested
    }

    /// Returns three round trips, or two of a path that has become longer.
    fn rtt_allowance(&self) -> Duration {
        let recent = self.recent_min_srtt.1[0].min(self.recent_min_srtt.1[1]);
        let present = recent.min(self.min_rtt + MAX_RTT_INCREASE);
        (self.min_rtt * 3).max(present * 2)
    }

    /// Returns the bytes in flight that keep a link of `rate` bytes per second busy.
    fn window_for_rate(&self, rate: f64) -> u64 {
        let bytes = rate * (self.min_rtt * 2 + MAX_QUEUE_DELAY).as_secs_f64();
        (bytes as u64).max(MIN_WINDOW_BYTES)
    }

    /// True if the next frame would only wait, by the last sample.
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
