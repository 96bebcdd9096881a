//! Which encoders have come to nothing of late, so that another one gets its turn: some open and never give a picture.

use crate::time::Timestamp;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Once may be bad luck.
const ENOUGH: u32 = 2;
/// A driver may have been loaded anew, or a machine may have been short of memory: so much later it is tried again.
const REST: Duration = Duration::from_secs(600);

/// What one camera has seen of encoders, over all its openings. Clones are the same.
#[derive(Clone, Default, Debug)]
pub struct Trials(Arc<Mutex<BTreeMap<String, Failures>>>);

/// Failures in a row.
#[derive(Debug)]
struct Failures {
    count: u32,
    last_at: Timestamp,
    why: String,
}

impl Trials {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Failures>> {
        // Nothing in here can be half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An encoder of this name gives pictures, and has for a while ([`super::WORKS`]).
    pub fn works(&self, encoder: &str) {
        self.lock().remove(encoder);
    }

    /// An encoder of this name was opened and has come to its end, for this reason. True if others are to be preferred now.
    pub fn failed(&self, encoder: &str, why: &str, now: Timestamp) -> bool {
        let mut all = self.lock();
        let failures = all.entry(encoder.to_owned()).or_insert(Failures {
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
        failures.count >= ENOUGH
    }

    /// Why others are to be preferred to this encoder, in words; `None` if it deserves a trial.
    pub fn doubt(&self, encoder: &str, now: Timestamp) -> Option<String> {
        let all = self.lock();
        let failures = all.get(encoder)?;
        let is_resting = failures.count >= ENOUGH && now.since(failures.last_at) < REST;
        is_resting.then(|| {
            format!(
                "{encoder}: came to nothing {} times ({}), and is not tried again for {} minutes",
                failures.count,
                failures.why,
                REST.as_secs() / 60
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
    fn who_fails_again_and_again_rests_for_a_while_and_has_one_trial_then() {
        let trials = Trials::default();
        assert!(!trials.failed("hardware", "it hangs", at(10)));
        assert_eq!(trials.doubt("hardware", at(10)), None);
        assert!(trials.failed("hardware", "hardware: it hangs", at(20)));
        let doubt = trials.doubt("hardware", at(619)).unwrap();
        assert!(doubt.contains("2 times (it hangs)"), "{doubt}");
        assert_eq!(trials.doubt("software", at(20)), None);
        assert_eq!(trials.doubt("hardware", at(620)), None);
        assert!(trials.failed("hardware", "it hangs", at(630)));
        assert!(trials.doubt("hardware", at(631)).is_some());
    }

    #[test]
    fn who_works_is_forgiven() {
        let trials = Trials::default();
        trials.failed("hardware", "it hangs", at(10));
        trials.works("hardware");
        assert!(!trials.failed("hardware", "it hangs", at(500)));
    }
}
