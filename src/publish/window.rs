//! Echo window: what a publisher sends to itself through the server shows how late everything is, and whether anybody
//! subscribes. Pure, with tests.
//!
//! A server answers "no responders" before it passes on what came after. So a round is a probe, and an echo after it: when
//! the echo is back without that answer, somebody subscribes.

use crate::time::Timestamp;
use std::collections::VecDeque;
use std::time::Duration;

/// Oldest echo that may be outstanding while frames are sent.
const MAX_ECHO_AGE: Duration = Duration::from_millis(500);

/// Most echoes that are outstanding.
const MAX_OUTSTANDING: usize = 16;

/// Probes in a row without subscribers after which nobody watches: an edge may be connecting again.
const UNWATCHED_PROBES: u32 = 2;

/// Rounds of one connection.
#[derive(Debug, Default)]
pub(super) struct Window {
    outstanding: VecDeque<Round>,
    next: u64,
    /// The newest round without subscribers.
    nobody: Option<u64>,
    unwatched: u32,
    is_watched: bool,
}

#[derive(Debug)]
struct Round {
    number: u64,
    sent_at: Timestamp,
    is_probe: bool,
}

impl Window {
    /// Returns the number of a new round, or `None` while too many are outstanding.
    pub(super) fn begin(&mut self, is_probe: bool, now: Timestamp) -> Option<u64> {
        if self.outstanding.len() >= MAX_OUTSTANDING {
            return None;
        }
        self.next += 1;
        self.outstanding.push_back(Round {
            number: self.next,
            sent_at: now,
            is_probe,
        });
        Some(self.next)
    }

    /// Notes that nobody subscribed in this round.
    pub(super) fn on_no_responders(&mut self, number: u64) {
        self.nobody = self.nobody.max(Some(number));
    }

    /// Notes that the echo of a round is back.
    pub(super) fn on_echo(&mut self, number: u64) {
        while let Some(round) = self.outstanding.front()
            && round.number <= number
        {
            let (is_probe, of_round) = (round.is_probe, round.number);
            self.outstanding.pop_front();
            if !is_probe {
                continue;
            }
            if self.nobody == Some(of_round) {
                self.unwatched += 1;
                self.is_watched &= self.unwatched < UNWATCHED_PROBES;
            } else {
                self.on_demand();
            }
        }
    }

    /// Notes that an edge is there.
    pub(super) fn on_demand(&mut self) {
        self.is_watched = true;
        self.unwatched = 0;
    }

    /// Returns true while somebody watches.
    pub(super) fn is_watched(&self) -> bool {
        self.is_watched
    }

    /// Returns true if what is sent now would come too late.
    pub(super) fn is_late(&self, now: Timestamp) -> bool {
        let oldest = self.outstanding.front();
        oldest.is_some_and(|round| now.since(round.sent_at) > MAX_ECHO_AGE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Timestamp {
        Timestamp::from_nanos(ms * 1_000_000)
    }

    #[test]
    fn watched_until_two_probes_say_nobody() {
        let mut window = Window::default();
        let probe = |window: &mut Window, nobody: bool| {
            let number = window.begin(true, at(0)).unwrap();
            if nobody {
                window.on_no_responders(number);
            }
            window.on_echo(number);
            window.is_watched()
        };
        assert!(!probe(&mut window, true));
        assert!(probe(&mut window, false));
        assert!(probe(&mut window, true));
        assert!(!probe(&mut window, true));
        window.on_demand();
        assert!(window.is_watched());
    }

    #[test]
    fn echo_that_is_missing_makes_it_late() {
        let mut window = Window::default();
        let first = window.begin(false, at(0)).unwrap();
        let second = window.begin(false, at(400)).unwrap();
        assert!(!window.is_late(at(500)));
        assert!(window.is_late(at(501)));
        window.on_echo(first);
        assert!(!window.is_late(at(501)));
        window.on_echo(second);
        assert!(!window.is_late(at(9000)));
        for _ in 0..MAX_OUTSTANDING {
            assert!(window.begin(false, at(0)).is_some());
        }
        assert_eq!(window.begin(false, at(0)), None);
    }
}
