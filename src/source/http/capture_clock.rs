//! Capture times of frames that another server has stamped with Unix time (`?clock=capture`).
//!
//! Where both clocks agree, a frame's age is known. Where they do not, the first frame counts as taken when it came. The
//! other server leaves stalls out of its media time, so an age that never falls below more than it was is such a gap.

use crate::time::{Timestamp, unix_at_zero};
use std::time::Duration;

/// Largest age of a first frame; with a larger one the clocks do not agree. It begins a GOP.
const MAX_AGE: Duration = Duration::from_secs(20);

/// Ages are compared over this time.
const WINDOW: Duration = Duration::from_secs(5);

/// Change of the least age that is taken for a gap in the media times.
const TOLERANCE: Duration = Duration::from_millis(100);

/// Clock of one connection.
#[derive(Debug, Default)]
pub(super) struct CaptureClock {
    state: Option<State>,
}

#[derive(Debug)]
struct State {
    /// Capture time minus media time, in nanoseconds.
    shift: i128,
    /// Least age of the frames of the last whole window.
    least: Option<Duration>,
    window_begin: Timestamp,
    least_in_window: Duration,
}

impl CaptureClock {
    /// Returns when the frame with this media time (nanoseconds) was taken, which has come `now`.
    pub(super) fn capture_time(&mut self, media: u64, now: Timestamp) -> Timestamp {
        let unix = match self.state {
            // Only the first frame's age needs it.
            None => unix_at_zero() + Duration::from_nanos(now.as_nanos()),
            Some(_) => Duration::ZERO,
        };
        self.at(media, now, unix)
    }

    fn at(&mut self, media: u64, now: Timestamp, unix: Duration) -> Timestamp {
        let now_nanos = i128::from(now.as_nanos());
        let state = self.state.get_or_insert_with(|| {
            let age = unix.checked_sub(Duration::from_nanos(media));
            let age = age.filter(|age| *age <= MAX_AGE).unwrap_or_default();
            State {
                shift: now_nanos - age.as_nanos().cast_signed() - i128::from(media),
                least: None,
                window_begin: now,
                least_in_window: Duration::MAX,
            }
        });
        let age = now_nanos - (i128::from(media) + state.shift);
        if age < 0 {
            // Not before it was taken: the clocks differ by more than the frame was old.
            state.shift += age;
        }
        let age = Duration::from_nanos(u64::try_from(age).unwrap_or(0));
        state.least_in_window = state.least_in_window.min(age);
        if now.since(state.window_begin) >= WINDOW {
            let least = state.least_in_window;
            match state.least {
                Some(before) if least > before + TOLERANCE => {
                    state.shift += (least - before).as_nanos().cast_signed();
                }
                _ => state.least = Some(least),
            }
            (state.window_begin, state.least_in_window) = (now, Duration::MAX);
        }
        let captured = (i128::from(media) + state.shift).min(now_nanos);
        Timestamp::from_nanos(u64::try_from(captured).unwrap_or(0))
    }
}

/// Returns the capture times of frames with these media times (nanoseconds) that arrive at these times, where Unix time was
/// `unix_at_zero` at the zero of the clock. For tests of any times.
pub fn capture_times(
    frames: impl IntoIterator<Item = (u64, Timestamp)>,
    unix_at_zero: Duration,
) -> Vec<Timestamp> {
    let mut clock = CaptureClock::default();
    let at = |(media, now): (u64, Timestamp)| {
        let unix = unix_at_zero.saturating_add(Duration::from_nanos(now.as_nanos()));
        clock.at(media, now, unix)
    };
    frames.into_iter().map(at).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: u64 = 40_000_000;
    /// Unix time at the zero of the monotonic clock.
    const UNIX: u64 = 1_796_000_000_000_000_000;

    fn at(clock: &mut CaptureClock, media: u64, now: u64, wrong_by: u64) -> u64 {
        let unix = Duration::from_nanos(UNIX + now + wrong_by);
        let captured = clock.at(UNIX + media, Timestamp::from_nanos(now), unix);
        captured.as_nanos()
    }

    #[test]
    fn ages_are_known_where_clocks_agree() {
        let mut clock = CaptureClock::default();
        for n in 100..500 {
            let media = n * FRAME;
            assert_eq!(at(&mut clock, media, media + 7_000_000, 0), media);
        }
    }

    #[test]
    fn first_frame_is_new_where_clocks_differ() {
        let mut clock = CaptureClock::default();
        let hour = 3_600_000_000_000;
        for n in 100..500 {
            let (media, now) = (n * FRAME, n * FRAME + 7_000_000);
            assert_eq!(at(&mut clock, media, now, hour), now);
        }
    }

    #[test]
    fn gap_in_the_media_times_is_made_up_for() {
        let mut clock = CaptureClock::default();
        let late = 7_000_000;
        for n in 1..400 {
            at(&mut clock, n * FRAME, n * FRAME + late, 0);
        }
        // The other server skipped 3 s of media time.
        let stall = 3_000_000_000;
        let mut last = (0, 0);
        for n in 400..800 {
            let now = n * FRAME + stall + late;
            last = (at(&mut clock, n * FRAME, now, 0), now);
        }
        assert_eq!(last.1 - last.0, late);
    }
}
