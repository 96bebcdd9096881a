//! Limits what one source adds to the log in a day: repeated lines are counted, new ones rationed.

use super::LogThrottle;
use crate::time::Timestamp;
use std::time::Duration;

/// Throttle and token bucket for the lines of one source.
#[derive(Clone, Debug)]
pub struct LogRateLimit {
    throttle: LogThrottle,
    burst: u32,
    interval: Duration,
    /// Lines that may be logged now.
    left: u32,
    refilled_at: Option<Timestamp>,
    /// Lines that were due but exceeded the limit.
    unlogged: u64,
}

impl LogRateLimit {
    /// Creates a limit of `burst` lines at first and one more after each `interval`.
    pub const fn new(burst: u32, interval: Duration) -> Self {
        Self {
            throttle: LogThrottle::new(),
            burst,
            interval,
            left: burst,
            refilled_at: None,
            unlogged: 0,
        }
    }

    /// Records that `text` was logged at `now`; returns the line to write, if one is due.
    pub fn note(&mut self, text: &str, now: Timestamp) -> Option<String> {
        self.refill(now);
        let line = self.throttle.note(text, now)?;
        let Some(left) = self.left.checked_sub(1) else {
            self.unlogged += 1;
            return None;
        };
        self.left = left;
        Some(match std::mem::take(&mut self.unlogged) {
            0 => line,
            lines => format!("{line} ({lines} other lines left out)"),
        })
    }

    /// Resets the limit: the next message is new.
    pub fn clear(&mut self) {
        *self = Self::new(self.burst, self.interval);
    }

    fn refill(&mut self, now: Timestamp) {
        let since = *self.refilled_at.get_or_insert(now);
        let more = now.since(since).as_nanos() / self.interval.as_nanos().max(1);
        if more > 0 {
            let more = u32::try_from(more).unwrap_or(u32::MAX);
            self.left = self.left.saturating_add(more).min(self.burst);
            self.refilled_at = Some(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ever_new_lines_are_bounded_over_a_day() {
        let mut folded = LogRateLimit::new(50, Duration::from_secs(1200));
        let at = |seconds: u64| Timestamp::from_nanos(seconds * 1_000_000_000);
        let mut lines = Vec::new();
        for second in 0..86_400 {
            // Words, not numbers: those would count as the same line.
            let text: String = format!("{second:x}").replace(|c: char| c.is_ascii_digit(), "z");
            lines.extend(folded.note(&"x".repeat(second as usize % 977), at(second)));
            lines.extend(folded.note(&text, at(second)));
        }
        assert!((100..=122).contains(&lines.len()), "{}", lines.len());
        assert!(
            lines
                .iter()
                .any(|line| line.ends_with("other lines left out)"))
        );
        folded.clear();
        assert_eq!(folded.note("news", at(86_400)).as_deref(), Some("news"));
    }
}
