//! Memory layout of the kernel's V4L2 calls: the part of `linux/videodev2.h` that is used here.
//! Shapes and numbers only, no calls.
//!
//! Structs with a `long`, an address or a time in them differ between machines. They are generic over the
//! word `W` (`usize` in use) and the ticks `T` of a time (`i64`; `i32` on 32-bit kernels before 5.6), so that
//! every layout is compiled and tested on every machine.

use rustix::ioctl::{Opcode, opcode};

pub(super) mod m2m;
#[cfg(test)]
mod tests;

/// Greatest number of planes of a multi-planar buffer (`VIDEO_MAX_PLANES`).
pub(super) const MAX_PLANES: usize = 8;

/// A four-character code of a pixel format, as the kernel packs it.
pub(super) const fn fourcc(code: [u8; 4]) -> u32 {
    u32::from_le_bytes(code)
}

/// `v4l2_buf_type`
pub(super) mod buffer_type {
    pub(crate) const CAPTURE: u32 = 1;
    pub(crate) const OUTPUT: u32 = 2;
    pub(crate) const CAPTURE_MPLANE: u32 = 9;
    pub(crate) const OUTPUT_MPLANE: u32 = 10;
}

/// True of a queue whose buffers have several planes, which are told in a list of their own.
pub(super) fn is_multi_planar(kind: u32) -> bool {
    matches!(
        kind,
        buffer_type::CAPTURE_MPLANE | buffer_type::OUTPUT_MPLANE
    )
}

/// `V4L2_MEMORY_MMAP`
pub(super) const MEMORY_MMAP: u32 = 1;
/// `V4L2_BUF_FLAG_ERROR`
pub(super) const FLAG_ERROR: u32 = 0x40;
/// `V4L2_CAP_TIMEPERFRAME`: the driver can set the rate.
pub(super) const TIME_PER_FRAME: u32 = 0x1000;

/// `V4L2_CAP_*`
pub(super) mod caps {
    pub(crate) const VIDEO_CAPTURE: u32 = 0x0000_0001;
    pub(crate) const VIDEO_OUTPUT: u32 = 0x0000_0002;
    pub(crate) const VIDEO_CAPTURE_MPLANE: u32 = 0x0000_1000;
    pub(crate) const VIDEO_OUTPUT_MPLANE: u32 = 0x0000_2000;
    pub(crate) const VIDEO_M2M_MPLANE: u32 = 0x0000_4000;
    pub(crate) const VIDEO_M2M: u32 = 0x0000_8000;
    pub(crate) const META_CAPTURE: u32 = 0x0080_0000;
    pub(crate) const STREAMING: u32 = 0x0400_0000;
    pub(crate) const META_OUTPUT: u32 = 0x0800_0000;
    pub(crate) const IO_MC: u32 = 0x2000_0000;
    pub(crate) const DEVICE_CAPS: u32 = 0x8000_0000;
}

/// `V4L2_FRMSIZE_TYPE_DISCRETE` and `V4L2_FRMIVAL_TYPE_DISCRETE`; all other types are ranges.
pub(super) const DISCRETE: u32 = 1;

/// `v4l2_capability`
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub(super) struct Capability {
    pub driver: [u8; 16],
    pub card: [u8; 32],
    pub bus_info: [u8; 32],
    pub version: u32,
    pub capabilities: u32,
    pub device_caps: u32,
    pub reserved: [u32; 3],
}

/// `v4l2_fmtdesc`
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub(super) struct FormatDescription {
    pub index: u32,
    pub kind: u32,
    pub flags: u32,
    pub description: [u8; 32],
    pub pixelformat: u32,
    pub mbus_code: u32,
    pub reserved: [u32; 3],
}

/// `v4l2_frmsizeenum`; `size` is width, height of a discrete size, else minimum, maximum and step of the width, then of the height.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub(super) struct FrameSizes {
    pub index: u32,
    pub pixel_format: u32,
    pub kind: u32,
    pub size: [u32; 6],
    pub reserved: [u32; 2],
}

/// `v4l2_frmivalenum`; `interval` is numerator and denominator (seconds) of a discrete interval, else those of the shortest, the
/// longest and the step.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub(super) struct FrameIntervals {
    pub index: u32,
    pub pixel_format: u32,
    pub width: u32,
    pub height: u32,
    pub kind: u32,
    pub interval: [u32; 6],
    pub reserved: [u32; 2],
}

/// `v4l2_format`. The union in it is aligned like an address, for `v4l2_window` holds some.
#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct Format<W> {
    pub kind: u32,
    pub align: [W; 0],
    pub fmt: [u32; 50],
}

