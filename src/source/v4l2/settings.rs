//! The user's settings as controls of a V4L2 camera. Whatever the driver has no control for stays as it is, and is told.

use crate::source::Settings;
use crate::v4l2::controls::{flag, id};
use crate::v4l2::{Control, Device, Failure};

/// Items of `V4L2_CID_MPEG_VIDEO_BITRATE_MODE`.
const VARIABLE_RATE: i64 = 0;
const CONSTANT_RATE: i64 = 1;

/// What became of the settings, for the log.
#[derive(Default, Debug)]
pub(super) struct Report {
    missing: Vec<&'static str>,
    notes: Vec<String>,
}

impl Report {
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
struct Panel<'a> {
    device: &'a Device,
    controls: Vec<Control>,
    report: &'a mut Report,
}

impl<'a> Panel<'a> {
    fn new(device: &'a Device, report: &'a mut Report) -> Self {
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

/// Turns the picture, as far as the driver can; to be done ahead of setting the format. Returns the degrees by which the
/// camera now turns.
pub(super) fn rotate(device: &Device, settings: &Settings, report: &mut Report) -> u16 {
    let Some(degrees) = settings.rotation else {
        return 0;
    };
    let mut panel = Panel::new(device, report);
    if panel.set(id::ROTATE, i64::from(degrees)) {
        // A refusal is told, and leaves what was.
        let now = panel
            .get(id::ROTATE)
            .and_then(|now| u16::try_from(now).ok());
        return now.unwrap_or(0) % 360;
    }
    let is_flipped = |panel: &Panel<'_>| {
        [id::HFLIP, id::VFLIP].map(|flip| panel.get(flip) == Some(1)) == [true; 2]
    };
    // Both flips together are a turn that an earlier run may have left; one alone is a mirror that somebody wants.
    if degrees == 180 || is_flipped(&panel) {
        let flip = i64::from(degrees == 180);
        let has_both = panel.find(id::HFLIP).is_some() && panel.find(id::VFLIP).is_some();
        if has_both {
            panel.set(id::HFLIP, flip);
            panel.set(id::VFLIP, flip);
        }
    }
    if is_flipped(&panel) { 180 } else { 0 }
}

/// Sets up the encoder; to be done after the format was set.
pub(super) fn encode(device: &Device, settings: &Settings, report: &mut Report) {
    let mut panel = Panel::new(device, report);
    if let Some(bitrate) = settings.bitrate {
        // With constant quality the bit rate counts for nothing. Constant rate is left to who set it: the Raspberry Pi's
        // encoder is known to stop with it at full HD (github.com/raspberrypi/linux/issues/5360).
        if panel
            .get(id::BITRATE_MODE)
            .is_some_and(|mode| ![VARIABLE_RATE, CONSTANT_RATE].contains(&mode))
        {
            panel.set(id::BITRATE_MODE, VARIABLE_RATE);
        }
        if !panel.set(id::BITRATE, i64::from(bitrate)) {
            panel.report.missing.push("bitrate");
        }
    }
    let interval = i64::from(settings.keyframe_interval.get());
    let has_period = panel.set(id::H264_I_PERIOD, interval);
    let has_group = panel.set(id::GOP_SIZE, interval);
    if !has_period && !has_group {
        panel.report.missing.push("keyframe interval");
    }
    // The rest is nothing that a user asked for, so that nobody is told where it is missing: parameter sets for who joins late,
    // no pictures held back for B pictures, no slower rate in low light.
    panel.set(id::REPEAT_SEQ_HEADER, 1);
    panel.set(id::B_FRAMES, 0);
    panel.set(id::EXPOSURE_AUTO_PRIORITY, 0);
}

/// What the encoder can do while it runs.
#[derive(Debug)]
pub(super) struct Encoder {
    force_key_frame: Option<Control>,
    bitrate: Option<Control>,
}

impl Encoder {
    pub(super) fn of(device: &Device) -> Self {
        let controls = device.controls();
        let find = |id| controls.iter().find(|control| control.id == id).cloned();
        Self {
            force_key_frame: find(id::FORCE_KEY_FRAME),
            bitrate: find(id::BITRATE),
        }
    }

    pub(super) fn can_force_keyframes(&self) -> bool {
        self.force_key_frame.is_some()
    }

    /// Presses the button, where there is one.
    pub(super) fn force_keyframe(&self, device: &Device) -> Result<(), Failure> {
        match &self.force_key_frame {
            Some(control) => device.set(control, 1).map(drop),
            None => Ok(()),
        }
    }

    pub(super) fn can_set_bitrate(&self) -> bool {
        self.bitrate.is_some()
    }

    /// Sets the bits per second; returns those that the driver took, `None` where it has no say in it.
    pub(super) fn set_bitrate(
        &self,
        device: &Device,
        bits_per_second: u32,
    ) -> Result<Option<u32>, Failure> {
        let Some(control) = &self.bitrate else {
            return Ok(None);
        };
        let taken = device.set(control, i64::from(bits_per_second))?;
        Ok(Some(u32::try_from(taken).unwrap_or(bits_per_second)))
    }
}
