//! Media times from capture times.
//!
//! Browsers drop everything up to the next keyframe if a decoding time is more than twice the last
//! duration after the previous one (Media Source Extensions, coded frame processing). So media time
//! follows the capture times closely and without drift, but a lost frame, a stall or a jump of the
//! camera's clock never makes a larger step. What cannot be caught up smoothly is dropped; the
//! capture time stays available next to the media time. In a stream with disposable frames this
//! holds for any two steps in a row. Where capture time is arrival time, frames may come in bursts
//! that do not show when they were captured: they are spread over the gap before them.

use crate::frame_rate::FrameRate;
use crate::time::{TIMESCALE, Timestamp};
use std::collections::VecDeque;

/// Largest drift between media and capture time before they are re-aligned.
const MAX_DRIFT_TICKS: i64 = TIMESCALE as i64 / 4;

/// Interval above which a single gap is a stall. Several in a row are the rate.
const STALL_TICKS: i64 = TIMESCALE as i64 * 2;

/// Longest interval that can be a rate: 3 hours.
const MAX_INTERVAL_TICKS: i64 = TIMESCALE as i64 * 10_800;

/// Intervals in a row beyond [`STALL_TICKS`] after which the rate has changed.
const RATE_CHANGE_INTERVALS: u32 = 2;

/// Shortest step of slow cameras. Faster frames do not run ahead of the clock for long.
const SLOW_STEP_TICKS: i64 = TIMESCALE as i64 / 20;

/// Divisor of the duration by which a steady step may exceed it, to catch up. Reported durations
/// include it.
const CATCH_UP_DIVISOR: u32 = 64;

/// Number of intervals for the median, which is the nominal duration.
const MEDIAN_WINDOW: usize = 9;

/// Number of intervals for the average: more than one burst has.
const AVERAGE_WINDOW: usize = 64;

/// Decoding time and duration of a sample, in [`TIMESCALE`] ticks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SampleTiming {
    /// Decoding time, larger than the previous one.
    pub decode_time: u64,
    /// Reported duration, never 0, known without the next frame. Two steady steps after it are
    /// shorter than twice this.
    pub duration: u32,
    /// Present frame interval, never 0.
    pub nominal_duration: u32,
}

/// Media clock of one camera. It continues over restarts of the source.
///
/// ```
/// use berrymse::frame_rate::FrameRate;
/// use berrymse::media::timeline::Timeline;
/// use berrymse::time::Timestamp;
/// use std::time::Duration;
///
/// let mut timeline = Timeline::new(FrameRate::whole(10));
/// let captured_at = Timestamp::now();
/// assert_eq!(timeline.timestamp(captured_at, false).decode_time, 0);
/// let second = timeline.timestamp(captured_at + Duration::from_millis(100), false);
/// assert_eq!((second.decode_time, second.duration), (9000, 9000));
/// ```
#[derive(Debug)]
pub struct Timeline {
    last: Option<LastSample>,
    /// Last capture intervals in ticks, as a ring; a burst counts with its average.
    intervals: [u32; MEDIAN_WINDOW],
    /// Their median. It is read three times per frame, and they change once.
    median: u32,
    next_interval: usize,
    /// Ticks between the last frames, each by itself.
    averaged: VecDeque<u32>,
    averaged_sum: u64,
    /// Intervals in a row on the other side of [`STALL_TICKS`] than the nominal duration.
    other_intervals: u32,
    /// True once an interval was measured; before, the nominal duration is the configured one.
    has_learned: bool,
}

#[derive(Clone, Copy, Debug)]
struct LastSample {
    timing: SampleTiming,
    /// Reported duration of the previous sample.
    duration_before: u32,
    captured_at: Timestamp,
    /// Capture time that media time has yet to follow, in ticks; negative if media time is ahead.
    drift_ticks: i64,
    /// Ticks dropped at the last gap. A burst after it shows that frames were captured meanwhile
    /// and came late (a program that writes in blocks, a network outage): these reclaim their
    /// durations.
    gap_ticks: i64,
    burst: Burst,
}

/// Burst of frames right after a gap. Without a gap it is one frame: the next ones may be fast
/// because the rate has changed.
#[derive(Clone, Copy, Debug)]
struct Burst {
    /// Ticks from the previous frame to its last one.
    ticks: i64,
    frames: i64,
    follows_gap: bool,
}

impl Timeline {
    /// Creates a clock at 0 for a camera with this frame rate.
    pub fn new(fps: FrameRate) -> Self {
        Self {
            last: None,
            intervals: [duration_ticks(fps); MEDIAN_WINDOW],
            median: duration_ticks(fps),
            next_interval: 0,
            averaged: VecDeque::with_capacity(AVERAGE_WINDOW),
            averaged_sum: 0,
            other_intervals: 0,
            has_learned: false,
        }
    }

