//! Test source: a moving pattern with a running clock, made and encoded by [`testsrc`]. Here are its
//! schedule and its controls.

mod controls;

use super::{Cause, Error, Input, Item, SILENCE_LIMIT, Settings, SourceContext};
use crate::controls::ControlBackend;
use crate::frame_rate::FrameRate;
use crate::shutdown::ShutdownToken;
use crate::time::Timestamp;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use testsrc::Encoder;

/// Longest wait in one [`Input::read`].
const MAX_WAIT: Duration = Duration::from_millis(100);

/// Opens the test pattern. Errors if the asked size is out of its range; says in the log what
/// it gives instead of an odd size.
pub(super) fn open(context: &SourceContext) -> Result<Box<dyn Input>, Error> {
    let settings = &context.settings;
    let encoder =
        Encoder::new(&encoder_settings(settings)).map_err(|error| unavailable(error, settings))?;
    if settings.width % 2 + settings.height % 2 > 0 {
        let (width, height) = (settings.width / 2 * 2, settings.height / 2 * 2);
        log::warn!(
            "{}: the test pattern is {width}x{height}, since its size must be even",
            context.name
        );
    }
    let schedule = Schedule::new(Timestamp::now(), settings.fps);
    Ok(Box::new(TestPattern {
        encoder,
        schedule,
        settings: settings.clone(),
        shutdown: context.shutdown.clone(),
        is_keyframe_asked: false,
    }))
}

fn encoder_settings(settings: &Settings) -> testsrc::Settings {
    let (seconds, frames) = settings.fps.fraction();
    testsrc::Settings {
        width: settings.width,
        height: settings.height,
        frame_rate: (frames, seconds),
        bitrate: settings.bitrate,
        keyframe_interval: settings.keyframe_interval,
    }
}

fn unavailable(error: testsrc::Error, settings: &Settings) -> Error {
    let text = match error {
        testsrc::Error::Size => {
            let (least, (max_width, max_height)) = (Encoder::MIN_SIDE, Encoder::MAX_SIZE);
            format!(
                "the test pattern cannot be {}x{}: choose a --width of {least} to {max_width} and a --height of {least} to {max_height}",
                settings.width, settings.height
            )
        }
        // No setting leads here: the ranges are the same.
        testsrc::Error::FrameRate => error.to_string(),
    };
    Error::Unavailable(text).because(Cause::SETTINGS)
}

struct TestPattern {
    encoder: Encoder,
    schedule: Schedule,
    settings: Settings,
    shutdown: ShutdownToken,
    is_keyframe_asked: bool,
}

impl Input for TestPattern {
    fn silence_limit(&self) -> Duration {
        SILENCE_LIMIT.max(self.schedule.fps.interval() * 2)
    }

    fn read(&mut self) -> Result<Option<Item<'_>>, Error> {
        let wait = self.schedule.due().since(Timestamp::now());
        if self.shutdown.sleep(wait.min(MAX_WAIT)) {
            return Err(Error::Stopped);
        }
        let captured_at = Timestamp::now();
        if captured_at < self.schedule.due() {
            return Ok(None);
        }
        let unix_time = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        self.schedule.advance(captured_at);
        let force_idr = std::mem::take(&mut self.is_keyframe_asked);
        let annexb = self.encoder.encode(unix_time.as_millis() as u64, force_idr);
        Ok(Some(Item::AccessUnit {
            annexb,
            captured_at,
        }))
    }

    fn request_keyframe(&mut self) {
        self.is_keyframe_asked = true;
    }

    fn can_make_keyframes(&self) -> bool {
        true
    }

    fn set_bitrate(&mut self, bits_per_second: u32) -> Option<u32> {
        self.change_bitrate(bits_per_second)
    }

    fn can_set_bitrate(&self) -> bool {
        true
    }

    fn controls(&mut self) -> Option<&mut dyn ControlBackend> {
        Some(self)
    }
}

/// When pictures are due: at whole multiples of the picture time after the start, so that nothing adds
/// up over days.
#[derive(Debug)]
struct Schedule {
    start: Timestamp,
    fps: FrameRate,
    next: u64,
}

