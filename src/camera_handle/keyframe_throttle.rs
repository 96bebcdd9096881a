//! Limits how often congested links may request a keyframe.
//!
//! A keyframe costs as much as ten other frames, and all viewers pay for it. So the interval grows
//! with the number of viewers for each congested link: a lone viewer may request one each 1.5 s,
//! one of eleven each 10 s.

use super::skip_policy::KeyframeRequest;
use crate::time::Timestamp;
use std::time::Duration;

/// Interval when all links are congested.
const MIN_INTERVAL: Duration = Duration::from_millis(1500);
/// Longest interval: the first request after an outage is rarely refused.
const MAX_INTERVAL: Duration = Duration::from_secs(10);
/// Encoders that respond at all respond within this time; the pipeline may hold a request back for
/// half a second.
const RESPONSE_TIMEOUT: Duration = Duration::from_millis(600);

/// Keyframe requests of all congested links of a camera.
#[derive(Debug, Default)]
pub(super) struct KeyframeThrottle {
    /// The source can make keyframes on request.
    pub(super) is_supported: bool,
    requested_at: Option<Timestamp>,
}

impl KeyframeThrottle {
    /// Returns the outcome of a request at the time `now`. `keyframe_at` is the time of the last
    /// keyframe.
    pub(super) fn availability(
        &self,
        viewers: usize,
        slow: usize,
        keyframe_at: Option<Timestamp>,
        now: Timestamp,
    ) -> KeyframeRequest {
        let since = self.requested_at.map(|last| now.since(last));
        let is_pending = keyframe_at <= self.requested_at;
        if is_pending && since.is_some_and(|since| since < RESPONSE_TIMEOUT) {
            return KeyframeRequest::Pending;
        }
        let share = u32::try_from(viewers / slow.max(1)).unwrap_or(u32::MAX);
        let pause = MIN_INTERVAL.saturating_mul(share.max(1)).min(MAX_INTERVAL);
        if self.is_supported && since.is_none_or(|since| since >= pause) {
            KeyframeRequest::Available
        } else {
            KeyframeRequest::Unavailable
        }
    }

    /// Notes a request.
    pub(super) fn mark_requested(&mut self, now: Timestamp) {
        self.requested_at = Some(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Timestamp {
        Timestamp::from_nanos((100_000 + ms) * 1_000_000)
    }

    #[test]
    fn throttle_interval_grows_with_viewer_share() {
        for (viewers, slow, pause) in [
            (1, 1, 1500),
            (2, 1, 3000),
            (4, 4, 1500),
            (11, 1, 10_000),
            (1000, 100, 10_000),
        ] {
            let mut requests = KeyframeThrottle {
                is_supported: true,
                ..KeyframeThrottle::default()
            };
            assert_eq!(
                requests.availability(viewers, slow, None, at(0)),
                KeyframeRequest::Available
            );
            requests.mark_requested(at(0));
            assert_eq!(
                requests.availability(viewers, slow, Some(at(0)), at(33)),
                KeyframeRequest::Pending
            );
            let keyframe = Some(at(34));
            assert_eq!(
                requests.availability(viewers, slow, keyframe, at(pause - 1)),
                KeyframeRequest::Unavailable
            );
            assert_eq!(
                requests.availability(viewers, slow, keyframe, at(pause)),
                KeyframeRequest::Available
            );
        }
    }

    #[test]
    fn unanswered_request_is_not_pending() {
        let mut requests = KeyframeThrottle {
            is_supported: true,
            ..KeyframeThrottle::default()
        };
        requests.mark_requested(at(0));
        assert_eq!(
            requests.availability(1, 1, None, at(700)),
            KeyframeRequest::Unavailable
        );
        assert_eq!(
            KeyframeThrottle::default().availability(1, 1, None, at(0)),
            KeyframeRequest::Unavailable
        );
    }
}
