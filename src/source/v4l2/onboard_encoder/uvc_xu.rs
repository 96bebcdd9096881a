//! Encoder settings through the H.264 extension unit of a USB camera.

use super::super::apply_settings::UnsupportedSettings;
use crate::controls::{Control, ControlType, Flags, MenuItem};
use v4l2::uvc_h264_xu::{Configuration, ConfigurationLimits, H264Carriage};
use v4l2::{Device, DeviceError, UvcH264Xu};

const BITRATE: &str = "video_bitrate";
const PERIOD: &str = "h264_i_frame_period";
const PROFILE: &str = "h264_profile";
const KEYFRAME: &str = "force_key_frame";

/// `V4L2_MPEG_VIDEO_H264_PROFILE_*`, its label, and the unit's `wProfile`.
const PROFILES: [(i64, &str, u16); 4] = [
    (0, "Baseline", 0x4200),
    (1, "Constrained Baseline", 0x4240),
    (2, "Main", 0x4d00),
    (4, "High", 0x6400),
];

/// Extension unit, and the settings to commit at the next start.
#[derive(Debug)]
pub(super) struct UvcH264Encoder {
    unit: UvcH264Xu,
    limits: ConfigurationLimits,
    wanted: Configuration,
    /// Frames per second.
    rate: f64,
    is_running: bool,
}

impl UvcH264Encoder {
    /// Returns `None` without a unit, or if it does not tell its range.
    pub(super) fn of(device: &Device) -> Option<Self> {
        let unit = UvcH264Xu::of(device)?;
        let limits = match unit.limits(device) {
            Ok(limits) => limits,
            Err(failure) => {
                log::debug!("the H.264 extension unit does not tell what it can: {failure}");
                return None;
            }
        };
        let wanted = limits.default.without_hints();
        Some(Self {
            unit,
            limits,
            wanted,
            rate: 30.0,
            is_running: false,
        })
    }

    /// Sets frame size, frame rate and carriage.
    pub(super) fn set_up(&mut self, (width, height): (u32, u32), rate: f64, mux: H264Carriage) {
        let pixels = |count: u32| u16::try_from(count).unwrap_or(u16::MAX);
        self.rate = rate;
        self.wanted
            .set_size_and_rate(pixels(width), pixels(height), rate);
        self.wanted.set_mux(mux);
    }

    /// Sets the bit rate, clamped to the camera's range.
    pub(super) fn set_initial_bitrate(&mut self, bits_per_second: u32) {
        let (least, most) = self.bitrate_range();
        self.wanted.set_bitrate(bits_per_second.clamp(least, most));
    }

    /// Sets the frames from one IDR frame to the next, clamped to the camera's range.
    pub(super) fn set_keyframe_interval(&mut self, pictures: u32) {
        let period = f64::from(pictures) * 1000.0 / self.rate;
        let (least, most) = self.period_range_ms();
        // The cast saturates.
        let period = (period.round() as u16).clamp(least, most);
        self.wanted.set_idr_period_ms(period);
    }

    pub(super) fn start(
        &mut self,
        device: &Device,
        report: &mut UnsupportedSettings,
    ) -> Result<(), DeviceError> {
        let asked = self.wanted.bitrate();
        let granted = self.unit.commit(device, &self.wanted)?;
        if granted.bitrate() != asked {
            let taken = granted.bitrate();
            report.note(format!("the camera takes {taken} bit/s instead of {asked}"));
        }
        self.wanted = granted;
        self.is_running = true;
        Ok(())
    }

    pub(super) fn request_idr(&self, device: &Device) -> Result<(), DeviceError> {
        self.unit.request_idr(device)
    }

    /// Sets the bit rate, at once while it runs; returns the one that it took.
    pub(super) fn set_bitrate(
        &mut self,
        device: &Device,
        bits_per_second: u32,
    ) -> Result<u32, DeviceError> {
        let (least, most) = self.bitrate_range();
        let bits_per_second = bits_per_second.clamp(least, most);
        if self.is_running {
            self.unit.set_bitrate(device, bits_per_second)?;
        }
        self.wanted.set_bitrate(bits_per_second);
        Ok(bits_per_second)
    }

    pub(super) fn controls(&self) -> Vec<Control> {
        // Cameras reject these while they run.
        let at_start = Flags {
            grabbed: self.is_running,
            ..Flags::default()
        };
        let ((least, most), (shortest, longest)) = (self.bitrate_range(), self.period_range_ms());
        let profiles = PROFILES.iter();
        let number_of = |profile: u16| {
            let found = PROFILES.iter().find(|(_, _, code)| *code == profile);
            found.map(|(number, ..)| *number)
        };
        let default = &self.limits.default;
        vec![
            Control {
                value: Some(self.wanted.bitrate().into()),
                default: default.bitrate().into(),
                minimum: least.into(),
                maximum: most.into(),
                ..Control::number(BITRATE, "Video Bitrate")
            },
            Control {
                value: Some(self.frames_of_period(self.wanted.idr_period_ms())),
                default: self.frames_of_period(default.idr_period_ms()),
                minimum: self.frames_of_period(shortest),
                maximum: self.frames_of_period(longest),
                flags: at_start,
                ..Control::number(PERIOD, "H264 I-Frame Period")
            },
            Control {
                control_type: ControlType::Menu,
                value: number_of(self.wanted.profile()),
                default: number_of(default.profile()).unwrap_or(0),
                maximum: 4,
                items: profiles
                    .map(|(value, label, _)| MenuItem {
                        value: *value,
                        label: (*label).into(),
                    })
                    .collect(),
                flags: at_start,
                ..Control::number(PROFILE, "H264 Profile")
            },
            Control::button(KEYFRAME, "Force Key Frame"),
        ]
    }

    /// Returns `None` if no control has that name.
    pub(super) fn set(
        &mut self,
        device: &Device,
        name: &str,
        value: i64,
    ) -> Option<Result<(), String>> {
        let number = u32::try_from(value).unwrap_or(0);
        let done = match name {
            BITRATE => self.set_bitrate(device, number).map(drop),
            KEYFRAME => self.request_idr(device),
            PERIOD | PROFILE if self.is_running => {
                let words = "this camera takes it only when it is opened; it belongs into camera.controls of the configuration";
                return Some(Err(words.into()));
            }
            PERIOD => {
                self.set_keyframe_interval(number);
                Ok(())
            }
            PROFILE => {
                let found = PROFILES.iter().find(|(number, ..)| *number == value);
                if let Some((.., code)) = found {
                    self.wanted.set_profile(*code);
                }
                Ok(())
            }
            _ => return None,
        };
        Some(done.map_err(|failure| failure.to_string()))
    }

    /// Returns the range of bit rates. An invalid range accepts everything.
    fn bitrate_range(&self) -> (u32, u32) {
        match (self.limits.min.bitrate(), self.limits.max.bitrate()) {
            (least, most) if least <= most && most > 0 => (least.max(1), most),
            _ => (1, u32::MAX),
        }
    }

    /// Returns the range of IDR periods in milliseconds. An invalid range accepts everything.
    fn period_range_ms(&self) -> (u16, u16) {
        let limits = [&self.limits.min, &self.limits.max];
        match limits.map(Configuration::idr_period_ms) {
            [least, most] if least <= most && most > 0 => (least.max(1), most),
            _ => (1, u16::MAX),
        }
    }

    fn frames_of_period(&self, period_ms: u16) -> i64 {
        let pictures = f64::from(period_ms) * self.rate / 1000.0;
        (pictures.round() as i64).max(1)
    }
}
