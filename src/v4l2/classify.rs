//! Kinds of video nodes, and explanations for unusable nodes and failed calls, with what to try.

use super::abi::caps;
use super::device::{Device, DeviceInfo, PlaneApi};
use super::format::{FourCc, PixelFormat};
use super::m2m;
use super::sys::DeviceError;
use super::uvc_h264_xu::UvcH264Xu;
use crate::os::procfs::processes_with_open;
use std::fmt;
use std::path::Path;

/// Drivers of the raw sensor nodes of Raspberry Pi cameras.
const SENSOR_DRIVERS: [&str; 3] = ["unicam", "bcm2835-unicam", "rp1-cfe"];
/// Drivers of the Raspberry Pi's image signal processor.
const ISP_DRIVERS: [&str; 2] = ["pispbe", "bcm2835-isp"];
/// Drivers with one node each for encoding, decoding and scaling.
const CODEC_DRIVERS: [&str; 3] = ["bcm2835-codec", "rpivid", "rpi-hevc-dec"];

/// Kind of a video node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NodeKind {
    /// Camera that delivers H.264, directly or inside its MJPEG.
    H264(PlaneApi),
    /// Camera with other formats only, which need an encoder.
    NeedsEncoder(PlaneApi),
    /// Raw sensor that libcamera drives.
    Sensor,
    /// Image signal processor behind such a sensor.
    Isp,
    /// H.264 encoder.
    Encoder,
    /// Decoder, scaler or converter.
    Converter,
    /// Metadata of frames (the second node of a USB camera).
    Metadata,
    /// Output node, which shows video.
    Output,
    /// Loopback node without a feeder.
    NotFed,
    /// Any other node: radio, teletext, touch, or without formats.
    Other,
}

impl NodeKind {
    /// Classifies an open device.
    pub fn of(device: &Device) -> Self {
        let identity = device.identity();
        if let Some(kind) = Self::of_driver(identity, device) {
            return kind;
        }
        let Some(capture) = identity.capture() else {
            return Self::without_capture(identity);
        };
        let formats = device.formats(capture);
        if has_h264(&formats) || has_h264_in_mjpeg(device, &formats) {
            Self::H264(capture)
        } else if !formats.is_empty() {
            Self::NeedsEncoder(capture)
        } else if identity.is_loopback() {
            Self::NotFed
        } else {
            Self::Other
        }
    }

    fn of_driver(identity: &DeviceInfo, device: &Device) -> Option<Self> {
        let driver = identity.driver.as_str();
        if SENSOR_DRIVERS.contains(&driver) {
            Some(Self::Sensor)
        } else if ISP_DRIVERS.contains(&driver) {
            Some(Self::Isp)
        } else if identity.is_memory_to_memory() || CODEC_DRIVERS.contains(&driver) {
            Some(if m2m::encodes(device, FourCc::H264) {
                Self::Encoder
            } else {
                Self::Converter
            })
        } else if identity.has(caps::IO_MC) && identity.capture().is_some() {
            // Its links and formats are set through the media controller; alone it delivers
            // nothing.
            Some(Self::Sensor)
        } else {
            None
        }
    }

    fn without_capture(identity: &DeviceInfo) -> Self {
        if identity.has(caps::META_CAPTURE | caps::META_OUTPUT) {
            Self::Metadata
        } else if identity.is_loopback() {
            Self::NotFed
        } else if identity.has(caps::VIDEO_OUTPUT | caps::VIDEO_OUTPUT_MPLANE) {
            Self::Output
        } else {
            Self::Other
        }
    }

    /// Returns a short label for tables.
    pub fn label(self) -> &'static str {
        match self {
            Self::H264(_) => "H.264 camera",
            Self::NeedsEncoder(_) => "camera without H.264",
            Self::Sensor => "raw sensor",
            Self::Isp => "image processor",
            Self::Encoder => "H.264 encoder",
            Self::Converter => "decoder or converter",
            Self::Metadata => "metadata",
            Self::Output => "output",
            Self::NotFed => "loopback, not fed",
            Self::Other => "no camera",
        }
    }

    /// Returns the reason why this node is no camera, and what to try; `None` for a camera.
    pub fn reason(self) -> Option<String> {
        Some(match self {
            Self::H264(_) | Self::NeedsEncoder(_) => return None,
            Self::Sensor => "this is the raw sensor node of a camera that libcamera drives, \
                             it has no pictures by itself: use --source rpicam"
                .into(),
            Self::Isp => "this is the image processor (ISP) behind a camera that libcamera drives, \
                          it has no pictures by itself: use --source rpicam"
                .into(),
            Self::Encoder => "this is a hardware encoder, not a camera: it is used for cameras that give no H.264".into(),
            Self::Converter => "this is a decoder or converter, not a camera".into(),
            Self::Metadata => {
                "this node has data about the pictures, not the pictures: the camera has another node, \
                 often the one before; `berrymse cameras` lists them"
                    .into()
            }
            Self::Output => "this node shows pictures, it does not take any".into(),
            Self::NotFed => "nothing feeds it yet: this is a loopback node (v4l2loopback), \
                             which gives pictures while another program writes to it"
                .into(),
            Self::Other => "this node captures no video".into(),
        })
    }
}

fn has_h264(formats: &[PixelFormat]) -> bool {
    formats.iter().any(|format| format.fourcc == FourCc::H264)
}

fn has_h264_in_mjpeg(device: &Device, formats: &[PixelFormat]) -> bool {
    formats.iter().any(|format| format.fourcc == FourCc::MJPG) && UvcH264Xu::supports_mux(device)
}

/// Step at which a node failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SetupStep {
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
pub fn explain(
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
