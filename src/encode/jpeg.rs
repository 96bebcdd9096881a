//! Pictures of MJPEG cameras to I420. They are BT.601 with full range (JFIF) and become what everybody shows right, limited range.

use super::I420;
use zune_jpeg::JpegDecoder as Zune;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

/// Why a JPEG is no picture.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum JpegError {
    /// The decoder's reason.
    #[error("{0}")]
    Damaged(String),
    /// Smaller than the camera said.
    #[error("it is {0}x{1} pixels, smaller than the camera said")]
    Small(usize, usize),
    /// Colours that no camera has.
    #[error("its colours are neither YCbCr nor grey")]
    Colours,
}

/// Decodes pictures of one size, one after the other.
#[derive(Default, Debug)]
pub struct JpegDecoder {
    /// The picture as decoded: Y, U and V of each pixel, or Y alone.
    pixels: Vec<u8>,
}

impl JpegDecoder {
    /// Decodes a JPEG into `out`; of a larger one, its upper left corner.
    pub fn decode(&mut self, jpeg: &[u8], out: &mut I420) -> Result<(), JpegError> {
        let damaged =
            |error: zune_jpeg::errors::DecodeErrors| JpegError::Damaged(error.to_string());
        let (width, height) = out.size();
        // What a camera sends may be cut or damaged: never more than this is decoded of it.
        const LARGEST: usize = 8192;
        let options = DecoderOptions::default()
            .set_max_width(LARGEST)
            .set_max_height(LARGEST)
            .jpeg_set_max_scans(16);
        let mut decoder = Zune::new_with_options(ZCursor::new(jpeg), options);
        decoder.decode_headers().map_err(damaged)?;
        let (has_width, has_height) = decoder.dimensions().ok_or(JpegError::Colours)?;
        if has_width < width || has_height < height {
            return Err(JpegError::Small(has_width, has_height));
        }
        let (colours, bytes) = match decoder.input_colorspace() {
            Some(ColorSpace::YCbCr) => (ColorSpace::YCbCr, 3),
            Some(ColorSpace::Luma) => (ColorSpace::Luma, 1),
            _ => return Err(JpegError::Colours),
        };
        decoder.set_options(options.jpeg_set_out_colorspace(colours));
        self.pixels
            .resize(decoder.output_buffer_size().ok_or(JpegError::Colours)?, 0);
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
                    *y = limited_y(pixel[0]);
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
                (*u, *v) = (limited_colour(sum(1)), limited_colour(sum(2)));
            }
        }
    }

    fn write_grey(&self, has_width: usize, out: &mut I420) {
        let (width, _) = out.size();
        let [y, u, v] = out.planes_mut();
        let lines = self.pixels.chunks_exact(has_width.max(1));
        for (to, from) in y.chunks_exact_mut(width.max(1)).zip(lines) {
            for (y, from) in to.iter_mut().zip(from) {
                *y = limited_y(*from);
            }
        }
        u.fill(128);
        v.fill(128);
    }
}

/// 0…255 to 16…235: times 219/255, in 1/65536.
const fn limited_y(full: u8) -> u8 {
    ((full as u32 * 56_284 + (16 << 16) + (1 << 15)) >> 16) as u8
}

/// The sum of four colours of 0…255 around 128 to 16…240: times 224/255/4, in 1/262144.
const fn limited_colour(sum_of_four: u32) -> u8 {
    // 128 stays 128: 128 * 57 569 is that many 65 536ths, the rest is added.
    const REST: u32 = (128 << 18) - 4 * 128 * 57_569 + (1 << 17);
    ((sum_of_four * 57_569 + REST) >> 18) as u8
}
