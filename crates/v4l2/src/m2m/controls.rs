//! Encoder settings as V4L2 controls. Settings without a control keep the driver's value.

use super::negotiate::EncoderConfig;
use crate::controls::id;
use crate::{Control, Device, DeviceError};

/// Items of `V4L2_CID_MPEG_VIDEO_BITRATE_MODE`.
const VARIABLE_RATE: i64 = 0;
const CONSTANT_RATE: i64 = 1;
/// Item of `V4L2_CID_MPEG_VIDEO_HEADER_MODE`.
const JOINED_HEADERS: i64 = 1;
/// Item of `V4L2_CID_MPEG_VIDEO_H264_PROFILE`.
const HIGH_PROFILE: i64 = 4;

/// Items of `V4L2_CID_MPEG_VIDEO_H264_LEVEL`, with the macroblocks per second and per frame of
/// ITU-T H.264 table A-1.
const LEVELS: [(i64, u32, u32); 12] = [
    (4, 11_880, 396),
    (6, 19_800, 792),
    (7, 20_250, 1620),
    (8, 40_500, 1620),
    (9, 108_000, 3600),
    (10, 216_000, 5120),
    (11, 245_760, 8192),
    (13, 522_240, 8704),
    (14, 589_824, 22_080),
    (15, 983_040, 36_864),
    (16, 2_073_600, 36_864),
    (19, 16_711_680, 139_264),
];

/// Controls of one encoder, and notes about rejected values.
struct DeviceControls<'a> {
    device: &'a Device,
    controls: Vec<Control>,
    notes: &'a mut Vec<String>,
}

impl DeviceControls<'_> {
    fn find(&self, id: u32) -> Option<&Control> {
        self.controls.iter().find(|control| control.id == id)
    }

    fn get(&self, id: u32) -> Option<i64> {
        self.device.get(self.find(id)?).ok()
    }

    /// Sets a control if it exists; returns its value after that, if known.
    fn try_set(&self, id: u32, value: i64) -> Option<Result<i64, DeviceError>> {
        Some(self.device.set(self.find(id)?, value))
    }

    /// Sets a requested control and notes a rejection or another value. False if it does not exist.
    fn set(&mut self, id: u32, value: i64) -> bool {
        let Some(set) = self.try_set(id, value) else {
            return false;
        };
        let name = self.find(id).map_or("", |control| &control.name);
        match set {
            Ok(set) if set == value => {}
            Ok(set) => self.notes.push(format!(
                "the encoder's \"{name}\" is {set} instead of {value}, its nearest value"
            )),
            Err(error) => self.notes.push(format!(
                "the encoder refuses {value} for \"{name}\": {error}"
            )),
        }
        true
    }
}

/// Sets up the encoder, after the formats were set. Deviations are added to `notes`.
pub(super) fn apply(device: &Device, wanted: &EncoderConfig, notes: &mut Vec<String>) {
    let controls = device.controls();
    let mut controls = DeviceControls {
        device,
        controls,
        notes,
    };
    let rate = wanted.rate;
    if let Some(bitrate) = rate.bitrate {
        // Constant quality ignores the bit rate. Variable rate is the Raspberry Pi's default, and
        // its constant rate stops at full HD (github.com/raspberrypi/linux/issues/5360): so
        // whichever of the two is set stays.
        if controls
            .get(id::BITRATE_MODE)
            .is_some_and(|mode| ![VARIABLE_RATE, CONSTANT_RATE].contains(&mode))
        {
            controls.set(id::BITRATE_MODE, VARIABLE_RATE);
        }
        if !controls.set(id::BITRATE, i64::from(bitrate)) {
            let note = "the encoder has no control for the bitrate: it keeps its own";
            controls.notes.push(note.into());
        }
    }
    let interval = i64::from(rate.keyframe_interval);
    let has_period = controls.set(id::H264_I_PERIOD, interval);
    let has_group = controls.set(id::GOP_SIZE, interval);
    if !has_period && !has_group {
        let note = "the encoder has no control for the keyframe interval: it keeps its own";
        controls.notes.push(note.into());
    }
    // Not requested by the user: parameter sets for late viewers, no B frames, the most efficient
    // profile. A driver without these controls is fine as it is.
    for (id, value) in [
        (id::REPEAT_SEQ_HEADER, 1),
        (id::HEADER_MODE, JOINED_HEADERS),
        (id::B_FRAMES, 0),
        (id::H264_PROFILE, HIGH_PROFILE),
    ] {
        let _ = controls.try_set(id, value);
    }
    raise_level(&controls, wanted);
}

/// Raises the level: the Raspberry Pi's encoder starts below the needed one
/// (github.com/raspberrypi/linux/issues/4906).
fn raise_level(controls: &DeviceControls<'_>, wanted: &EncoderConfig) {
    let needed = level(wanted.raw.width, wanted.raw.height, wanted.rate.fps);
    if controls.get(id::H264_LEVEL).is_some_and(|now| now < needed) {
        let _ = controls.try_set(id::H264_LEVEL, needed);
    }
}

/// Returns the lowest level for a frame size and rate, as an item of the control.
fn level(width: u32, height: u32, fps: u32) -> i64 {
    let blocks = u64::from(width.div_ceil(16)) * u64::from(height.div_ceil(16));
    let per_second = blocks.saturating_mul(fps.into());
    let [.., (highest, _, _)] = LEVELS;
    LEVELS
        .iter()
        .find(|&&(_, most, largest)| per_second <= most.into() && blocks <= largest.into())
        .map_or(highest, |&(item, _, _)| item)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_those_of_the_standard() {
        // 640x480 at 30/s is 3.0, 1280x720 at 30/s 3.1 and at 60/s 3.2, 1920x1080 at 30/s 4.0 and at 60/s 4.2.
        let items = [
            (640, 480, 30),
            (1280, 720, 30),
            (1280, 720, 60),
            (1920, 1080, 30),
            (1920, 1080, 60),
        ]
        .map(|(width, height, fps)| level(width, height, fps));
        assert_eq!(items, [8, 9, 10, 11, 13]);
        assert_eq!(level(u32::MAX, u32::MAX, u32::MAX), 19);
    }
}
