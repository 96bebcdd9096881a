//! Where H.264 comes from: one file for each kind of source, all behind [`Source`].
//!
//! A source gives Annex B bytes with their capture times and knows nothing of MP4, the hub or
//! viewers. It runs on its camera's own thread and may block, but hears [`Stop`] at once.

mod cause;
mod file;
pub mod parse;
pub mod pipe_reader;
pub mod process;
pub mod rpicam;
mod silence;
pub mod sniff;
pub mod test_pattern;
#[cfg(test)]
mod testing;
pub mod v4l2;

use crate::controls::{ControlBackend, Server};
use crate::encode;
use crate::frame_rate::FrameRate;
use crate::h264::ChunkEnd;
use crate::media::orientation::Orientation;
use crate::shutdown::ShutdownToken;
use crate::time::Timestamp;
use crate::v4l2::{FourCc, NodeKind};
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

pub use cause::Cause;

/// A piece of the byte stream (ITU-T H.264 Annex B), cut anywhere.
#[derive(Clone, Copy, Debug)]
pub struct InputChunk<'a> {
    /// The bytes; may be empty when only `end` has news.
    pub annexb: &'a [u8],
    /// When the camera took the picture, else when the first of these bytes arrived.
    pub captured_at: Timestamp,
    /// What the source knows about the place where the piece ends.
    pub end: ChunkEnd,
}

/// Silence after which a source that says nothing else counts as lost.
const SILENCE_LIMIT: Duration = Duration::from_secs(5);

/// A camera, program, file or generator that is open and running.
pub trait Source: Send {
    /// The next piece. Blocks up to about a tenth of a second and then returns `Ok(None)` when there
    /// is none, so that the caller can look after other things; an error ends this source, and the
    /// caller opens it anew.
    fn read(&mut self) -> Result<Option<InputChunk<'_>>, Error>;

    /// The bytes read last are known to end an access unit: there need be no word of the pause behind them.
    fn skip_next_pause(&mut self) {}

    /// Asks the encoder for an IDR picture soon. Does nothing where the source cannot.
    fn request_keyframe(&mut self) {}

    /// True if [`Source::request_keyframe`] has an effect.
    fn can_make_keyframes(&self) -> bool {
        false
    }

    /// Asks the encoder for another bit rate while it runs, in bits per second; effective at once and until this source is
    /// closed. Returns the rate that it took, the nearest one that it has, or `None` where it cannot or refuses.
    fn set_bitrate(&mut self, _bits_per_second: u32) -> Option<u32> {
        None
    }

    /// True if [`Source::set_bitrate`] has an effect.
    fn can_set_bitrate(&self) -> bool {
        false
    }

    /// How many pictures of the camera were lost since it was opened, wherever that was: by the camera, its driver, or because
    /// there was no time to encode them.
    fn dropped(&self) -> u64 {
        0
    }

    /// Why no pictures come although the source is open, in words for viewers: it is seen to. `None` if all is well.
    fn stall_reason(&self) -> Option<String> {
        None
    }

    /// Returns the longest silence that is no fault of this source: until then the camera is live, however old its newest frame.
    fn silence_limit(&self) -> Duration {
        SILENCE_LIMIT
    }

    /// True if [`Source::newest_jpeg`] has pictures as soon as the camera has given some.
    fn has_jpeg(&self) -> bool {
        false
    }

    /// Of a camera that gives JPEGs, the newest picture as the camera encoded it, and when it was taken.
    fn latest_jpeg(&self) -> Option<(Timestamp, &[u8])> {
        None
    }

    /// The controls of the camera; `None` where it has none that could be set while it runs.
    fn controls(&mut self) -> Option<&mut dyn ControlBackend> {
        None
    }

    /// How the camera itself turns and mirrors its pictures; what is missing to [`Settings::orientation`] is left to the
    /// display.
    fn applied_orientation(&self) -> Orientation {
        Orientation::default()
    }
}

/// Why a source could not be opened or ended. The text says what, where, why and what to try.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Error {
    /// Not there, not ready, busy, not permitted, or not of use: trying again later may help.
    #[error("{0}")]
    Unavailable(String),
    /// It worked and is gone: unplugged, ended, reported an error.
    #[error("{0}")]
    Lost(String),
    /// It is open but sends nothing.
    #[error("no picture for {0:.1?}")]
    Stalled(Duration),
    /// It ended and cannot be opened again (standard input).
    #[error("{0}")]
    Ended(String),
    /// It sends something else than H.264.
    #[error("{text}")]
    NotH264 {
        /// What it sends.
        format: sniff::Format,
        /// Who sends it, and what to do.
        text: String,
    },
    /// The program is stopping.
    #[error("stopping")]
    Stopped,
    /// One of the others, with the cause that everybody may know.
    #[error("{1}")]
    WithCause(Cause, Box<Self>),
}

