//! Bounds how often clients restart a camera.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Shortest time between two restarts of a camera. Some cameras take seconds to open, and a program takes a machine's time.
const RESTART_INTERVAL: Duration = Duration::from_secs(5);

/// Time of a camera's last restart by a client.
#[derive(Debug, Default)]
pub(crate) struct RestartThrottle(Mutex<Option<Instant>>);

impl RestartThrottle {
    /// Takes note of a restart; else returns how long the client has to wait.
    pub(crate) fn take(&self, now: Instant) -> Result<(), Duration> {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(last) = *last {
            let left = RESTART_INTERVAL.saturating_sub(now.saturating_duration_since(last));
            if !left.is_zero() {
                return Err(left);
            }
        }
        *last = Some(now);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn second_restart_has_to_wait() {
        let throttle = RestartThrottle::default();
        let begin = Instant::now();
        let after = |ms| begin + Duration::from_millis(ms);
        assert_eq!(throttle.take(begin), Ok(()));
        assert_eq!(throttle.take(after(2000)), Err(Duration::from_secs(3)));
        assert_eq!(throttle.take(after(5000)), Ok(()));
        assert!(throttle.take(after(9999)).is_err());
    }
}
