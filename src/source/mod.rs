//! Sources of H.264: one file for each kind, all behind [`Input`].
//!
//! A source delivers Annex B bytes with their capture times. It knows nothing of MP4, the hub or
//! viewers. It runs on its camera's own thread and may block, but returns at once on shutdown
//! ([`ShutdownToken`]).

mod cause;
mod file;
pub mod http;
#[cfg(feature = "nats")]
mod nats;
pub mod parse;
pub mod pipe_reader;
pub mod process;
mod ready;
pub mod rpicam;
mod silence;
pub mod sniff;
mod standby;
mod test_pattern;
#[cfg(test)]
mod testing;
mod track;
pub mod v4l2;

use crate::controls::{ControlBackend, Server};
use crate::encode;
use crate::frame_rate::FrameRate;
use crate::h264::ChunkEnd;
use crate::media::orientation::Orientation;
use crate::shutdown::ShutdownToken;
use crate::time::Timestamp;
use ::v4l2::{FourCc, NodeKind};
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

pub use cause::Cause;
pub use ready::{ReadyFrame, ReadyTiming};
pub use standby::{Standby, stand_by};

/// Part of the byte stream (ITU-T H.264 Annex B), cut anywhere.
#[derive(Clone, Copy, Debug)]
pub struct InputChunk<'a> {
    /// The bytes. May be empty if only `end` carries information.
    pub annexb: &'a [u8],
    /// Time when the camera captured the frame, or else when the first of these bytes arrived.
    pub captured_at: Timestamp,
    /// Knowledge of the source about the end of these bytes.
    pub end: ChunkEnd,
}

/// Item that a source returns.
#[derive(Clone, Debug)]
pub enum Item<'a> {
    /// A piece of byte stream, cut anywhere.
    Bytes(InputChunk<'a>),
    /// Bytes that end an access unit.
    AccessUnit {
        /// The byte stream (Annex B).
        annexb: &'a [u8],
        /// When the camera took the picture.
        captured_at: Timestamp,
    },
    /// A frame of a stream that is described: nothing of it is parsed.
    Frame(ReadyFrame<'a>),
}

impl<'a> Item<'a> {
    /// Returns the bytes, unless it is a ready frame.
    pub fn into_chunk(self) -> Option<InputChunk<'a>> {
        match self {
            Self::Bytes(chunk) => Some(chunk),
            Self::AccessUnit {
                annexb,
                captured_at,
            } => Some(InputChunk {
                annexb,
                captured_at,
                end: ChunkEnd::Complete,
            }),
            Self::Frame(_) => None,
        }
    }
}

/// Silence after which a source counts as lost, unless it overrides this.
const SILENCE_LIMIT: Duration = Duration::from_secs(5);

/// Open camera, program, file or generator.
///
/// ```
/// use berrymse::source::{Error, Input, Item};
/// use berrymse::time::Timestamp;
///
/// /// Gives one access unit.
/// struct Once(Option<Vec<u8>>, Vec<u8>);
///
/// impl Input for Once {
///     fn read(&mut self) -> Result<Option<Item<'_>>, Error> {
///         self.1 = self.0.take().ok_or_else(|| Error::Ended("that was all".into()))?;
///         Ok(Some(Item::AccessUnit { annexb: &self.1, captured_at: Timestamp::now() }))
///     }
/// }
///
/// let mut input = Once(Some(vec![0, 0, 0, 1, 0x65]), Vec::new());
/// assert!(matches!(input.read(), Ok(Some(Item::AccessUnit { .. }))));
/// assert_eq!(input.read().unwrap_err(), Error::Ended("that was all".into()));
/// ```
pub trait Input: Send {
    /// Returns the next item. Blocks for up to 0.1 s and returns `Ok(None)` without one, so that
    /// the caller can do other work. An error ends this source, and the caller re-opens it.
    fn read(&mut self) -> Result<Option<Item<'_>>, Error>;

    /// Skips the report of the next pause: the last bytes are known to end an access unit.
    fn skip_next_pause(&mut self) {}

