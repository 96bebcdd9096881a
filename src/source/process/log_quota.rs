//! Which lines of a camera's programs go to the log, over all their restarts.

use crate::logger::LogRateLimit;
use crate::time::Timestamp;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Lines at first: enough for the start-up of rpicam-vid or ffmpeg …
const BURST_LINES: u32 = 50;
/// … and one more after each of these intervals: a program that complains and ends again and again comes to 122 lines a day.
const REFILL_INTERVAL: Duration = Duration::from_secs(1200);

/// The lines of one camera's programs. Clones are the same budget.
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
    /// Notes that a program wrote `line`; returns what to log of it.
    pub(super) fn admit(&self, line: &str, now: Timestamp) -> Option<String> {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lines.note(line, now)
    }

    /// The camera works: what its programs write next is news.
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
