//! How often slow lines may ask the encoder for a keyframe.
//!
//! A keyframe costs as much as ten other pictures, and all viewers pay for it. So the pause between two of them grows with
//! the number of viewers for each one who asks: a lone viewer on a bad line may have one each 1.5 s, one of eleven each 10 s.

use super::course::Asking;
use crate::time::Timestamp;
use std::time::Duration;

/// The pause when all viewers are on slow lines.
const SHORTEST: Duration = Duration::from_millis(1500);
/// The longest pause: the first to ask after a hole in the line is rarely refused.
const LONGEST: Duration = Duration::from_secs(10);
/// Encoders that answer at all answer within this time; the pipeline may hold a request back for half a second.
const ANSWER: Duration = Duration::from_millis(600);

/// The requests of all slow lines of a camera together.
#[derive(Debug, Default)]
pub(super) struct Requests {
    /// Whether the source can make keyframes at all.
    pub(super) is_possible: bool,
    last: Option<Timestamp>,
    is_pending: bool,
}

impl Requests {
    /// Where a request would lead at the time `now`.
    pub(super) fn state(&self, viewers: usize, slow: usize, now: Timestamp) -> Asking {
        let since = self.last.map(|last| now.since(last));
        if self.is_pending && since.is_some_and(|since| since < ANSWER) {
            return Asking::UnderWay;
        }
        let share = u32::try_from(viewers / slow.max(1)).unwrap_or(u32::MAX);
        let pause = SHORTEST.saturating_mul(share.max(1)).min(LONGEST);
        if self.is_possible && since.is_none_or(|since| since >= pause) {
            Asking::Possible
        } else {
            Asking::NoUse
        }
    }

    /// A request is made.
    pub(super) fn ask(&mut self, now: Timestamp) {
        (self.last, self.is_pending) = (Some(now), true);
    }

    /// A keyframe is there.
    pub(super) fn answered(&mut self) {
        self.is_pending = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Timestamp {
        Timestamp::from_nanos((100_000 + ms) * 1_000_000)
    }

    #[test]
    fn the_pause_is_longer_the_more_viewers_pay_for_one() {
        for (viewers, slow, pause) in [
            (1, 1, 1500),
            (2, 1, 3000),
            (4, 4, 1500),
            (11, 1, 10_000),
            (1000, 100, 10_000),
        ] {
            let mut requests = Requests {
                is_possible: true,
                ..Requests::default()
            };
            assert_eq!(requests.state(viewers, slow, at(0)), Asking::Possible);
            requests.ask(at(0));
            assert_eq!(requests.state(viewers, slow, at(33)), Asking::UnderWay);
            requests.answered();
            assert_eq!(requests.state(viewers, slow, at(pause - 1)), Asking::NoUse);
            assert_eq!(requests.state(viewers, slow, at(pause)), Asking::Possible);
        }
    }

    #[test]
    fn who_does_not_answer_is_not_waited_for() {
        let mut requests = Requests {
            is_possible: true,
            ..Requests::default()
        };
        requests.ask(at(0));
        assert_eq!(requests.state(1, 1, at(700)), Asking::NoUse);
        assert_eq!(Requests::default().state(1, 1, at(0)), Asking::NoUse);
    }
}
