//! Controls of a V4L2 device: ids, flags, types and valid values. [`Device`] reads and sets them.
//!
//! [`Device`]: super::Device

use super::abi::{QueryExtControl, text};

/// `V4L2_CID_*`
pub mod id {
    const USER: u32 = 0x0098_0900;
    const CODEC: u32 = 0x0099_0900;
    const CAMERA: u32 = 0x009a_0900;

    /// Mirror horizontally.
    pub const HFLIP: u32 = USER + 20;
    /// Mirror vertically.
    pub const VFLIP: u32 = USER + 21;
    /// Clockwise rotation in degrees.
    pub const ROTATE: u32 = USER + 34;
    /// GOP size: frames from one keyframe to the next.
    pub const GOP_SIZE: u32 = CODEC + 203;
    /// B frames between two others.
    pub const B_FRAMES: u32 = CODEC + 202;
    /// Variable (0) or constant (1) bit rate, constant quality (2).
    pub const BITRATE_MODE: u32 = CODEC + 206;
    /// Bits per second.
    pub const BITRATE: u32 = CODEC + 207;
    /// Repeat parameter sets before each IDR frame.
    pub const REPEAT_SEQ_HEADER: u32 = CODEC + 226;
    /// Button: the next frame is an IDR frame.
    pub const FORCE_KEY_FRAME: u32 = CODEC + 229;
    /// Parameter sets in their own buffer (0) or joined with the first frame (1).
    pub const HEADER_MODE: u32 = CODEC + 216;
    /// Level, as an item of the kernel's menu.
    pub const H264_LEVEL: u32 = CODEC + 359;
    /// Profile, as an item of the kernel's menu.
    pub const H264_PROFILE: u32 = CODEC + 363;
    /// Frames from one I frame to the next.
    pub const H264_I_PERIOD: u32 = CODEC + 358;
    /// Allow a lower frame rate in low light.
    pub const EXPOSURE_AUTO_PRIORITY: u32 = CAMERA + 3;
}

/// `V4L2_CTRL_FLAG_*`
pub mod flag {
    pub(super) const DISABLED: u32 = 0x0001;
    /// In use, so that it cannot be set now.
    pub const GRABBED: u32 = 0x0002;
    /// Read-only.
    pub const READ_ONLY: u32 = 0x0004;
    /// Setting it changes other controls.
    pub const UPDATE: u32 = 0x0008;
    /// Without effect with the present values of other controls.
    pub const INACTIVE: u32 = 0x0010;
    /// Write-only.
    pub const WRITE_ONLY: u32 = 0x0040;
    /// Changes by itself.
    pub const VOLATILE: u32 = 0x0080;
}

/// `V4L2_CTRL_TYPE_*` of scalar controls and buttons.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs)]
pub enum ControlKind {
    Integer,
    Boolean,
    /// Item of [`super::Device::menu`].
    Menu,
    Button,
    /// 64-bit integer.
    Integer64,
    Bitmask,
    /// Index into the numbers of [`super::Device::menu`].
    IntegerMenu,
}

impl ControlKind {
    /// Returns `None` for classes, strings and compound types.
    fn from_raw(raw: u32) -> Option<Self> {
        Some(match raw {
            1 => Self::Integer,
            2 => Self::Boolean,
            3 => Self::Menu,
            4 => Self::Button,
            5 => Self::Integer64,
            8 => Self::Bitmask,
            9 => Self::IntegerMenu,
            _ => return None,
        })
    }
}

/// Scalar control or button.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(missing_docs)]
pub struct Control {
    /// `V4L2_CID_*`, see [`id`].
    pub id: u32,
    /// Name by the driver.
    pub name: String,
    pub kind: ControlKind,
    pub minimum: i64,
    pub maximum: i64,
    pub step: u64,
    pub default: i64,
    /// See [`flag`].
    pub flags: u32,
}

impl Control {
    /// Returns `None` for other types and disabled controls.
    pub(super) fn from_raw(raw: &QueryExtControl) -> Option<Self> {
        if raw.flags & flag::DISABLED != 0 {
            return None;
        }
        let kind = ControlKind::from_raw(raw.kind)?;
        // The kernel sign-extends bitmasks, which are unsigned.
        let unsigned = |value: i64| {
            if kind == ControlKind::Bitmask {
                i64::from(value as u32)
            } else {
                value
            }
        };
        Some(Self {
            id: raw.id,
            name: text(&raw.name),
            kind,
            minimum: unsigned(raw.minimum),
            maximum: unsigned(raw.maximum),
            step: raw.step,
            default: unsigned(raw.default_value),
            flags: raw.flags,
        })
    }

    /// Returns true if any of the flags is set.
    pub fn has(&self, flags: u32) -> bool {
        self.flags & flags != 0
    }

