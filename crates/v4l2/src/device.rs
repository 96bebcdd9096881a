//! Open V4L2 node: identity, formats, sizes, rates, controls. The types are in [`super::format`],
//! streaming is in [`super::stream`].

use super::abi::{self, buffer_type, caps, text};
use super::controls::{Control, ControlKind};
use super::format::{Colorimetry, FourCc, FrameSize, NegotiatedFormat, PixelFormat};
use super::sys::{self, DeviceError};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{Mode, OFlags};
use std::path::Path;

/// Largest number of entries in an enumeration, against drivers that never end it.
const MAX_ENUM_ENTRIES: u32 = 512;

/// Buffer interface of a capture node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PlaneApi {
    /// One plane for each frame.
    SinglePlanar,
    /// Up to eight planes; H.264 uses one.
    MultiPlanar,
}

impl PlaneApi {
    pub(super) fn buffer_type(self) -> u32 {
        match self {
            Self::SinglePlanar => buffer_type::CAPTURE,
            Self::MultiPlanar => buffer_type::CAPTURE_MPLANE,
        }
    }
}

/// Identity and capabilities of a node. A loopback node changes its own with its feeder: query
/// again at each attempt.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DeviceInfo {
    /// Kernel driver, for instance `uvcvideo`.
    pub driver: String,
    /// Name of the camera.
    pub card: String,
    /// Bus to which it is attached.
    pub bus: String,
    /// `V4L2_CAP_*` of this node (not of the whole device, if the driver tells them apart).
    caps: u32,
}

impl DeviceInfo {
    pub(super) fn has(&self, caps: u32) -> bool {
        self.caps & caps != 0
    }

    /// Returns true for a v4l2loopback node, whose frames come from another program.
    pub fn is_loopback(&self) -> bool {
        self.driver == "v4l2 loopback"
    }

    /// Returns true for an encoder, decoder or scaler, with one queue in and one out.
    pub(super) fn is_memory_to_memory(&self) -> bool {
        let both = (
            caps::VIDEO_CAPTURE | caps::VIDEO_CAPTURE_MPLANE,
            caps::VIDEO_OUTPUT | caps::VIDEO_OUTPUT_MPLANE,
        );
        !self.is_loopback()
            && (self.has(caps::VIDEO_M2M | caps::VIDEO_M2M_MPLANE)
                || (self.has(both.0) && self.has(both.1)))
    }

    /// Returns the capture interface; `None` for other nodes (metadata, output, encoder, loopback
    /// without feeder).
    pub fn capture(&self) -> Option<PlaneApi> {
        if self.is_memory_to_memory() || !self.has(caps::STREAMING) {
            None
        } else if self.has(caps::VIDEO_CAPTURE) {
            Some(PlaneApi::SinglePlanar)
        } else if self.has(caps::VIDEO_CAPTURE_MPLANE) {
            Some(PlaneApi::MultiPlanar)
        } else {
            None
        }
    }
}

/// Open node. Closed on drop.
#[derive(Debug)]
pub struct Device {
    fd: OwnedFd,
    identity: DeviceInfo,
}

impl Device {
    /// Opens a node and queries its identity. Other files fail with [`DeviceError::Unsupported`].
    pub fn open(path: &Path) -> Result<Self, DeviceError> {
        let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
        let fd = rustix::fs::open(path, flags, Mode::empty())?;
        let raw = sys::query_capability(fd.as_fd())?;
        let caps = if raw.capabilities & caps::DEVICE_CAPS != 0 {
            raw.device_caps
        } else {
            raw.capabilities
        };
        let identity = DeviceInfo {
            driver: text(&raw.driver),
            card: text(&raw.card),
            bus: text(&raw.bus_info),
            caps,
        };
        Ok(Self { fd, identity })
    }

    /// Returns the identity at the time of opening.
    pub fn identity(&self) -> &DeviceInfo {
        &self.identity
    }

