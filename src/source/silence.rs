//! Silence limit of an open source. Times in, limit out: no clock.
//!
//! A program that sends only on changes is not stuck when nothing changes. Its earlier intervals
//! tell how long its silences are. A camera driven by a clock needs less.

use super::SourceContext;
use crate::time::Timestamp;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Number of longest intervals so far after which the source counts as stuck.
const STALL_INTERVALS: u32 = 10;

/// Longest interval between data of one camera, over all its openings. Clones share one value.
#[derive(Clone, Debug, Default)]
pub(super) struct LongestInterval(Arc<AtomicU64>);

impl LongestInterval {
    fn record(&self, interval: Duration) {
        let nanos = u64::try_from(interval.as_nanos()).unwrap_or(u64::MAX);
        self.0.fetch_max(nanos, Ordering::Relaxed);
    }

    fn get(&self) -> Duration {
        Duration::from_nanos(self.0.load(Ordering::Relaxed))
    }
}

/// Time without data after which an open source is re-opened.
#[derive(Clone, Debug)]
pub(super) struct SilenceLimit {
    min: Duration,
    min_at_start: Duration,
    /// Limit set by the user, instead of the learned one.
    fixed: Option<Duration>,
    /// Frame interval at the configured rate.
    configured_interval: Duration,
    /// Learned interval. `None` for a device, whose clock determines its intervals.
    longest: Option<LongestInterval>,
    last_data_at: Option<Timestamp>,
}

impl SilenceLimit {
    /// Creates the limit of a program just started: at least `min`, and at least `min_at_start`
    /// before its first byte.
    pub(super) fn program(
        least: Duration,
        least_at_start: Duration,
        context: &SourceContext,
    ) -> Self {
        Self {
            min: least,
            min_at_start: least_at_start,
            fixed: context.stall_after,
            configured_interval: context.settings.fps.interval(),
            longest: Some(context.longest_interval.clone()),
            last_data_at: None,
        }
    }

    /// Creates the limit of a device just opened. Its silence is a fault after a fixed time,
    /// because it sends at its rate, and re-opening helps.
    pub(super) fn device(
        limit: Duration,
        limit_at_start: Duration,
        context: &SourceContext,
    ) -> Self {
        Self {
            min: limit,
            min_at_start: limit.max(limit_at_start),
            fixed: context.stall_after,
            configured_interval: Duration::ZERO,
            longest: None,
            last_data_at: None,
        }
    }

    /// Records that data arrived at `now`.
    pub(super) fn on_data(&mut self, now: Timestamp) {
        if let (Some(before), Some(longest)) = (self.last_data_at.replace(now), &self.longest) {
            longest.record(now.since(before));
        }
    }

    /// Returns the longest silence that is no fault; [`Duration::MAX`] without a limit.
    pub(super) fn limit(&self) -> Duration {
        let longest = self.longest.as_ref().map(LongestInterval::get);
        let learned = self.configured_interval.max(longest.unwrap_or_default()) * STALL_INTERVALS;
        match self.fixed {
            Some(Duration::ZERO) => Duration::MAX,
            Some(fixed) if self.last_data_at.is_some() => fixed,
            Some(fixed) => fixed.max(self.min_at_start),
            None if self.last_data_at.is_some() => self.min.max(learned),
            None => self
                .min_at_start
                .max(self.configured_interval * STALL_INTERVALS),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame_rate::FrameRate;
    use crate::source::testing;

    const MINUTE: Duration = Duration::from_secs(60);
    const START: Duration = Duration::from_secs(10);

    const fn at(seconds: u64) -> Timestamp {
        Timestamp::from_nanos(seconds * 1_000_000_000)
    }

    #[test]
    fn limit_grows_with_the_longest_interval() {
        let context = testing::context(FrameRate::whole(30));
        let mut silence = SilenceLimit::program(MINUTE, START, &context);
        assert_eq!(silence.limit(), START);
        silence.on_data(at(0));
        assert_eq!(silence.limit(), MINUTE);
        silence.on_data(at(5));
        assert_eq!(silence.limit(), MINUTE);
        silence.on_data(at(17));
        silence.on_data(at(18));
        assert_eq!(silence.limit(), Duration::from_secs(120));
        let mut opened_again = SilenceLimit::program(MINUTE, START, &context);
        assert_eq!(opened_again.limit(), START);
        opened_again.on_data(at(500));
        assert_eq!(
            opened_again.limit(),
            Duration::from_secs(120),
            "not forgotten"
        );
    }

    #[test]
    fn configured_rate_counts_as_an_interval() {
        let context = testing::context("0.1".parse().unwrap());
        let mut silence = SilenceLimit::program(MINUTE, START, &context);
        assert_eq!(silence.limit(), Duration::from_secs(100));
        silence.on_data(at(0));
        assert_eq!(silence.limit(), Duration::from_secs(100));
    }

    #[test]
    fn device_limit_does_not_grow() {
        let context = testing::context(FrameRate::whole(30));
        let mut silence = SilenceLimit::device(Duration::from_secs(2), START, &context);
        assert_eq!(silence.limit(), START);
        silence.on_data(at(0));
        silence.on_data(at(17));
        assert_eq!(silence.limit(), Duration::from_secs(2));
    }

    #[test]
    fn fixed_limit_replaces_the_learned_one() {
        let mut context = testing::context(FrameRate::whole(30));
        context.stall_after = Some(Duration::from_secs(3));
        let mut silence = SilenceLimit::program(MINUTE, START, &context);
        assert_eq!(silence.limit(), START, "cameras are slow to start");
        silence.on_data(at(0));
        silence.on_data(at(17));
        assert_eq!(silence.limit(), Duration::from_secs(3));
        context.stall_after = Some(Duration::ZERO);
        let silence = SilenceLimit::program(MINUTE, START, &context);
        assert_eq!(silence.limit(), Duration::MAX);
    }
}
