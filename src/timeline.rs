//! Media times from capture times.
//!
//! Browsers drop everything up to the next keyframe when a decoding time is more than twice the last
//! duration after the one before (Media Source Extensions, coded frame processing). So media time follows
//! the capture times closely and without drift, but a lost picture, a stall or a jump of the camera's clock
//! never makes a larger step: what cannot be caught up softly is left behind, and the capture time is kept
//! beside the media time for those who need it.

use crate::time::{TIMESCALE, Timestamp};
use std::num::NonZeroU32;
use std::time::Duration;

/// Media time may be this far from the capture time before the two are aligned anew.
const REBASE_TICKS: i64 = TIMESCALE as i64 / 4;

/// How many of the last picture intervals decide the nominal duration.
const WINDOW: usize = 9;

/// When and for how long a picture is shown, in [`TIMESCALE`] ticks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Slot {
    /// Decoding time; strictly larger than that of the picture before.
    pub decode_time: u64,
    /// Nominal duration, never 0, and known without waiting for the next picture.
    pub duration: u32,
}

/// The media clock of one camera. It goes on over restarts of the source.
#[derive(Debug)]
pub struct Timeline {
    last: Option<Last>,
    /// The last intervals between captures, in ticks, in a ring.
    intervals: [u32; WINDOW],
    next_interval: usize,
}

#[derive(Clone, Copy, Debug)]
struct Last {
    slot: Slot,
    captured_at: Timestamp,
    /// Media time minus capture time, in ticks.
    offset: i64,
}

impl Timeline {
    /// A clock at 0 for a camera that is expected to give `fps` pictures per second.
    pub fn new(fps: NonZeroU32) -> Self {
        Self {
            last: None,
            intervals: [(TIMESCALE / fps).max(1); WINDOW],
            next_interval: 0,
        }
    }

    /// The slot of the picture taken at `captured_at`. With `steady` the steps between decoding times stay
    /// within a tenth of the duration, which keeps composition times in order where pictures are reordered.
    pub fn place(&mut self, captured_at: Timestamp, steady: bool) -> Slot {
        let Some(last) = self.last else {
            let slot = Slot {
                decode_time: 0,
                duration: self.nominal(),
            };
            self.last = Some(Last {
                slot,
                captured_at,
                offset: -ticks(captured_at),
            });
            return slot;
        };
        self.learn(captured_at.since(last.captured_at));
        let duration = i64::from(last.slot.duration);
        let before = last.slot.decode_time as i64;
        let mut offset = last.offset;
        let wanted = ticks(captured_at) + offset - before;
        let (least, most) = if steady {
            (duration - duration / 10, duration + duration / 10)
        } else {
            (duration / 4, duration + duration / 2)
        };
        let mut step = wanted.clamp(least.max(1), most.max(1));
        if (wanted - step).abs() > REBASE_TICKS {
            step = duration;
            offset = before + step - ticks(captured_at);
        }
        let slot = Slot {
            decode_time: (before + step) as u64,
            duration: self.nominal(),
        };
        self.last = Some(Last {
            slot,
            captured_at,
            offset,
        });
        slot
    }

    /// The median of the last intervals: one late picture does not change it, a new rate soon does.
    fn nominal(&self) -> u32 {
        let mut sorted = self.intervals;
        sorted.sort_unstable();
        sorted[WINDOW / 2]
    }

    fn learn(&mut self, interval: Duration) {
        let ticks = interval.as_nanos() * u128::from(TIMESCALE) / 1_000_000_000;
        // Two pictures in less than a millisecond are a burst after a stall, more than two seconds is the
        // stall: neither tells the rate.
        if (u128::from(TIMESCALE) / 1000..=u128::from(TIMESCALE) * 2).contains(&ticks) {
            self.intervals[self.next_interval] = ticks as u32;
            self.next_interval = (self.next_interval + 1) % WINDOW;
        }
    }
}

fn ticks(at: Timestamp) -> i64 {
    // 292 years of nanoseconds fit; in ticks they are far from the limits of i64.
    (u128::from(at.as_nanos()) * u128::from(TIMESCALE) / 1_000_000_000) as i64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FPS: NonZeroU32 = NonZeroU32::new(30).unwrap();

    fn run(times_us: impl IntoIterator<Item = u64>) -> Vec<Slot> {
        let mut timeline = Timeline::new(FPS);
        times_us
            .into_iter()
            .map(|us| timeline.place(Timestamp::from_nanos(us * 1000), false))
            .collect()
    }

    fn steps(slots: &[Slot]) -> Vec<u64> {
        slots
            .windows(2)
            .map(|w| w[1].decode_time - w[0].decode_time)
            .collect()
    }

    #[test]
    fn a_day_at_an_odd_rate_does_not_drift() {
        // 29.97 pictures per second, stamped in whole microseconds
        let frames = 30_000u64 * 86_400 / 1001;
        let mut timeline = Timeline::new(FPS);
        let mut last = 0;
        for n in 0..frames {
            last = timeline
                .place(
                    Timestamp::from_nanos(n * 1_001_000_000 / 30 / 1000 * 1000),
                    false,
                )
                .decode_time;
        }
        let true_ticks = (frames - 1) * 1001 * 90 / 30;
        assert!(last.abs_diff(true_ticks) < 9, "{last} {true_ticks}");
    }

    #[test]
    fn a_lost_picture_is_caught_up_within_two_more() {
        let slots = run([0, 33_333, 66_667, 133_333, 166_667, 200_000]);
        assert_eq!(steps(&slots), [2999, 3001, 4500, 4500, 3000]);
    }

    #[test]
    fn a_stall_leaves_no_hole() {
        let slots = run([0, 33_333, 66_667, 3_066_667, 3_100_000]);
        assert_eq!(steps(&slots), [2999, 3001, 3000, 3000]);
    }

    #[test]
    fn a_clock_that_jumps_back_goes_on() {
        let slots = run([9_000_000, 9_033_333, 1_000_000, 1_033_333]);
        assert_eq!(steps(&slots), [2999, 3000, 2999]);
    }

    #[test]
    fn a_lower_rate_is_learned() {
        let slots = run((0..30).map(|n| n * 66_667));
        assert_eq!(slots.last().unwrap().duration, 6000);
        assert_eq!(steps(&slots).last(), Some(&6000));
    }

    proptest! {
        #[test]
        fn steps_are_positive_and_never_tear(gaps in prop::collection::vec(0u64..5_000_000, 1..200), steady: bool) {
            let mut timeline = Timeline::new(FPS);
            let mut at = 1_000_000_000;
            let mut before: Option<Slot> = None;
            for gap in gaps {
                at += gap * 1000;
                let slot = timeline.place(Timestamp::from_nanos(at), steady);
                prop_assert!(slot.duration > 0);
                if let Some(before) = before {
                    let step = slot.decode_time - before.decode_time;
                    prop_assert!(step > 0 && step <= u64::from(before.duration) * 3 / 2);
                }
                before = Some(slot);
            }
        }
    }
}