impl Schedule {
    fn new(start: Timestamp, fps: FrameRate) -> Self {
        Self {
            start,
            fps,
            next: 0,
        }
    }

    /// When the next picture is due.
    fn due(&self) -> Timestamp {
        self.start + self.fps.duration_of(self.next)
    }

    /// Goes on after a picture made at `now`. Pictures that should have been made by then are left out:
    /// after a standstill the stream goes on in the present.
    fn advance(&mut self, now: Timestamp) {
        let behind = now.since(self.start);
        self.next = self
            .fps
            .frames_within(behind)
            .max(self.next)
            .saturating_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Settings;
    use std::num::NonZeroU32;

    fn context(width: u32, fps: u32) -> SourceContext {
        let settings = Settings {
            width,
            height: 96,
            fps: FrameRate::whole(fps),
            bitrate: Some(1_500_000),
            rotation: None,
            flips: crate::source::Flips::default(),
            keyframe_interval: NonZeroU32::new(60).unwrap(),
        };
        SourceContext::new("test", settings, ShutdownToken::new().unwrap())
    }

    fn after(start: Timestamp, nanos: u64) -> Timestamp {
        start + Duration::from_nanos(nanos)
    }

    #[test]
    fn schedule_does_not_drift_in_a_day() {
        let start = Timestamp::from_nanos(77);
        let mut schedule = Schedule::new(start, FrameRate::whole(30));
        for _ in 0..30 * 86_400 {
            schedule.advance(after(schedule.due(), 1_000_000));
        }
        assert_eq!(schedule.due().since(start), Duration::from_secs(86_400));
    }

    #[test]
    fn schedule_resumes_after_a_stall() {
        let start = Timestamp::from_nanos(0);
        let mut schedule = Schedule::new(start, FrameRate::whole(10));
        schedule.advance(start);
        assert_eq!(schedule.due(), after(start, 100_000_000));
        schedule.advance(after(start, 10_050_000_000));
        assert_eq!(schedule.due(), after(start, 10_100_000_000));
    }

    #[test]
    fn requested_keyframe_is_the_next_frame() {
        let opened_at = Timestamp::now();
        let mut source = open(&context(224, 240)).unwrap();
        let mut kinds = Vec::new();
        while kinds.len() < 6 {
            if kinds.len() == 3 {
                source.request_keyframe();
            }
            match source.read().unwrap() {
                Some(Item::AccessUnit {
                    annexb,
                    captured_at,
                }) => {
                    assert!((opened_at..=Timestamp::now()).contains(&captured_at));
                    kinds.push(annexb[4]);
                }
                other => assert!(other.is_none(), "it knows its access units"),
            }
        }
        assert_eq!(kinds, [0x67, 0x01, 0x61, 0x67, 0x01, 0x61]);
    }

    #[test]
    fn same_bitrate_makes_no_keyframe() {
        let mut source = open(&context(224, 240)).unwrap();
        let mut kinds = Vec::new();
        while kinds.len() < 8 {
            if let Some(Item::AccessUnit { annexb, .. }) = source.read().unwrap() {
                kinds.push(annexb[4]);
            }
            let rate = if kinds.len() < 6 { 1_500_000 } else { 25_000 };
            source
                .controls()
                .unwrap()
                .set("video_bitrate", rate)
                .unwrap();
        }
        let (same, other) = kinds.split_at(6);
        assert_eq!(same, [0x67, 0x01, 0x61, 0x01, 0x61, 0x01]);
        assert_eq!(other[0], 0x67, "another detail begins with an IDR picture");
    }

    #[test]
    fn slow_source_stops_on_shutdown() {
        let context = context(224, 1);
        let mut source = open(&context).unwrap();
        assert!(source.read().unwrap().is_some());
        assert!(source.read().unwrap().is_none());
        context.shutdown.trigger();
        assert_eq!(source.read().unwrap_err(), Error::Stopped);
    }

    #[test]
    fn sizes_out_of_range_are_rejected() {
        for width in [15, 4098, 0] {
            let error = open(&context(width, 30)).err().unwrap();
            assert!(
                error.to_string().contains("--width of 16 to 4096"),
                "{error}"
            );
        }
        assert!(open(&context(4097, 1)).is_ok(), "rounded down");
    }
}