    /// Requests an IDR frame from the encoder. Does nothing if the source cannot.
    fn request_keyframe(&mut self) {}

    /// Returns true if [`Input::request_keyframe`] has an effect.
    fn can_make_keyframes(&self) -> bool {
        false
    }

    /// Requests another bit rate, in bits per second, until this source is closed. Returns the rate
    /// that the encoder took, or `None` if it cannot change it.
    fn set_bitrate(&mut self, _bits_per_second: u32) -> Option<u32> {
        None
    }

    /// Returns true if [`Input::set_bitrate`] has an effect.
    fn can_set_bitrate(&self) -> bool {
        false
    }

    /// Returns the number of frames lost since the source was opened: by the camera, by its driver,
    /// or for lack of encoding time.
    fn dropped(&self) -> u64 {
        0
    }

    /// Returns the reason why an open source delivers no frames, for viewers; `None` without a
    /// fault.
    fn stall_reason(&self) -> Option<String> {
        None
    }

    /// Takes the number of viewers and the bandwidths of their congested links, in bits per second, about once a second: for
    /// a source that passes them on to the camera.
    fn report_viewers(&mut self, _viewers: u64, _congested: &[(u32, u32)]) {}

    /// Returns the longest silence that is no fault. Until then the camera is live, however old its
    /// last frame.
    fn silence_limit(&self) -> Duration {
        SILENCE_LIMIT
    }

    /// Returns true if [`Input::latest_jpeg`] returns frames once the camera has delivered some.
    fn has_jpeg(&self) -> bool {
        false
    }

    /// Returns the latest frame as the camera encoded it, with its capture time, from cameras that
    /// deliver JPEG.
    fn latest_jpeg(&self) -> Option<(Timestamp, &[u8])> {
        None
    }

    /// Returns the controls of the camera, or `None` if none can be set while it runs.
    fn controls(&mut self) -> Option<&mut dyn ControlBackend> {
        None
    }

    /// Returns the rotation and mirroring that the camera itself applies. The display does the rest
    /// of [`Settings::orientation`].
    fn applied_orientation(&self) -> Orientation {
        Orientation::default()
    }
}

/// Reason why a source could not be opened or ended. The text says what, where, why and what to
/// try.
///
/// ```
/// use berrymse::source::{Cause, Error};
///
/// let error = Error::Unavailable("/dev/video0: in use by ffmpeg".into()).because(Cause::BUSY);
/// // The log has all of it, viewers see the cause.
/// assert_eq!(error.to_string(), "/dev/video0: in use by ffmpeg");
/// assert_eq!(error.cause().to_string(), "the camera is busy");
/// ```
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Error {
    /// Not there, not ready, busy, not permitted or unusable: a later attempt may succeed.
    #[error("{0}")]
    Unavailable(String),
    /// Lost after it worked: unplugged, ended, or an error.
    #[error("{0}")]
    Lost(String),
    /// Open, but silent.
    #[error("no picture for {0:.1?}")]
    Stalled(Duration),
    /// Ended, and cannot be opened again (standard input).
    #[error("{0}")]
    Ended(String),
    /// Delivers another format than H.264.
    #[error("{text}")]
    NotH264 {
        /// The format.
        format: sniff::Format,
        /// The sender and the remedy.
        text: String,
    },
    /// The program is shutting down.
    #[error("stopping")]
    Stopped,
    /// Any other variant, with a cause that viewers may see.
    #[error("{1}")]
    WithCause(Cause, Box<Self>),
}

impl Error {
    /// Adds a cause that viewers may see.
    #[must_use]
    pub fn because(self, cause: Cause) -> Self {
        match self {
            Self::WithCause(_, error) => Self::WithCause(cause, error),
            error => Self::WithCause(cause, Box::new(error)),
        }
    }

    /// Returns the cause for viewers, without the error's own text.
    pub fn cause(&self) -> Cause {
        match self {
            Self::WithCause(cause, _) => *cause,
            Self::Unavailable(_) => Cause::UNAVAILABLE,
            Self::Lost(_) => Cause::LOST,
            Self::Stalled(time) => Cause::Silent(*time),
            Self::Ended(_) => Cause::INPUT_ENDED,
            Self::NotH264 { format, .. } => {
                Cause::Format(format.name(), format.remedy_for_output())
            }
            Self::Stopped => Cause::Text("the server stops"),
        }
    }

