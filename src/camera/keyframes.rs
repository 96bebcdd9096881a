//! Keyframes of a camera: requests of viewers merged, and what is done about a camera that sends none.

use crate::time::Timestamp;
use std::time::Duration;

/// No two requests come closer than this, however many viewers join: keyframes cost bits.
const REQUEST_INTERVAL: Duration = Duration::from_millis(500);

/// Time for a keyframe that somebody waits for, asked for or by itself.
const KEYFRAME_TIMEOUT: Duration = Duration::from_secs(2);

/// No two restarts for a keyframe come closer than this: each is an outage for all viewers.
const RESTART_INTERVAL: Duration = Duration::from_secs(60);

/// Reason of a camera whose viewers cannot begin.
pub(super) const NO_KEYFRAMES: &str = "this camera sends no keyframes, so that nobody can begin to watch: set its keyframe \
    interval (IDR period, GOP length; ffmpeg -g 60, rpicam-vid --intra 60), or intra refresh with recovery points";

/// Merges the requests of all viewers.
#[derive(Debug, Default)]
pub(super) struct KeyframeRequests {
    is_wanted: bool,
    last: Option<Timestamp>,
}

impl KeyframeRequests {
    /// True if one is to be made now; `is_wanted` adds one.
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

/// What helps viewers who cannot begin.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Remedy {
    /// To open the source again: its first frame is a keyframe.
    Restart,
    /// To begin at any frame, after the last keyframe: with gradual intra refresh the picture becomes right.
    StartAnywhere,
}

/// Finds out when viewers wait for a keyframe in vain. Outlives restarts of the source.
#[derive(Debug, Default)]
pub(super) struct KeyframeMonitor {
    missed_since: Option<Timestamp>,
    restarted_at: Option<Timestamp>,
}

impl KeyframeMonitor {
    /// What to do now. `is_missed` while somebody waits; `can_restart` where the source is better opened again.
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
