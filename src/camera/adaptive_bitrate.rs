//! Bit rate policy for congested links: pure, no clock.
//!
//! One encoder serves all viewers. The bit rate follows the link at the worst quarter; viewers with
//! worse links get fewer frames instead (`camera_handle/skip_policy.rs`). It falls at once to the link's
//! bandwidth and rises slowly: only probing shows more bandwidth, each failed probe is seen as a
//! stutter, and so the next one waits longer.

use crate::time::Timestamp;
use std::ops::RangeInclusive;
use std::time::Duration;

/// Part of the link's bandwidth for the stream. The rest is for keyframes, which come at once, and
/// for headers.
const TARGET_UTILISATION: f64 = 0.85;

/// Viewers for each ignored link.
const VIEWERS_PER_IGNORED_LINK: u64 = 4;

/// Interval of policy runs.
const POLL_INTERVAL: Duration = Duration::from_millis(250);

/// Time for a change to take effect.
const HOLD_AFTER_CHANGE: Duration = Duration::from_secs(2);

/// Factor of an increase.
const INCREASE_FACTOR: f64 = 1.08;

/// Time without congestion before a probe. Doubles with each failed probe.
const PROBE_INTERVAL_MIN: Duration = Duration::from_secs(5);
const PROBE_INTERVAL_MAX: Duration = Duration::from_secs(60);

/// Time after an increase in which congestion counts as a failed probe.
const FAILED_PROBE_WINDOW: Duration = Duration::from_secs(10);

/// Controller of one encoder's bit rate.
#[derive(Debug)]
pub(super) struct BitrateController {
    range: RangeInclusive<u32>,
    current: u32,
    polled_at: Option<Timestamp>,
    changed_at: Option<Timestamp>,
    raised_at: Option<Timestamp>,
    congested_at: Option<Timestamp>,
    probe_interval: Duration,
}

impl BitrateController {
    /// Creates a controller at the upper limit of `range` (bits per second).
    pub(super) fn new(range: RangeInclusive<u32>) -> Self {
        Self {
            current: *range.end(),
            range,
            polled_at: None,
            changed_at: None,
            raised_at: None,
            congested_at: None,
            probe_interval: PROBE_INTERVAL_MIN,
        }
    }

    /// Returns true four times a second, when the policy must run.
    pub(super) fn is_due(&mut self, now: Timestamp) -> bool {
        let is_due = self
            .polled_at
            .is_none_or(|then| now.since(then) >= POLL_INTERVAL);
        if is_due {
            self.polled_at = Some(now);
        }
        is_due
    }

    /// Returns the bit rate to request, if it changes. `congested` are the congested links of
    /// the viewers: bandwidths, and how many links have about each.
    pub(super) fn next_bitrate(
        &mut self,
        viewers: u64,
        congested: Vec<(u32, u32)>,
        now: Timestamp,
    ) -> Option<u32> {
        let since = |then: Option<Timestamp>| then.map_or(Duration::MAX, |then| now.since(then));
        let line = target_link(viewers, congested);
        if line.is_some() {
            self.congested_at = Some(now);
        }
        if since(self.changed_at) < HOLD_AFTER_CHANGE {
            return None;
        }
        let wanted = match line {
            Some(capacity) => self
                .current
                .min((f64::from(capacity) * TARGET_UTILISATION) as u32),
            None if since(self.congested_at) < self.probe_interval => return None,
            None => (f64::from(self.current) * INCREASE_FACTOR) as u32,
        };
        let wanted = wanted.clamp(*self.range.start(), *self.range.end());
        if wanted == self.current {
            return None;
        }
        if wanted < self.current {
            self.probe_interval = if since(self.raised_at) < FAILED_PROBE_WINDOW {
                (self.probe_interval * 2).min(PROBE_INTERVAL_MAX)
            } else {
                PROBE_INTERVAL_MIN
            };
        } else {
            self.raised_at = Some(now);
        }
        self.changed_at = Some(now);
        self.current = wanted;
        Some(wanted)
    }
}

/// Returns the bandwidth of the link to follow; `None` if it carries everything.
fn target_link(viewers: u64, mut congested: Vec<(u32, u32)>) -> Option<u32> {
    congested.sort_unstable();
    let mut ignored = viewers / VIEWERS_PER_IGNORED_LINK;
    for (bps, count) in congested {
        match ignored.checked_sub(count.into()) {
            Some(left) => ignored = left,
            None => return Some(bps),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST: u32 = 1_500_000;
    const LEAST: u32 = 300_000;

    struct Model {
        controller: BitrateController,
        seconds: u64,
        current: u32,
    }

    impl Model {
        fn new() -> Self {
            Self {
                controller: BitrateController::new(LEAST..=MOST),
                seconds: 100,
                current: MOST,
            }
        }

        fn see(&mut self, seconds: u64, viewers: u64, slow: &[u32]) {
            for _ in 0..seconds {
                self.seconds += 1;
                let now = Timestamp::from_nanos(self.seconds * 1_000_000_000);
                self.current = self
                    .controller
                    .next_bitrate(viewers, slow.iter().map(|bps| (*bps, 1)).collect(), now)
                    .unwrap_or(self.current);
            }
        }
    }

    #[test]
    fn bitrate_falls_at_once_and_rises_slowly() {
        let mut model = Model::new();
        model.see(1, 1, &[800_000]);
        assert_eq!(model.current, 680_000);
        model.see(4, 1, &[800_000]);
        assert_eq!(
            model.current, 680_000,
            "what the line carries has not changed"
        );
        model.see(4, 1, &[]);
        assert_eq!(model.current, 680_000);
        model.see(4, 1, &[]);
        assert!(
            (700_000..850_000).contains(&model.current),
            "{}",
            model.current
        );
        model.see(30, 1, &[]);
        assert_eq!(model.current, MOST);
    }

    #[test]
    fn bitrate_stays_in_its_range() {
        let mut model = Model::new();
        model.see(5, 1, &[1000]);
        assert_eq!(model.current, LEAST);
        model.see(1, 1, &[2_000_000]);
        assert_eq!(
            model.current, LEAST,
            "a line that carries more than the stream is no reason to go up"
        );
    }

    #[test]
    fn worst_quarter_of_links_is_ignored() {
        let mut model = Model::new();
        model.see(60, 11, &[200_000]);
        assert_eq!(model.current, MOST);
        model.see(60, 11, &[200_000, 250_000]);
        assert_eq!(model.current, MOST);
        model.see(1, 11, &[200_000, 1_000_000, 250_000]);
        assert_eq!(
            model.current, 850_000,
            "the best of the three that are more than a quarter"
        );
        model.see(2, 8, &[700_000; 8]);
        assert_eq!(model.current, 595_000);
    }

    #[test]
    fn failed_probes_lengthen_the_interval() {
        let mut model = Model::new();
        model.see(3, 1, &[600_000]);
        let mut waits = Vec::new();
        for _ in 0..4 {
            let (before, mut seconds) = (model.current, 0);
            while model.current == before {
                model.see(1, 1, &[]);
                seconds += 1;
            }
            waits.push(seconds);
            model.see(3, 1, &[600_000]);
        }
        assert!(waits.is_sorted_by(|a, b| a < b), "{waits:?}");
    }

    #[test]
    fn bitrate_without_viewers_returns_to_maximum() {
        let mut model = Model::new();
        model.see(3, 1, &[400_000]);
        model.see(60, 0, &[]);
        assert_eq!(model.current, MOST);
    }
}
