//! Pixel formats, frame sizes, colorimetry and the negotiated format. Values only; the calls are in
//! [`super::device`].

use super::abi;
use std::fmt;

/// Pixel format by its four-character code.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct FourCc(u32);

impl FourCc {
    /// H.264 with start codes, one access unit in each buffer.
    pub const H264: Self = Self(abi::fourcc(*b"H264"));
    /// Motion JPEG.
    pub const MJPG: Self = Self(abi::fourcc(*b"MJPG"));
    /// Motion JPEG, as some drivers call it.
    pub const JPEG: Self = Self(abi::fourcc(*b"JPEG"));
    /// YUV 4:2:0 in three contiguous planes, the input of software encoders.
    pub const I420: Self = Self(abi::fourcc(*b"YU12"));

    /// Creates the format with this code.
    pub const fn new(code: [u8; 4]) -> Self {
        Self(abi::fourcc(code))
    }

    /// Returns its four characters, with the mark of a big-endian variant.
    pub const fn code(self) -> [u8; 4] {
        self.0.to_le_bytes()
    }

    pub(super) const fn from_number(number: u32) -> Self {
        Self(number)
    }

    pub(super) const fn number(self) -> u32 {
        self.0
    }
}

impl fmt::Display for FourCc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The highest bit marks a big-endian variant of the format.
        let bytes = (self.0 & 0x7fff_ffff).to_le_bytes();
        let text: String = bytes
            .iter()
            .map(|&b| {
                if (33..127).contains(&b) {
                    char::from(b)
                } else {
                    ' '
                }
            })
            .collect();
        let big_endian = if self.0 >> 31 == 1 { "-BE" } else { "" };
        write!(f, "{}{big_endian}", text.trim_end())
    }
}

/// Pixel format of a node.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PixelFormat {
    /// Its code.
    pub fourcc: FourCc,
    /// Its description by the driver.
    pub description: String,
}

/// Frame size, or a range of them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FrameSize {
    /// Width and height in pixels.
    Discrete(u32, u32),
    /// Range with a step; each is (width, height).
    Stepwise {
        /// Smallest size.
        min: (u32, u32),
        /// Largest size.
        max: (u32, u32),
        /// Step.
        step: (u32, u32),
    },
}

impl FrameSize {
    /// Returns the valid size closest to a width and height.
    pub fn nearest(self, width: u32, height: u32) -> (u32, u32) {
        match self {
            Self::Discrete(width, height) => (width, height),
            Self::Stepwise {
                min: least,
                max: most,
                step,
            } => (
                nearest(width, least.0, most.0, step.0),
                nearest(height, least.1, most.1, step.1),
            ),
        }
    }

    /// Returns the largest size.
    pub fn max(self) -> (u32, u32) {
        self.nearest(u32::MAX, u32::MAX)
    }
}

/// Returns the valid number closest to `wanted`, counted in steps from the minimum.
fn nearest(wanted: u32, least: u32, most: u32, step: u32) -> u32 {
    let step = step.max(1);
    let above = wanted.clamp(least, most.max(least)) - least;
    let up = (above.saturating_add(step / 2) / step).saturating_mul(step);
    let up = least.saturating_add(up);
    if up > most {
        up.saturating_sub(step).max(least)
    } else {
        up
    }
}

/// Format that the driver agreed to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NegotiatedFormat {
    /// Pixel format of the buffers.
    pub fourcc: FourCc,
    /// Width in pixels. The parameter sets of the stream may differ.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Number of planes.
    pub planes: u8,
    /// Size of the largest frame in bytes, of the first plane if there are several. 0 if the driver
    /// does not tell.
    pub sizeimage: u32,
    /// Bytes from one row to the next in each plane; 0 if the driver does not tell.
    pub strides: [u32; 3],
    /// Colorimetry, as far as the driver tells.
    pub colorimetry: Colorimetry,
}

/// `v4l2_colorspace`, `v4l2_ycbcr_encoding` and `v4l2_quantization` of the driver; 0 is the default
/// of each.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Colorimetry {
    colorspace: u32,
    encoding: u32,
    quantization: u32,
}

impl Colorimetry {
    /// Creates it from the numbers in the order of the fields.
    pub(super) fn new([colorspace, encoding, quantization]: [u32; 3]) -> Self {
        Self {
            colorspace,
            encoding,
            quantization,
        }
    }

    const REC709: u32 = 3;
    const JPEG: u32 = 7;
    const ENCODING_709: u32 = 2;
    const FULL_RANGE: u32 = 1;

    /// Returns true for the BT.709 matrix, false for BT.601.
    pub fn is_bt709(self) -> bool {
        match self.encoding {
            0 => self.colorspace == Self::REC709,
            encoding => encoding == Self::ENCODING_709,
        }
    }

    /// Returns true for luma from 0 to 255, false for 16 to 235.
    pub fn is_full_range(self) -> bool {
        match self.quantization {
            0 => self.colorspace == Self::JPEG,
            quantization => quantization == Self::FULL_RANGE,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fourcc_is_written_as_text() {
        assert_eq!(FourCc::H264.to_string(), "H264");
        assert_eq!(
            FourCc(abi::fourcc(*b"Y16 ") | 1 << 31).to_string(),
            "Y16-BE"
        );
        assert_eq!(FourCc(0).to_string(), "");
    }
}