    /// Returns the error without its added cause.
    pub fn kind(&self) -> &Self {
        match self {
            Self::WithCause(_, error) => error.kind(),
            error => error,
        }
    }
}

/// Source as written by the user.
///
/// ```
/// use berrymse::source::SourceSpec;
///
/// let source: SourceSpec = "exec:ffmpeg -i 'my film.mp4' -f h264 -".parse()?;
/// assert_eq!(source.kind(), "exec");
/// assert_eq!(source.to_string().parse(), Ok(source));
/// # Ok::<(), berrymse::source::parse::ParseError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SourceSpec {
    /// The first source that works.
    Auto,
    /// V4L2 node.
    V4l2(PathBuf),
    /// Raspberry Pi camera N through rpicam-vid.
    Rpicam(u32),
    /// Program and its arguments, with H.264 on its standard output.
    Exec(Vec<String>),
    /// Annex B file, repeated for ever.
    File(PathBuf),
    /// The endless MP4 of another BerryMSE.
    Http(http::Url),
    /// A camera that another BerryMSE publishes over NATS, or all of them.
    #[cfg(feature = "nats")]
    Nats(crate::nats::Url),
    /// Annex B on standard input.
    Stdin,
    /// Built-in test pattern.
    Test,
}

/// Settings of a source. A source that cannot apply one logs that and keeps its own.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Settings {
    /// Width of the frame, in pixels.
    pub width: u32,
    /// Height of the frame, in pixels.
    pub height: u32,
    /// Frames per second.
    pub fps: FrameRate,
    /// Bits per second; `None` leaves the camera's own.
    pub bitrate: Option<u32>,
    /// Clockwise rotation in degrees (0, 90, 180, 270); `None` leaves the camera's own.
    pub rotation: Option<u16>,
    /// Mirroring, applied after the rotation.
    pub flips: Flips,
    /// Distance of two IDR frames, in frames.
    pub keyframe_interval: NonZeroU32,
}

/// Mirroring of the frame; `None` leaves the camera's own.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Flips {
    /// Left to right.
    pub horizontal: Option<bool>,
    /// Top to bottom.
    pub vertical: Option<bool>,
}

impl Settings {
    /// Returns the configured orientation, on top of the camera's own.
    pub fn orientation(&self) -> Orientation {
        let [horizontal, vertical] =
            [self.flips.horizontal, self.flips.vertical].map(|flip| flip.unwrap_or(false));
        Orientation::new(self.rotation.unwrap_or(0), horizontal, vertical)
    }
}

/// Everything that a source is opened with.
#[derive(Clone, Debug)]
pub struct SourceContext {
    /// Name of the camera, for log lines.
    pub name: String,
    /// Requested settings.
    pub settings: Settings,
    /// Encoders that may be used, if the source needs one.
    pub encoder: encode::EncoderPreference,
    /// Format to capture and encode, even if the camera delivers H.264; `None` leaves the choice to
    /// the program.
    pub pixel_format: Option<FourCc>,
    /// Silence after which an open source is re-opened; `None` uses the learned time, zero means
    /// never.
    pub stall_after: Option<Duration>,
    /// Shutdown signal that every wait listens to.
    pub shutdown: ShutdownToken,
    /// Control values to set at each opening.
    pub controls: Server,
    /// Options for the program of a Raspberry Pi camera.
    pub rpicam: rpicam::options::RpicamOptions,
    /// True once the camera's MJPEG was found to carry no H.264 against expectation.
    has_plain_mjpeg: Arc<AtomicBool>,
    /// Encoders that failed with this camera.
    encoder_failures: encode::FailureHistory,
    /// Quota of log lines for the programs of this camera, over all their restarts.
    log_quota: process::log_quota::LogQuota,
    /// Frames of another server's camera have come, and for NATS were lost then.
    has_http_frames: Arc<AtomicBool>,
    /// Longest interval between data of its programs, over all openings.
    longest_interval: silence::LongestInterval,
}

