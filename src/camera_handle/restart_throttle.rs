//! Bounds how often clients restart a camera.

use crate::time::Timestamp;
use std::time::Duration;

/// Shortest time between two restarts of a camera. Some cameras take seconds to open, and a program takes a machine's time.
const RESTART_INTERVAL: Duration = Duration::from_secs(5);

/// Time of a camera's last restart by a client.
#[derive(Debug, Default)]
pub(super) struct RestartThrottle(Option<Timestamp>);

impl RestartThrottle {
    /// Takes note of a restart; else returns how long the client has to wait.
    pub(super) fn take(&mut self, now: Timestamp) -> Result<(), Duration> {
        if let Some(last) = self.0 {
            let left = RESTART_INTERVAL.saturating_sub(now.since(last));
            if !left.is_zero() {
                return Err(left);
            }
        }
        self.0 = Some(now);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn second_restart_has_to_wait() {
        let mut throttle = RestartThrottle::default();
        let at = |ms: u64| Timestamp::from_nanos((1000 + ms) * 1_000_000);
        assert_eq!(throttle.take(at(0)), Ok(()));
        assert_eq!(throttle.take(at(2000)), Err(Duration::from_secs(3)));
        assert_eq!(throttle.take(at(5000)), Ok(()));
        assert!(throttle.take(at(9999)).is_err());
    }
}
