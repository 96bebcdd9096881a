//! Memory that a decoder takes, told from the sequence parameter set before there is one.
//!
//! openh264 allocates for a sequence: the reference pictures that are announced and two more, each with a border and with
//! what is kept of its macroblocks; the state of all macroblocks of one picture, most of it coefficients; three buffers for
//! coded data. In addition there are the planes of the newest picture, a smaller copy and the JPEG. Measured as growth of the
//! resident memory (openh264 2.6, x86-64), and a megabyte for the process by itself, estimate in brackets, in MB:
//!
//! | | 1 reference | 4 | 16 |
//! |---|---|---|---|
//! | 320x240 | 6 (7) | 6 (8) | 10 (11) |
//! | 1280x720 | 18 (19) | 24 (26) | 50 (51) |
//! | 1920x1080 | 34 (37) | 48 (50) | 103 (105) |
//! | 4096x2304 | 134 (143) | 194 (203) | 433 (443) |

use crate::h264::sps::Sps;

/// Bytes kept of each macroblock of a decoded frame: motion vectors, reference indices, type.
const FRAME_MACROBLOCK_BYTES: u64 = 168;

/// Bytes of a macroblock's state while it is decoded: 768 of coefficients, motion vectors and their differences, modes.
const STATE_MACROBLOCK_BYTES: u64 = 1280;

/// Frames that openh264 has in addition to the references.
const EXTRA_FRAMES: u64 = 2;

/// Border around the planes on each side, and alignment of their sizes, in pixels.
const PLANE_BORDER: u64 = 32;
const PLANE_ALIGNMENT: u64 = 32;

/// Coded data, tables, the process itself and the thread that waits for it.
const FIXED_BYTES: u64 = 6 << 20;

/// Returns the bytes that decoding such frames takes, JPEG included.
pub(super) fn decoder_bytes(sps: &Sps) -> u64 {
    let (width, height) = (
        u64::from(sps.width + sps.cropping.left + sps.cropping.right),
        u64::from(sps.height + sps.cropping.top + sps.cropping.bottom),
    );
    let padded = |length: u64| (length + 2 * PLANE_BORDER).next_multiple_of(PLANE_ALIGNMENT);
    let macroblocks = width.div_ceil(16) * height.div_ceil(16);
    let picture = padded(width) * padded(height) * 3 / 2 + macroblocks * FRAME_MACROBLOCK_BYTES;
    let pictures = u64::from(sps.max_ref_frames) + EXTRA_FRAMES;
    // Its planes, those of a copy that is hardly smaller, and a JPEG of 4 bits a pixel.
    let ours = width * height * 7 / 2;
    FIXED_BYTES + pictures * picture + macroblocks * STATE_MACROBLOCK_BYTES + ours
}

/// Returns the bytes of address space that the decoder's process may have in addition to what it starts with. The estimate is of
/// usual frames: coded ones of noise, and their JPEGs at the best quality, are as large as raw ones.
pub(super) fn address_space_bytes(sps: &Sps) -> u64 {
    const CODED_BYTES: u64 = 8 << 20;
    let pixels = u64::from(sps.width) * u64::from(sps.height);
    decoder_bytes(sps) + pixels * 8 + CODED_BYTES
}

/// Returns the most bytes that a JPEG of such frames may have: noise at the best quality has fewer.
pub(super) fn max_jpeg_bytes(sps: &Sps) -> usize {
    const HEADERS: u64 = 64 << 10;
    let pixels = u64::from(sps.width) * u64::from(sps.height);
    usize::try_from(pixels * 4 + HEADERS).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::decoder_bytes;
    use crate::h264::sps::Sps;

    #[test]
    fn estimate_is_not_below_measured_memory() {
        const MEASURED_MB: u64 = 18;
        let set = |bytes: &[u8]| Sps::parse(bytes).map(|sps| decoder_bytes(&sps) >> 20);
        let pi = [
            0x27, 0x64, 0x00, 0x28, 0xac, 0x2b, 0x40, 0x28, 0x02, 0xdd, 0x00, 0xf1, 0x22, 0x6a,
        ];
        // 1280x720 with one reference, of a Raspberry Pi.
        assert_eq!(set(&pi), Ok(MEASURED_MB + 1));
    }
}
