//! Map from coded to raw frames by timestamp, which encoders copy. Counting fails, because encoders
//! drop frames silently.

use std::collections::VecDeque;
use std::time::Duration;

/// Largest number of tracked frames, for encoders that copy no timestamps. None holds this many.
const MAX_TRACKED: usize = 64;

/// Frames in flight in the encoder.
#[derive(Debug, Default)]
pub(super) struct TimestampMap {
    /// Timestamp in microseconds, and the capture time.
    waiting: VecDeque<(u64, Duration)>,
    last: u64,
    /// Last frame that came out.
    newest: Option<(u64, Duration)>,
}

/// Raw frame that a timestamp belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Match {
    /// A frame, and the number of earlier ones that never came out.
    Frame { captured_at: Duration, dropped: u32 },
    /// The same frame as the last output.
    Continuation { captured_at: Duration },
    /// None: parameter sets, or an encoder that invents timestamps.
    None,
}

impl TimestampMap {
    /// Returns the timestamp for a raw frame. They are unique and growing, unlike cameras' times.
    pub(super) fn insert(&mut self, captured_at: Duration) -> [i64; 2] {
        let micros = u64::try_from(captured_at.as_micros()).unwrap_or(u64::MAX);
        let micros = micros.max(self.last.saturating_add(1));
        self.last = micros;
        if self.waiting.len() == MAX_TRACKED {
            self.waiting.pop_front();
        }
        self.waiting.push_back((micros, captured_at));
        split(micros)
    }

    /// Removes the last frame, which was not queued.
    pub(super) fn undo_insert(&mut self) {
        self.waiting.pop_back();
    }

    /// Looks up an output.
    pub(super) fn remove(&mut self, stamp: [i64; 2]) -> Match {
        let Some(micros) = join(stamp) else {
            return Match::None;
        };
        if let Some((newest, captured_at)) = self.newest
            && newest == micros
        {
            return Match::Continuation { captured_at };
        }
        let Some(place) = self.waiting.iter().position(|&(it, _)| it == micros) else {
            return Match::None;
        };
        let dropped = u32::try_from(place).unwrap_or(u32::MAX);
        self.newest = self.waiting.drain(..=place).next_back();
        self.newest
            .map_or(Match::None, |(_, captured_at)| Match::Frame {
                captured_at,
                dropped,
            })
    }

    /// Returns the number of frames in flight.
    pub(super) fn in_flight(&self) -> u64 {
        self.waiting.len() as u64
    }

    /// Forgets all frames in flight; returns their number.
    pub(super) fn clear(&mut self) -> u32 {
        let count = self.waiting.len();
        self.waiting.clear();
        u32::try_from(count).unwrap_or(u32::MAX)
    }
}

fn split(micros: u64) -> [i64; 2] {
    [micros / 1_000_000, micros % 1_000_000].map(|part| i64::try_from(part).unwrap_or(i64::MAX))
}

fn join([seconds, micros]: [i64; 2]) -> Option<u64> {
    let seconds = u64::try_from(seconds).ok()?;
    seconds
        .checked_mul(1_000_000)?
        .checked_add(u64::try_from(micros).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(micros: u64) -> Duration {
        Duration::from_nanos(micros * 1000 + 7)
    }

    #[test]
    fn frames_keep_their_capture_time() {
        let mut pairs = TimestampMap::default();
        let stamps: Vec<_> = [1_000_000, 2_500_000].map(|t| pairs.insert(at(t))).into();
        assert_eq!(stamps, [[1, 0], [2, 500_000]]);
        for (stamp, micros) in [(stamps[0], 1_000_000), (stamps[1], 2_500_000)] {
            let (captured_at, dropped) = (at(micros), 0);
            assert_eq!(
                pairs.remove(stamp),
                Match::Frame {
                    captured_at,
                    dropped
                }
            );
            assert_eq!(pairs.remove(stamp), Match::Continuation { captured_at });
        }
    }

    #[test]
    fn frames_without_output_are_counted() {
        let mut pairs = TimestampMap::default();
        let stamps: Vec<_> = (1..=4).map(|t| pairs.insert(at(t))).collect();
        let expected = Match::Frame {
            captured_at: at(3),
            dropped: 2,
        };
        assert_eq!(pairs.remove(stamps[2]), expected);
        assert_eq!(pairs.remove(stamps[0]), Match::None);
        assert_eq!(pairs.in_flight(), 1);
        assert_eq!(pairs.clear(), 1);
    }

    #[test]
    fn equal_or_earlier_times_get_growing_stamps() {
        let mut pairs = TimestampMap::default();
        let stamps = [5, 5, 2].map(|t| pairs.insert(at(t)));
        assert_eq!(stamps, [[0, 5], [0, 6], [0, 7]]);
        let expected = Match::Frame {
            captured_at: at(2),
            dropped: 2,
        };
        assert_eq!(pairs.remove([0, 7]), expected);
    }

    #[test]
    fn unknown_timestamp_matches_nothing() {
        let mut pairs = TimestampMap::default();
        pairs.insert(at(1));
        for stamp in [[0, 0], [-1, 1], [i64::MAX, i64::MAX], [1, -1]] {
            assert_eq!(pairs.remove(stamp), Match::None);
        }
        for t in 0..1000 {
            pairs.insert(at(t));
        }
        assert_eq!(pairs.waiting.len(), MAX_TRACKED);
    }
}
