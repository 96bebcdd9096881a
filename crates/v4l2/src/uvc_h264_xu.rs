//! H.264 extension unit (XU) of USB cameras, for encoder settings without V4L2 controls.
//!
//! "USB Device Class Definition for Video Devices: H.264 Payload", 1.0; section numbers refer to
//! it. A camera forgets the committed settings when a stream ends, so they are committed before
//! each start.

mod configuration;
mod descriptors;

pub use configuration::{Configuration, H264Carriage};
pub use descriptors::h264_unit;

use super::device::Device;
use super::sys::{self, DeviceError};
use std::fs;
use std::path::PathBuf;

/// `UVCX_*` selectors of the unit (table 1).
mod selector {
    pub(super) const PROBE: u8 = 0x01;
    pub(super) const COMMIT: u8 = 0x02;
    pub(super) const PICTURE_TYPE: u8 = 0x09;
    pub(super) const BITRATE_LAYERS: u8 = 0x0e;
}

/// Requests of the video class.
mod request {
    pub(super) const SET_CUR: u8 = 0x01;
    pub(super) const GET_CUR: u8 = 0x81;
    pub(super) const GET_MIN: u8 = 0x82;
    pub(super) const GET_MAX: u8 = 0x83;
    pub(super) const GET_DEF: u8 = 0x87;
}

/// `wPicType`: an IDR picture with parameter sets.
const IDR_WITH_PARAMETER_SETS: u16 = 2;
/// `wPicType`: an IDR picture.
const IDR: u16 = 1;

/// H.264 extension unit of a camera.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct UvcH264Xu {
    id: u8,
}

/// Range of the unit's settings, each by itself.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub struct ConfigurationLimits {
    pub min: Configuration,
    pub max: Configuration,
    pub default: Configuration,
}

impl UvcH264Xu {
    /// Returns true if the unit can put H.264 into MJPEG.
    pub(super) fn supports_mux(device: &Device) -> bool {
        Self::of(device)
            .and_then(|unit| unit.configuration(device, request::GET_MAX).ok())
            .is_some_and(|most| most.is_in_mjpeg())
    }

    /// Finds the unit in the camera's USB descriptors; `None` if there is none, or the kernel shows
    /// none.
    pub fn of(device: &Device) -> Option<Self> {
        let interface = interface_directory(device)?;
        let number = fs::read_to_string(interface.join("bInterfaceNumber")).ok()?;
        let number = u8::from_str_radix(number.trim(), 16).ok()?;
        // Not `join("..")` by name: the target of the link counts.
        let usb_device = fs::canonicalize(&interface).ok()?.parent()?.to_owned();
        let descriptors = fs::read(usb_device.join("descriptors")).ok()?;
        h264_unit(&descriptors, number).map(|id| Self { id })
    }

    /// Returns the range of settings.
    pub fn limits(&self, device: &Device) -> Result<ConfigurationLimits, DeviceError> {
        let get = |request| self.configuration(device, request);
        Ok(ConfigurationLimits {
            min: get(request::GET_MIN)?,
            max: get(request::GET_MAX)?,
            default: get(request::GET_DEF)?,
        })
    }

    /// Commits settings for the next start; returns what the camera made of them.
    pub fn commit(
        &self,
        device: &Device,
        wanted: &Configuration,
    ) -> Result<Configuration, DeviceError> {
        let mut bytes = wanted.bytes();
        self.query(device, selector::PROBE, request::SET_CUR, &mut bytes)?;
        // Cameras answer with what they can do; without an answer the request is committed.
        let granted = self
            .configuration(device, request::GET_CUR)
            .unwrap_or_else(|_| wanted.clone());
        let mut bytes = granted.bytes();
        self.query(device, selector::COMMIT, request::SET_CUR, &mut bytes)?;
        Ok(granted)
    }

    /// Requests an IDR frame, with parameter sets if the camera can.
    pub fn request_idr(&self, device: &Device) -> Result<(), DeviceError> {
        let ask = |kind: u16| {
            // wLayerID 0: all layers.
            let [low, high] = kind.to_le_bytes();
            self.query(
                device,
                selector::PICTURE_TYPE,
                request::SET_CUR,
                &mut [0, 0, low, high],
            )
        };
        ask(IDR_WITH_PARAMETER_SETS).or_else(|_| ask(IDR))
    }

    /// Sets average and peak bit rate while the camera streams.
    pub fn set_bitrate(&self, device: &Device, bits_per_second: u32) -> Result<(), DeviceError> {
        let mut layers = [0; 10];
        for (to, from) in layers
            .iter_mut()
            .skip(2)
            .zip(bits_per_second.to_le_bytes().iter().cycle())
        {
            *to = *from;
        }
        self.query(
            device,
            selector::BITRATE_LAYERS,
            request::SET_CUR,
            &mut layers,
        )
    }

    fn configuration(&self, device: &Device, request: u8) -> Result<Configuration, DeviceError> {
        let mut bytes = [0; Configuration::LEN];
        self.query(device, selector::PROBE, request, &mut bytes)?;
        Ok(Configuration::from_bytes(bytes))
    }

    fn query(
        &self,
        device: &Device,
        selector: u8,
        request: u8,
        data: &mut [u8],
    ) -> Result<(), DeviceError> {
        sys::query_extension_unit(device.fd(), self.id, selector, request, data)
    }
}

/// Returns the directory of the USB interface of a node.
fn interface_directory(device: &Device) -> Option<PathBuf> {
    let status = rustix::fs::fstat(device.fd()).ok()?;
    let (major, minor) = (
        rustix::fs::major(status.st_rdev),
        rustix::fs::minor(status.st_rdev),
    );
    let path = PathBuf::from(format!("/sys/dev/char/{major}:{minor}/device"));
    path.join("bInterfaceNumber").exists().then_some(path)
}
