//! Camera that delivers raw frames or JPEG, through one of our encoders ([`crate::encode`]).
//!
//! A thread captures frames and keeps the latest ([`capture`]). The camera's own thread encodes
//! that one whenever the encoder has room. Nothing else waits, so the delay is at most one frame at
//! any load.

pub mod capture;
mod controls;
mod mjpeg;
pub mod mode_select;
mod open;

pub(super) use open::start;

use super::READ_TIMEOUT;
use super::explain::{SetupStep, explain};
use crate::controls::ControlBackend;
use crate::encode::{self, Encoder, EncoderFactory, FrameMemory, RawFrame};
use crate::media::orientation::Orientation;
use crate::shutdown::WaitResult;
use crate::source::silence::SilenceLimit;
use crate::source::{Cause, Error, Input, Item, SourceContext};
use crate::time::Timestamp;
use capture::{CaptureThread, CapturedFrame};
use mjpeg::MjpegStage;
use mode_select::{CaptureMode, FormatCaps, ModeRequest};
use rustix::event::PollFlags;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use v4l2::{DeviceError, FourCc, Stream};

/// Shortest time between log lines about dropped frames.
const DROP_LOG_INTERVAL: Duration = Duration::from_secs(60);
/// Cost of decoding JPEG, above that of any raw format: cameras offer JPEG because their cable does
/// not carry raw frames of that size.
const JPEG_DECODE_COST: u32 = 100;

/// Returns the cost of a pixel of a format for an encoder, JPEG decoding included.
pub fn cost(encoder: &dyn EncoderFactory, fourcc: FourCc) -> Option<u32> {
    if is_jpeg(fourcc) {
        encoder
            .cost(FourCc::I420)
            .map(|cost| cost + JPEG_DECODE_COST)
    } else {
        encoder.cost(fourcc)
    }
}

fn is_jpeg(fourcc: FourCc) -> bool {
    [FourCc::MJPG, FourCc::JPEG].contains(&fourcc)
}

/// Returns the encoder and mode that a camera with these formats would get, for the list of
/// cameras; else the reason why there is none.
pub fn plan(offers: &[FormatCaps], wanted: &ModeRequest) -> Result<(String, CaptureMode), String> {
    let found =
        encode::available_encoders(encode::EncoderPreference::Auto).map_err(|error| error.0)?;
    found
        .factories
        .iter()
        .find_map(|candidate| {
            let cost = |fourcc| cost(candidate.as_ref(), fourcc);
            let mode = mode_select::select_mode(offers, wanted, candidate.max_size(), cost)?;
            Some((candidate.name(), mode))
        })
        .ok_or_else(|| format!("no encoder takes its formats ({})", open::formats(offers)))
}

/// Streaming raw camera and its encoder. Dropped in this order: the encoder may hold buffers of the
/// stream.
struct Camera {
    path: PathBuf,
    context: SourceContext,
    /// Bit rate with which the encoder was opened.
    configured_bitrate: Option<u32>,
    encoder: Box<dyn Encoder>,
    /// Time since when the encoder outputs frames.
    healthy_since: Option<Timestamp>,
    /// True once it has done so for long enough.
    is_confirmed: bool,
    mjpeg: Option<MjpegStage>,
    capture: CaptureThread,
    stream: Arc<Stream>,
    unit: Vec<u8>,
    wants_keyframe: bool,
    /// Time of the last frame from the driver; at first, of the start.
    arrived_at: Timestamp,
    /// Time when the encoder last took or output a frame.
    progress_at: Timestamp,
    silence: SilenceLimit,
    /// Time after which an idle encoder counts as hung.
    encoder_stall: Duration,
    dropping: DropReporter,
    orientation: Orientation,
}

impl Camera {
    /// Submits the latest frame to the encoder, if there is one.
    fn encode_latest(&mut self) -> Result<(), Error> {
        let frame = self.capture.take().map_err(|failure| self.lost(failure))?;
        let Some(CapturedFrame {
            held,
            captured_at,
            arrived_at,
        }) = frame
        else {
            return Ok(());
        };
        self.arrived_at = arrived_at;
        self.silence.on_data(arrived_at);
        let pixels = match &mut self.mjpeg {
            None => FrameMemory::Driver(held),
            Some(decoding) => match decoding.decode(held, captured_at, self.encoder.reclaim()) {
                Some(pixels) => pixels,
                None => return Ok(()),
            },
        };
        let picture = RawFrame {
            captured_at,
            memory: pixels,
        };
        let keyframe = std::mem::take(&mut self.wants_keyframe);
        self.encoder
            .submit(picture, keyframe)
            .map_err(|error| self.encoder_error(&error))?;
        self.progress_at = Timestamp::now();
        Ok(())
    }

    fn take_unit(&mut self) -> Result<Option<Timestamp>, Error> {
        let taken = self.encoder.take_access_unit(&mut self.unit);
        let taken = taken.map_err(|error| self.encoder_error(&error))?;
        if taken.is_some() {
            self.progress_at = Timestamp::now();
            self.confirm_encoder();
        }
        Ok(taken)
    }

    /// Confirms the encoder after enough frames.
    fn confirm_encoder(&mut self) {
        let since = *self.healthy_since.get_or_insert(self.progress_at);
        if !self.is_confirmed && self.progress_at.since(since) >= encode::HEALTHY_AFTER {
            self.is_confirmed = true;
            self.context
                .encoder_failures
                .record_success(&self.encoder.name());
        }
    }

