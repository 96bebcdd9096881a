//! Failure causes that every viewer may see: without paths, commands, addresses or a program's
//! words.

use std::fmt;
use std::process::ExitStatus;
use std::time::Duration;
use v4l2::DeviceError;

/// Public cause of a failure. The log has the full text of [`super::Error`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cause {
    /// A program ended with this exit status or signal.
    Exited(ExitStatus),
    /// No data for this long.
    Silent(Duration),
    /// Another format than H.264, and the option that converts it.
    Format(&'static str, &'static str),
    /// Any other cause, as a fixed text.
    Text(&'static str),
}

impl Cause {
    /// The source could not be opened.
    pub const UNAVAILABLE: Self = Self::Text("the camera cannot be opened");
    /// The source worked and failed.
    pub const LOST: Self = Self::Text("the camera failed");
    /// There is no such device.
    pub(crate) const NO_DEVICE: Self = Self::Text("no such device");
    /// No camera was found at all.
    pub(crate) const NO_CAMERA: Self = Self::Text("no camera found");
    /// Another program uses the camera.
    pub const BUSY: Self = Self::Text("the camera is busy");
    /// The server's user may not use the device or file.
    pub(crate) const NOT_PERMITTED: Self = Self::Text("permission denied");
    /// The camera was unplugged.
    pub(crate) const UNPLUGGED: Self = Self::Text("the camera is disconnected");
    /// The USB bus has no bandwidth left.
    pub(crate) const NO_BANDWIDTH: Self = Self::Text("no USB bandwidth left for the camera");
    /// The driver has no memory for its buffers.
    pub(crate) const NO_MEMORY: Self = Self::Text("no memory left for the camera");
    /// The node delivers no video.
    pub(crate) const NO_VIDEO: Self = Self::Text("the device gives no video");
    /// The encoder failed.
    pub const ENCODER: Self = Self::Text("the encoder failed");
    /// A program is not installed or not executable.
    pub(crate) const NOT_STARTED: Self = Self::Text("the program cannot be started");
    /// A program closed its output but still runs.
    pub(crate) const CLOSED: Self = Self::Text("the program closed its output");
    /// A program ended in an unknown way.
    pub(crate) const ENDED: Self = Self::Text("the program ended");
    /// There is no such file.
    pub(crate) const NO_FILE: Self = Self::Text("no such file");
    /// The file cannot be read.
    pub(crate) const UNREADABLE: Self = Self::Text("the file cannot be read");
    /// The data is no H.264.
    pub const NO_H264: Self = Self::Text("the source sends no H.264 video");
    /// H.264 without a keyframe.
    pub const NO_KEYFRAME: Self = Self::Text(
        "this camera sends no keyframes, so that nobody can begin to watch: set its keyframe interval \
         (IDR period, GOP length), or intra refresh with recovery points",
    );
    /// Frames beyond the limits of the standard.
    pub const OVERSIZE: Self = Self::Text("the camera sends frames beyond the limits of H.264");
    /// The other server cannot be reached.
    pub(crate) const NO_SERVER: Self = Self::Text("the other server does not answer");
    /// The other server has no certificate that this machine trusts.
    pub(crate) const NOT_TRUSTED: Self =
        Self::Text("the other server's certificate is not trusted");
    /// The other server has no such stream, or it is none that can be shown.
    pub(crate) const NO_STREAM: Self = Self::Text("the other server has no such stream");
    /// The camera of the other server gives no frames.
    pub(crate) const NO_FRAMES_THERE: Self =
        Self::Text("the other server's camera gives no frames");
    /// The connection to the other server broke.
    pub(crate) const SERVER_LOST: Self = Self::Text("the connection to the other server was lost");
    /// Standard input has ended.
    pub(crate) const INPUT_ENDED: Self = Self::Text("the input has ended");
    /// The source cannot apply the settings.
    pub(crate) const SETTINGS: Self = Self::Text("the camera cannot be set up as configured");
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use std::os::unix::process::ExitStatusExt;
        match self {
            Self::Exited(status) => match (status.code(), status.signal()) {
                (Some(code), _) => write!(f, "the program ended (exit code {code})"),
                (None, Some(signal)) => write!(f, "the program was ended (signal {signal})"),
                (None, None) => Self::ENDED.fmt(f),
            },
            Self::Silent(time) => write!(f, "no picture for {time:.1?}"),
            Self::Format(name, remedy) => {
                write!(f, "the source sends {name}, not H.264; {remedy}")
            }
            Self::Text(text) => f.write_str(text),
        }
    }
}

impl From<DeviceError> for Cause {
    fn from(failure: DeviceError) -> Self {
        match failure {
            DeviceError::PermissionDenied => Self::NOT_PERMITTED,
            DeviceError::Busy => Self::BUSY,
            DeviceError::NotFound => Self::NO_DEVICE,
            DeviceError::NoDevice => Self::UNPLUGGED,
            DeviceError::NoBandwidth => Self::NO_BANDWIDTH,
            DeviceError::NoMemory => Self::NO_MEMORY,
            DeviceError::Unsupported => Self::NO_VIDEO,
            DeviceError::InvalidArgument
            | DeviceError::EndOfStream
            | DeviceError::WouldBlock
            | DeviceError::Other(_) => Self::LOST,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Error;
    use std::os::unix::process::ExitStatusExt;

    #[test]
    fn public_text_says_how_a_program_ended() {
        let text = |raw| Cause::Exited(ExitStatus::from_raw(raw)).to_string();
        assert_eq!(text(1 << 8), "the program ended (exit code 1)");
        assert_eq!(text(9), "the program was ended (signal 9)");
    }

    #[test]
    fn error_without_a_cause_has_a_general_one() {
        let secret = || "rtsp://user:secret@host failed".to_owned();
        for error in [
            Error::Unavailable(secret()),
            Error::Lost(secret()),
            Error::Ended(secret()),
            Error::Lost(secret()).because(Cause::BUSY),
        ] {
            assert!(error.to_string().contains("secret"));
            assert!(!error.cause().to_string().contains("secret"), "{error}");
        }
        let error = Error::Ended(secret()).because(Cause::INPUT_ENDED);
        assert!(matches!(error.kind(), Error::Ended(_)));
        assert_eq!(error.because(Cause::BUSY).cause(), Cause::BUSY);
    }
}
