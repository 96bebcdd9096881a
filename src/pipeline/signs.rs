//! Signs of life: what an open source that reports no error lacks all the same. Values in, a finding out: no clock.

use crate::h264::Oversize;
use crate::source::{Cause, Error};
use crate::time::Timestamp;
use std::time::Duration;

/// Data for so long without a picture, and the camera counts as lost; or five times the last interval, if that is longer.
const PATIENCE: Duration = Duration::from_secs(5);
const PATIENCE_INTERVALS: u32 = 5;

/// A source that has just been opened may be in the middle of a group of pictures: cameras in networks make a
/// keyframe each ten seconds and less often, and opening them anew would begin the wait anew.
const KEYFRAME_PATIENCE: Duration = Duration::from_secs(60);

/// Data that comes after a longer silence is looked at afresh.
const SILENCE: Duration = Duration::from_secs(1);

/// What is the matter.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Finding {
    /// No picture for so long, and nothing else either.
    Silent(Duration),
    /// H.264 pictures come, but no keyframe so far.
    NoKeyframe { for_long: bool },
    /// Data comes, but no picture that can be shown.
    NoPicture,
    /// Data comes, but only frames beyond the limits of the standard.
    Oversize(Oversize),
}

impl Finding {
    /// The finding in words, as an error of the source.
    pub(super) fn error(self) -> Error {
        match self {
            Self::Silent(time) => Error::Stalled(time),
            Self::NoKeyframe { .. } => Error::Lost(
                "this camera sends no keyframes: H.264 comes, but no IDR frame with its parameter sets (SPS, PPS) so far; \
                 set its keyframe interval (IDR period, GOP length; ffmpeg -g 60, rpicam-vid --intra 60)"
                    .into(),
            )
            .because(Cause::NO_KEYFRAME),
            Self::Oversize(oversize) => Error::Lost(oversize.to_string()).because(Cause::OVERSIZE),
            Self::NoPicture => Error::Lost(
                "it sends data in which there is no H.264 picture. Is it H.264, with its parameter sets (SPS, PPS) \
                 repeated or at the start?"
                    .into(),
            )
            .because(Cause::NO_H264),
        }
    }

    /// Whether the source is better opened anew.
    pub(super) fn is_final(self) -> bool {
        matches!(
            self,
            Self::NoPicture | Self::Oversize(_) | Self::NoKeyframe { for_long: true }
        )
    }
}

/// What an open source has given since it was opened.
#[derive(Debug)]
pub(super) struct Signs {
    opened_at: Timestamp,
    picture_at: Option<Timestamp>,
    interval: Duration,
    data_at: Option<Timestamp>,
    /// Data has come without a silence and without a picture since then.
    dry_since: Option<Timestamp>,
    has_slices: bool,
    oversize: Option<Oversize>,
}

impl Signs {
    pub(super) fn new(now: Timestamp) -> Self {
        Self {
            opened_at: now,
            picture_at: None,
            interval: Duration::ZERO,
            data_at: None,
            dry_since: None,
            has_slices: false,
            oversize: None,
        }
    }

    /// A frame beyond the limits of the standard has come, and was dropped.
    pub(super) fn oversize(&mut self, oversize: Oversize) {
        self.oversize = Some(oversize);
    }

    /// Bytes have come.
    pub(super) fn data(&mut self, now: Timestamp) {
        if self.data_at.is_none_or(|at| now.since(at) > SILENCE) {
            self.dry_since = None;
        }
        self.data_at = Some(now);
        self.dry_since.get_or_insert(now);
    }

    /// An access unit with a slice has come, of use or not.
    pub(super) fn slices(&mut self) {
        self.has_slices = true;
    }

    /// A picture that can be shown has come.
    pub(super) fn picture(&mut self, now: Timestamp) {
        if let Some(before) = self.picture_at.replace(now) {
            self.interval = now.since(before);
        }
        self.dry_since = None;
        self.has_slices = false;
        self.oversize = None;
    }

