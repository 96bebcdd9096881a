//! Kinds of video nodes.

use super::abi::caps;
use super::device::{Device, DeviceInfo, PlaneApi};
use super::format::{FourCc, PixelFormat};
use super::m2m;
use super::uvc_h264_xu::UvcH264Xu;

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
}

fn has_h264(formats: &[PixelFormat]) -> bool {
    formats.iter().any(|format| format.fourcc == FourCc::H264)
}

fn has_h264_in_mjpeg(device: &Device, formats: &[PixelFormat]) -> bool {
    formats.iter().any(|format| format.fourcc == FourCc::MJPG) && UvcH264Xu::supports_mux(device)
}
