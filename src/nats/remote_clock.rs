//! The clock of the camera's machine, and how late its frames come. Pure, with tests.
//!
//! A round is a question and an answer with the other clock's time, which was read somewhere between. The shortest round
//! says the most. Lateness is measured against the shortest way of the last minute, too: it does not need the clocks.

use crate::time::Timestamp;
use std::collections::VecDeque;
use std::time::Duration;

/// Time after which an older best round or way is forgotten, as clocks drift.
const WINDOW: Duration = Duration::from_secs(60);

/// Time after which an answer is none any more.
const MAX_ROUND: Duration = Duration::from_secs(10);

/// Questions, by the times at which they were asked, and which starts of the camera's program have answered: two servers may
/// publish under one name.
#[derive(Debug, Default)]
pub struct Questions(VecDeque<(Timestamp, Vec<u64>)>);

impl Questions {
    /// Most that are remembered.
    const MAX: usize = 16;

    /// Most answers to one.
    const MAX_ANSWERS: usize = 4;

    /// Notes a question.
    pub fn ask(&mut self, at: Timestamp) {
        if self.0.len() >= Self::MAX {
            self.0.pop_front();
        }
        self.0.push_back((at, Vec::new()));
    }

    /// Returns true for the first answer of a start of the camera's program to a question.
    pub fn take(&mut self, asked_at: Timestamp, epoch: u64, now: Timestamp) -> bool {
        let question = self.0.iter_mut().find(|(at, _)| *at == asked_at);
        let Some((_, answered)) = question.filter(|_| now.since(asked_at) <= MAX_ROUND) else {
            return false;
        };
        let is_first = !answered.contains(&epoch) && answered.len() < Self::MAX_ANSWERS;
        if is_first {
            answered.push(epoch);
        }
        is_first
    }
}

/// Times to another clock, of one start of the camera's program.
#[derive(Debug, Default)]
pub struct RemoteClock {
    best: Option<Round>,
    previous: Option<Round>,
    least: Option<Least>,
}

#[derive(Clone, Copy, Debug)]
struct Round {
    /// Other clock minus own, in nanoseconds.
    offset: i128,
    took: Duration,
    at: Timestamp,
}

/// Shortest ways in the present and in the last window: own time of arrival minus the other clock's time of sending.
#[derive(Clone, Copy, Debug)]
struct Least {
    present: i128,
    previous: i128,
    since: Timestamp,
}

fn nanos(time: Timestamp) -> i128 {
    i128::from(time.as_nanos())
}

impl RemoteClock {
    /// Takes a round: own times of question and answer, and the other clock's time. Impossible ones are ignored.
    pub fn round(&mut self, asked_at: Timestamp, remote: Timestamp, now: Timestamp) {
        if now < asked_at || now.since(asked_at) > MAX_ROUND {
            return;
        }
        let took = now.since(asked_at);
        let middle = nanos(asked_at) + took.as_nanos().cast_signed() / 2;
        let round = Round {
            offset: nanos(remote) - middle,
            took,
            at: now,
        };
        let (best, previous) = (self.best, self.previous);
        match best {
            Some(best) if now.since(best.at) > WINDOW => {
                self.previous = Some(best);
                self.best = Some(round);
            }
            Some(best) if best.took <= took => {}
            _ => self.best = Some(round),
        }
        if previous.is_some_and(|previous| now.since(previous.at) > 2 * WINDOW) {
            self.previous = None;
        }
    }

    /// Returns true after a round.
    pub fn is_known(&self) -> bool {
        self.best.is_some()
    }

    /// Other clock minus own.
    fn offset(&self) -> Option<i128> {
        let rounds = [self.best, self.previous].into_iter().flatten();
        rounds
            .min_by_key(|round| round.took)
            .map(|round| round.offset)
    }

    /// Returns an own time for one of the other clock, not after `now`.
    pub fn local(&self, remote: Timestamp, now: Timestamp) -> Timestamp {
        let Some(offset) = self.offset() else {
            return now;
        };
        let local = (nanos(remote) - offset).clamp(0, nanos(now));
        Timestamp::from_nanos(u64::try_from(local).unwrap_or(0))
    }

    /// Returns how late something is that was sent at this time of the other clock and has come `now`.
    pub fn lateness(&mut self, sent_at: Timestamp, now: Timestamp) -> Duration {
        let way = nanos(now) - nanos(sent_at);
        let least = self.least.get_or_insert(Least {
            present: way,
            previous: way,
            since: now,
        });
        if now.since(least.since) > WINDOW {
            *least = Least {
                present: way,
                previous: least.present,
                since: now,
            };
        }
        least.present = least.present.min(way);
        let by_way = way - least.present.min(least.previous);
        let by_clock = self.offset().map_or(0, |offset| way + offset);
        let nanos = by_way.max(by_clock).clamp(0, i128::from(u64::MAX));
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Timestamp {
        Timestamp::from_nanos(ms * 1_000_000)
    }

    fn ms(time: u64) -> Duration {
        Duration::from_millis(time)
    }

    #[test]
    fn only_what_was_asked_is_answered_and_once() {
        let mut questions = Questions::default();
        questions.ask(at(1));
        questions.ask(at(2));
        assert!(!questions.take(at(3), 7, at(4)));
        assert!(questions.take(at(2), 7, at(4)) && !questions.take(at(2), 7, at(4)));
        assert!(questions.take(at(2), 8, at(4)) && !questions.take(at(2), 7, at(4)));
        assert!(!questions.take(at(1), 7, at(20_000)), "too late");
        assert_eq!(
            (0..9)
                .filter(|epoch| questions.take(at(1), *epoch, at(2)))
                .count(),
            4
        );
        (0..100).for_each(|ms| questions.ask(at(ms)));
        assert_eq!(questions.0.len(), Questions::MAX);
        assert!(!questions.take(at(0), 7, at(100)) && questions.take(at(99), 7, at(100)));
    }

    #[test]
    fn shortest_round_sets_the_clock() {
        let mut clock = RemoteClock::default();
        assert_eq!(clock.local(at(7), at(9)), at(9));
        // The other clock is 1 s ahead; the answer of the first round was slow.
        clock.round(at(100), at(1105), at(200));
        clock.round(at(300), at(1305), at(310));
        clock.round(at(400), at(1401), at(500));
        assert!(clock.is_known());
        assert_eq!(clock.local(at(1500), at(600)), at(500));
        assert_eq!(clock.local(at(1700), at(600)), at(600), "not in the future");
        assert_eq!(clock.local(at(100), at(600)), at(0));
    }

    #[test]
    fn late_frame_is_seen_with_and_without_the_clock() {
        let mut clock = RemoteClock::default();
        assert_eq!(clock.lateness(at(5000), at(100)), ms(0));
        assert_eq!(clock.lateness(at(5033), at(133)), ms(0));
        assert_eq!(clock.lateness(at(5066), at(1166)), ms(1000));
        assert_eq!(clock.lateness(at(6100), at(1200)), ms(0));
        // With the clock the first frame is late, too.
        let mut clock = RemoteClock::default();
        clock.round(at(1000), at(5005), at(1010));
        assert_eq!(clock.lateness(at(4010), at(1010)), ms(1000));
    }

    #[test]
    fn impossible_times_do_no_harm() {
        let mut clock = RemoteClock::default();
        let end = Timestamp::from_nanos(u64::MAX);
        clock.round(at(10), at(5), at(9));
        assert!(!clock.is_known());
        clock.round(at(10), end, at(11));
        clock.lateness(end, at(12));
        clock.lateness(at(0), end);
        assert!(clock.local(end, at(13)) <= at(13));
    }
}
