//! The part of `linux/videodev2.h` that encoders need and cameras do not: sharing of buffers, cropping, commands, events.

use super::{Format, V, is_multi_planar};
use rustix::ioctl::{Opcode, opcode};

/// `V4L2_MEMORY_DMABUF`
pub(crate) const MEMORY_DMABUF: u32 = 4;
/// `V4L2_FIELD_NONE`: whole pictures, no fields.
pub(crate) const FIELD_NONE: u32 = 1;
/// `V4L2_BUF_FLAG_KEYFRAME`
pub(crate) const FLAG_KEYFRAME: u32 = 0x08;
/// `V4L2_BUF_FLAG_LAST`
pub(crate) const FLAG_LAST: u32 = 0x0010_0000;
/// `V4L2_SEL_TGT_CROP`
pub(crate) const TARGET_CROP: u32 = 0;

/// `V4L2_ENC_CMD_*`
pub(crate) mod command {
    pub(crate) const START: u32 = 0;
    pub(crate) const STOP: u32 = 1;
}

/// `V4L2_EVENT_*`
pub(crate) mod event {
    pub(crate) const END_OF_STREAM: u32 = 2;
    pub(crate) const SOURCE_CHANGE: u32 = 5;
}

/// `v4l2_selection`; `left` and `top` are signed in the kernel, and 0 here.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub(crate) struct Selection {
    pub(crate) kind: u32,
    pub(crate) target: u32,
    pub(crate) flags: u32,
    pub(crate) left: u32,
    pub(crate) top: u32,
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) reserved: [u32; 9],
}

/// `v4l2_encoder_cmd`
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub(crate) struct EncoderCommand {
    pub(crate) cmd: u32,
    pub(crate) flags: u32,
    pub(crate) data: [u32; 8],
}

/// `v4l2_event_subscription`
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub(crate) struct EventSubscription {
    pub(crate) kind: u32,
    pub(crate) id: u32,
    pub(crate) flags: u32,
    pub(crate) reserved: [u32; 5],
}

/// `v4l2_event`, with a `timespec` of ticks `T`.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub(crate) struct Event<T> {
    pub(crate) kind: u32,
    pub(crate) data: [u64; 8],
    pub(crate) pending: u32,
    pub(crate) sequence: u32,
    pub(crate) timestamp: [T; 2],
    pub(crate) id: u32,
    pub(crate) reserved: [u32; 8],
}

pub(crate) const ENCODER_CMD: Opcode = opcode::read_write::<EncoderCommand>(V, 77);
pub(crate) const SUBSCRIBE_EVENT: Opcode = opcode::write::<EventSubscription>(V, 90);
pub(crate) const S_SELECTION: Opcode = opcode::read_write::<Selection>(V, 95);

impl<T> Event<T> {
    pub(crate) const DQEVENT: Opcode = opcode::read::<Self>(V, 89);
}

/// Distance of two lines and size of the whole, in bytes, of one piece of memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct PlaneFormat {
    /// From the beginning of a line to that of the next; 0 of compressed pictures.
    pub(crate) bytes_per_line: u32,
    /// Bytes of the piece.
    pub(crate) size: u32,
}

impl<W> Format<W> {
    /// `V4L2_FIELD_*` stands in this word of both kinds of format.
    const FIELD: usize = 3;
    /// Words of `v4l2_pix_format`.
    const SINGLE_BYTES_PER_LINE: usize = 4;
    const SINGLE_SIZE: usize = 5;
    /// Words of `v4l2_pix_format_mplane`: the first plane, and how far apart they are. In a plane the size comes first.
    const FIRST_PLANE: usize = 5;
    const PLANE_STEP: usize = 5;

    /// Where line distance and size of a plane stand.
    fn plane_words(&self, plane: usize) -> (usize, usize) {
        if is_multi_planar(self.kind) {
            let first = Self::FIRST_PLANE + plane.min(super::MAX_PLANES - 1) * Self::PLANE_STEP;
            (first + 1, first)
        } else {
            (Self::SINGLE_BYTES_PER_LINE, Self::SINGLE_SIZE)
        }
    }

    /// Line distance and size of a plane.
    pub(crate) fn plane(&self, plane: usize) -> PlaneFormat {
        let (line, size) = self.plane_words(plane);
        PlaneFormat {
            bytes_per_line: self.fmt[line],
            size: self.fmt[size],
        }
    }

    /// Asks for a plane; zeros leave it to the driver.
    pub(crate) fn with_plane(mut self, plane: usize, wanted: PlaneFormat) -> Self {
        let (line, size) = self.plane_words(plane);
        self.fmt[line] = wanted.bytes_per_line;
        self.fmt[size] = wanted.size;
        self
    }

    /// Asks for whole pictures.
    pub(crate) fn progressive(mut self) -> Self {
        self.fmt[Self::FIELD] = FIELD_NONE;
        self
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unnecessary_cast,
        reason = "Opcode is another type on other machines"
    )]

    use super::super::buffer_type;
    use super::*;
    use std::mem::{align_of, offset_of, size_of};

    #[test]
    fn structs_and_ioctl_numbers_match_the_kernel() {
        assert_eq!(size_of::<Selection>(), 64);
        assert_eq!(size_of::<EncoderCommand>(), 40);
        assert_eq!(size_of::<EventSubscription>(), 32);
        let numbers = [ENCODER_CMD, SUBSCRIBE_EVENT, S_SELECTION];
        assert_eq!(
            numbers.map(|n| n as u32),
            [0xc028_564d, 0x4020_565a, 0xc040_565f]
        );
    }

    #[test]
    fn events_have_both_layouts() {
        // i386 alone aligns 64-bit numbers to 4 bytes.
        if align_of::<u64>() != 8 {
            return;
        }
        assert_eq!(size_of::<Event<i64>>(), 136);
        assert_eq!(offset_of!(Event<i64>, timestamp), 80);
        assert_eq!(offset_of!(Event<i64>, id), 96);
        assert_eq!(Event::<i64>::DQEVENT as u32, 0x8088_5659);
        assert_eq!(size_of::<Event<i32>>(), 128);
        assert_eq!(offset_of!(Event<i32>, id), 88);
        assert_eq!(Event::<i32>::DQEVENT as u32, 0x8080_5659);
    }

    #[test]
    fn plane_fields_are_at_the_kernel_offsets() {
        // Bytes of v4l2_pix_format: bytesperline 16, sizeimage 20.
        let single = Format::<usize>::new(buffer_type::OUTPUT, 0, 320, 240)
            .progressive()
            .with_plane(
                0,
                PlaneFormat {
                    bytes_per_line: 640,
                    size: 9,
                },
            );
        assert_eq!((single.fmt[3], single.fmt[4], single.fmt[5]), (1, 640, 9));
        // Bytes of v4l2_pix_format_mplane: plane_fmt 20, 20 bytes each, sizeimage and bytesperline in front.
        let wanted = PlaneFormat {
            bytes_per_line: 64,
            size: 7,
        };
        let multi =
            Format::<usize>::new(buffer_type::OUTPUT_MPLANE, 0, 320, 240).with_plane(1, wanted);
        assert_eq!((multi.fmt[10], multi.fmt[11]), (7, 64));
        assert_eq!(multi.plane(1), wanted);
        assert_eq!(multi.planes(), 1);
    }
}