    /// Returns the timing of the frame captured at `captured_at`. With `steady` the steps between
    /// decoding times are at least nine tenths of the frame interval, which keeps reordered
    /// composition times in order, and so short that any one frame can be skipped.
    pub fn timestamp(&mut self, captured_at: Timestamp, steady: bool) -> SampleTiming {
        let next = match self.last {
            Some(last) => self.next_timing(last, captured_at, steady),
            None => LastSample {
                timing: self.timing(0, steady),
                duration_before: u32::MAX,
                captured_at,
                drift_ticks: 0,
                gap_ticks: 0,
                burst: Burst::new(0, 1),
            },
        };
        self.last = Some(next);
        next.timing
    }

    fn next_timing(
        &mut self,
        last: LastSample,
        captured_at: Timestamp,
        steady: bool,
    ) -> LastSample {
        let duration = i64::from(last.timing.nominal_duration);
        // 584 years of nanoseconds are far from the limits of i64 in ticks.
        let interval = captured_at.as_ticks() as i64 - last.captured_at.as_ticks() as i64;
        self.update_average(interval);
        let mut wanted = interval + last.drift_ticks;
        let (mut gap_ticks, mut burst) = (last.gap_ticks, last.burst);
        let (mut least, mut most) = if steady {
            let told = last.timing.duration.min(last.duration_before);
            let mut least = duration - duration / 10;
            // A slow camera that has become fast does not run ahead of the clock.
            if duration > STALL_TICKS && interval < duration / 4 {
                least = SLOW_STEP_TICKS;
            }
            // Browsers count in microseconds, rounded.
            (least, i64::from(told) - 1)
        } else {
            ((duration / 8).min(SLOW_STEP_TICKS), duration + duration / 2)
        };
        if interval < duration / 4 && burst.accepts_more() {
            let claim = (duration - wanted).clamp(0, gap_ticks);
            wanted += claim;
            gap_ticks -= claim;
            most = most.min(duration);
            burst.add(interval);
        } else {
            // A burst does not measure a gap exactly; a larger rest was a stall.
            if burst.frames > 1 && gap_ticks < burst.ticks / 4 {
                wanted += gap_ticks;
            }
            gap_ticks = 0;
            self.update_rate(burst);
            burst = Burst::new(interval, duration);
        }
        most = most.max(1);
        least = least.clamp(1, most);
        let mut step = wanted.clamp(least, most);
        let mut drift_ticks = wanted - step;
        if drift_ticks.abs() > MAX_DRIFT_TICKS {
            if drift_ticks > 0 || interval < 0 {
                step = duration.min(most);
            }
            gap_ticks += (wanted - step).max(0);
            drift_ticks = 0;
        }
        LastSample {
            timing: self.timing(last.timing.decode_time + step as u64, steady),
            duration_before: last.timing.duration,
            captured_at,
            drift_ticks,
            gap_ticks,
            burst,
        }
    }

    fn timing(&self, decode_time: u64, steady: bool) -> SampleTiming {
        let nominal = self.nominal();
        let more = if steady {
            nominal / CATCH_UP_DIVISOR
        } else {
            0
        };
        SampleTiming {
            decode_time,
            duration: nominal + more,
            nominal_duration: nominal,
        }
    }

    /// Returns the median of the last intervals: one late frame does not change it, a new rate soon
    /// does. Far below the average, the frames come in bursts and the average is used.
    fn nominal(&self) -> u32 {
        let average = self.averaged_sum / (self.averaged.len() as u64).max(1);
        if u64::from(self.median) < average - average / 4 {
            average as u32
        } else {
            self.median
        }
    }

    fn update_rate(&mut self, burst: Burst) {
        let interval = burst.ticks / burst.frames;
        // Two frames within a millisecond are no measurement.
        if !(i64::from(TIMESCALE) / 1000..=MAX_INTERVAL_TICKS).contains(&interval) {
            return;
        }
        if (interval > STALL_TICKS) == self.is_slow() {
            self.other_intervals = 0;
            self.intervals[self.next_interval] = interval as u32;
            self.next_interval = (self.next_interval + 1) % MEDIAN_WINDOW;
            let mut sorted = self.intervals;
            sorted.sort_unstable();
            self.median = sorted[MEDIAN_WINDOW / 2];
        } else {
            self.other_intervals += 1;
            if self.has_learned && self.other_intervals < RATE_CHANGE_INTERVALS {
                return;
            }
            self.other_intervals = 0;
            self.intervals = [interval as u32; MEDIAN_WINDOW];
            self.median = interval as u32;
            self.averaged.clear();
            self.averaged_sum = 0;
        }
        self.has_learned = true;
    }

