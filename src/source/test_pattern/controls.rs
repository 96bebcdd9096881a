//! Controls of the test pattern that can change while it runs, under V4L2's names.

use super::{TestPattern, encoder_settings};
use crate::controls::{Control, ControlBackend};
use std::num::NonZeroU32;

const BITRATE: &str = "video_bitrate";
const GROUP: &str = "video_gop_size";
const KEYFRAME: &str = "force_key_frame";

const BITRATES: (i64, i64) = (25_000, 200_000_000);
const GROUPS: (i64, i64) = (1, 100_000);

impl TestPattern {
    /// Sets the bit rate and returns it: the pattern has as much detail as it allows, down to a
    /// minimum.
    pub(super) fn change_bitrate(&mut self, bits_per_second: u32) -> Option<u32> {
        if self.settings.bitrate == Some(bits_per_second) {
            return Some(bits_per_second);
        }
        let mut settings = self.settings.clone();
        settings.bitrate = Some(bits_per_second);
        self.encoder.reconfigure(&encoder_settings(&settings));
        self.settings = settings;
        Some(bits_per_second)
    }

    fn change_interval(&mut self, pictures: NonZeroU32) -> Option<()> {
        if self.settings.keyframe_interval == pictures {
            return Some(());
        }
        let mut settings = self.settings.clone();
        settings.keyframe_interval = pictures;
        self.encoder.reconfigure(&encoder_settings(&settings));
        self.settings = settings;
        Some(())
    }
}

impl ControlBackend for TestPattern {
    fn controls(&mut self) -> Vec<Control> {
        let number = |name, label, range: (i64, i64), default, value| Control {
            minimum: range.0,
            maximum: range.1,
            default,
            value,
            ..Control::number(name, label)
        };
        let bitrate = self.settings.bitrate.map(i64::from);
        let interval = i64::from(self.settings.keyframe_interval.get());
        vec![
            number(BITRATE, "Video Bitrate", BITRATES, 1_500_000, bitrate),
            number(GROUP, "Video GOP Size", GROUPS, 60, Some(interval)),
            Control::button(KEYFRAME, "Force Key Frame"),
        ]
    }

    fn set(&mut self, name: &str, value: i64) -> Result<(), String> {
        let number = u32::try_from(value).map_err(|error| error.to_string())?;
        match name {
            BITRATE => self.change_bitrate(number).map(drop),
            GROUP => NonZeroU32::new(number).and_then(|number| self.change_interval(number)),
            _ => {
                self.is_keyframe_asked = true;
                Some(())
            }
        }
        .ok_or_else(|| "the test pattern cannot be made like that".into())
    }
}