    /// What is the matter at present, if anything is. Silence up to `silence_limit` is no fault.
    pub(super) fn look(&self, now: Timestamp, silence_limit: Duration) -> Option<Finding> {
        let limit = PATIENCE.max(self.interval * PATIENCE_INTERVALS);
        // Before the first byte the source itself knows how long it may take.
        if now.since(self.data_at?) > SILENCE {
            return self
                .picture_at
                .filter(|since| now.since(*since) > silence_limit)
                .map(|_| Finding::Silent(silence_limit));
        }
        self.dry_since.filter(|since| now.since(*since) > limit)?;
        if let Some(oversize) = self.oversize {
            return Some(Finding::Oversize(oversize));
        }
        Some(match self.picture_at {
            None if self.has_slices => Finding::NoKeyframe {
                for_long: now.since(self.opened_at) > KEYFRAME_PATIENCE,
            },
            _ => Finding::NoPicture,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(5);

    const fn at(ms: u64) -> Timestamp {
        Timestamp::from_nanos(ms * 1_000_000)
    }

    #[test]
    fn pictures_are_a_sign_of_life_and_silence_after_them_is_none() {
        let mut signs = Signs::new(at(0));
        for ms in (1000..2000).step_by(33) {
            signs.data(at(ms));
            signs.picture(at(ms));
            assert_eq!(signs.look(at(ms), LIMIT), None);
        }
        assert_eq!(signs.look(at(6900), LIMIT), None);
        assert_eq!(signs.look(at(7100), LIMIT), Some(Finding::Silent(PATIENCE)));
    }

    #[test]
    fn before_the_first_byte_the_source_itself_has_to_know() {
        assert_eq!(Signs::new(at(0)).look(at(100_000), LIMIT), None);
    }

    #[test]
    fn silence_within_the_limit_is_no_fault() {
        let limit = Duration::from_secs(50);
        let mut signs = Signs::new(at(0));
        for ms in [0, 10_000] {
            signs.data(at(ms));
            signs.picture(at(ms));
        }
        assert_eq!(signs.look(at(55_000), limit), None);
        assert_eq!(signs.look(at(61_000), limit), Some(Finding::Silent(limit)));
        assert_eq!(signs.look(at(u64::MAX / 1_000_000), Duration::MAX), None);
    }

    #[test]
    fn after_a_pause_the_first_bytes_have_time_to_become_a_picture() {
        let mut signs = Signs::new(at(0));
        signs.data(at(0));
        signs.picture(at(0));
        signs.data(at(20)); // the beginning of the next one
        assert_eq!(
            signs.look(at(12_000), LIMIT),
            Some(Finding::Silent(PATIENCE))
        );
        signs.data(at(12_000));
        assert_eq!(signs.look(at(12_010), LIMIT), None);
    }

    #[test]
    fn pictures_without_a_keyframe_have_a_minute_and_garbage_has_five_seconds() {
        let (mut relay, mut garbage) = (Signs::new(at(0)), Signs::new(at(0)));
        for ms in (0..70_000).step_by(500) {
            relay.data(at(ms));
            relay.slices();
            garbage.data(at(ms));
            let for_long = ms > 60_000;
            let wanted =
                (ms > 5000).then_some((Finding::NoKeyframe { for_long }, Finding::NoPicture));
            let found = relay.look(at(ms), LIMIT).zip(garbage.look(at(ms), LIMIT));
            assert_eq!(found, wanted, "{ms}");
        }
    }

    #[test]
    fn pictures_that_cannot_be_shown_after_others_could_are_none() {
        let mut signs = Signs::new(at(0));
        signs.data(at(0));
        signs.picture(at(0));
        for ms in (100..=6000).step_by(100) {
            signs.data(at(ms));
            signs.slices();
        }
        assert_eq!(signs.look(at(6000), LIMIT), Some(Finding::NoPicture));
    }
}
