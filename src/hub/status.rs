//! Status of a camera.

/// State of the camera.
///
/// ```
/// use berrymse::hub::CameraState;
///
/// assert_eq!(CameraState::Lost.as_str(), "lost");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CameraState {
    /// It is being opened; no frame yet.
    Starting,
    /// Frames arrive.
    Live,
    /// There is no usable camera so far.
    Waiting,
    /// There were frames, and now there are none.
    Lost,
    /// It is closed, because no viewer needs it.
    Idle,
}

impl CameraState {
    /// Returns its name in `/api/status` and in messages to viewers.
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

/// State and its reason; the reason of a live camera is empty.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CameraStatus {
    /// State of the camera.
    pub state: CameraState,
    /// Reason for viewers, without paths, commands and addresses.
    pub reason: String,
    /// Full reason, for the log only.
    pub detail: String,
}
