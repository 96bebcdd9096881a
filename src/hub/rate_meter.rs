//! Measures a stream: frames and bits per second, distance of keyframes.

use crate::time::Timestamp;
use std::collections::VecDeque;
use std::time::Duration;

/// Time over which rates are measured: longer than the usual keyframe interval, so that they do not
/// swing with it.
const RATE_WINDOW: Duration = Duration::from_secs(4);

/// Most frames remembered: [`RATE_WINDOW`] at 240 per second.
const MAX_FRAMES: usize = 960;

#[derive(Debug, Default)]
pub(super) struct RateMeter {
    recent: VecDeque<(Timestamp, usize)>,
    bytes: usize,
    since_keyframe: u64,
    keyframe_interval: u64,
    seen_keyframe: bool,
}

impl RateMeter {
    pub(super) fn add(&mut self, at: Timestamp, bytes: usize, is_keyframe: bool) {
        if is_keyframe {
            if self.seen_keyframe {
                self.keyframe_interval = self.since_keyframe;
            }
            self.seen_keyframe = true;
            self.since_keyframe = 0;
        }
        self.since_keyframe += 1;
        self.recent.push_back((at, bytes));
        self.bytes += bytes;
        while let Some(&(oldest, bytes)) = self.recent.front() {
            let is_young = at.since(oldest) <= RATE_WINDOW && self.recent.len() <= MAX_FRAMES;
            // Two frames make a rate, however slow.
            if is_young || self.recent.len() <= 2 {
                break;
            }
            self.bytes -= bytes;
            self.recent.pop_front();
        }
    }

    /// Returns frames and bits per second; zeros before the second frame.
    pub(super) fn rates(&self) -> (f64, u64) {
        let (Some(&(first, first_bytes)), Some(&(last, _))) =
            (self.recent.front(), self.recent.back())
        else {
            return (0.0, 0);
        };
        let seconds = last.since(first).as_secs_f64();
        if seconds <= 0.0 {
            return (0.0, 0);
        }
        let bits = (self.bytes - first_bytes) as f64 * 8.0;
        (
            (self.recent.len() - 1) as f64 / seconds,
            (bits / seconds) as u64,
        )
    }

    pub(super) fn keyframe_interval(&self) -> u64 {
        self.keyframe_interval
    }

    /// Returns the time from the newest frame to the next keyframe if the interval stays; `None`
    /// when that is over, or unknown.
    pub(super) fn keyframe_due_in(&self) -> Option<Duration> {
        let pictures = self.keyframe_interval.checked_sub(self.since_keyframe)? + 1;
        let (fps, _) = self.rates();
        (fps > 0.0).then(|| Duration::from_secs_f64(pictures as f64 / fps))
    }
}
