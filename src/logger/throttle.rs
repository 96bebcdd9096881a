//! Throttles repeated messages, so that an error that comes again and again does not fill the log.

use crate::time::Timestamp;
use std::time::Duration;

/// Decides when a repeated message is logged: at once, after 10 s, 60 s, 600 s, then hourly with
/// its count. Numbers (times, process ids, addresses) do not make a message new. Alternating
/// messages are counted separately.
#[derive(Clone, Debug, Default)]
pub struct LogThrottle {
    seen: Vec<SeenMessage>,
}

#[derive(Clone, Debug)]
struct SeenMessage {
    shape: String,
    logged_at: Timestamp,
    last_at: Timestamp,
    /// Occurrences since it was logged.
    unlogged: u64,
    /// Lines since the first.
    lines: usize,
}

impl LogThrottle {
    /// Intervals between two lines; the last one repeats.
    const INTERVALS: [Duration; 4] = [
        Duration::from_secs(10),
        Duration::from_secs(60),
        Duration::from_secs(600),
        Duration::from_secs(3600),
    ];
    /// Time without the message after which it is new again.
    const FORGET_AFTER: Duration = Duration::from_secs(600);
    /// Largest number of messages that are told apart.
    const MAX_SEEN: usize = 16;

    /// Creates an empty throttle.
    pub const fn new() -> Self {
        Self { seen: Vec::new() }
    }

    /// Records that `text` happened at `now`; returns the line to log, if one is due.
    pub fn note(&mut self, text: &str, now: Timestamp) -> Option<String> {
        self.seen
            .retain(|seen| now.since(seen.last_at) < Self::FORGET_AFTER);
        let shape = message_shape(text);
        let Some(seen) = self.seen.iter_mut().find(|seen| seen.shape == shape) else {
            if self.seen.len() == Self::MAX_SEEN {
                self.seen.remove(0);
            }
            self.seen.push(SeenMessage {
                shape,
                logged_at: now,
                last_at: now,
                unlogged: 0,
                lines: 0,
            });
            return Some(text.to_owned());
        };
        seen.last_at = now;
        seen.unlogged += 1;
        let silent = now.since(seen.logged_at);
        let [.., longest] = Self::INTERVALS;
        if silent < *Self::INTERVALS.get(seen.lines).unwrap_or(&longest) {
            return None;
        }
        let line = match seen.unlogged {
            1 => format!("{text} (again)"),
            times => format!("{text} (again, {times} times in {} s)", silent.as_secs()),
        };
        (seen.logged_at, seen.unlogged) = (now, 0);
        seen.lines += 1;
        Some(line)
    }

    /// Forgets all messages: the next one is new.
    pub fn clear(&mut self) {
        self.seen.clear();
    }
}

/// Returns the part of a message that stays when only numbers differ, decimal or hexadecimal.
fn message_shape(text: &str) -> String {
    let is_other = |c: char| !c.is_ascii_hexdigit();
    let mut shape = String::with_capacity(text.len());
    for part in text.split_inclusive(is_other) {
        let digits = part.trim_end_matches(is_other);
        let is_number = digits.len() >= 4 && digits.bytes().any(|b| b.is_ascii_digit());
        let kept = if is_number {
            part.get(digits.len()..).unwrap_or_default()
        } else {
            part
        };
        shape.extend(kept.chars().filter(|c| !c.is_ascii_digit()));
    }
    shape
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_nanos(seconds * 1_000_000_000)
    }

    #[test]
    fn repeated_error_is_logged_less_often() {
        let mut throttle = LogThrottle::new();
        let lines: Vec<_> = (0..=8000)
            .filter_map(|s| throttle.note("busy", at(s)).map(|line| (s, line)))
            .collect();
        assert_eq!(
            lines,
            [
                (0, "busy".to_owned()),
                (10, "busy (again, 10 times in 10 s)".to_owned()),
                (70, "busy (again, 60 times in 60 s)".to_owned()),
                (670, "busy (again, 600 times in 600 s)".to_owned()),
                (4270, "busy (again, 3600 times in 3600 s)".to_owned()),
                (7870, "busy (again, 3600 times in 3600 s)".to_owned()),
            ]
        );
    }

    #[test]
    fn other_number_is_the_same_message() {
        let mut throttle = LogThrottle::new();
        assert!(
            throttle
                .note("[mmal 4711] failed after 5.0 s", at(0))
                .is_some()
        );
        assert!(
            throttle
                .note("[mmal 12] failed after 5.13 s", at(1))
                .is_none()
        );
        let line = throttle.note("[mmal 9] failed after 5.2 s", at(10));
        assert_eq!(
            line.as_deref(),
            Some("[mmal 9] failed after 5.2 s (again, 2 times in 10 s)")
        );
    }

    #[test]
    fn other_address_is_the_same_message() {
        let mut throttle = LogThrottle::new();
        assert!(
            throttle
                .note("[tcp @ 0x55d0c8a1f2c0] refused", at(0))
                .is_some()
        );
        assert!(
            throttle
                .note("[tcp @ 0x5581beef0a40] refused", at(1))
                .is_none()
        );
        assert!(
            throttle.note("[tcp @ 0x7f00] faced", at(1)).is_some(),
            "words are no numbers"
        );
    }

    #[test]
    fn alternating_errors_are_counted_separately() {
        let mut throttle = LogThrottle::new();
        let lines = (0..200)
            .filter(|i| throttle.note(["a", "b"][i % 2], at(0)).is_some())
            .count();
        assert_eq!(lines, 2);
    }

    #[test]
    fn cleared_or_old_error_is_logged_again() {
        let mut throttle = LogThrottle::new();
        assert!(throttle.note("a", at(0)).is_some());
        assert!(throttle.note("a", at(1)).is_none());
        throttle.clear();
        assert_eq!(throttle.note("a", at(2)).as_deref(), Some("a"));
        assert_eq!(throttle.note("a", at(2000)).as_deref(), Some("a"));
    }

    #[test]
    fn throttle_memory_is_bounded() {
        let mut throttle = LogThrottle::new();
        for i in 1..1000 {
            assert!(throttle.note(&"x".repeat(i), at(0)).is_some());
        }
        assert!(throttle.seen.len() <= LogThrottle::MAX_SEEN);
    }
}