impl SourceContext {
    /// Creates the context of the camera `name`. It outlives all restarts of the source.
    pub fn new(name: &str, settings: Settings, shutdown: ShutdownToken) -> Self {
        Self {
            name: name.to_owned(),
            settings,
            encoder: encode::EncoderPreference::Auto,
            pixel_format: None,
            stall_after: None,
            shutdown,
            controls: Server::default(),
            rpicam: rpicam::options::RpicamOptions::default(),
            has_plain_mjpeg: Arc::default(),
            encoder_failures: encode::FailureHistory::default(),
            log_quota: process::log_quota::LogQuota::default(),
            has_http_frames: Arc::default(),
            longest_interval: silence::LongestInterval::default(),
        }
    }

    /// Resets the log quota, as the camera is healthy: the next lines of its programs are new.
    pub fn reset_log_quota(&self) {
        self.log_quota.reset();
    }
}

/// Opens the source. Call it on the camera's own thread, which also reads from it.
///
/// ```
/// use berrymse::frame_rate::FrameRate;
/// use berrymse::shutdown::ShutdownToken;
/// use berrymse::source::{self, Flips, Settings, SourceContext, SourceSpec};
/// use std::num::NonZeroU32;
///
/// let settings = Settings {
///     width: 320,
///     height: 240,
///     fps: FrameRate::whole(30),
///     bitrate: None,
///     rotation: None,
///     flips: Flips::default(),
///     keyframe_interval: NonZeroU32::MIN,
/// };
/// let context = SourceContext::new("camera", settings, ShutdownToken::new()?);
/// let mut input = source::open(&SourceSpec::Test, &context)?;
/// let chunk = loop {
///     if let Some(item) = input.read()? {
///         break item.into_chunk().ok_or("not parsed")?;
///     }
/// };
/// assert!(chunk.annexb.starts_with(&[0, 0, 0, 1, 0x67]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn open(spec: &SourceSpec, context: &SourceContext) -> Result<Box<dyn Input>, Error> {
    match spec {
        SourceSpec::Auto => open_first_working(context),
        SourceSpec::V4l2(path) => v4l2::open(path, context),
        SourceSpec::Rpicam(number) => rpicam::open(*number, context),
        SourceSpec::Exec(arguments) => process::open_exec(arguments, context),
        SourceSpec::File(path) => file::open(path, context),
        SourceSpec::Http(url) => http::open(url, context),
        #[cfg(feature = "nats")]
        SourceSpec::Nats(url) => nats::open(url, context),
        SourceSpec::Stdin => pipe_reader::open_stdin(context),
        SourceSpec::Test => test_pattern::open(context),
    }
}

/// Opens the first camera that works: an H.264 node, else the Raspberry Pi's camera, else a node
/// that needs an encoder. The error gives the reason of each.
fn open_first_working(context: &SourceContext) -> Result<Box<dyn Input>, Error> {
    let first = v4l2::first_camera();
    if let Ok((path, NodeKind::H264(_))) = &first {
        return v4l2::open(path, context);
    }
    let program = rpicam::find_program(std::env::var_os("PATH").as_deref());
    match (first, program) {
        (Ok((path, _)), None) => v4l2::open(&path, context),
        // Raspberry Pi OS has the program on every machine, with and without a camera.
        (Ok((path, _)), Some(program))
            if rpicam::list_cameras(&program).is_ok_and(|cameras| cameras.is_empty()) =>
        {
            v4l2::open(&path, context)
        }
        (Ok(_), Some(_)) => rpicam::open(0, context),
        (Err(no_node), None) => Err(Error::Unavailable(no_node).because(Cause::NO_CAMERA)),
        (Err(no_node), Some(_)) => rpicam::open(0, context).map_err(|error| match error {
            Error::Stopped => error,
            other => {
                let cause = other.cause();
                Error::Unavailable(format!("{no_node}. With --source rpicam: {other}"))
                    .because(cause)
            }
        }),
    }
}