impl<W> Format<W> {
    // Words of `v4l2_pix_format` and of the packed `v4l2_pix_format_mplane`: the first four are the same.
    const WIDTH: usize = 0;
    const HEIGHT: usize = 1;
    const PIXELFORMAT: usize = 2;
    /// In a word of the same number stands that of the first plane, with which its `v4l2_plane_pix_format` begins.
    const SIZEIMAGE: usize = 5;
    const BYTESPERLINE: usize = 4;
    const COLORSPACE: usize = 6;
    const YCBCR_ENC: usize = 9;
    const QUANTIZATION: usize = 10;
    const MPLANE_COLORSPACE: usize = 4;
    /// `bytesperline` of the first plane, those of the others in steps of `MPLANE_STEP`.
    const MPLANE_BYTESPERLINE: usize = 6;
    const MPLANE_STEP: usize = 5;
    /// Holds the bytes `num_planes`, `flags`, `ycbcr_enc`, `quantization`.
    const MPLANE_NUM_PLANES: usize = 45;

    pub(super) fn new(kind: u32, pixelformat: u32, width: u32, height: u32) -> Self {
        let mut fmt = [0; 50];
        fmt[Self::WIDTH] = width;
        fmt[Self::HEIGHT] = height;
        fmt[Self::PIXELFORMAT] = pixelformat;
        if is_multi_planar(kind) {
            fmt[Self::MPLANE_NUM_PLANES] = u32::from_ne_bytes([1, 0, 0, 0]);
        }
        Self {
            kind,
            align: [],
            fmt,
        }
    }

    pub(super) fn size(&self) -> (u32, u32) {
        (self.fmt[Self::WIDTH], self.fmt[Self::HEIGHT])
    }

    pub(super) fn pixelformat(&self) -> u32 {
        self.fmt[Self::PIXELFORMAT]
    }

    /// Bytes of the largest picture.
    pub(super) fn sizeimage(&self) -> u32 {
        self.fmt[Self::SIZEIMAGE]
    }

    /// Bytes from a line to the next in each of the first planes; 0 where the driver does not tell.
    pub(super) fn bytes_per_line<const N: usize>(&self) -> [u32; N] {
        std::array::from_fn(|plane| {
            let word = if self.kind != buffer_type::CAPTURE_MPLANE {
                (plane == 0).then_some(Self::BYTESPERLINE)
            } else {
                (plane < usize::from(self.planes()).min(MAX_PLANES))
                    .then_some(Self::MPLANE_BYTESPERLINE + plane * Self::MPLANE_STEP)
            };
            word.and_then(|word| self.fmt.get(word).copied())
                .unwrap_or(0)
        })
    }

    /// `v4l2_colorspace`, `v4l2_ycbcr_encoding` and `v4l2_quantization`; 0 is each one's default.
    pub(super) fn colour(&self) -> [u32; 3] {
        if self.kind == buffer_type::CAPTURE_MPLANE {
            let [_, _, encoding, quantization] = self.fmt[Self::MPLANE_NUM_PLANES].to_ne_bytes();
            [
                self.fmt[Self::MPLANE_COLORSPACE],
                encoding.into(),
                quantization.into(),
            ]
        } else {
            [Self::COLORSPACE, Self::YCBCR_ENC, Self::QUANTIZATION].map(|word| self.fmt[word])
        }
    }

    /// Planes of a buffer; 1 with the single-planar API.
    pub(super) fn planes(&self) -> u8 {
        if is_multi_planar(self.kind) {
            self.fmt[Self::MPLANE_NUM_PLANES].to_ne_bytes()[0]
        } else {
            1
        }
    }
}

/// `v4l2_streamparm` with `v4l2_captureparm` in front of the union.
#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct StreamParameters {
    pub kind: u32,
    pub capability: u32,
    pub capturemode: u32,
    pub numerator: u32,
    pub denominator: u32,
    pub rest: [u32; 46],
}

/// `v4l2_requestbuffers`
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub(super) struct RequestBuffers {
    pub count: u32,
    pub kind: u32,
    pub memory: u32,
    pub capabilities: u32,
    pub flags: u32,
}

/// `v4l2_exportbuffer`
#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct ExportBuffer {
    pub kind: u32,
    pub index: u32,
    pub plane: u32,
    pub flags: u32,
    pub fd: i32,
    pub reserved: [u32; 11],
}

