//! Keyframes of a camera: merged requests, and remedies if none come.

use crate::time::Timestamp;
use std::time::Duration;

/// Shortest time between requests, however many viewers join: keyframes cost bits.
const REQUEST_INTERVAL: Duration = Duration::from_millis(500);

/// Time for a keyframe that viewers wait for.
const KEYFRAME_TIMEOUT: Duration = Duration::from_secs(2);

/// Shortest time between restarts for a keyframe: each is an outage for all viewers.
const RESTART_INTERVAL: Duration = Duration::from_secs(60);

/// Status of a camera without keyframes.
pub(super) const NO_KEYFRAMES: &str = "this camera sends no keyframes, so that nobody can begin to watch: set its keyframe \
    interval (IDR period, GOP length; ffmpeg -g 60, rpicam-vid --intra 60), or intra refresh with recovery points";

/// Merges the requests of all viewers.
#[derive(Debug, Default)]
pub(super) struct KeyframeRequests {
    is_wanted: bool,
    last: Option<Timestamp>,
}

impl KeyframeRequests {
    /// Returns true if a keyframe must be requested now; `is_wanted` adds a request.
    pub(super) fn is_due(&mut self, is_wanted: bool, now: Timestamp) -> bool {
        self.is_wanted |= is_wanted;
        let rested = self
            .last
            .is_none_or(|last| now.since(last) >= REQUEST_INTERVAL);
        if !(self.is_wanted && rested) {
            return false;
        }
        (self.is_wanted, self.last) = (false, Some(now));
        true
    }
}

/// Remedy for viewers who cannot start.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Remedy {
    /// Re-open the source: its first frame is a keyframe.
    Restart,
    /// Start at any frame after the last keyframe: gradual intra refresh completes the picture.
    StartAnywhere,
}

/// Monitor that detects viewers waiting for a keyframe in vain. Outlives restarts of the source.
#[derive(Debug, Default)]
pub(super) struct KeyframeMonitor {
    missed_since: Option<Timestamp>,
    restarted_at: Option<Timestamp>,
}

impl KeyframeMonitor {
    /// Returns the remedy that is due. `is_missed` is true while viewers wait, `can_restart` if
    /// re-opening helps.
    pub(super) fn check(
        &mut self,
        is_missed: bool,
        can_restart: bool,
        now: Timestamp,
    ) -> Option<Remedy> {
        if !is_missed {
            self.missed_since = None;
            return None;
        }
        let since = *self.missed_since.get_or_insert(now);
        if now.since(since) < KEYFRAME_TIMEOUT {
            return None;
        }
        self.missed_since = None;
        let is_rested = (self.restarted_at).is_none_or(|at| now.since(at) >= RESTART_INTERVAL);
        if can_restart && is_rested {
            self.restarted_at = Some(now);
            return Some(Remedy::Restart);
        }
        Some(Remedy::StartAnywhere)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Timestamp {
        Timestamp::from_nanos(ms * 1_000_000)
    }

    #[test]
    fn keyframe_requests_of_viewers_are_merged() {
        let mut requests = KeyframeRequests::default();
        assert!(!requests.is_due(false, at(0)));
        assert!(requests.is_due(true, at(1)));
        assert!(!requests.is_due(true, at(2)));
        assert!(!requests.is_due(false, at(500)));
        assert!(
            requests.is_due(false, at(501)),
            "the second request is not forgotten"
        );
        assert!(!requests.is_due(false, at(2000)));
    }

    #[test]
    fn missing_keyframe_restarts_once_a_minute() {
        let mut watch = KeyframeMonitor::default();
        assert_eq!(watch.check(true, true, at(0)), None);
        assert_eq!(watch.check(true, true, at(1999)), None);
        assert_eq!(watch.check(true, true, at(2000)), Some(Remedy::Restart));
        assert_eq!(watch.check(true, true, at(30_000)), None);
        let second = watch.check(true, true, at(32_000));
        assert_eq!(second, Some(Remedy::StartAnywhere));
        assert_eq!(watch.check(true, true, at(70_000)), None);
        assert_eq!(watch.check(true, true, at(72_000)), Some(Remedy::Restart));
    }

    #[test]
    fn keyframe_in_time_needs_no_remedy() {
        let mut watch = KeyframeMonitor::default();
        assert_eq!(watch.check(true, false, at(0)), None);
        assert_eq!(watch.check(false, false, at(1000)), None);
        assert_eq!(watch.check(true, false, at(2500)), None);
        let remedy = watch.check(true, false, at(4500));
        assert_eq!(remedy, Some(Remedy::StartAnywhere));
    }
}
