//! Controls of a camera: which there are and what values they take. Setting and reading is [`Device`]'s.
//!
//! [`Device`]: super::Device

use super::abi::QueryExtControl;
use super::device::text;

/// `V4L2_CID_*`
pub mod id {
    const USER: u32 = 0x0098_0900;
    const CODEC: u32 = 0x0099_0900;
    const CAMERA: u32 = 0x009a_0900;

    /// Mirror left to right.
    pub const HFLIP: u32 = USER + 20;
    /// Mirror top to bottom.
    pub const VFLIP: u32 = USER + 21;
    /// Clockwise turn in degrees.
    pub const ROTATE: u32 = USER + 34;
    /// Pictures in a group, from one keyframe to the next.
    pub const GOP_SIZE: u32 = CODEC + 203;
    /// B pictures between two others.
    pub const B_FRAMES: u32 = CODEC + 202;
    /// Variable (0), constant (1) rate, constant quality (2).
    pub const BITRATE_MODE: u32 = CODEC + 206;
    /// Bits per second.
    pub const BITRATE: u32 = CODEC + 207;
    /// Parameter sets before each IDR picture.
    pub const REPEAT_SEQ_HEADER: u32 = CODEC + 226;
    /// A button: the next picture is an IDR picture.
    pub const FORCE_KEY_FRAME: u32 = CODEC + 229;
    /// Parameter sets in a buffer of their own (0) or in front of the first picture (1).
    pub const HEADER_MODE: u32 = CODEC + 216;
    /// Level, by its place in the kernel's list.
    pub const H264_LEVEL: u32 = CODEC + 359;
    /// Profile, by its place in the kernel's list.
    pub const H264_PROFILE: u32 = CODEC + 363;
    /// Pictures from one I picture to the next.
    pub const H264_I_PERIOD: u32 = CODEC + 358;
    /// May the camera take fewer pictures in low light?
    pub const EXPOSURE_AUTO_PRIORITY: u32 = CAMERA + 3;
}

/// `V4L2_CTRL_FLAG_*`
pub mod flag {
    pub(super) const DISABLED: u32 = 0x0001;
    /// Something uses it, so that it cannot be set now.
    pub const GRABBED: u32 = 0x0002;
    /// It can only be read.
    pub const READ_ONLY: u32 = 0x0004;
    /// Setting it changes others.
    pub const UPDATE: u32 = 0x0008;
    /// Without effect as others are set now.
    pub const INACTIVE: u32 = 0x0010;
    /// It can only be set.
    pub const WRITE_ONLY: u32 = 0x0040;
    /// It changes by itself.
    pub const VOLATILE: u32 = 0x0080;
}

/// `V4L2_CTRL_TYPE_*` of what holds one number, or is a button.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs)]
pub enum ControlKind {
    Integer,
    Boolean,
    /// One of the words of [`super::Device::menu`].
    Menu,
    Button,
    /// A number of 64 bits.
    Integer64,
    Bitmask,
    /// One of the numbers of [`super::Device::menu`]; the value is the place in the menu.
    IntegerMenu,
}

impl ControlKind {
    /// `None` for classes, text and what is compound.
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

/// A control that holds one number, or is a button.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(missing_docs)]
pub struct Control {
    /// `V4L2_CID_*`, see [`id`].
    pub id: u32,
    /// The driver's name for it.
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
    /// `None` for what is no single number or is not there.
    pub(super) fn from_raw(raw: &QueryExtControl) -> Option<Self> {
        if raw.flags & flag::DISABLED != 0 {
            return None;
        }
        let kind = ControlKind::from_raw(raw.kind)?;
        // The kernel makes a bit mask's numbers, which have no sign, wider as if they had one.
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

    /// True if any of the flags is set.
    pub fn has(&self, flags: u32) -> bool {
        self.flags & flags != 0
    }

    /// The name as people type it: lower case, one underscore for all between two words (`white_balance_automatic`).
    pub fn config_name(&self) -> String {
        let words = self.name.split(|c: char| !c.is_ascii_alphanumeric());
        let words: Vec<String> = words
            .filter(|word| !word.is_empty())
            .map(str::to_ascii_lowercase)
            .collect();
        words.join("_")
    }

    /// The possible value nearest to `wanted`. (Items of menus may be missing nevertheless: the driver refuses those.)
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
