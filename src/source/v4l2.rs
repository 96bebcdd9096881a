//! Camera that delivers H.264 through V4L2: USB cameras with an encoder, the legacy Raspberry Pi
//! driver, v4l2loopback. Other formats go to [`raw`].
//!
//! Some USB cameras carry their H.264 inside MJPEG, from where it is extracted.
//!
//! One buffer is one access unit, so that each frame is complete when it arrives. Stale, damaged
//! and empty buffers stop here. Every failure is explained in the log.

mod apply_settings;
mod buffer_check;
mod controls;
pub(crate) mod explain;
mod first_camera;
mod negotiated_stream;
mod onboard_encoder;
mod open_error;
pub mod raw;
mod stall;
mod uvc_h264_mux;

use super::silence::SilenceLimit;
use super::{Cause, Error, Input, InputChunk, Item, SourceContext};
use crate::controls::{Control, ControlBackend};
use crate::h264::ChunkEnd;
use crate::jpeg::{self, EmbeddedH264};
use crate::media::orientation::Orientation;
use crate::shutdown::WaitResult;
use crate::time::Timestamp;
pub use buffer_check::buffer_ends;
use buffer_check::{BufferClassifier, BufferKind};
use controls::V4l2Controls;
use explain::{SetupStep, explain, kind_reason};
pub(super) use first_camera::first_camera;
use negotiated_stream::NegotiatedStream;
use onboard_encoder::Encoder;
use open_error::OpenError;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::Duration;
use v4l2::uvc_h264_xu::H264Carriage;
use v4l2::{DequeuedBuffer, Device, DeviceError, FourCc, NodeKind, Stream};

/// Number of buffers: three while the driver fills one and we copy another, and one for a late
/// wake-up.
const BUFFER_COUNT: u32 = 4;
/// Longest wait of [`Input::read`] without a frame.
const READ_TIMEOUT: Duration = Duration::from_millis(100);
/// Shortest time between keyframe requests after losses: keyframes are large.
const KEYFRAME_REQUEST_INTERVAL: Duration = Duration::from_secs(1);
/// JPEGs without H.264 at the start, and the time for them, after which none is expected.
const MAX_JPEGS_WITHOUT_H264: u32 = 10;
const JPEGS_WITHOUT_H264_TIMEOUT: Duration = Duration::from_secs(2);
const MJPEG_WITHOUT_H264: &str =
    "its MJPEG has no H.264 inside, although the camera says that it can and was asked for it";
/// Age from which on a timestamp belongs to another clock than ours.
const MAX_TIMESTAMP_AGE: Duration = Duration::from_secs(5);

/// Opens `path`, requests H.264 and the settings, and starts the camera.
///
/// Deviations of the driver (size, rate, missing controls) are logged once for each opening.
pub fn open(path: &Path, context: &SourceContext) -> Result<Box<dyn Input>, Error> {
    if context.shutdown.is_triggered() {
        return Err(Error::Stopped);
    }
    // All handles are closed before the error is explained: this process must not be listed as the
    // user of the camera.
    start(path, context).map_err(|refusal| {
        let cause = refusal.cause();
        Error::Unavailable(refusal.message(path)).because(cause)
    })
}

