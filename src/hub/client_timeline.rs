//! FragmentTimes of one client's own MP4: the shared frames with a head of its own.
//!
//! Programs (VLC, OpenCV) take the time of the first frame and then add up durations, so here those sum up to the
//! times exactly: each sample lasts as long as the step before it took. The numbers of the frames have a gap where
//! frames were skipped: VLC then reads the time again.

use crate::media::Frame;
use crate::media::fmp4::{FragmentTimes, HEAD_BYTES, retimed_head};
use crate::time::{TIMESCALE, Timestamp};
use bytes::Bytes;
use std::time::Duration;

/// A longer gap than this many frame durations is one in the stream, and not made up for by a duration.
const GAP_FRAMES: u64 = 3;

/// Start of a client's times.
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
///
/// ```
/// use berrymse::hub::{ClientClock, ClientTimeline};
/// # use berrymse::media::{Description, Frame, FrameHeader, Parameters};
/// # use berrymse::time::Timestamp;
/// # use std::sync::Arc;
/// # let header = FrameHeader {
/// #     parameters: Arc::new(Parameters::new(Description::default())),
/// #     sequence: 1,
/// #     decode_time: 9000,
/// #     composition_offset: None,
/// #     duration: 3000,
/// #     nominal_duration: 3000,
/// #     captured_at: Timestamp::now(),
/// #     is_keyframe: true,
/// #     is_disposable: false,
/// #     recovery: None,
/// # };
/// # let idr: &[u8] = &[0x65, 0x88];
/// # let frame = Frame::new(header, [idr].into_iter());
///
/// // Its times begin at 0, whenever it joins.
/// let mut times = ClientTimeline::new(ClientClock::Zero);
/// let (head, rest) = times.retime(&frame);
/// assert_eq!(head.len() + rest.len(), frame.fmp4().len());
/// ```
#[derive(Debug)]
pub struct ClientTimeline {
    clock: ClientClock,
    /// Offset to the camera's times, modulo 2^64.
    shift: Option<u64>,
    sequence: u32,
    /// Time of the first frame and all durations so far.
    end: u64,
}

impl ClientTimeline {
    /// A timeline without any frame yet.
    pub fn new(clock: ClientClock) -> Self {
        Self {
            clock,
            shift: None,
            sequence: 0,
            end: 0,
        }
    }

    /// The bytes of `frame` for this client: a head of its own, and the rest, which is shared.
    pub fn retime(&mut self, frame: &Frame) -> (Bytes, Bytes) {
        let payload = frame.fmp4();
        let times = self.times(frame);
        let Some(head) = retimed_head(&payload, times) else {
            return (payload, Bytes::new());
        };
        (Bytes::copy_from_slice(&head), payload.slice(HEAD_BYTES..))
    }

    fn times(&mut self, frame: &Frame) -> FragmentTimes {
        let is_first = self.shift.is_none();
        let shift = *self.shift.get_or_insert_with(|| {
            let start = match self.clock {
                ClientClock::Zero => 0,
                ClientClock::Unix { at_zero } => ticks_of(at_zero, frame.captured_at),
            };
            start.wrapping_sub(frame.decode_time)
        });
        let decode_time = frame.decode_time.wrapping_add(shift);
        let nominal = u64::from(frame.nominal_duration);
        let is_gap = !is_first && decode_time.abs_diff(self.end) > GAP_FRAMES * nominal;
        self.sequence = self.sequence.wrapping_add(if is_gap { 2 } else { 1 });
        let end = decode_time.wrapping_add(nominal);
        let duration = if is_first || is_gap {
            nominal
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
    use crate::media::fmp4::read::sample_of;
    use crate::media::{Description, FrameHeader, Parameters};
    use std::sync::Arc;

    fn at(decode_time: u64, duration: u32) -> Frame {
        let header = FrameHeader {
            parameters: Arc::new(Parameters::new(Description::default())),
            sequence: 77,
            decode_time,
            composition_offset: None,
            duration,
            nominal_duration: 3000,
            captured_at: Timestamp::from_nanos(2_000_000_000),
            is_keyframe: false,
            is_disposable: false,
            recovery: None,
        };
        let nal: &[u8] = &[0x41, 1, 2];
        Frame::new(header, [nal].into_iter())
    }

    fn placed(timeline: &mut ClientTimeline, frame: &Frame) -> FragmentTimes {
        let (head, rest) = timeline.retime(frame);
        let all = [&head[..], &rest[..]].concat();
        assert_eq!(all.len(), frame.fmp4().len());
        assert_eq!(all[HEAD_BYTES..], frame.fmp4()[HEAD_BYTES..]);
        let sample = sample_of(&all).unwrap();
        FragmentTimes {
            sequence: sample.sequence,
            decode_time: sample.decode_time,
            duration: sample.duration,
        }
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
