//! How a camera is, and why.

/// How the camera is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CameraState {
    /// It is being opened, no picture yet.
    Starting,
    /// Pictures come.
    Live,
    /// There is no camera, or none that can be used, so far.
    Waiting,
    /// There were pictures, and now there are none.
    Lost,
    /// It is closed, because nobody watches.
    Idle,
}

impl CameraState {
    /// The word for it in `/api/status` and in messages to viewers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Live => "live",
            Self::Waiting => "waiting",
            Self::Lost => "lost",
            Self::Idle => "idle",
        }
    }
}

/// A state and the reason for it, in words; the reason of a live camera is empty.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CameraStatus {
    /// How the camera is.
    pub state: CameraState,
    /// Reason for everybody, without paths, commands and addresses.
    pub reason: String,
    /// Reason in full, for the log and for nobody else.
    pub detail: String,
}
