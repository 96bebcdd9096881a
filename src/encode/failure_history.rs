//! Remembers encoders that failed recently, so that another one is tried: some open and never
//! deliver a frame.

use crate::time::Timestamp;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Failures in a row before others are preferred; one may be bad luck.
const MAX_FAILURES: u32 = 2;
/// Time after which a failed encoder is tried again: a driver may have been reloaded, or the
/// machine may have been short of memory.
const COOLDOWN: Duration = Duration::from_secs(600);

/// Failures of encoders with one camera, over all its openings. Clones share them.
#[derive(Clone, Default, Debug)]
pub struct FailureHistory(Arc<Mutex<BTreeMap<String, FailureRecord>>>);

/// Failures in a row.
#[derive(Debug)]
struct FailureRecord {
    count: u32,
    last_at: Timestamp,
    why: String,
}

impl FailureHistory {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, FailureRecord>> {
        // Nothing in here can be half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that an encoder of this name has delivered frames for [`super::HEALTHY_AFTER`].
    pub fn record_success(&self, encoder: &str) {
        self.lock().remove(encoder);
    }

    /// Notes that an encoder of this name failed after it was opened. Returns true if others are to
    /// be preferred now.
    pub fn record_failure(&self, encoder: &str, why: &str, now: Timestamp) -> bool {
        let mut all = self.lock();
        let failures = all.entry(encoder.to_owned()).or_insert(FailureRecord {
            count: 0,
            last_at: now,
            why: String::new(),
        });
        failures.count = failures.count.saturating_add(1);
        failures.last_at = now;
        // Encoders put their name ahead of their reasons.
        let why = why
            .strip_prefix(encoder)
            .map_or(why, |why| why.trim_start_matches(": "));
        why.clone_into(&mut failures.why);
        failures.count >= MAX_FAILURES
    }

    /// Returns the reason to prefer others to this encoder; `None` if it may be tried.
    pub fn cooldown_reason(&self, encoder: &str, now: Timestamp) -> Option<String> {
        let all = self.lock();
        let failures = all.get(encoder)?;
        let is_resting = failures.count >= MAX_FAILURES && now.since(failures.last_at) < COOLDOWN;
        is_resting.then(|| {
            format!(
                "{encoder}: failed {} times ({}); not tried again for {} minutes",
                failures.count,
                failures.why,
                COOLDOWN.as_secs() / 60
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_nanos(seconds * 1_000_000_000)
    }

    #[test]
    fn repeated_failures_start_cooldown() {
        let trials = FailureHistory::default();
        assert!(!trials.record_failure("hardware", "it hangs", at(10)));
        assert_eq!(trials.cooldown_reason("hardware", at(10)), None);
        assert!(trials.record_failure("hardware", "hardware: it hangs", at(20)));
        let doubt = trials.cooldown_reason("hardware", at(619)).unwrap();
        assert!(doubt.contains("2 times (it hangs)"), "{doubt}");
        assert_eq!(trials.cooldown_reason("software", at(20)), None);
        assert_eq!(trials.cooldown_reason("hardware", at(620)), None);
        assert!(trials.record_failure("hardware", "it hangs", at(630)));
        assert!(trials.cooldown_reason("hardware", at(631)).is_some());
    }

    #[test]
    fn success_clears_failures() {
        let trials = FailureHistory::default();
        trials.record_failure("hardware", "it hangs", at(10));
        trials.record_success("hardware");
        assert!(!trials.record_failure("hardware", "it hangs", at(500)));
    }
}