    /// Returns the capture formats, in the driver's order.
    pub fn formats(&self, capture: PlaneApi) -> Vec<PixelFormat> {
        self.formats_of(capture.buffer_type())
    }

    /// Returns true if the node captures this format.
    pub fn has_format(&self, capture: PlaneApi, format: FourCc) -> bool {
        self.formats(capture)
            .iter()
            .any(|other| other.fourcc == format)
    }

    pub(super) fn formats_of(&self, kind: u32) -> Vec<PixelFormat> {
        (0..MAX_ENUM_ENTRIES)
            .map_while(|index| sys::enum_format(self.fd(), kind, index).ok())
            .map(|raw| PixelFormat {
                fourcc: FourCc::from_number(raw.pixelformat),
                description: text(&raw.description),
            })
            .collect()
    }

    /// Returns the uncompressed formats of a queue. Older kernels do not mark all compressed ones.
    pub(super) fn raw_formats_of(&self, kind: u32) -> Vec<FourCc> {
        const COMPRESSED: u32 = 1;
        (0..MAX_ENUM_ENTRIES)
            .map_while(|index| sys::enum_format(self.fd(), kind, index).ok())
            .filter(|raw| raw.flags & COMPRESSED == 0)
            .map(|raw| FourCc::from_number(raw.pixelformat))
            .filter(|it| ![FourCc::H264, FourCc::MJPG, FourCc::JPEG].contains(it))
            .collect()
    }

    /// Returns the sizes of a format; empty if the driver does not list them.
    pub fn sizes(&self, format: FourCc) -> Vec<FrameSize> {
        (0..MAX_ENUM_ENTRIES)
            .map_while(|index| sys::enum_frame_size(self.fd(), format.number(), index).ok())
            .map(|raw| match (raw.kind, raw.size) {
                (abi::DISCRETE, [width, height, ..]) => FrameSize::Discrete(width, height),
                (_, [w_min, w_max, w_step, h_min, h_max, h_step]) => FrameSize::Stepwise {
                    min: (w_min, h_min),
                    max: (w_max, h_max),
                    step: (w_step, h_step),
                },
            })
            .collect()
    }

    /// Returns the frame rates of a format and size, highest first; of a range its ends. Empty if
    /// the driver does not list them.
    pub fn rates(&self, format: FourCc, width: u32, height: u32) -> Vec<f64> {
        let mut rates: Vec<f64> = (0..MAX_ENUM_ENTRIES)
            .map_while(|index| {
                sys::enum_frame_interval(self.fd(), format.number(), (width, height), index).ok()
            })
            .flat_map(|raw| match (raw.kind, raw.interval) {
                (abi::DISCRETE, [n, d, ..]) => [rate(n, d), None],
                (_, [n_min, d_min, n_max, d_max, ..]) => [rate(n_min, d_min), rate(n_max, d_max)],
            })
            .flatten()
            .collect();
        rates.sort_by(|a, b| b.total_cmp(a));
        rates.dedup();
        rates
    }

    /// Returns the frame rates of a size, or of the largest in a range.
    pub fn rates_of(&self, format: FourCc, size: FrameSize) -> Vec<f64> {
        let (width, height) = size.max();
        self.rates(format, width, height)
    }

    /// Sets a format and size. The driver may change all of it.
    pub fn set_format(
        &self,
        capture: PlaneApi,
        format: FourCc,
        width: u32,
        height: u32,
    ) -> Result<NegotiatedFormat, DeviceError> {
        let wanted = abi::Format::new(capture.buffer_type(), format.number(), width, height);
        let answer = sys::set_format(self.fd(), wanted)?;
        let (width, height) = answer.size();
        let (fourcc, planes) = (FourCc::from_number(answer.pixelformat()), answer.planes());
        Ok(NegotiatedFormat {
            fourcc,
            width,
            height,
            planes,
            sizeimage: answer.sizeimage(),
            strides: answer.bytes_per_line(),
            colorimetry: Colorimetry::new(answer.colour()),
        })
    }

