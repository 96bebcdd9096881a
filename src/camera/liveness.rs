//! Liveness of an open source that reports no error: data, frames and keyframes in time. Values in,
//! a fault out: no clock.

use crate::h264::Oversize;
use crate::source::{Cause, Error};
use crate::time::Timestamp;
use std::time::Duration;

/// Time with data but without a frame after which the camera counts as lost; or five times the last
/// interval, if longer.
const NO_FRAME_TIMEOUT: Duration = Duration::from_secs(5);
const NO_FRAME_INTERVALS: u32 = 5;

/// Time for the first keyframe. A source may be opened in the middle of a GOP: network cameras make
/// a keyframe each ten seconds and less often, and re-opening would restart the wait.
const NO_KEYFRAME_TIMEOUT: Duration = Duration::from_secs(60);

/// Silence after which the timeout for a frame restarts.
const SILENCE_AFTER: Duration = Duration::from_secs(1);

/// Fault of an open source.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Fault {
    /// Neither frames nor data for this time.
    Silent(Duration),
    /// H.264 pictures, but no keyframe so far.
    NoKeyframe { for_long: bool },
    /// Data, but no frame that can be shown.
    NoFrame,
    /// Data, but only frames beyond the limits of the standard.
    Oversize(Oversize),
}

impl Fault {
    /// Returns the fault as an error of the source.
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
            Self::NoFrame => Error::Lost(
                "it sends data in which there is no H.264 picture. Is it H.264, with its parameter sets (SPS, PPS) \
                 repeated or at the start?"
                    .into(),
            )
            .because(Cause::NO_H264),
        }
    }

    /// Returns true if the source should be re-opened.
    pub(super) fn is_final(self) -> bool {
        matches!(
            self,
            Self::NoFrame | Self::Oversize(_) | Self::NoKeyframe { for_long: true }
        )
    }
}

/// Monitor of an open source since its opening.
#[derive(Debug)]
pub(super) struct LivenessMonitor {
    opened_at: Timestamp,
    last_frame_at: Option<Timestamp>,
    interval: Duration,
    last_data_at: Option<Timestamp>,
    /// Start of the present data without a silence and without a frame.
    data_without_frame_since: Option<Timestamp>,
    has_slices: bool,
    oversize: Option<Oversize>,
}

impl LivenessMonitor {
    pub(super) fn new(now: Timestamp) -> Self {
        Self {
            opened_at: now,
            last_frame_at: None,
            interval: Duration::ZERO,
            last_data_at: None,
            data_without_frame_since: None,
            has_slices: false,
            oversize: None,
        }
    }

    /// Records a dropped frame beyond the limits of the standard.
    pub(super) fn on_oversize(&mut self, oversize: Oversize) {
        self.oversize = Some(oversize);
    }

    /// Records data.
    pub(super) fn on_data(&mut self, now: Timestamp) {
        if self
            .last_data_at
            .is_none_or(|at| now.since(at) > SILENCE_AFTER)
        {
            self.data_without_frame_since = None;
        }
        self.last_data_at = Some(now);
        self.data_without_frame_since.get_or_insert(now);
    }

    /// Records an access unit with a slice, usable or not.
    pub(super) fn on_slice(&mut self) {
        self.has_slices = true;
    }

    /// Records a frame that can be shown.
    pub(super) fn on_frame(&mut self, now: Timestamp) {
        if let Some(before) = self.last_frame_at.replace(now) {
            self.interval = now.since(before);
        }
        self.data_without_frame_since = None;
        self.has_slices = false;
        self.oversize = None;
    }

    /// Returns the present fault, if any. Silence up to `silence_limit` is none.
    pub(super) fn check(&self, now: Timestamp, silence_limit: Duration) -> Option<Fault> {
        let limit = NO_FRAME_TIMEOUT.max(self.interval * NO_FRAME_INTERVALS);
        // Before the first byte the source itself knows how long it may take.
        if now.since(self.last_data_at?) > SILENCE_AFTER {
            return self
                .last_frame_at
                .filter(|since| now.since(*since) > silence_limit)
                .map(|_| Fault::Silent(silence_limit));
        }
        self.data_without_frame_since
            .filter(|since| now.since(*since) > limit)?;
        if let Some(oversize) = self.oversize {
            return Some(Fault::Oversize(oversize));
        }
        Some(match self.last_frame_at {
            None if self.has_slices => Fault::NoKeyframe {
                for_long: now.since(self.opened_at) > NO_KEYFRAME_TIMEOUT,
            },
            _ => Fault::NoFrame,
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
    fn silence_after_frames_is_a_fault() {
        let mut liveness = LivenessMonitor::new(at(0));
        for ms in (1000..2000).step_by(33) {
            liveness.on_data(at(ms));
            liveness.on_frame(at(ms));
            assert_eq!(liveness.check(at(ms), LIMIT), None);
        }
        assert_eq!(liveness.check(at(6900), LIMIT), None);
        assert_eq!(
            liveness.check(at(7100), LIMIT),
            Some(Fault::Silent(NO_FRAME_TIMEOUT))
        );
    }

    #[test]
    fn silence_before_first_byte_is_no_fault() {
        assert_eq!(LivenessMonitor::new(at(0)).check(at(100_000), LIMIT), None);
    }

    #[test]
    fn silence_within_the_limit_is_no_fault() {
        let limit = Duration::from_secs(50);
        let mut liveness = LivenessMonitor::new(at(0));
        for ms in [0, 10_000] {
            liveness.on_data(at(ms));
            liveness.on_frame(at(ms));
        }
        assert_eq!(liveness.check(at(55_000), limit), None);
        assert_eq!(
            liveness.check(at(61_000), limit),
            Some(Fault::Silent(limit))
        );
        assert_eq!(
            liveness.check(at(u64::MAX / 1_000_000), Duration::MAX),
            None
        );
    }

    #[test]
    fn data_after_silence_restarts_the_timeout() {
        let mut liveness = LivenessMonitor::new(at(0));
        liveness.on_data(at(0));
        liveness.on_frame(at(0));
        liveness.on_data(at(20)); // the beginning of the next one
        assert_eq!(
            liveness.check(at(12_000), LIMIT),
            Some(Fault::Silent(NO_FRAME_TIMEOUT))
        );
        liveness.on_data(at(12_000));
        assert_eq!(liveness.check(at(12_010), LIMIT), None);
    }

    #[test]
    fn missing_keyframe_has_60_s_garbage_5_s() {
        let (mut relay, mut garbage) = (LivenessMonitor::new(at(0)), LivenessMonitor::new(at(0)));
        for ms in (0..70_000).step_by(500) {
            relay.on_data(at(ms));
            relay.on_slice();
            garbage.on_data(at(ms));
            let for_long = ms > 60_000;
            let wanted = (ms > 5000).then_some((Fault::NoKeyframe { for_long }, Fault::NoFrame));
            let found = relay.check(at(ms), LIMIT).zip(garbage.check(at(ms), LIMIT));
            assert_eq!(found, wanted, "{ms}");
        }
    }

    #[test]
    fn undecodable_frames_after_good_ones_are_a_fault() {
        let mut liveness = LivenessMonitor::new(at(0));
        liveness.on_data(at(0));
        liveness.on_frame(at(0));
        for ms in (100..=6000).step_by(100) {
            liveness.on_data(at(ms));
            liveness.on_slice();
        }
        assert_eq!(liveness.check(at(6000), LIMIT), Some(Fault::NoFrame));
    }
}
