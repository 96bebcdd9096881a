//! Controls of a camera with one of our encoders: the driver's, and those of the encoder under
//! V4L2's names.

use super::super::controls::V4l2Controls;
use super::Camera;
use crate::controls::{Control, ControlBackend};
use crate::source::Input;

const BITRATE: &str = "video_bitrate";
const KEYFRAME: &str = "force_key_frame";

impl Camera {
    fn encoder_controls(&self) -> Vec<Control> {
        let bitrate = self.encoder.bitrate().map(|bitrate| Control {
            minimum: (*bitrate.range.start()).into(),
            maximum: (*bitrate.range.end()).into(),
            default: self.configured_bitrate.unwrap_or(bitrate.now).into(),
            value: Some(bitrate.now.into()),
            ..Control::number(BITRATE, "Video Bitrate")
        });
        let keyframe = Control::button(KEYFRAME, "Force Key Frame");
        bitrate.into_iter().chain([keyframe]).collect()
    }
}

impl ControlBackend for Camera {
    fn controls(&mut self) -> Vec<Control> {
        let mut controls = V4l2Controls::new(self.stream.device()).controls();
        // Controls of an encoder in the camera have no effect on these frames.
        controls.retain(|control| ![BITRATE, KEYFRAME].contains(&control.name.as_str()));
        controls.extend(self.encoder_controls());
        controls
    }

    fn set(&mut self, name: &str, value: i64) -> Result<(), String> {
        match name {
            BITRATE => {
                let wanted = u32::try_from(value).map_err(|error| error.to_string())?;
                self.encoder.set_bitrate(wanted).map_err(|error| error.0)
            }
            KEYFRAME => {
                self.request_keyframe();
                Ok(())
            }
            name => V4l2Controls::new(self.stream.device()).set(name, value),
        }
    }
}