fn start(path: &Path, context: &SourceContext) -> Result<Box<dyn Input>, OpenError> {
    let device =
        Device::open(path).map_err(|failure| OpenError::Syscall(failure, SetupStep::Open, None))?;
    let identity = device.identity().clone();
    let failed = |step| {
        let identity = identity.clone();
        move |failure| OpenError::Syscall(failure, step, Some(identity))
    };
    let (capture, mux) = match NodeKind::of(&device) {
        NodeKind::H264(capture) => match uvc_h264_mux::choose_carriage(&device, capture, context) {
            Some(mux) => (capture, mux),
            None => return raw::start(device, capture, path, context),
        },
        NodeKind::NeedsEncoder(capture) => return raw::start(device, capture, path, context),
        other => return Err(OpenError::Unusable(kind_reason(other).unwrap_or_default())),
    };
    let wanted = &context.settings;
    let mut report = apply_settings::UnsupportedSettings::default();
    // A rotation by 90 degrees may swap width and height, so it comes before the size.
    let orientation = apply_settings::apply_orientation(&device, wanted, &mut report);
    let (width, height) = match mux {
        H264Carriage::Native => (wanted.width, wanted.height),
        H264Carriage::InMjpeg => uvc_h264_mux::jpeg_size(&device, wanted),
    };
    let format = match mux {
        H264Carriage::Native => FourCc::H264,
        H264Carriage::InMjpeg => FourCc::MJPG,
    };
    let agreed = device
        .set_format(capture, format, width, height)
        .map_err(failed(SetupStep::Format))?;
    if agreed.fourcc != format || agreed.planes != 1 {
        let (fourcc, planes) = (agreed.fourcc, agreed.planes);
        let reason = format!("asked for {format} it gives {fourcc} in {planes} planes");
        return Err(OpenError::Unusable(reason));
    }
    let rate = device.set_rate(capture, wanted.fps.fraction());
    let mut encoder = Encoder::set_up(&device, wanted, (&agreed, rate), mux, &mut report);
    // Some controls can be set only before the camera starts.
    context
        .controls
        .apply_configured(Some(&mut V4l2Controls::with(&device, &mut encoder)));
    match encoder.start(&device, &mut report) {
        Err(failure) if mux == H264Carriage::InMjpeg => {
            let reason = format!("its encoder cannot be set up ({failure})");
            return Err(OpenError::Unusable(reason));
        }
        Err(failure) => report.note(format!(
            "its encoder cannot be set up ({failure}): the camera keeps its own bitrate and keyframe interval"
        )),
        Ok(()) => {}
    }
    let stream = Stream::start(device, capture, BUFFER_COUNT).map_err(failed(SetupStep::Start))?;
    let answer = NegotiatedStream {
        identity,
        format: agreed,
        rate,
        orientation,
        unsupported: report,
        carriage: mux,
    };
    answer.log(path, context);
    let camera = Camera::new(path, context, stream, encoder, &answer);
    Ok(Box::new(camera))
}

/// Streaming V4L2 camera.
struct Camera {
    path: PathBuf,
    context: SourceContext,
    stream: Stream,
    encoder: Encoder,
    buffers: BufferClassifier,
    carriage: H264Carriage,
    /// Content of a buffer with [`H264Carriage::InMjpeg`]; `frame` is the H.264 in it.
    jpeg: Vec<u8>,
    /// JPEGs without H.264 since the start.
    jpegs_without_h264: u32,
    frame: Vec<u8>,
    /// Size that no frame reaches.
    max_bytes: usize,
    /// Time of the last frame; at first, of the start.
    last_frame_at: Timestamp,
    has_frames: bool,
    silence: SilenceLimit,
    keyframe_requested_at: Timestamp,
    orientation: Orientation,
}

impl Camera {
    fn new(
        path: &Path,
        context: &SourceContext,
        stream: Stream,
        encoder: Encoder,
        answer: &NegotiatedStream,
    ) -> Self {
        let mut camera = Self {
            path: path.to_owned(),
            context: context.clone(),
            stream,
            encoder,
            buffers: BufferClassifier::default(),
            carriage: answer.carriage,
            jpeg: Vec::new(),
            jpegs_without_h264: 0,
            frame: Vec::new(),
            max_bytes: match answer.format.sizeimage {
                0 => usize::MAX,
                largest => usize::try_from(largest).unwrap_or(usize::MAX),
            },
            last_frame_at: Timestamp::now(),
            has_frames: false,
            silence: answer.silence(context),
            keyframe_requested_at: Timestamp::default(),
            orientation: answer.orientation,
        };
        camera.request_keyframe();
        camera
    }

    /// Returns the error that ends this source.
    fn lost(&self, failure: DeviceError) -> Error {
        let words = explain(
            failure,
            SetupStep::Capture,
            &self.path,
            Some(self.stream.device().identity()),
        );
        Error::Lost(format!("{}: {words}", self.path.display())).because(failure.into())
    }

