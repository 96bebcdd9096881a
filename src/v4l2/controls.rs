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

/// `V4L2_CTRL_FLAG_DISABLED` and `_READ_ONLY`
const NOT_SETTABLE: u32 = 0x0001 | 0x0004;

/// `V4L2_CTRL_TYPE_*`
mod kind {
    pub(super) const BUTTON: u32 = 4;
    pub(super) const INTEGER64: u32 = 5;
    pub(super) const CLASS: u32 = 6;
    pub(super) const STRING: u32 = 7;
    pub(super) const FIRST_COMPOUND: u32 = 0x100;
}

/// A control that can be set and holds one number, or is a button.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Control {
    /// `V4L2_CID_*`, see [`id`].
    pub id: u32,
    /// The driver's name for it.
    pub name: String,
    minimum: i64,
    maximum: i64,
    step: u64,
    is_wide: bool,
    is_button: bool,
}

impl Control {
    /// `None` for what cannot be set or is no single number.
    pub(super) fn from_raw(raw: &QueryExtControl) -> Option<Self> {
        let is_number =
            !matches!(raw.kind, kind::CLASS | kind::STRING) && raw.kind < kind::FIRST_COMPOUND;
        (is_number && raw.flags & NOT_SETTABLE == 0).then(|| Self {
            id: raw.id,
            name: text(&raw.name),
            minimum: raw.minimum,
            maximum: raw.maximum,
            step: raw.step,
            is_wide: raw.kind == kind::INTEGER64,
            is_button: raw.kind == kind::BUTTON,
        })
    }

    /// The possible value nearest to `wanted`. (Items of menus may be missing nevertheless: the driver refuses those.)
    pub fn nearest(&self, wanted: i64) -> i64 {
        if self.is_button || self.maximum < self.minimum {
            return wanted;
        }
        let (minimum, maximum) = (i128::from(self.minimum), i128::from(self.maximum));
        let step = i128::from(self.step.max(1));
        let steps = (i128::from(wanted).clamp(minimum, maximum) - minimum + step / 2) / step;
        let highest = (maximum - minimum) / step;
        i64::try_from(minimum + steps.min(highest) * step).unwrap_or(self.maximum)
    }

    pub(super) fn encode(&self, value: i64) -> [u32; 2] {
        if self.is_wide {
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
        if self.is_wide {
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
    fn values_are_brought_to_the_nearest_possible_one() {
        let bitrate = control(25_000, 25_000_000, 25_000, 1);
        assert_eq!(bitrate.nearest(1_510_000), 1_500_000);
        assert_eq!(bitrate.nearest(1), 25_000);
        assert_eq!(bitrate.nearest(i64::MAX), 25_000_000);
        assert_eq!(control(0, 10, 4, 1).nearest(10), 8);
    }

    #[test]
    fn no_range_of_a_driver_overflows() {
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
    fn values_survive_the_way_to_the_kernel_and_back() {
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
    fn only_single_numbers_that_can_be_set_count() {
        let raw = |kind, flags| QueryExtControl {
            kind,
            flags,
            ..Default::default()
        };
        for (kind, flags) in [(6, 0), (7, 0), (0x101, 0), (1, 1), (1, 4)] {
            assert_eq!(Control::from_raw(&raw(kind, flags)), None);
        }
        assert!(Control::from_raw(&raw(4, 0x40)).is_some());
    }
}
