//! Reasons why a V4L2 camera was not started, for the log and for viewers.

use super::explain::{SetupStep, explain};
use crate::source::Cause;
use std::path::Path;
use v4l2::{DeviceError, DeviceInfo};

/// Reason why a node was not started.
pub(super) enum OpenError {
    /// The node is unusable.
    Unusable(String),
    /// A system call failed.
    Syscall(DeviceError, SetupStep, Option<DeviceInfo>),
}

impl OpenError {
    pub(super) fn cause(&self) -> Cause {
        match self {
            Self::Unusable(_) => Cause::NO_VIDEO,
            Self::Syscall(failure, step, identity) => cause(*failure, *step, identity.as_ref()),
        }
    }

    pub(super) fn message(self, path: &Path) -> String {
        let path_shown = path.display();
        match self {
            Self::Unusable(reason) => format!("{path_shown}: {reason}"),
            Self::Syscall(failure, step, identity) => {
                format!(
                    "{path_shown}: {}",
                    explain(failure, step, path, identity.as_ref())
                )
            }
        }
    }
}

/// Returns the cause for viewers.
fn cause(failure: DeviceError, step: SetupStep, identity: Option<&DeviceInfo>) -> Cause {
    match failure {
        DeviceError::Busy | DeviceError::InvalidArgument
            if identity.is_some_and(DeviceInfo::is_loopback)
                && matches!(step, SetupStep::Format | SetupStep::Start) =>
        {
            Cause::NO_VIDEO
        }
        DeviceError::NoDevice if step == SetupStep::Open => Cause::NO_DEVICE,
        DeviceError::InvalidArgument => Cause::SETTINGS,
        DeviceError::Other(_) if step != SetupStep::Capture => Cause::UNAVAILABLE,
        failure => failure.into(),
    }
}
