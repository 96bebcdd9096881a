//! Quota of log lines for a camera's programs, over all their restarts.

use crate::logger::LogRateLimit;
use crate::time::Timestamp;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Lines at first: enough for the start of rpicam-vid or ffmpeg …
const BURST_LINES: u32 = 50;
/// … and one more after each of these intervals: a program that fails in a loop adds at most 122
/// lines a day.
const REFILL_INTERVAL: Duration = Duration::from_secs(1200);

/// Quota of one camera. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct LogQuota(Arc<Mutex<LogRateLimit>>);

impl Default for LogQuota {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(LogRateLimit::new(
            BURST_LINES,
            REFILL_INTERVAL,
        ))))
    }
}

impl LogQuota {
    /// Records that a program wrote `line`; returns the line to log, if one is due.
    pub(super) fn admit(&self, line: &str, now: Timestamp) -> Option<String> {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lines.note(line, now)
    }

    /// Resets the quota, as the camera works: the next lines are new.
    pub(crate) fn reset(&self) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn restarting_program_is_logged_within_quota() {
        let budget = LogQuota::default();
        let mut logged = 0;
        for second in (0..86_400).step_by(30) {
            let now = Timestamp::from_nanos(second * 1_000_000_000);
            let started_again = budget.clone();
            let address = format!("[rtsp @ 0x{:x}] refused", second * 7_919_777);
            let other = "word ".repeat(second as usize / 30 % 700);
            for line in [&*address, "camera.local: unknown", &other] {
                logged += u32::from(started_again.admit(line, now).is_some());
            }
        }
        assert!((50..=122).contains(&logged), "{logged}");
    }
}