    /// Waits for the next work.
    fn wait(&self) -> WaitResult {
        let has_room = self.encoder.has_room();
        let picture = has_room.then(|| (self.capture.fd(), PollFlags::IN));
        // An encoder that drops a frame has no output, but room again.
        let any = PollFlags::IN | PollFlags::OUT | PollFlags::PRI;
        let encoder = self.encoder.fd().map(|fd| (fd, any));
        self.context
            .shutdown
            .wait_any(&[picture, encoder], READ_TIMEOUT)
    }

    fn check_stall(&self) -> Result<(), Error> {
        let now = Timestamp::now();
        if !self.encoder.has_room() {
            let silence = now.since(self.progress_at);
            return if silence > self.encoder_stall {
                let words = format!("the encoder ({}) hangs", self.encoder.name());
                Err(self.encoder_error(&encode::Error(words)))
            } else {
                Ok(())
            };
        }
        let silence = now.since(self.arrived_at);
        if silence > self.silence.limit() {
            Err(Error::Stalled(silence))
        } else {
            Ok(())
        }
    }

    fn lost(&self, failure: DeviceError) -> Error {
        let identity = self.stream.device().identity();
        let words = explain(failure, SetupStep::Capture, &self.path, Some(identity));
        Error::Lost(format!("{}: {words}", self.path.display())).because(failure.into())
    }

    /// Returns the error of a failed encoder.
    fn encoder_error(&self, error: &encode::Error) -> Error {
        let (name, trials) = (self.encoder.name(), &self.context.encoder_failures);
        let is_enough = trials.record_failure(&name, &error.0, Timestamp::now());
        let outlook = match self.context.encoder {
            encode::EncoderPreference::Auto if is_enough => {
                ", again: another encoder is taken if there is one (--encoder auto)"
            }
            encode::EncoderPreference::Hardware if is_enough => {
                ", again and again; it is re-opened (--encoder hardware wants no other)"
            }
            _ => "",
        };
        Error::Lost(format!("{}: {error}{outlook}", self.path.display())).because(Cause::ENCODER)
    }

    fn next_unit(&mut self) -> Result<Option<Timestamp>, Error> {
        // An encoder with its own thread may have output.
        if let Some(captured_at) = self.take_unit()? {
            return Ok(Some(captured_at));
        }
        match self.wait() {
            WaitResult::Shutdown => return Err(Error::Stopped),
            WaitResult::TimedOut => self.check_stall()?,
            WaitResult::Ready => {
                if self.encoder.has_room() {
                    self.encode_latest()?;
                }
            }
        }
        let now = Timestamp::now();
        let passed_over = self.capture.overwritten();
        self.dropping.log(&self.context.name, passed_over, now);
        self.take_unit()
    }
}

impl Input for Camera {
    fn read(&mut self) -> Result<Option<Item<'_>>, Error> {
        let captured_at = self.next_unit()?;
        Ok(captured_at.map(|captured_at| Item::AccessUnit {
            annexb: &self.unit,
            captured_at,
        }))
    }

    fn request_keyframe(&mut self) {
        self.wants_keyframe = true;
    }

    fn can_make_keyframes(&self) -> bool {
        true
    }

    fn set_bitrate(&mut self, bits_per_second: u32) -> Option<u32> {
        let range = self.encoder.bitrate()?.range;
        let nearest = bits_per_second.clamp(*range.start(), *range.end());
        match self.encoder.set_bitrate(nearest) {
            Ok(()) => self.encoder.bitrate().map(|bitrate| bitrate.now),
            Err(error) => {
                log::warn!("{}: {error}", self.context.name);
                None
            }
        }
    }

    fn can_set_bitrate(&self) -> bool {
        self.encoder.bitrate().is_some()
    }

    fn controls(&mut self) -> Option<&mut dyn ControlBackend> {
        Some(self)
    }

    fn silence_limit(&self) -> Duration {
        self.silence.limit()
    }

    fn applied_orientation(&self) -> Orientation {
        self.orientation
    }

    fn dropped(&self) -> u64 {
        let damaged = self.mjpeg.as_ref().map_or(0, |it| it.damaged);
        self.capture.dropped() + self.encoder.dropped() + damaged
    }

    fn stall_reason(&self) -> Option<String> {
        let words = self.encoder.stall_reason()?;
        Some(format!("{}: {words}", self.path.display()))
    }

    fn has_jpeg(&self) -> bool {
        self.mjpeg.is_some()
    }

    fn latest_jpeg(&self) -> Option<(Timestamp, &[u8])> {
        self.mjpeg.as_ref()?.latest()
    }
}

/// Reporter that logs dropped frames from time to time.
#[derive(Default)]
struct DropReporter {
    logged: u64,
    logged_at: Option<Timestamp>,
}

impl DropReporter {
    fn log(&mut self, camera: &str, passed_over: u64, now: Timestamp) {
        let rested = self
            .logged_at
            .is_none_or(|at| now.since(at) >= DROP_LOG_INTERVAL);
        // Single drops are harmless.
        if rested && passed_over >= self.logged + 10 {
            log::warn!(
                "{camera}: the encoder does not keep up with the camera: {} pictures left out so far; try a smaller --width and \
                 --height, or a lower --fps",
                passed_over
            );
            (self.logged, self.logged_at) = (passed_over, Some(now));
        }
    }
}