    /// Returns the error for frames larger than the driver's buffers.
    fn too_large(&self) -> Error {
        let advice = if self.stream.device().identity().is_loopback() {
            "the node is still set up for the smaller pictures of an earlier feeder: end the feeder, and start it again when \
             this program says that nothing feeds it"
        } else {
            "try a lower --bitrate, or a smaller --width and --height"
        };
        let (path, limit) = (self.path.display(), self.max_bytes);
        Error::Lost(format!(
            "{path}: its pictures do not fit into the driver's buffers of {limit} bytes; {advice}"
        ))
        .because(Cause::SETTINGS)
    }

    /// Dequeues one buffer; returns the capture time of the frame in `self.frame`, if it held one.
    fn dequeue(&mut self) -> Result<Option<Timestamp>, Error> {
        let filled = match self.stream.dequeue() {
            Ok(filled) => filled,
            Err(DeviceError::WouldBlock) => {
                // Woken without a frame: wait before the next attempt.
                self.context.shutdown.sleep(Duration::from_millis(5));
                return Ok(None);
            }
            Err(failure) => return Err(self.lost(failure)),
        };
        let now = Timestamp::now();
        let (sequence, stamp) = (filled.sequence, filled.timestamp.map(Timestamp::from));
        let kind = self.classify(&filled);
        let is_plain = self.carriage == H264Carriage::InMjpeg && kind == BufferKind::NoH264;
        self.stream
            .queue(filled)
            .map_err(|failure| self.lost(failure))?;
        let is_intact = self.buffers.record(sequence, kind);
        self.buffers.log(&self.context.name, now);
        if self.buffers.are_too_small() {
            return Err(self.too_large());
        }
        if is_plain && !self.has_frames {
            self.jpegs_without_h264 += 1;
            if self.jpegs_without_h264 >= MAX_JPEGS_WITHOUT_H264
                && now.since(self.last_frame_at) >= JPEGS_WITHOUT_H264_TIMEOUT
            {
                self.context.has_plain_mjpeg.store(true, Ordering::Relaxed);
                let path = self.path.display();
                return Err(
                    Error::Lost(format!("{path}: {MJPEG_WITHOUT_H264}")).because(Cause::NO_H264)
                );
            }
        }
        // Frames after a loss refer to the lost one.
        if !is_intact && now.since(self.keyframe_requested_at) >= KEYFRAME_REQUEST_INTERVAL {
            self.request_keyframe();
        }
        if kind != BufferKind::Frame {
            return Ok(None);
        }
        self.last_frame_at = now;
        self.has_frames = true;
        self.silence.on_data(now);
        Ok(Some(captured_at(stamp, now)))
    }

    /// Copies a buffer, unless the driver marked it as damaged.
    fn classify(&mut self, filled: &DequeuedBuffer) -> BufferKind {
        self.frame.clear();
        if filled.is_damaged {
            BufferKind::Damaged
        } else if filled.len >= self.max_bytes.min(filled.capacity) {
            BufferKind::Full
        } else {
            self.extract_h264(filled)
        }
    }

    /// Extracts the H.264 of a buffer into `self.frame`.
    fn extract_h264(&mut self, filled: &DequeuedBuffer) -> BufferKind {
        if self.carriage == H264Carriage::Native {
            self.stream.copy(filled, &mut self.frame);
            return BufferKind::of(&self.frame);
        }
        self.jpeg.clear();
        self.stream.copy(filled, &mut self.jpeg);
        match jpeg::extract_h264(&self.jpeg, &mut self.frame) {
            EmbeddedH264::Complete => BufferKind::of(&self.frame),
            EmbeddedH264::Truncated => BufferKind::Damaged,
            EmbeddedH264::Absent => BufferKind::NoH264,
        }
    }

    fn check_stall(&self) -> Result<(), Error> {
        let silence = Timestamp::now().since(self.last_frame_at);
        if silence > self.silence.limit() {
            Err(Error::Stalled(silence))
        } else {
            Ok(())
        }
    }
}

