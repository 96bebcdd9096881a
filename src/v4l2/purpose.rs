//! What a node is good for, and the words for one that is of no use or refuses: what, where, why and what to try.

use super::abi::caps;
use super::device::{Capture, Device, Identity};
use super::format::{FourCc, PixelFormat};
use super::h264_unit::H264Unit;
use super::m2m;
use super::sys::Failure;
use crate::os::procfs::processes_with_open;
use std::fmt;
use std::path::Path;

/// Drivers whose nodes give the raw data of a Raspberry Pi camera's sensor.
const SENSOR_DRIVERS: [&str; 3] = ["unicam", "bcm2835-unicam", "rp1-cfe"];
/// Drivers of the Raspberry Pi that turn such data into pictures.
const ISP_DRIVERS: [&str; 2] = ["pispbe", "bcm2835-isp"];
/// A driver that does both encoding and scaling, with a node for each.
const CODEC_DRIVERS: [&str; 3] = ["bcm2835-codec", "rpivid", "rpi-hevc-dec"];

/// What a node is good for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Purpose {
    /// A camera that gives H.264, by itself or inside of its MJPEG: it can be shown as it is.
    H264(Capture),
    /// A camera that gives other formats only, which have to be encoded.
    NeedsEncoder(Capture),
    /// Raw data of a sensor that libcamera drives.
    Sensor,
    /// The image signal processor behind such a sensor.
    Isp,
    /// Encodes to H.264, for cameras that do not.
    Encoder,
    /// Decodes, scales or converts.
    Converter,
    /// Data about pictures (the second node of a USB camera).
    Metadata,
    /// Shows pictures instead of taking them.
    Output,
    /// A loopback node without a feeder.
    NotFed,
    /// None of these: radio, teletext, touch, no format at all.
    Other,
}

impl Purpose {
    /// Asks an open device.
    pub fn of(device: &Device) -> Self {
        let identity = device.identity();
        if let Some(purpose) = Self::of_driver(identity, device) {
            return purpose;
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

    fn of_driver(identity: &Identity, device: &Device) -> Option<Self> {
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
            // Its links and formats are set through the media controller; alone it gives nothing.
            Some(Self::Sensor)
        } else {
            None
        }
    }

    fn without_capture(identity: &Identity) -> Self {
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

    /// One word or two for a table.
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

    /// Why this is no source of pictures, and what to try; `None` if it is one.
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
    formats.iter().any(|format| format.fourcc == FourCc::MJPG) && H264Unit::can_mux(device)
}

/// What was asked of a node when it refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// Opening it.
    Open,
    /// Asking for a format and size.
    Format,
    /// Buffers and starting.
    Start,
    /// Waiting for a picture or taking one.
    Capture,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Open => "opening it",
            Self::Format => "asking it for a format",
            Self::Start => "starting it",
            Self::Capture => "taking a picture",
        })
    }
}

/// The words for a failure at `node`, without the name of the node. Looks for the holder of a busy node, so that ours should be
/// closed by then.
pub fn explain(failure: Failure, step: Step, node: &Path, identity: Option<&Identity>) -> String {
    let is_loopback = identity.is_some_and(Identity::is_loopback);
    match failure {
        // A loopback node that loses its feeder between two calls, or has none, answers like this.
        Failure::Busy | Failure::Invalid if is_loopback && matches!(step, Step::Format | Step::Start) => {
            "nothing feeds it yet, or its feeder was just leaving: this is a loopback node (v4l2loopback), \
             which gives pictures while another program writes to it"
                .into()
        }
        Failure::NotPermitted => "permission denied; whoever runs this must be in the group video: \
                                  sudo usermod -aG video $USER, then log in again (for a service: \
                                  SupplementaryGroups=video)"
            .into(),
        Failure::Busy => format!("in use by {}; a camera has one user at a time: end the other one", users(node)),
        Failure::NoEntry => "there is no such node; is the camera plugged in? `berrymse cameras` lists what there is".into(),
        Failure::Gone if step == Step::Open => "no camera behind this node; was it unplugged?".into(),
        Failure::Gone => "the camera was unplugged, or its driver unloaded".into(),
        Failure::Unknown if step == Step::Open => {
            "this is no video node; `berrymse cameras` lists those that there are".into()
        }
        Failure::NoBandwidth => "no USB bandwidth left; try a smaller --width and --height or a lower --fps, \
                                 or plug it into a port of another USB controller, away from other cameras"
            .into(),
        Failure::NoMemory => "the driver has no memory for its buffers; try a smaller --width and --height \
                              (on a Raspberry Pi: more CMA memory)"
            .into(),
        Failure::Invalid if step == Step::Start => "the driver does not start with this format (invalid argument); \
                                                    on a Raspberry Pi with a camera cable, use --source rpicam"
            .into(),
        Failure::Unknown | Failure::Invalid | Failure::Drained | Failure::Again | Failure::Other(_) => format!("{failure} while {step}"),
    }
}

fn users(node: &Path) -> String {
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
        let explain = |failure, step| explain(failure, step, Path::new("/nowhere"), None);
        assert!(explain(Failure::NotPermitted, Step::Open).contains("usermod -aG video"));
        assert!(explain(Failure::Busy, Step::Format).contains("fuser -v /nowhere"));
        assert!(explain(Failure::Gone, Step::Capture).contains("unplugged"));
        assert!(explain(Failure::NoBandwidth, Step::Start).contains("--width"));
        assert_eq!(
            explain(Failure::Unknown, Step::Capture),
            "not supported by the driver while taking a picture"
        );
    }
}
