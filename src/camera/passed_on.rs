//! Frames that keep the times and numbers that another server gave them, so that viewers here get the same bytes.
//!
//! Where these do not go on, as after a restart of that server, the media time of the viewers does.

use crate::media::{FrameHeader, Parameters};
use crate::source::{ReadyFrame, ReadyTiming};
use crate::time::TIMESCALE;
use std::sync::Arc;

/// Largest step of the media time, as for cameras of this server.
const MAX_STEP_TICKS: u64 = 2 * TIMESCALE as u64;

/// The media time of frames that are passed on.
#[derive(Debug, Default)]
pub(super) struct PassedOn {
    last: Option<Last>,
    /// Offset added to the other server's times; it wraps.
    shift: u64,
}

#[derive(Debug)]
struct Last {
    decode_time: u64,
    duration: u32,
}

impl PassedOn {
    /// Returns the header of the next frame.
    pub(super) fn header(
        &mut self,
        parameters: Arc<Parameters>,
        timing: &ReadyTiming,
        ready: &ReadyFrame<'_>,
    ) -> FrameHeader {
        let mut decode_time = timing.decode_time.wrapping_add(self.shift);
        let duration = timing.duration.clamp(1, TIMESCALE * 600);
        if let Some(last) = &self.last {
            let step = decode_time.wrapping_sub(last.decode_time);
            let most = MAX_STEP_TICKS.max(2 * u64::from(last.duration.max(duration)));
            if !(1..=most).contains(&step) {
                let next = last.decode_time.saturating_add(u64::from(last.duration));
                self.shift = next.wrapping_sub(timing.decode_time);
                decode_time = next;
            }
        } else if decode_time > u64::MAX / 4 {
            self.shift = 0u64.wrapping_sub(timing.decode_time);
            decode_time = 0;
        }
        self.last = Some(Last {
            decode_time,
            duration,
        });
        FrameHeader {
            parameters,
            sequence: timing.sequence,
            decode_time,
            composition_offset: None,
            duration,
            nominal_duration: timing.nominal_duration.clamp(1, TIMESCALE * 600),
            captured_at: ready.captured_at,
            is_keyframe: false,
            is_disposable: ready.is_disposable,
            recovery: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::Description;
    use crate::time::Timestamp;

    fn times(decode_times: &[u64]) -> Vec<u64> {
        let mut passed_on = PassedOn::default();
        let description = Arc::new(Description::default());
        let parameters = Arc::new(Parameters::new(Description::default()));
        let ready = ReadyFrame {
            description: &description,
            captured_at: Timestamp::default(),
            is_keyframe: false,
            is_disposable: false,
            composition_offset: None,
            recovery: None,
            timing: None,
            nals: &[],
        };
        let time = |decode_time: &u64| {
            let timing = ReadyTiming {
                sequence: 1,
                decode_time: *decode_time,
                duration: 3000,
                nominal_duration: 3000,
            };
            let header = passed_on.header(parameters.clone(), &timing, &ready);
            header.decode_time
        };
        decode_times.iter().map(time).collect()
    }

    #[test]
    fn times_stay_as_they_are_while_they_go_on() {
        assert_eq!(times(&[90_000, 93_000, 190_000]), [90_000, 93_000, 190_000]);
    }

    #[test]
    fn media_time_goes_on_after_a_restart_or_an_outage() {
        assert_eq!(times(&[90_000, 0, 3000]), [90_000, 93_000, 96_000]);
        assert_eq!(times(&[90_000, 900_000, 903_000]), [90_000, 93_000, 96_000]);
        assert_eq!(times(&[u64::MAX, 0, 3000]), [0, 1, 3001]);
    }
}
