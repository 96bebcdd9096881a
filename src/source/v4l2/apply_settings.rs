//! Application of the user's settings to V4L2 controls. Settings without a control keep the
//! driver's value and are logged.

use crate::media::orientation::Orientation;
use crate::source::Settings;
use v4l2::controls::{flag, id};
use v4l2::{Control, Device};

/// Items of `V4L2_CID_MPEG_VIDEO_BITRATE_MODE`.
const VARIABLE_RATE: i64 = 0;
const CONSTANT_RATE: i64 = 1;

/// Settings that were not applied, and notes for the log.
#[derive(Default, Debug)]
pub(super) struct UnsupportedSettings {
    missing: Vec<&'static str>,
    notes: Vec<String>,
}

/// Names in [`UnsupportedSettings::missing`].
const BITRATE: &str = "bitrate";
const KEYFRAME_INTERVAL: &str = "keyframe interval";

impl UnsupportedSettings {
    /// Adds a note for the log.
    pub(super) fn note(&mut self, note: String) {
        self.notes.push(note);
    }

    /// Takes over bit rate and keyframe interval, which are set without V4L2's controls. Returns
    /// which of them were missing.
    pub(super) fn take_missing(&mut self) -> (bool, bool) {
        let missing = std::mem::take(&mut self.missing);
        let has = |setting| missing.contains(&setting);
        (has(BITRATE), has(KEYFRAME_INTERVAL))
    }

    pub(super) fn log(&self, camera: &str) {
        for note in &self.notes {
            log::info!("{camera}: {note}");
        }
        if !self.missing.is_empty() {
            log::info!(
                "{camera}: its driver has no control for {}: the camera keeps its own",
                self.missing.join(", ")
            );
        }
    }
}

/// Controls of one camera.
struct DeviceControls<'a> {
    device: &'a Device,
    controls: Vec<Control>,
    report: &'a mut UnsupportedSettings,
}

impl<'a> DeviceControls<'a> {
    fn new(device: &'a Device, report: &'a mut UnsupportedSettings) -> Self {
        Self {
            device,
            controls: device
                .controls()
                .into_iter()
                .filter(|control| !control.has(flag::READ_ONLY))
                .collect(),
            report,
        }
    }

    fn get(&self, id: u32) -> Option<i64> {
        self.device.get(self.find(id)?).ok()
    }

    fn find(&self, id: u32) -> Option<&Control> {
        self.controls.iter().find(|control| control.id == id)
    }

    /// Returns the state of a flip control; `None` without one.
    fn flip(&self, id: u32) -> Option<bool> {
        self.get(id).map(|value| value != 0)
    }

    fn can_turn(&self) -> bool {
        self.find(id::ROTATE).is_some()
    }

    /// Sets a control and notes a rejection or another value. False if it does not exist.
    fn set(&mut self, id: u32, value: i64) -> bool {
        let Some(control) = self.find(id) else {
            return false;
        };
        let name = control.name.clone();
        match self.device.set(control, value) {
            Ok(set) if set == value => {}
            Ok(set) => self.report.notes.push(format!(
                "\"{name}\" is {set} instead of {value}, its nearest value"
            )),
            Err(failure) => self.report.notes.push(format!(
                "the driver refuses {value} for \"{name}\": {failure}"
            )),
        }
        true
    }
}

/// Rotates and mirrors in the driver, before the format is set. Returns the part of
/// [`Settings::orientation`] that the camera applies.
pub(super) fn apply_orientation(
    device: &Device,
    settings: &Settings,
    report: &mut UnsupportedSettings,
) -> Orientation {
    let mut controls = DeviceControls::new(device, report);
    let turn = match settings.rotation {
        Some(degrees) if controls.set(id::ROTATE, i64::from(degrees)) => {
            // A rejection is noted, and the old value stays.
            let now = controls
                .get(id::ROTATE)
                .and_then(|now| u16::try_from(now).ok());
            now.unwrap_or(0) % 360
        }
        _ => 0,
    };
    let plan = flips_to_set(
        settings,
        FLIPS.map(|flip| controls.flip(flip)),
        controls.can_turn(),
    );
    let [horizontal, vertical] = std::array::from_fn(|i| {
        let (Some(id), Some(Some(flip))) = (FLIPS.get(i), plan.get(i)) else {
            return false;
        };
        controls.set(*id, i64::from(*flip));
        controls.flip(*id) == Some(true)
    });
    Orientation::new(turn, horizontal, vertical)
}

const FLIPS: [u32; 2] = [id::HFLIP, id::VFLIP];

