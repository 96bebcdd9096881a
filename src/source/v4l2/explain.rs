//! Explanations for unusable nodes and failed calls, in the words of this program and with what to
//! try.

use crate::os::procfs::processes_with_open;
use std::fmt;
use std::path::Path;
use v4l2::{DeviceError, DeviceInfo, Node, NodeKind};

/// Step at which a node failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum SetupStep {
    /// Opening the node.
    Open,
    /// Setting format and size.
    Format,
    /// Allocating buffers and starting.
    Start,
    /// Waiting for a frame or dequeuing it.
    Capture,
}

impl fmt::Display for SetupStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Open => "opening it",
            Self::Format => "asking it for a format",
            Self::Start => "starting it",
            Self::Capture => "taking a picture",
        })
    }
}

/// Explains an error at `node`, without the node's name. Looks for the process with a busy node
/// open, so close ours first.
pub(crate) fn explain(
    error: DeviceError,
    step: SetupStep,
    node: &Path,
    identity: Option<&DeviceInfo>,
) -> String {
    let is_loopback = identity.is_some_and(DeviceInfo::is_loopback);
    match error {
        // A loopback node without a feeder, or losing it between two calls, fails like this.
        DeviceError::Busy | DeviceError::InvalidArgument if is_loopback && matches!(step, SetupStep::Format | SetupStep::Start) => {
            "nothing feeds it yet, or its feeder was just leaving: this is a loopback node (v4l2loopback), \
             which gives pictures while another program writes to it"
                .into()
        }
        DeviceError::PermissionDenied => "permission denied; whoever runs this must be in the group video: \
                                  sudo usermod -aG video $USER, then log in again (for a service: \
                                  SupplementaryGroups=video)"
            .into(),
        DeviceError::Busy => format!("in use by {}; a camera has one user at a time: end the other one", user_list(node)),
        DeviceError::NotFound => "there is no such node; is the camera plugged in? `berrymse cameras` lists what there is".into(),
        DeviceError::NoDevice if step == SetupStep::Open => "no camera behind this node; was it unplugged?".into(),
        DeviceError::NoDevice => "the camera was unplugged, or its driver unloaded".into(),
        DeviceError::Unsupported if step == SetupStep::Open => {
            "this is no video node; `berrymse cameras` lists those that there are".into()
        }
        DeviceError::NoBandwidth => "no USB bandwidth left; try a smaller --width and --height or a lower --fps, \
                                 or plug it into a port of another USB controller, away from other cameras"
            .into(),
        DeviceError::NoMemory => "the driver has no memory for its buffers; try a smaller --width and --height \
                              (on a Raspberry Pi: more CMA memory)"
            .into(),
        DeviceError::InvalidArgument if step == SetupStep::Start => "the driver does not start with this format (invalid argument); \
                                                    on a Raspberry Pi with a camera cable, use --source rpicam"
            .into(),
        DeviceError::Unsupported | DeviceError::InvalidArgument | DeviceError::EndOfStream | DeviceError::WouldBlock | DeviceError::Other(_) => format!("{error} while {step}"),
    }
}

fn user_list(node: &Path) -> String {
    let names: Vec<String> = processes_with_open(node)
        .iter()
        .map(ToString::to_string)
        .collect();
    if names.is_empty() {
        format!(
            "another program (sudo fuser -v {} tells which)",
            node.display()
        )
    } else {
        names.join(", ")
    }
}

/// Returns the reason why a node is unusable, and what to try; `None` if it is usable.
pub(crate) fn node_reason(node: &Node) -> Option<String> {
    match (&node.identity, node.purpose) {
        (Err(error), _) => Some(explain(*error, SetupStep::Open, &node.path, None)),
        (Ok(_), Some(purpose)) => kind_reason(purpose),
        (Ok(_), None) => None,
    }
}

/// Returns the reason why a node of this kind is no camera, and what to try; `None` for a camera.
pub(super) fn kind_reason(kind: NodeKind) -> Option<String> {
    Some(match kind {
        NodeKind::H264(_) | NodeKind::NeedsEncoder(_) => return None,
        NodeKind::Sensor => "this is the raw sensor node of a camera that libcamera drives, \
                         it has no pictures by itself: use --source rpicam"
            .into(),
        NodeKind::Isp => {
            "this is the image processor (ISP) behind a camera that libcamera drives, \
                      it has no pictures by itself: use --source rpicam"
                .into()
        }
        NodeKind::Encoder => {
            "this is a hardware encoder, not a camera: it is used for cameras that give no H.264"
                .into()
        }
        NodeKind::Converter => "this is a decoder or converter, not a camera".into(),
        NodeKind::Metadata => {
            "this node has data about the pictures, not the pictures: the camera has another node, \
             often the one before; `berrymse cameras` lists them"
                .into()
        }
        NodeKind::Output => "this node shows pictures, it does not take any".into(),
        NodeKind::NotFed => "nothing feeds it yet: this is a loopback node (v4l2loopback), \
                         which gives pictures while another program writes to it"
            .into(),
        NodeKind::Other => "this node captures no video".into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_say_what_to_try() {
        let explain = |error, step| explain(error, step, Path::new("/nowhere"), None);
        assert!(
            explain(DeviceError::PermissionDenied, SetupStep::Open).contains("usermod -aG video")
        );
        assert!(explain(DeviceError::Busy, SetupStep::Format).contains("fuser -v /nowhere"));
        assert!(explain(DeviceError::NoDevice, SetupStep::Capture).contains("unplugged"));
        assert!(explain(DeviceError::NoBandwidth, SetupStep::Start).contains("--width"));
        assert_eq!(
            explain(DeviceError::Unsupported, SetupStep::Capture),
            "not supported by the driver while taking a picture"
        );
    }
}
