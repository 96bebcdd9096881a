//! Decodes JPEGs of MJPEG cameras to I420. They are BT.601 with full range (JFIF), and become limited range, which all players show right.
//!
//! The usual JPEGs of cameras take the fast path, our own decoder ([`jpeg::BaselineDecoder`]).
//! Other kinds and damaged ones go to zune-jpeg, which takes all kinds and makes the best of
//! damage.

use super::I420;
use crate::jpeg::{self, BaselineDecoder, DecodeError, SampleRange, Yuv420Planes};
use zune_jpeg::JpegDecoder as Zune;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

/// Reason for a JPEG that is no frame.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum JpegError {
    /// The decoder's reason.
    #[error("{0}")]
    Damaged(String),
    /// Its end is missing: a decoder would make up the rest.
    #[error("its end is missing")]
    Truncated,
    /// Smaller than the camera said.
    #[error("it is {0}x{1} pixels, smaller than the camera said")]
    TooSmall(usize, usize),
    /// Colours that no camera has.
    #[error("its colours are neither YCbCr nor grey")]
    UnsupportedColours,
}

/// Decodes JPEGs of one size, one after the other.
#[derive(Default, Debug)]
pub struct JpegDecoder {
    baseline: BaselineDecoder,
    /// Frame as zune-jpeg decodes it: Y, U and V of each pixel, or Y alone.
    pixels: Vec<u8>,
}

impl JpegDecoder {
    /// Decodes a JPEG into `out`; of a larger one, its upper left corner. The camera's bytes are
    /// completed to a file first ([`jpeg::complete`]).
    pub fn decode(&mut self, jpeg: &mut Vec<u8>, out: &mut I420) -> Result<(), JpegError> {
        if !jpeg::complete(jpeg) {
            return Err(JpegError::Truncated);
        }
        let (width, height) = out.size();
        let mut planes = Yuv420Planes {
            width,
            height,
            planes: out.planes_mut(),
        };
        match self
            .baseline
            .decode(jpeg, SampleRange::Limited, &mut planes)
        {
            Ok(()) => Ok(()),
            Err(DecodeError::TooSmall(width, height)) => Err(JpegError::TooSmall(width, height)),
            Err(DecodeError::Unsupported | DecodeError::Damaged) => self.decode_any(jpeg, out),
        }
    }

    /// Decodes a JPEG of any kind, also a damaged one.
    fn decode_any(&mut self, jpeg: &[u8], out: &mut I420) -> Result<(), JpegError> {
        let damaged =
            |error: zune_jpeg::errors::DecodeErrors| JpegError::Damaged(error.to_string());
        let (width, height) = out.size();
        // A camera's JPEG may be truncated or damaged: never more than this is decoded.
        const LARGEST: usize = 8192;
        let options = DecoderOptions::default()
            .set_max_width(LARGEST)
            .set_max_height(LARGEST)
            .jpeg_set_max_scans(16);
        let mut decoder = Zune::new_with_options(ZCursor::new(jpeg), options);
        decoder.decode_headers().map_err(damaged)?;
        let (has_width, has_height) = decoder.dimensions().ok_or(JpegError::UnsupportedColours)?;
        if has_width < width || has_height < height {
            return Err(JpegError::TooSmall(has_width, has_height));
        }
        let (colours, bytes) = match decoder.input_colorspace() {
            Some(ColorSpace::YCbCr) => (ColorSpace::YCbCr, 3),
            Some(ColorSpace::Luma) => (ColorSpace::Luma, 1),
            _ => return Err(JpegError::UnsupportedColours),
        };
        decoder.set_options(options.jpeg_set_out_colorspace(colours));
        self.pixels.resize(
            decoder
                .output_buffer_size()
                .ok_or(JpegError::UnsupportedColours)?,
            0,
        );
        decoder.decode_into(&mut self.pixels).map_err(damaged)?;
        if bytes == 1 {
            self.write_grey(has_width, out);
        } else {
            self.write(has_width, out);
        }
        Ok(())
    }

    fn write(&self, has_width: usize, out: &mut I420) {
        let (width, _) = out.size();
        let [y, u, v] = out.planes_mut();
        let colours = u
            .chunks_exact_mut((width / 2).max(1))
            .zip(v.chunks_exact_mut((width / 2).max(1)));
        let pairs = y.chunks_exact_mut((2 * width).max(1));
        let lines = self.pixels.chunks_exact((6 * has_width).max(1));
        for ((two, from), (u, v)) in pairs.zip(lines).zip(colours) {
            let (upper, lower) = from.split_at(3 * has_width);
            for (to, line) in two.chunks_exact_mut(width.max(1)).zip([upper, lower]) {
                for (y, pixel) in to.iter_mut().zip(line.chunks_exact(3)) {
                    *y = limited_luma(pixel[0]);
                }
            }
            let squares = upper.chunks_exact(6).zip(lower.chunks_exact(6));
            for ((u, v), (upper, lower)) in u.iter_mut().zip(v).zip(squares) {
                let sum = |at: usize| {
                    [upper[at], upper[at + 3], lower[at], lower[at + 3]]
                        .map(u32::from)
                        .iter()
                        .sum()
                };
                (*u, *v) = (limited_chroma(sum(1)), limited_chroma(sum(2)));
            }
        }
    }

