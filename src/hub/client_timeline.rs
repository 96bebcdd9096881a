//! Times of one client's own MP4: the shared fragments with a head of its own.
//!
//! Programs (VLC, OpenCV) take the time of the first fragment and then add up durations, so here those sum up to the
//! times exactly: each sample lasts as long as the step before it took. The numbers of the fragments have a gap where
//! frames were skipped: VLC then reads the time again.

use super::Fragment;
use crate::fmp4::{FragmentTimes, HEAD_BYTES, retimed_head};
use crate::time::{TIMESCALE, Timestamp};
use bytes::Bytes;
use std::time::Duration;

/// A longer gap than this many frame durations is one in the stream, and not made up for by a duration.
const GAP_FRAMES: u64 = 3;

/// Where a client's times begin.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ClientClock {
    /// At 0.
    Zero,
    /// At the Unix time at which the camera took the first frame.
    Unix {
        /// Unix time at the zero of [`Timestamp`]'s clock.
        at_zero: Duration,
    },
}

/// The times of one client's MP4.
#[derive(Debug)]
pub struct ClientTimeline {
    clock: ClientClock,
    /// Offset to the camera's times, modulo 2^64.
    shift: Option<u64>,
    sequence: u32,
    /// Time of the first fragment and all durations so far.
    end: u64,
}

impl ClientTimeline {
    /// A timeline without any fragment yet.
    pub fn new(clock: ClientClock) -> Self {
        Self {
            clock,
            shift: None,
            sequence: 0,
            end: 0,
        }
    }

    /// The bytes of `fragment` for this client: a head of its own, and the rest, which is shared.
    pub fn retime(&mut self, fragment: &Fragment) -> (Bytes, Bytes) {
        let payload = fragment.message.payload();
        let times = self.times(fragment);
        let Some(head) = retimed_head(&payload, times) else {
            return (payload, Bytes::new());
        };
        (Bytes::copy_from_slice(&head), payload.slice(HEAD_BYTES..))
    }

    fn times(&mut self, fragment: &Fragment) -> FragmentTimes {
        let is_first = self.shift.is_none();
        let shift = *self.shift.get_or_insert_with(|| {
            let start = match self.clock {
                ClientClock::Zero => 0,
                ClientClock::Unix { at_zero } => ticks_of(at_zero, fragment.captured_at),
            };
            start.wrapping_sub(fragment.decode_time)
        });
        let decode_time = fragment.decode_time.wrapping_add(shift);
        let frame = u64::from(fragment.frame_ticks);
        let is_gap = !is_first && decode_time.abs_diff(self.end) > GAP_FRAMES * frame;
        self.sequence = self.sequence.wrapping_add(if is_gap { 2 } else { 1 });
        let end = decode_time.wrapping_add(frame);
        let duration = if is_first || is_gap {
            frame
        } else {
            end.saturating_sub(self.end).max(1)
        };
        self.end = if is_first || is_gap {
            end
        } else {
            self.end + duration
        };
        FragmentTimes {
            sequence: self.sequence,
            decode_time,
            duration: u32::try_from(duration).unwrap_or(u32::MAX),
        }
    }
}

fn ticks_of(at_zero: Duration, captured_at: Timestamp) -> u64 {
    let unix = at_zero.saturating_add(Duration::from_nanos(captured_at.as_nanos()));
    let ticks = unix.as_nanos() * u128::from(TIMESCALE) / 1_000_000_000;
    u64::try_from(ticks).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fmp4::{Sample, fragment_times, write_fragment};
    use crate::hub::Init;
    use crate::media::orientation::Orientation;
    use crate::message::Message;
    use std::sync::Arc;

    fn at(decode_time: u64, told: u32) -> Fragment {
        let sample = Sample {
            sequence: 77,
            decode_time,
            duration: told,
            composition_offset: None,
            is_keyframe: false,
            is_reference: true,
        };
        let nal: &[u8] = &[0x41, 1, 2];
        Fragment {
            init: Arc::new(Init {
                message: Message::build(0, |_| {}),
                codec: String::new(),
                width: 16,
                height: 16,
                orientation: Orientation::default(),
                hidden: (0, 0),
                parameter_sets: Vec::new(),
            }),
            message: Message::build(200, |out| write_fragment(out, &sample, [nal].into_iter())),
            decode_time,
            frame_ticks: 3000,
            captured_at: Timestamp::from_nanos(2_000_000_000),
            is_keyframe: false,
            recovery: None,
            is_reference: true,
        }
    }

    fn placed(timeline: &mut ClientTimeline, fragment: &Fragment) -> FragmentTimes {
        let (head, rest) = timeline.retime(fragment);
        let all = [&head[..], &rest[..]].concat();
        assert_eq!(all.len(), fragment.message.payload().len());
        assert_eq!(all[HEAD_BYTES..], fragment.message.payload()[HEAD_BYTES..]);
        fragment_times(&all).unwrap()
    }

    #[test]
    fn durations_of_uneven_steps_sum_up_to_the_times() {
        let mut timeline = ClientTimeline::new(ClientClock::Zero);
        let mut sum = 0;
        let mut time = 324_000_000;
        for n in 0..1000_u64 {
            let times = placed(&mut timeline, &at(time, 3046));
            assert_eq!(u64::from(times.sequence), n + 1);
            assert_eq!(times.decode_time, time - 324_000_000);
            assert!(sum <= times.decode_time + 3000, "{n}: {sum}");
            sum += u64::from(times.duration);
            assert_eq!(sum, times.decode_time + 3000, "{n}");
            time += [2999, 3001, 375, 4500, 4125][n as usize % 5];
        }
    }

    #[test]
    fn skipped_frames_leave_a_gap_in_number_and_time() {
        let mut timeline = ClientTimeline::new(ClientClock::Zero);
        placed(&mut timeline, &at(9000, 3000));
        let behind = placed(&mut timeline, &at(99_000, 3000));
        let next = placed(&mut timeline, &at(102_000, 3000));
        let times = |sequence, decode_time| FragmentTimes {
            sequence,
            decode_time,
            duration: 3000,
        };
        assert_eq!([behind, next], [times(3, 90_000), times(4, 93_000)]);
    }

    #[test]
    fn the_capture_clock_begins_at_unix_time() {
        let at_zero = Duration::from_secs(1_796_000_000);
        let mut timeline = ClientTimeline::new(ClientClock::Unix { at_zero });
        let first = placed(&mut timeline, &at(9000, 3000));
        assert_eq!(first.decode_time, 1_796_000_002 * 90_000);
        let next = placed(&mut timeline, &at(12_000, 3000));
        assert_eq!(next.decode_time, first.decode_time + 3000);
    }
}