/// `v4l2_buffer`; `m` is the offset to map (in its first four bytes) or the address of the planes.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub(super) struct Buffer<W, T> {
    pub index: u32,
    pub kind: u32,
    pub bytesused: u32,
    pub flags: u32,
    pub field: u32,
    pub timestamp: [T; 2],
    pub timecode: [u32; 4],
    pub sequence: u32,
    pub memory: u32,
    pub m: W,
    pub length: u32,
    pub reserved2: u32,
    pub request_fd: i32,
}

/// `v4l2_plane`; `m` is the offset to map, in its first four bytes.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub(super) struct Plane<W> {
    pub bytesused: u32,
    pub length: u32,
    pub m: W,
    pub data_offset: u32,
    pub reserved: [u32; 11],
}

/// `v4l2_query_ext_ctrl`
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub(super) struct QueryExtControl {
    pub id: u32,
    pub kind: u32,
    pub name: [u8; 32],
    pub minimum: i64,
    pub maximum: i64,
    pub step: u64,
    pub default_value: i64,
    pub flags: u32,
    pub elem_size: u32,
    pub elems: u32,
    pub nr_of_dims: u32,
    pub dims: [u32; 4],
    pub reserved: [u32; 32],
}

/// `v4l2_querymenu`, packed in the kernel. The item of a menu of numbers stands in the first eight bytes of `name`.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub(super) struct QueryMenu {
    pub id: u32,
    pub index: u32,
    pub name: [u8; 32],
    pub reserved: u32,
}

/// `v4l2_ext_control`, packed in the kernel. A 64-bit value fills both words of `value`, any other the first.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub(super) struct ExtControl {
    pub id: u32,
    pub size: u32,
    pub reserved2: u32,
    pub value: [u32; 2],
}

/// `v4l2_ext_controls`; `controls` is the address of the first of `count`.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub(super) struct ExtControls<W> {
    pub which: u32,
    pub count: u32,
    pub error_idx: u32,
    pub request_fd: i32,
    pub reserved: u32,
    pub controls: W,
}

/// `uvc_xu_control_query`; `data` is the address of `size` bytes.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub(super) struct UnitQuery<W> {
    pub unit: u8,
    pub selector: u8,
    pub query: u8,
    pub size: u16,
    pub data: W,
}

impl<W> UnitQuery<W> {
    /// `UVCIOC_CTRL_QUERY`
    pub(super) const QUERY: Opcode = opcode::read_write::<Self>(b'u', 0x21);
}

const V: u8 = b'V';
pub(super) const QUERYCAP: Opcode = opcode::read::<Capability>(V, 0);
pub(super) const ENUM_FMT: Opcode = opcode::read_write::<FormatDescription>(V, 2);
pub(super) const REQBUFS: Opcode = opcode::read_write::<RequestBuffers>(V, 8);
pub(super) const EXPBUF: Opcode = opcode::read_write::<ExportBuffer>(V, 16);
pub(super) const STREAMON: Opcode = opcode::write::<u32>(V, 18);
pub(super) const STREAMOFF: Opcode = opcode::write::<u32>(V, 19);
pub(super) const S_PARM: Opcode = opcode::read_write::<StreamParameters>(V, 22);
pub(super) const ENUM_FRAMESIZES: Opcode = opcode::read_write::<FrameSizes>(V, 74);
pub(super) const ENUM_FRAMEINTERVALS: Opcode = opcode::read_write::<FrameIntervals>(V, 75);
pub(super) const QUERYMENU: Opcode = opcode::read_write::<QueryMenu>(V, 37);
pub(super) const QUERY_EXT_CTRL: Opcode = opcode::read_write::<QueryExtControl>(V, 103);

impl<W> Format<W> {
    pub(super) const S_FMT: Opcode = opcode::read_write::<Self>(V, 5);
}

impl<W, T> Buffer<W, T> {
    pub(super) const QUERYBUF: Opcode = opcode::read_write::<Self>(V, 9);
    pub(super) const QBUF: Opcode = opcode::read_write::<Self>(V, 15);
    pub(super) const DQBUF: Opcode = opcode::read_write::<Self>(V, 17);
}

impl<W> ExtControls<W> {
    pub(super) const G_EXT_CTRLS: Opcode = opcode::read_write::<Self>(V, 71);
    pub(super) const S_EXT_CTRLS: Opcode = opcode::read_write::<Self>(V, 72);
}

/// Converts a kernel string, up to its NUL.
pub(super) fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|&b| b == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(bytes.get(..end).unwrap_or_default())
        .trim()
        .to_owned()
}