    fn write_grey(&self, has_width: usize, out: &mut I420) {
        let (width, _) = out.size();
        let [y, u, v] = out.planes_mut();
        let lines = self.pixels.chunks_exact(has_width.max(1));
        for (to, from) in y.chunks_exact_mut(width.max(1)).zip(lines) {
            for (y, from) in to.iter_mut().zip(from) {
                *y = limited_luma(*from);
            }
        }
        u.fill(128);
        v.fill(128);
    }
}

/// 0…255 to 16…235: times 219/255, in 1/65536.
const fn limited_luma(full: u8) -> u8 {
    ((full as u32 * 56_284 + (16 << 16) + (1 << 15)) >> 16) as u8
}

/// The sum of four colours of 0…255 around 128 to 16…240: times 224/255/4, in 1/262144.
const fn limited_chroma(sum_of_four: u32) -> u8 {
    // 128 stays 128: 128 * 57 569 is that many 65 536ths, the rest is added.
    const REST: u32 = (128 << 18) - 4 * 128 * 57_569 + (1 << 17);
    ((sum_of_four * 57_569 + REST) >> 18) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fixture(name: &str) -> Vec<u8> {
        let path = format!("{}/tests/fixtures/jpeg/{name}", env!("CARGO_MANIFEST_DIR"));
        std::fs::read(path).unwrap()
    }

    /// Y, U and V in the middle of a place of the picture.
    fn at(picture: &I420, x: usize, y: usize) -> [u8; 3] {
        let (width, _) = picture.size();
        let [py, pu, pv] = picture.planes();
        let square = y / 2 * (width / 2) + x / 2;
        [py[y * width + x], pu[square], pv[square]]
    }

    fn decode(jpeg: &[u8], width: u32, height: u32) -> Result<I420, JpegError> {
        let mut out = I420::new(width, height, Vec::new());
        JpegDecoder::default().decode(&mut jpeg.to_vec(), &mut out)?;
        Ok(out)
    }

    #[test]
    fn colours_come_out_in_limited_range() {
        for name in ["422.jpg", "420.jpg"] {
            let picture = decode(&fixture(name), 96, 64).unwrap();
            // Places in ffmpeg's test pattern that are black, green and yellow: as ITU-R BT.601 has them.
            for ((x, y), wanted) in [
                ((8, 20), [16, 128, 128]),
                ((66, 20), [145, 54, 34]),
                ((56, 20), [210, 16, 146]),
            ] {
                let found = at(&picture, x, y);
                let is_near = found.iter().zip(wanted).all(|(&a, b)| a.abs_diff(b) <= 6);
                assert!(is_near, "{name} at {x},{y}: {found:?}, wanted {wanted:?}");
            }
        }
    }

    #[test]
    fn grey_jpeg_has_neutral_chroma() {
        let mut jpeg = vec![0xFF, 0xD8, 0xFF, 0xDB, 0, 67, 0];
        jpeg.extend([1; 64]);
        // One component, 16x16: four blocks, each "no difference" (00) and "end of block" (1010).
        jpeg.extend([0xFF, 0xC0, 0, 11, 8, 0, 16, 0, 16, 1, 1, 0x11, 0]);
        jpeg.extend([0xFF, 0xDA, 0, 8, 1, 1, 0, 0, 63, 0]);
        jpeg.extend([0b0010_1000, 0b1010_0010, 0b1000_1010, 0xFF, 0xD9]);
        let picture = decode(&jpeg, 16, 16).unwrap();
        let [y, u, v] = picture.planes();
        assert!(y.iter().all(|&y| y == limited_luma(128)), "{y:?}");
        assert!(u.iter().chain(v).all(|&colour| colour == 128));
    }

    #[test]
    fn jpeg_without_tables_uses_default_huffman() {
        let whole = fixture("422.jpg");
        let at = whole.windows(2).position(|it| it == [0xFF, 0xC4]).unwrap();
        let length = usize::from(u16::from_be_bytes([whole[at + 2], whole[at + 3]]));
        let mut bare = whole.clone();
        bare.drain(at..at + 2 + length);
        assert_eq!(decode(&bare, 96, 64), decode(&whole, 96, 64));
    }

    #[test]
    fn jpeg_larger_is_cropped_smaller_rejected() {
        let whole = fixture("420.jpg");
        let corner = decode(&whole, 48, 32).unwrap();
        assert_eq!(
            at(&corner, 44, 8),
            at(&decode(&whole, 96, 64).unwrap(), 44, 8)
        );
        assert_eq!(decode(&whole, 98, 64), Err(JpegError::TooSmall(96, 64)));
    }

    #[test]
    fn damaged_jpeg_never_panics() {
        let whole = fixture("420.jpg");
        for end in (0..whole.len()).step_by(61) {
            assert_eq!(decode(&whole[..end], 96, 64), Err(JpegError::Truncated));
            let with_end = [&whole[..end], &[0xFF, 0xDA, 0xFF, 0xD9]].concat();
            let _ = decode(&with_end, 96, 64);
        }
        let filled_up = [&whole[..], &[0; 100]].concat();
        assert_eq!(decode(&filled_up, 96, 64), decode(&whole, 96, 64));
        for place in (2..whole.len()).step_by(43) {
            let mut damaged = whole.clone();
            damaged[place] ^= 0x55;
            let _ = decode(&damaged, 96, 64);
        }
        assert!(decode(&[0xFF; 100], 96, 64).is_err());
    }
}
