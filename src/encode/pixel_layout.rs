//! Layout of pixels in memory, for each format that can be encoded. Formats only, no pixels.

use v4l2::FourCc;

/// Layout of the pixels of a format in memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PixelLayout {
    /// 4:2:2, two pixels in four bytes; where in them are the first brightness (the second is two bytes on), U and V.
    Packed {
        /// 0 or 1.
        y: usize,
        /// The place of Cb.
        u: usize,
        /// The place of Cr.
        v: usize,
    },
    /// A luma plane, and one in which U and V alternate.
    SemiPlanar {
        /// V comes first.
        is_v_first: bool,
        /// Lines of colour: half as many as of brightness, else as many.
        has_half_height_chroma: bool,
        /// Each plane is a piece of memory of its own.
        has_separate_buffers: bool,
    },
    /// Three planes; chroma is half as wide.
    Planar {
        /// V comes before U.
        is_v_first: bool,
        /// Lines of colour: half as many as of brightness, else as many.
        has_half_height_chroma: bool,
        /// Each plane is a piece of memory of its own.
        has_separate_buffers: bool,
    },
    /// Red, green and blue in a pixel of three or four bytes; where in it each is.
    Rgb {
        /// Bytes of a pixel.
        bytes: usize,
        /// The place of red.
        r: usize,
        /// The place of green.
        g: usize,
        /// The place of blue.
        b: usize,
    },
    /// Luma only.
    Grey,
}

const fn packed(y: usize, u: usize, v: usize) -> PixelLayout {
    PixelLayout::Packed { y, u, v }
}

const fn semi_planar(is_v_first: bool, has_half_lines: bool, is_apart: bool) -> PixelLayout {
    PixelLayout::SemiPlanar {
        is_v_first,
        has_half_height_chroma: has_half_lines,
        has_separate_buffers: is_apart,
    }
}

const fn planar(is_v_first: bool, has_half_lines: bool, is_apart: bool) -> PixelLayout {
    PixelLayout::Planar {
        is_v_first,
        has_half_height_chroma: has_half_lines,
        has_separate_buffers: is_apart,
    }
}

const fn rgb(bytes: usize, r: usize, g: usize, b: usize) -> PixelLayout {
    PixelLayout::Rgb { bytes, r, g, b }
}

/// The kernel's `pixfmt-*` documents, in their words: `V4L2_PIX_FMT_…`.
pub(super) const LAYOUTS: [([u8; 4], PixelLayout); 32] = [
    (*b"YU12", planar(false, true, false)),
    (*b"YV12", planar(true, true, false)),
    (*b"YM12", planar(false, true, true)),
    (*b"YM21", planar(true, true, true)),
    (*b"NV12", semi_planar(false, true, false)),
    (*b"NV21", semi_planar(true, true, false)),
    (*b"NM12", semi_planar(false, true, true)),
    (*b"NM21", semi_planar(true, true, true)),
    (*b"422P", planar(false, false, false)),
    (*b"YM16", planar(false, false, true)),
    (*b"YM61", planar(true, false, true)),
    (*b"NV16", semi_planar(false, false, false)),
    (*b"NV61", semi_planar(true, false, false)),
    (*b"NM16", semi_planar(false, false, true)),
    (*b"NM61", semi_planar(true, false, true)),
    (*b"YUYV", packed(0, 1, 3)),
    (*b"YVYU", packed(0, 3, 1)),
    (*b"UYVY", packed(1, 0, 2)),
    (*b"VYUY", packed(1, 2, 0)),
    (*b"GREY", PixelLayout::Grey),
    (*b"RGB3", rgb(3, 0, 1, 2)),
    (*b"BGR3", rgb(3, 2, 1, 0)),
    // RGB32, ARGB32 and XRGB32: red is the second byte.
    (*b"RGB4", rgb(4, 1, 2, 3)),
    (*b"BA24", rgb(4, 1, 2, 3)),
    (*b"BX24", rgb(4, 1, 2, 3)),
    // BGR32, ABGR32 and XBGR32: blue is the first byte.
    (*b"BGR4", rgb(4, 2, 1, 0)),
    (*b"AR24", rgb(4, 2, 1, 0)),
    (*b"XR24", rgb(4, 2, 1, 0)),
    // RGBA32 and RGBX32.
    (*b"AB24", rgb(4, 0, 1, 2)),
    (*b"XB24", rgb(4, 0, 1, 2)),
    // BGRA32 and BGRX32: blue is the second byte.
    (*b"RA24", rgb(4, 3, 2, 1)),
    (*b"RX24", rgb(4, 3, 2, 1)),
];

/// Returns the layout of a format in memory; `None` for a format that cannot be converted.
pub fn pixel_layout(fourcc: FourCc) -> Option<PixelLayout> {
    LAYOUTS
        .iter()
        .find(|(code, _)| FourCc::new(*code) == fourcc)
        .map(|&(_, layout)| layout)
}

/// Returns the cost of converting a pixel (1 is the least): first the bytes to be read, then the
/// sums to be done.
pub(super) fn conversion_cost(fourcc: FourCc) -> Option<u32> {
    Some(match pixel_layout(fourcc)? {
        PixelLayout::Planar {
            has_half_height_chroma: has_half_lines,
            ..
        }
        | PixelLayout::SemiPlanar {
            has_half_height_chroma: has_half_lines,
            ..
        } => {
            let is_planar = matches!(pixel_layout(fourcc), Some(PixelLayout::Planar { .. }));
            1 + u32::from(!is_planar) + 2 * u32::from(!has_half_lines)
        }
        PixelLayout::Packed { .. } => 5,
        PixelLayout::Rgb { bytes: 3, .. } => 20,
        PixelLayout::Rgb { .. } => 21,
        // No colour: only if there is nothing else.
        PixelLayout::Grey => 1000,
    })
}
