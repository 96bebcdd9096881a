//! Another server that publishes a camera under the same name, by its signs of life. Pure, with tests.
//!
//! Edges show the one that started last. Both servers say so in log and status, as nobody at the edges knows who is right.

use crate::hub::OtherPublisher;
use crate::nats::wire::Announcement;
use crate::time::Timestamp;
use std::time::Duration;

/// Time without a sign of life after which the other is gone; it gives one each 3 s.
const SILENCE: Duration = Duration::from_secs(10);

/// The other server, if there is one. Of several the newest counts.
#[derive(Debug)]
pub(super) struct Rival {
    own_epoch: u64,
    other: Option<(OtherPublisher, Timestamp)>,
}

impl Rival {
    /// Creates it for a start of the own program.
    pub(super) fn new(own_epoch: u64) -> Self {
        Self {
            own_epoch,
            other: None,
        }
    }

    /// Takes a sign of life; returns what is new.
    pub(super) fn hear(
        &mut self,
        heard: Announcement,
        now: Timestamp,
    ) -> Option<Option<OtherPublisher>> {
        if heard.epoch == self.own_epoch {
            return None;
        }
        let known = self.other.map(|(other, _)| other.epoch);
        if heard.is_gone {
            let is_it = known == Some(heard.epoch);
            return is_it.then(|| self.forget());
        }
        if known.is_some_and(|known| known > heard.epoch) {
            return None;
        }
        let other = OtherPublisher {
            epoch: heard.epoch,
            is_newer: heard.epoch > self.own_epoch,
        };
        self.other = Some((other, now));
        (known != Some(heard.epoch)).then_some(Some(other))
    }

    /// Forgets one that is silent; returns what is new.
    pub(super) fn check(&mut self, now: Timestamp) -> Option<Option<OtherPublisher>> {
        let (_, heard_at) = self.other?;
        (now.since(heard_at) > SILENCE).then(|| self.forget())
    }

    fn forget(&mut self) -> Option<OtherPublisher> {
        self.other = None;
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Timestamp {
        Timestamp::from_nanos(ms * 1_000_000)
    }

    #[test]
    fn newest_other_server_is_told_once() {
        let mut rival = Rival::new(10);
        let alive = |epoch| Announcement {
            is_gone: false,
            epoch,
        };
        let told = |epoch, is_newer| Some(Some(OtherPublisher { epoch, is_newer }));
        assert_eq!(rival.hear(alive(10), at(0)), None);
        assert_eq!(rival.hear(alive(5), at(0)), told(5, false));
        assert_eq!(rival.hear(alive(5), at(1)), None);
        assert_eq!(rival.hear(alive(15), at(2)), told(15, true));
        assert_eq!(rival.hear(alive(5), at(3)), None);
        let gone = Announcement {
            is_gone: true,
            epoch: 15,
        };
        assert_eq!(rival.hear(gone, at(4)), Some(None));
        assert_eq!(rival.hear(alive(5), at(5)), told(5, false));
        assert_eq!(rival.check(at(10_005)), None);
        assert_eq!(rival.check(at(10_006)), Some(None));
        assert_eq!(rival.check(at(20_000)), None);
    }
}