impl Error {
    /// Adds the cause that everybody may know.
    #[must_use]
    pub fn because(self, cause: Cause) -> Self {
        match self {
            Self::WithCause(_, error) => Self::WithCause(cause, error),
            error => Self::WithCause(cause, Box::new(error)),
        }
    }

    /// Returns the cause for viewers: nothing of the error's own text.
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

/// Which source, as typed by the user.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SourceSpec {
    /// The first that works.
    Auto,
    /// A V4L2 node.
    V4l2(PathBuf),
    /// Raspberry Pi camera N through rpicam-vid.
    Rpicam(u32),
    /// A program and its arguments; H.264 on its standard output.
    Exec(Vec<String>),
    /// An Annex B file, repeated for ever.
    File(PathBuf),
    /// Annex B on standard input.
    Stdin,
    /// The built-in test picture.
    Test,
}

/// What is asked of a source. Where it cannot, it says so in the log and gives what it has.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Settings {
    /// Width of the picture, in pixels.
    pub width: u32,
    /// Height of the picture, in pixels.
    pub height: u32,
    /// Frames per second.
    pub fps: FrameRate,
    /// Bits per second; `None` leaves the camera's own.
    pub bitrate: Option<u32>,
    /// Clockwise turn of the picture in degrees (0, 90, 180, 270); `None` leaves the camera's own.
    pub rotation: Option<u16>,
    /// Mirrors, as seen after the turn.
    pub flips: Flips,
    /// Distance of two IDR pictures, in pictures.
    pub keyframe_interval: NonZeroU32,
}

/// Mirrors of the picture; `None` leaves the camera's own.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Flips {
    /// Left to right.
    pub horizontal: Option<bool>,
    /// Top to bottom.
    pub vertical: Option<bool>,
}

impl Settings {
    /// How the picture is to lie, beyond what is the camera's own.
    pub fn orientation(&self) -> Orientation {
        let [horizontal, vertical] =
            [self.flips.horizontal, self.flips.vertical].map(|flip| flip.unwrap_or(false));
        Orientation::new(self.rotation.unwrap_or(0), horizontal, vertical)
    }
}

/// What every kind of source is opened with.
#[derive(Clone, Debug)]
pub struct SourceContext {
    /// The camera's name, for log lines.
    pub name: String,
    /// What is asked of it.
    pub settings: Settings,
    /// Which encoders may be used, if it needs one.
    pub encoder: encode::EncoderPreference,
    /// The format to take from the camera to be encoded, even if it gives H.264; `None` leaves the choice to the program.
    pub pixel_format: Option<FourCc>,
    /// Silence after which an open source is opened again; `None` leaves it to what is known and learned, zero means never.
    pub stall_after: Option<Duration>,
    /// Heard by every wait.
    pub shutdown: ShutdownToken,
    /// What is to be set of its controls at each opening.
    pub controls: Server,
    /// What the camera's encoder was expected to put into its MJPEG was not there.
    has_plain_mjpeg: Arc<AtomicBool>,
    /// Which encoders have come to nothing with this camera.
    encoder_failures: encode::FailureHistory,
    /// Bounds what the programs of this camera write to the log, however often they are started.
    log_quota: process::log_quota::LogQuota,
    /// How long its programs have been silent and gone on.
    longest_interval: silence::LongestInterval,
}

impl SourceContext {
    /// The context of the camera `name`; it goes on over all restarts of the source.
    pub fn new(name: &str, settings: Settings, shutdown: ShutdownToken) -> Self {
        Self {
            name: name.to_owned(),
            settings,
            encoder: encode::EncoderPreference::Auto,
            pixel_format: None,
            stall_after: None,
            shutdown,
            controls: Server::default(),
            has_plain_mjpeg: Arc::default(),
            encoder_failures: encode::FailureHistory::default(),
            log_quota: process::log_quota::LogQuota::default(),
            longest_interval: silence::LongestInterval::default(),
        }
    }

    /// The camera has worked for a while: what its programs write to the log next is news.
    pub fn reset_log_quota(&self) {
        self.log_quota.reset();
    }
}

/// Opens what `spec` says. To be called on the camera's own thread, which reads it, too.
pub fn open(spec: &SourceSpec, context: &SourceContext) -> Result<Box<dyn Source>, Error> {
    match spec {
        SourceSpec::Auto => open_first_working(context),
        SourceSpec::V4l2(path) => v4l2::open(path, context),
        SourceSpec::Rpicam(number) => rpicam::open(*number, context),
        SourceSpec::Exec(arguments) => process::open_exec(arguments, context),
        SourceSpec::File(path) => file::open(path, context),
        SourceSpec::Stdin => pipe_reader::open_stdin(context),
        SourceSpec::Test => test_pattern::open(context),
    }
}

/// The first camera that works: a node with H.264, else the Raspberry Pi's, else a node whose pictures have to be encoded. The
/// error says of all why not.
fn open_first_working(context: &SourceContext) -> Result<Box<dyn Source>, Error> {
    let first = crate::v4l2::first_camera();
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