    /// Sets the frame rate; returns the driver's, or `None` if it has no control over it.
    pub fn set_rate(&self, capture: PlaneApi, interval: (u32, u32)) -> Option<f64> {
        let answer =
            sys::set_interval(self.fd(), capture.buffer_type(), interval.0, interval.1).ok()?;
        if answer.capability & abi::TIME_PER_FRAME == 0 {
            return None;
        }
        rate(answer.numerator, answer.denominator)
    }

    /// Returns all scalar controls and buttons, read-only ones included.
    pub fn controls(&self) -> Vec<Control> {
        let mut controls = Vec::new();
        let mut id = 0;
        for _ in 0..MAX_ENUM_ENTRIES {
            match sys::next_control(self.fd(), id) {
                Ok(raw) if raw.id > id => {
                    id = raw.id;
                    controls.extend(Control::from_raw(&raw));
                }
                _ => break,
            }
        }
        controls
    }

    /// Returns the items of a menu: value and label.
    pub fn menu(&self, control: &Control) -> Vec<(i64, String)> {
        let is_menu = matches!(control.kind, ControlKind::Menu | ControlKind::IntegerMenu);
        if !is_menu {
            return Vec::new();
        }
        let first = u32::try_from(control.minimum).unwrap_or(0);
        let last = u32::try_from(control.maximum).unwrap_or(0);
        // The driver rejects the items that this camera does not have.
        (first..=last.min(first.saturating_add(MAX_ENUM_ENTRIES)))
            .filter_map(|index| sys::menu_item(self.fd(), control.id, index).ok())
            .map(|item| {
                let words = if control.kind == ControlKind::IntegerMenu {
                    let [a, b, c, d, e, f, g, h, ..] = item.name;
                    i64::from_ne_bytes([a, b, c, d, e, f, g, h]).to_string()
                } else {
                    text(&item.name)
                };
                (i64::from(item.index), words)
            })
            .collect()
    }

    /// Reads a control.
    pub fn get(&self, control: &Control) -> Result<i64, DeviceError> {
        sys::get_control(self.fd(), control.id).map(|words| control.decode(words))
    }

    /// Sets a control to the valid value closest to `value`, and returns that.
    pub fn set(&self, control: &Control, value: i64) -> Result<i64, DeviceError> {
        let value = control.nearest(value);
        sys::set_control(self.fd(), control.id, control.encode(value))?;
        Ok(value)
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Converts an interval in seconds to a rate; `None` for the zeros of drivers that do not know it.
fn rate(numerator: u32, denominator: u32) -> Option<f64> {
    let rate = f64::from(denominator) / f64::from(numerator);
    (rate.is_finite() && rate > 0.0).then_some(rate)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(driver: &str, caps: u32) -> DeviceInfo {
        DeviceInfo {
            driver: driver.into(),
            card: String::new(),
            bus: String::new(),
            caps,
        }
    }

    #[test]
    fn loopback_is_a_camera_an_encoder_is_not() {
        let both = caps::VIDEO_CAPTURE | caps::VIDEO_OUTPUT | caps::STREAMING;
        assert_eq!(identity("vim2m", both).capture(), None);
        assert_eq!(
            identity("bcm2835-codec", caps::VIDEO_M2M_MPLANE | caps::STREAMING).capture(),
            None
        );
        assert_eq!(
            identity("v4l2 loopback", both).capture(),
            Some(PlaneApi::SinglePlanar)
        );
        assert_eq!(
            identity("v4l2 loopback", caps::VIDEO_OUTPUT | caps::STREAMING).capture(),
            None
        );
        let multi = caps::VIDEO_CAPTURE_MPLANE | caps::STREAMING;
        assert_eq!(
            identity("vivid", multi).capture(),
            Some(PlaneApi::MultiPlanar)
        );
    }

    #[test]
    fn intervals_are_converted_to_rates() {
        assert_eq!(rate(1, 30), Some(30.0));
        assert_eq!((rate(0, 30), rate(1, 0), rate(0, 0)), (None, None, None));
    }
}
