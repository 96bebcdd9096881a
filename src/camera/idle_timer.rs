//! When an on-demand camera is closed. Values in, a decision out: no clock.

use crate::time::Timestamp;
use std::time::Duration;

/// Time without viewers after which an on-demand camera is closed. A reloaded page or a short
/// outage finds it open.
const ON_DEMAND_LINGER: Duration = Duration::from_secs(10);

/// Timer of an on-demand camera without viewers.
pub(super) struct IdleTimer {
    is_on_demand: bool,
    pub(super) last_demand_at: Timestamp,
}

impl IdleTimer {
    pub(super) fn new(is_on_demand: bool, now: Timestamp) -> Self {
        Self {
            is_on_demand,
            last_demand_at: now,
        }
    }

    /// Returns true if the camera should be closed.
    pub(super) fn should_close(
        &mut self,
        now: Timestamp,
        is_watched: impl FnOnce() -> bool,
    ) -> bool {
        if !self.is_on_demand {
            return false;
        }
        if is_watched() {
            self.last_demand_at = now;
        }
        now.since(self.last_demand_at) >= ON_DEMAND_LINGER
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn on_demand_camera_closes_after_linger() {
        let at = |seconds: u64| Timestamp::from_nanos(seconds * 1_000_000_000);
        let mut watch = IdleTimer::new(true, at(0));
        assert!(!watch.should_close(at(9), || false));
        assert!(
            !watch.should_close(at(15), || true),
            "a new viewer just in time"
        );
        assert!(!watch.should_close(at(24), || false));
        assert!(watch.should_close(at(25), || false));
        assert!(!IdleTimer::new(false, at(0)).should_close(at(99), || false));
    }
}
