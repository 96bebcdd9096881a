//! The user's settings as controls of a V4L2 camera. Whatever the driver has no control for stays as it is, and is told.

use crate::media::orientation::Orientation;
use crate::source::Settings;
use crate::v4l2::controls::{flag, id};
use crate::v4l2::{Control, Device};

/// Items of `V4L2_CID_MPEG_VIDEO_BITRATE_MODE`.
const VARIABLE_RATE: i64 = 0;
const CONSTANT_RATE: i64 = 1;

/// What became of the settings, for the log.
#[derive(Default, Debug)]
pub(super) struct UnsupportedSettings {
    missing: Vec<&'static str>,
    notes: Vec<String>,
}

/// Settings in [`UnsupportedSettings::missing`].
const BITRATE: &str = "bitrate";
const KEYFRAME_INTERVAL: &str = "keyframe interval";

impl UnsupportedSettings {
    /// Adds a line for the log.
    pub(super) fn note(&mut self, note: String) {
        self.notes.push(note);
    }

    /// Bit rate and keyframe interval are set in another way than by V4L2's controls. Returns which of them are to be.
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

/// The controls of one camera and how to set them.
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

    /// Whether the picture is flipped; `None` without such a control.
    fn flip(&self, id: u32) -> Option<bool> {
        self.get(id).map(|value| value != 0)
    }

    fn can_turn(&self) -> bool {
        self.find(id::ROTATE).is_some()
    }

    /// Sets a control; false if there is none. A refusal or another value is told.
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

/// Turns and mirrors the picture, as far as the driver can; to be done ahead of setting the format. Returns what of
/// [`Settings::orientation`] the camera now does.
pub(super) fn apply_orientation(
    device: &Device,
    settings: &Settings,
    report: &mut UnsupportedSettings,
) -> Orientation {
    let mut controls = DeviceControls::new(device, report);
    let turn = match settings.rotation {
        Some(degrees) if controls.set(id::ROTATE, i64::from(degrees)) => {
            // A refusal is told, and leaves what was.
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

/// What to set the flips to, horizontal and vertical, for what they are `now`, if the driver has them; `None` leaves one alone.
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
    // Drivers do not agree on whether they mirror before or after a quarter of a turn: then the display mirrors.
    let is_sideways = degrees % 180 == 90;
    let is_half_turn = degrees == 180 && has_both && !has_rotate;
    // Both flips together are a turn that an earlier run may have left; one alone, of which nothing is said, is a mirror
    // that somebody wants.
    let is_left_over = now == [Some(true); 2] && !has_rotate;
    if said == [None; 2] && !is_half_turn && !is_left_over {
        return [None; 2];
    }
    known(said.map(|flip| Some((flip.unwrap_or(false) && !is_sideways) != is_half_turn)))
}

/// Sets V4L2's controls of the encoder; to be done after the format was set.
pub(super) fn apply_encoder_settings(
    device: &Device,
    settings: &Settings,
    report: &mut UnsupportedSettings,
) {
    let mut controls = DeviceControls::new(device, report);
    if let Some(bitrate) = settings.bitrate {
        // With constant quality the bit rate counts for nothing. Constant rate is left to who set it: the Raspberry Pi's
        // encoder is known to stop with it at full HD (github.com/raspberrypi/linux/issues/5360).
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
    // The rest is nothing that a user asked for, so that nobody is told where it is missing: parameter sets for who joins late,
    // no pictures held back for B pictures, no slower rate in low light.
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
            // A mirror by somebody else, and a turn by an earlier run.
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