    fn update_average(&mut self, interval: i64) {
        let longest = if self.is_slow() {
            MAX_INTERVAL_TICKS
        } else {
            STALL_TICKS
        };
        if (0..=longest).contains(&interval) {
            if self.averaged.len() == AVERAGE_WINDOW {
                self.averaged_sum -= u64::from(self.averaged.pop_front().unwrap_or(0));
            }
            self.averaged.push_back(interval as u32);
            self.averaged_sum += interval as u64;
        }
    }

    /// Returns true while intervals above [`STALL_TICKS`] are the rate.
    fn is_slow(&self) -> bool {
        i64::from(self.nominal()) > STALL_TICKS
    }
}

impl Burst {
    /// Creates a burst `ticks` after the previous frame of this duration.
    const fn new(ticks: i64, duration: i64) -> Self {
        Self {
            ticks,
            frames: 1,
            follows_gap: ticks > duration + duration / 2,
        }
    }

    /// Returns true if a frame right after the last one belongs to it.
    const fn accepts_more(&self) -> bool {
        self.follows_gap && self.frames < AVERAGE_WINDOW as i64
    }

    const fn add(&mut self, ticks: i64) {
        self.ticks += ticks;
        self.frames += 1;
    }
}

fn duration_ticks(fps: FrameRate) -> u32 {
    let ticks = u64::from(TIMESCALE) * 1_000_000 / u64::from(fps.micro_hertz());
    u32::try_from(ticks).unwrap_or(u32::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FPS: FrameRate = FrameRate::whole(30);

    fn run(times_us: impl IntoIterator<Item = u64>) -> Vec<SampleTiming> {
        let mut timeline = Timeline::new(FPS);
        times_us
            .into_iter()
            .map(|us| timeline.timestamp(Timestamp::from_nanos(us * 1000), false))
            .collect()
    }

    fn steps(timings: &[SampleTiming]) -> Vec<u64> {
        timings
            .windows(2)
            .map(|w| w[1].decode_time - w[0].decode_time)
            .collect()
    }

    #[test]
    fn day_at_29_97_fps_does_not_drift() {
        // 29.97 pictures per second, stamped in whole microseconds
        let frames = 30_000u64 * 86_400 / 1001;
        let mut timeline = Timeline::new(FPS);
        let mut last = 0;
        for n in 0..frames {
            last = timeline
                .timestamp(
                    Timestamp::from_nanos(n * 1_001_000_000 / 30 / 1000 * 1000),
                    false,
                )
                .decode_time;
        }
        let true_ticks = (frames - 1) * 1001 * 90 / 30;
        assert!(last.abs_diff(true_ticks) < 9, "{last} {true_ticks}");
    }

    #[test]
    fn lost_frame_is_caught_up_within_two() {
        let timings = run([0, 33_333, 66_667, 133_333, 166_667, 200_000]);
        assert_eq!(steps(&timings), [2999, 3001, 4500, 4500, 3000]);
    }

    #[test]
    fn stall_leaves_no_gap() {
        let timings = run([0, 33_333, 66_667, 3_066_667, 3_100_000]);
        assert_eq!(steps(&timings), [2999, 3001, 3000, 3000]);
    }

    #[test]
    fn steady_steps_allow_skipping_one_frame() {
        let mut timeline = Timeline::new(FPS);
        // 30 pictures per second, by a clock that wavers, and one lost every 4 s
        let waver = [0, 400, -300, 900, -2_000, 2_500, 100];
        let taken = (0..36_000u64).filter(|n| n % 120 != 119);
        let timings: Vec<_> = taken
            .map(|n| {
                let us = (1_000_000 + n * 100_000 / 3).wrapping_add_signed(waver[n as usize % 7]);
                timeline.timestamp(Timestamp::from_nanos(us * 1000), true)
            })
            .collect();
        for three in timings.windows(3) {
            let step = three[2].decode_time - three[0].decode_time;
            assert!(step < 2 * u64::from(three[0].duration), "{three:?}");
        }
        let end = timings.last().unwrap().decode_time;
        assert!(end.abs_diff(36_000 * 3000) < 9000, "{end}");
    }

    #[test]
    fn long_intervals_in_a_row_become_the_rate() {
        for seconds in [3, 10, 1000] {
            let timings = run((0..10).map(|n| n * seconds * 1_000_000));
            assert_eq!(steps(&timings)[2..], [seconds * 90_000; 7], "{seconds}");
            assert_eq!(u64::from(timings[9].duration), seconds * 90_000);
        }
        let at_rate = |fps: &str| {
            let mut timeline = Timeline::new(fps.parse().unwrap());
            let place =
                |n: u64| timeline.timestamp(Timestamp::from_nanos(n * 2_500_000_000), false);
            steps(&(0..4).map(place).collect::<Vec<_>>())
        };
        assert_eq!(
            at_rate("0.4"),
            [225_000; 3],
            "known from the first frame on"
        );
    }

    #[test]
    fn faster_rate_stays_near_the_clock() {
        let slow = (0..10).map(|n| n * 10_000_000);
        let fast = (1..=60).map(|n| 90_000_000 + n * 33_333);
        let timings = run(slow.chain(fast));
        let ahead = timings[69].decode_time - timings[9].decode_time;
        assert!(ahead < 3 * 90_000, "{ahead}");
        assert_eq!(timings[69].duration.abs_diff(3000), 0);
    }

    #[test]
    fn bursts_after_long_gaps_keep_their_rate() {
        // 20 frames at 30/s, then nothing for 12 s
        let timings = run((0..200).map(|n| n / 20 * 12_666_667 + n % 20 * 33_333));
        assert!(
            timings
                .iter()
                .all(|timing| timing.duration.abs_diff(3000) < 10)
        );
    }

    #[test]
    fn backward_clock_jump_keeps_time_increasing() {
        let timings = run([9_000_000, 9_033_333, 1_000_000, 1_033_333]);
        assert_eq!(steps(&timings), [2999, 3000, 2999]);
    }

    #[test]
    fn lower_rate_is_learned() {
        let timings = run((0..30).map(|n| n * 66_667));
        assert_eq!(timings.last().unwrap().duration, 6000);
        assert_eq!(steps(&timings).last(), Some(&6000));
    }

    #[test]
    fn burst_frames_are_spread_evenly() {
        // a program that writes 27 pictures, then waits until it has 27 more
        let timings = run((0..270).map(|n| n / 27 * 900_000 + n % 27));
        let late = &timings[timings.len() - 54..];
        assert!(
            late.iter()
                .all(|timing| timing.duration.abs_diff(3000) < 10)
        );
        assert!(steps(late).iter().all(|step| step.abs_diff(3000) < 200));
    }

    #[test]
    fn media_time_follows_bursts_of_any_length() {
        for (expected_fps, pictures, gap_ms, spacing_us) in [
            (30, 2, 67, 0),
            (30, 5, 167, 2000),
            (30, 13, 433, 1500),
            (120, 27, 900, 3000),
            (5, 27, 900, 300),
            (30, 60, 2000, 5000),
        ] {
            let mut timeline = Timeline::new(FrameRate::whole(expected_fps));
            let mut media = Vec::new();
            for n in 0..80 * pictures {
                let us = n / pictures * gap_ms * 1000 + n % pictures * spacing_us;
                media.push(
                    timeline
                        .timestamp(Timestamp::from_nanos(us * 1000), false)
                        .decode_time,
                );
            }
            let burst = |n: u64| media[(n * pictures) as usize];
            let pace = (burst(79) - burst(40)) as f64 / (39 * gap_ms * 90) as f64;
            assert!(
                (pace - 1.0).abs() < 0.01,
                "{pace} for {pictures} each {gap_ms} ms"
            );
        }
    }

    #[test]
    fn stall_before_two_quick_frames_leaves_no_gap() {
        let timings = run([
            0, 33_333, 66_667, 3_066_667, 3_068_000, 3_100_000, 3_133_333,
        ]);
        let total = timings.last().unwrap().decode_time;
        assert!(total < 6 * 3000 + 3000, "{total}");
    }

    proptest! {
        #[test]
        fn steps_are_positive_and_never_tear(gaps in prop::collection::vec(0u64..5_000_000, 1..200), steady: bool) {
            let mut timeline = Timeline::new(FPS);
            let mut at = 1_000_000_000;
            let mut before: [Option<SampleTiming>; 2] = [None; 2];
            for gap in gaps {
                at += gap * 1000;
                let timing = timeline.timestamp(Timestamp::from_nanos(at), steady);
                prop_assert!(timing.duration > 0);
                if let Some(before) = before[0] {
                    let step = timing.decode_time - before.decode_time;
                    prop_assert!(step > 0 && step <= u64::from(before.duration) * 3 / 2);
                }
                if let Some(before) = before[1].filter(|_| steady) {
                    // One is skipped.
                    prop_assert!(timing.decode_time - before.decode_time < u64::from(before.duration) * 2);
                }
                before = [Some(timing), before[0]];
            }
        }
    }
}