    /// Returns the name in configuration files: lower case with underscores
    /// (`white_balance_automatic`).
    pub fn config_name(&self) -> String {
        let words = self.name.split(|c: char| !c.is_ascii_alphanumeric());
        let words: Vec<String> = words
            .filter(|word| !word.is_empty())
            .map(str::to_ascii_lowercase)
            .collect();
        words.join("_")
    }

    /// Returns the valid value closest to `wanted`. Drivers may still reject missing menu items.
    pub fn nearest(&self, wanted: i64) -> i64 {
        if self.kind == ControlKind::Button || self.maximum < self.minimum {
            return wanted;
        }
        let (minimum, maximum) = (i128::from(self.minimum), i128::from(self.maximum));
        let step = i128::from(self.step.max(1));
        let steps = (i128::from(wanted).clamp(minimum, maximum) - minimum + step / 2) / step;
        let highest = (maximum - minimum) / step;
        i64::try_from(minimum + steps.min(highest) * step).unwrap_or(self.maximum)
    }

    pub(super) fn encode(&self, value: i64) -> [u32; 2] {
        if self.kind == ControlKind::Integer64 {
            let [a, b, c, d, e, f, g, h] = value.to_ne_bytes();
            [
                u32::from_ne_bytes([a, b, c, d]),
                u32::from_ne_bytes([e, f, g, h]),
            ]
        } else {
            [value as u32, 0]
        }
    }

    pub(super) fn decode(&self, [first, second]: [u32; 2]) -> i64 {
        if self.kind == ControlKind::Bitmask {
            i64::from(first)
        } else if self.kind == ControlKind::Integer64 {
            let ([a, b, c, d], [e, f, g, h]) = (first.to_ne_bytes(), second.to_ne_bytes());
            i64::from_ne_bytes([a, b, c, d, e, f, g, h])
        } else {
            i64::from(first as i32)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn control(minimum: i64, maximum: i64, step: u64, kind: u32) -> Control {
        let raw = QueryExtControl {
            minimum,
            maximum,
            step,
            kind,
            ..Default::default()
        };
        Control::from_raw(&raw).unwrap()
    }

    #[test]
    fn values_are_rounded_to_the_nearest_step() {
        let bitrate = control(25_000, 25_000_000, 25_000, 1);
        assert_eq!(bitrate.nearest(1_510_000), 1_500_000);
        assert_eq!(bitrate.nearest(1), 25_000);
        assert_eq!(bitrate.nearest(i64::MAX), 25_000_000);
        assert_eq!(control(0, 10, 4, 1).nearest(10), 8);
    }

    #[test]
    fn driver_ranges_do_not_overflow() {
        assert_eq!(
            control(i64::MIN, i64::MAX, u64::MAX, 5).nearest(i64::MIN),
            i64::MIN
        );
        assert_eq!(
            control(i64::MIN, i64::MAX, 1, 5).nearest(i64::MAX),
            i64::MAX
        );
        assert_eq!(control(5, -5, 0, 1).nearest(3), 3);
    }

    #[test]
    fn values_round_trip_through_the_kernel_form() {
        for (kind, value) in [
            (1, -3),
            (1, i64::from(i32::MAX)),
            (5, i64::MIN + 1),
            (5, 1 << 40),
        ] {
            let control = control(i64::MIN, i64::MAX, 1, kind);
            assert_eq!(control.decode(control.encode(value)), value);
        }
    }

    #[test]
    fn only_enabled_scalar_controls_are_listed() {
        let raw = |kind, flags| QueryExtControl {
            kind,
            flags,
            ..Default::default()
        };
        for (kind, flags) in [(6, 0), (7, 0), (0x101, 0), (1, 1)] {
            assert_eq!(Control::from_raw(&raw(kind, flags)), None);
        }
        assert!(Control::from_raw(&raw(4, 0x40)).is_some());
        assert!(Control::from_raw(&raw(1, flag::READ_ONLY)).is_some());
    }

    #[test]
    fn config_names_are_lower_case_with_underscores() {
        let spelling = |name: &str| {
            Control {
                name: name.into(),
                ..control(0, 1, 1, 1)
            }
            .config_name()
        };
        assert_eq!(
            spelling("White Balance, Automatic"),
            "white_balance_automatic"
        );
        assert_eq!(spelling("H264 I-Frame Period"), "h264_i_frame_period");
        assert_eq!(spelling(" (Gain) "), "gain");
    }

    #[test]
    fn bitmasks_are_unsigned() {
        let mask = control(0, i64::from(-1_i32), 0, 8);
        assert_eq!(mask.maximum, 0xffff_ffff);
        assert_eq!(mask.decode(mask.encode(0xffff_fffe)), 0xffff_fffe);
    }
}
