//! Encoder inside a camera: V4L2's controls or, in USB cameras without those, the H.264 extension
//! unit.

mod uvc_xu;

use super::apply_settings::{self, UnsupportedSettings};
use crate::controls;
use crate::source::Settings;
use uvc_xu::UvcH264Encoder;
use v4l2::controls::id;
use v4l2::uvc_h264_xu::H264Carriage;
use v4l2::{Control, Device, DeviceError, NegotiatedFormat};

/// Encoder controls of an open camera.
#[derive(Debug)]
pub(super) struct Encoder {
    force_key_frame: Option<Control>,
    bitrate: Option<Control>,
    unit: Option<UvcH264Encoder>,
}

impl Encoder {
    /// Sets up the encoder, after format and rate were set and before [`Encoder::start`].
    pub(super) fn set_up(
        device: &Device,
        settings: &Settings,
        (agreed, rate): (&NegotiatedFormat, Option<f64>),
        mux: H264Carriage,
        report: &mut UnsupportedSettings,
    ) -> Self {
        apply_settings::apply_encoder_settings(device, settings, report);
        let controls = device.controls();
        let find = |id| controls.iter().find(|control| control.id == id).cloned();
        let mut unit = UvcH264Encoder::of(device);
        if let Some(unit) = &mut unit {
            let rate = rate.unwrap_or_else(|| settings.fps.hertz());
            // With H.264 inside MJPEG the format is that of the JPEGs.
            let size = match mux {
                H264Carriage::Native => (agreed.width, agreed.height),
                H264Carriage::InMjpeg => (settings.width, settings.height),
            };
            unit.set_up(size, rate, mux);
            let (needs_bitrate, needs_interval) = report.take_missing();
            if let Some(bitrate) = settings.bitrate.filter(|_| needs_bitrate) {
                unit.set_initial_bitrate(bitrate);
            }
            if needs_interval {
                unit.set_keyframe_interval(settings.keyframe_interval.get());
            }
        }
        Self {
            force_key_frame: find(id::FORCE_KEY_FRAME),
            bitrate: find(id::BITRATE),
            unit,
        }
    }

    /// Commits the settings. Call it right before each start of the camera.
    pub(super) fn start(
        &mut self,
        device: &Device,
        report: &mut UnsupportedSettings,
    ) -> Result<(), DeviceError> {
        match &mut self.unit {
            Some(unit) => unit.start(device, report),
            None => Ok(()),
        }
    }

    pub(super) fn can_force_keyframes(&self) -> bool {
        self.force_key_frame.is_some() || self.unit.is_some()
    }

    /// Requests a keyframe, if the camera can.
    pub(super) fn force_keyframe(&self, device: &Device) -> Result<(), DeviceError> {
        match (&self.force_key_frame, &self.unit) {
            (Some(control), _) => device.set(control, 1).map(drop),
            (None, Some(unit)) => unit.request_idr(device),
            (None, None) => Ok(()),
        }
    }

    pub(super) fn can_set_bitrate(&self) -> bool {
        self.bitrate.is_some() || self.unit.is_some()
    }

    /// Sets the bit rate; returns the one that the camera took, `None` if it cannot change it.
    pub(super) fn set_bitrate(
        &mut self,
        device: &Device,
        bits_per_second: u32,
    ) -> Result<Option<u32>, DeviceError> {
        if let Some(control) = &self.bitrate {
            let taken = device.set(control, i64::from(bits_per_second))?;
            return Ok(Some(u32::try_from(taken).unwrap_or(bits_per_second)));
        }
        match &mut self.unit {
            Some(unit) => unit.set_bitrate(device, bits_per_second).map(Some),
            None => Ok(None),
        }
    }

    /// Returns the controls of the extension unit, under V4L2's names.
    pub(super) fn controls(&self) -> Vec<controls::Control> {
        self.unit
            .as_ref()
            .map(UvcH264Encoder::controls)
            .unwrap_or_default()
    }

    /// Sets one of [`Encoder::controls`]; `None` if no control has that name.
    pub(super) fn set(
        &mut self,
        device: &Device,
        name: &str,
        value: i64,
    ) -> Option<Result<(), String>> {
        self.unit.as_mut()?.set(device, name, value)
    }
}