impl Input for Camera {
    fn read(&mut self) -> Result<Option<Item<'_>>, Error> {
        match self
            .context
            .shutdown
            .wait_readable(self.stream.fd(), READ_TIMEOUT)
        {
            WaitResult::Shutdown => return Err(Error::Stopped),
            WaitResult::TimedOut => {
                self.buffers.log(&self.context.name, Timestamp::now());
                self.check_stall()?;
                return Ok(None);
            }
            WaitResult::Ready => {}
        }
        let Some(captured_at) = self.dequeue()? else {
            self.check_stall()?;
            return Ok(None);
        };
        let annexb = &self.frame;
        Ok(Some(match self.buffers.chunk_end(annexb) {
            ChunkEnd::Complete => Item::AccessUnit {
                annexb,
                captured_at,
            },
            end => Item::Bytes(InputChunk {
                annexb,
                captured_at,
                end,
            }),
        }))
    }

    fn silence_limit(&self) -> Duration {
        self.silence.limit()
    }

    fn applied_orientation(&self) -> Orientation {
        self.orientation
    }

    fn dropped(&self) -> u64 {
        self.buffers.lost()
    }

    fn controls(&mut self) -> Option<&mut dyn ControlBackend> {
        Some(self)
    }

    fn request_keyframe(&mut self) {
        self.keyframe_requested_at = Timestamp::now();
        if let Err(failure) = self.encoder.force_keyframe(self.stream.device()) {
            log::debug!("{}: no keyframe on request: {failure}", self.context.name);
        }
    }

    fn can_make_keyframes(&self) -> bool {
        self.encoder.can_force_keyframes()
    }

    fn set_bitrate(&mut self, bits_per_second: u32) -> Option<u32> {
        match self
            .encoder
            .set_bitrate(self.stream.device(), bits_per_second)
        {
            Ok(taken) => taken,
            Err(failure) => {
                let name = &self.context.name;
                log::debug!("{name}: no bit rate of {bits_per_second}: {failure}");
                None
            }
        }
    }

    fn can_set_bitrate(&self) -> bool {
        self.encoder.can_set_bitrate()
    }
}

impl ControlBackend for Camera {
    fn controls(&mut self) -> Vec<Control> {
        V4l2Controls::with(self.stream.device(), &mut self.encoder).controls()
    }

    fn set(&mut self, name: &str, value: i64) -> Result<(), String> {
        V4l2Controls::with(self.stream.device(), &mut self.encoder).set(name, value)
    }
}

/// Returns the driver's timestamp if plausible, else the arrival time. The flag that names the
/// clock is useless: v4l2loopback does not set it, and some drivers set it with times of 0 or of
/// the camera.
fn captured_at(stamp: Option<Timestamp>, now: Timestamp) -> Timestamp {
    stamp
        .filter(|&stamp| stamp <= now && now.since(stamp) <= MAX_TIMESTAMP_AGE)
        .unwrap_or(now)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn context() -> SourceContext {
        SourceContext::new(
            "test",
            crate::source::Settings {
                width: 320,
                height: 240,
                fps: crate::frame_rate::FrameRate::MIN,
                bitrate: None,
                rotation: None,
                flips: crate::source::Flips::default(),
                keyframe_interval: std::num::NonZeroU32::MIN,
            },
            crate::shutdown::ShutdownToken::new().unwrap(),
        )
    }

    #[test]
    fn implausible_driver_timestamps_are_not_used() {
        let now = Timestamp::from_nanos(100_000_000_000);
        let stamp = |nanos| captured_at(Some(Timestamp::from_nanos(nanos)), now).as_nanos();
        assert_eq!(stamp(99_900_000_000), 99_900_000_000);
        assert_eq!(stamp(94_000_000_000), now.as_nanos());
        assert_eq!(stamp(100_000_000_001), now.as_nanos());
        assert_eq!(captured_at(None, now), now);
    }

    #[test]
    fn other_files_are_unavailable_with_the_reason() {
        let error = |path: &str| {
            open(Path::new(path), &context())
                .map(drop)
                .unwrap_err()
                .to_string()
        };
        assert!(error("/dev/video-is-not-there").contains("is the camera plugged in?"));
        assert!(error("/dev/null").starts_with("/dev/null: this is no video node"));
    }

    #[test]
    fn open_fails_after_shutdown() {
        let context = context();
        context.shutdown.trigger();
        assert_eq!(
            open(Path::new("/dev/null"), &context).map(drop),
            Err(Error::Stopped)
        );
    }
}
