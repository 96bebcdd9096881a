//! Sizes, offsets and numbers as a C compiler makes them from the kernel's headers.

#![allow(
    clippy::unnecessary_cast,
    reason = "Opcode is another type on other machines"
)]

use super::*;
use std::mem::{align_of, offset_of, size_of};

/// Sizes, offsets (timestamp, timecode, sequence, memory, m, length, reserved2, request_fd) and numbers.
fn check_buffer<W, T>(size: usize, offsets: [usize; 8], numbers: [u32; 3]) {
    assert_eq!(size_of::<Buffer<W, T>>(), size);
    assert_eq!(
        [
            offset_of!(Buffer<W, T>, timestamp),
            offset_of!(Buffer<W, T>, timecode),
            offset_of!(Buffer<W, T>, sequence),
            offset_of!(Buffer<W, T>, memory),
            offset_of!(Buffer<W, T>, m),
            offset_of!(Buffer<W, T>, length),
            offset_of!(Buffer<W, T>, reserved2),
            offset_of!(Buffer<W, T>, request_fd),
        ],
        offsets
    );
    assert_eq!(
        [
            Buffer::<W, T>::QUERYBUF as u32,
            Buffer::<W, T>::QBUF as u32,
            Buffer::<W, T>::DQBUF as u32
        ],
        numbers
    );
}

#[test]
fn buffer_layout_64_bit() {
    check_buffer::<u64, i64>(
        88,
        [24, 40, 56, 60, 64, 72, 76, 80],
        [0xc058_5609, 0xc058_560f, 0xc058_5611],
    );
}

#[test]
fn buffer_layout_32_bit_with_32_bit_times() {
    check_buffer::<u32, i32>(
        68,
        [20, 28, 44, 48, 52, 56, 60, 64],
        [0xc044_5609, 0xc044_560f, 0xc044_5611],
    );
}

#[test]
fn buffer_layout_32_bit_with_64_bit_times() {
    // i386 alone aligns 64-bit numbers to 4 bytes.
    if align_of::<i64>() == 8 {
        check_buffer::<u32, i64>(
            80,
            [24, 40, 56, 60, 64, 68, 72, 76],
            [0xc050_5609, 0xc050_560f, 0xc050_5611],
        );
    }
}

/// Size and offset of the union of `v4l2_format`; size of `v4l2_plane`, its `m` and `data_offset`; size of `v4l2_ext_controls` and its `controls`.
fn word_layouts<W>() -> [usize; 7] {
    [
        size_of::<Format<W>>(),
        offset_of!(Format<W>, fmt),
        size_of::<Plane<W>>(),
        offset_of!(Plane<W>, m),
        offset_of!(Plane<W>, data_offset),
        size_of::<ExtControls<W>>(),
        offset_of!(ExtControls<W>, controls),
    ]
}

#[test]
fn structs_with_addresses_have_both_layouts() {
    assert_eq!(word_layouts::<u64>(), [208, 8, 64, 8, 16, 32, 24]);
    assert_eq!(word_layouts::<u32>(), [204, 4, 60, 8, 12, 24, 20]);
    assert_eq!(
        [
            Format::<u64>::S_FMT as u32,
            ExtControls::<u64>::S_EXT_CTRLS as u32
        ],
        [0xc0d0_5605, 0xc020_5648]
    );
    assert_eq!(
        [
            Format::<u32>::S_FMT as u32,
            ExtControls::<u32>::S_EXT_CTRLS as u32
        ],
        [0xc0cc_5605, 0xc018_5648]
    );
    assert_eq!(
        [
            ExtControls::<u64>::G_EXT_CTRLS as u32,
            ExtControls::<u32>::G_EXT_CTRLS as u32
        ],
        [0xc020_5647, 0xc018_5647]
    );
}

#[test]
fn queries_of_extension_units_have_both_layouts() {
    assert_eq!(size_of::<UnitQuery<u64>>(), 16);
    assert_eq!(size_of::<UnitQuery<u32>>(), 12);
    assert_eq!(offset_of!(UnitQuery<u64>, size), 4);
    assert_eq!(
        [
            offset_of!(UnitQuery<u64>, data),
            offset_of!(UnitQuery<u32>, data)
        ],
        [8, 8]
    );
    assert_eq!(
        [
            UnitQuery::<u64>::QUERY as u32,
            UnitQuery::<u32>::QUERY as u32
        ],
        [0xc010_7521, 0xc00c_7521]
    );
}

#[test]
fn native_layouts_are_used() {
    assert_eq!(size_of::<usize>(), size_of::<*const u8>());
    assert_eq!(align_of::<Format<usize>>(), align_of::<*const u8>());
}

#[test]
fn other_structs_have_one_layout() {
    assert_eq!(size_of::<Capability>(), 104);
    assert_eq!(offset_of!(Capability, device_caps), 88);
    assert_eq!(size_of::<FormatDescription>(), 64);
    assert_eq!(offset_of!(FormatDescription, pixelformat), 44);
    assert_eq!(size_of::<RequestBuffers>(), 20);
    assert_eq!(size_of::<StreamParameters>(), 204);
    assert_eq!(size_of::<ExtControl>(), 20);
    assert_eq!(offset_of!(ExtControl, value), 12);
    assert_eq!(size_of::<QueryExtControl>(), 232);
    assert_eq!(offset_of!(QueryExtControl, flags), 72);
    assert_eq!(size_of::<QueryMenu>(), 44);
    assert_eq!(offset_of!(QueryMenu, reserved), 40);
    assert_eq!(size_of::<FrameSizes>(), 44);
    assert_eq!(size_of::<FrameIntervals>(), 52);
    let numbers = [
        QUERYCAP,
        ENUM_FMT,
        REQBUFS,
        EXPBUF,
        STREAMON,
        STREAMOFF,
        S_PARM,
        ENUM_FRAMESIZES,
        ENUM_FRAMEINTERVALS,
        QUERY_EXT_CTRL,
        QUERYMENU,
    ];
    assert_eq!(
        numbers.map(|n| n as u32),
        [
            0x8068_5600,
            0xc040_5602,
            0xc014_5608,
            0xc040_5610,
            0x4004_5612,
            0x4004_5613,
            0xc0cc_5616,
            0xc02c_564a,
            0xc034_564b,
            0xc0e8_5667,
            0xc02c_5625
        ]
    );
}

#[test]
fn plane_count_is_at_the_kernel_offset() {
    let mut format = Format::<usize>::new(buffer_type::CAPTURE_MPLANE, fourcc(*b"H264"), 320, 240);
    assert_eq!(format.planes(), 1);
    // Byte 180 of v4l2_pix_format_mplane is num_planes, 181 is flags.
    format.fmt[45] = u32::from_ne_bytes([2, 9, 9, 9]);
    assert_eq!(format.planes(), 2);
    assert_eq!(
        (format.size(), format.pixelformat()),
        ((320, 240), 0x3436_3248)
    );
}

#[test]
fn text_ends_at_nul() {
    assert_eq!(text(b"uvcvideo\0\0\xff"), "uvcvideo");
    assert_eq!(text(b"\xff"), "\u{fffd}");
}