/// Returns the wanted flips, horizontal and vertical, given the present ones; `None` leaves one as
/// it is.
fn flips_to_set(
    settings: &Settings,
    now: [Option<bool>; 2],
    has_rotate: bool,
) -> [Option<bool>; 2] {
    let said = [settings.flips.horizontal, settings.flips.vertical];
    let known = |flips: [Option<bool>; 2]| [0, 1].map(|i| flips[i].filter(|_| now[i].is_some()));
    let Some(degrees) = settings.rotation else {
        return known(said);
    };
    let has_both = now.iter().all(Option::is_some);
    // Drivers differ in whether they mirror before or after a quarter turn, so the display mirrors.
    let is_sideways = degrees % 180 == 90;
    let is_half_turn = degrees == 180 && has_both && !has_rotate;
    // Both flips together are a rotation that an earlier run may have left. A single one that is
    // not configured is a mirror set by the user.
    let is_left_over = now == [Some(true); 2] && !has_rotate;
    if said == [None; 2] && !is_half_turn && !is_left_over {
        return [None; 2];
    }
    known(said.map(|flip| Some((flip.unwrap_or(false) && !is_sideways) != is_half_turn)))
}

/// Sets V4L2's encoder controls, after the format was set.
pub(super) fn apply_encoder_settings(
    device: &Device,
    settings: &Settings,
    report: &mut UnsupportedSettings,
) {
    let mut controls = DeviceControls::new(device, report);
    if let Some(bitrate) = settings.bitrate {
        // Constant quality ignores the bit rate. Constant rate stays if it was set: the Raspberry
        // Pi's encoder stops with it at full HD (github.com/raspberrypi/linux/issues/5360).
        if controls
            .get(id::BITRATE_MODE)
            .is_some_and(|mode| ![VARIABLE_RATE, CONSTANT_RATE].contains(&mode))
        {
            controls.set(id::BITRATE_MODE, VARIABLE_RATE);
        }
        if !controls.set(id::BITRATE, i64::from(bitrate)) {
            controls.report.missing.push(BITRATE);
        }
    }
    let interval = i64::from(settings.keyframe_interval.get());
    let has_period = controls.set(id::H264_I_PERIOD, interval);
    let has_group = controls.set(id::GOP_SIZE, interval);
    if !has_period && !has_group {
        controls.report.missing.push(KEYFRAME_INTERVAL);
    }
    // Not requested by the user, so missing controls are not logged: parameter sets for late
    // viewers, no B frames, no lower rate in low light.
    controls.set(id::REPEAT_SEQ_HEADER, 1);
    controls.set(id::B_FRAMES, 0);
    controls.set(id::EXPOSURE_AUTO_PRIORITY, 0);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Flips;
    use std::num::NonZeroU32;

    fn settings(rotation: Option<u16>, flips: [Option<bool>; 2]) -> Settings {
        Settings {
            width: 640,
            height: 480,
            fps: crate::frame_rate::FrameRate::MIN,
            bitrate: None,
            rotation,
            flips: Flips {
                horizontal: flips[0],
                vertical: flips[1],
            },
            keyframe_interval: NonZeroU32::MIN,
        }
    }

    #[test]
    fn flips_are_set_only_where_configured() {
        const YES: Option<bool> = Some(true);
        const NO: Option<bool> = Some(false);
        for (rotation, said, now, expected) in [
            (Some(0), [None, None], [NO, NO], [None, None]),
            (Some(0), [YES, None], [NO, NO], [YES, NO]),
            (Some(0), [YES, None], [None, NO], [None, NO]),
            (Some(0), [YES, YES], [None, None], [None, None]),
            (Some(0), [NO, None], [YES, NO], [NO, NO]),
            // A mirror set by the user, and a rotation by an earlier run.
            (Some(0), [None, None], [YES, NO], [None, None]),
            (Some(0), [None, None], [YES, YES], [NO, NO]),
            (Some(180), [None, None], [NO, NO], [YES, YES]),
            (Some(180), [YES, None], [NO, NO], [NO, YES]),
            (Some(180), [YES, None], [NO, None], [YES, None]),
            (Some(180), [None, None], [NO, None], [None, None]),
            (Some(90), [YES, None], [YES, NO], [NO, NO]),
            (None, [None, None], [YES, YES], [None, None]),
            (None, [None, YES], [YES, NO], [None, YES]),
        ] {
            let found = flips_to_set(&settings(rotation, said), now, false);
            assert_eq!(found, expected, "{rotation:?} {said:?} {now:?}");
        }
        let turning = flips_to_set(&settings(Some(180), [None, None]), [NO, NO], true);
        assert_eq!(turning, [None, None], "the driver turns");
    }
}
