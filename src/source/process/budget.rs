//! How many lines of a camera's programs go to the log, over all their restarts.

use crate::time::Timestamp;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Lines logged in each [`WINDOW`]: enough for the start-up of rpicam-vid or ffmpeg, not for a line with each picture,
/// nor for a program that complains and ends again and again.
const LINES_IN_WINDOW: u32 = 30;
const WINDOW: Duration = Duration::from_secs(60);

/// So many lines in a stretch of time, and no more. Clones are the same budget.
#[derive(Clone, Debug, Default)]
pub(crate) struct Budget(Arc<Mutex<Spent>>);

#[derive(Debug, Default)]
struct Spent {
    since: Option<Timestamp>,
    logged: u32,
    unlogged: u64,
}

impl Budget {
    /// Begins a new stretch if it is time; returns how many lines were left out in the old one.
    pub(super) fn renew(&self, now: Timestamp) -> u64 {
        let mut spent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let since = *spent.since.get_or_insert(now);
        if now.since(since) < WINDOW {
            return 0;
        }
        let old = std::mem::take(&mut *spent);
        spent.since = Some(now);
        old.unlogged
    }

    /// Whether one more line is logged.
    pub(super) fn spend(&self) -> bool {
        let mut spent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let may = spent.logged < LINES_IN_WINDOW;
        if may {
            spent.logged += 1;
        } else {
            spent.unlogged += 1;
        }
        may
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_logged_in_part_and_counted() {
        let at = |seconds: u64| Timestamp::from_nanos(seconds * 1_000_000_000);
        let budget = Budget::default();
        assert_eq!(budget.renew(at(100)), 0);
        let logged = (0..100).filter(|_| budget.spend()).count();
        assert_eq!(logged, LINES_IN_WINDOW as usize);
        assert_eq!(budget.renew(at(159)), 0);
        let after_a_restart = budget.clone();
        assert!(!after_a_restart.spend());
        assert_eq!(
            after_a_restart.renew(at(160)),
            u64::from(101 - LINES_IN_WINDOW)
        );
        assert!(budget.spend());
        assert_eq!(budget.renew(at(230)), 0);
    }
}
