//! openh264, and its limits. It runs in the decoder's process (`decoder_process`).

use super::yuv420::Yuv420Frame;
use crate::h264::sps::Sps;
use openh264::formats::YUVSource;

/// `dsNoParamSets` of openh264: it has not taken the parameter sets, which are before each keyframe.
const NO_PARAMETER_SETS: i64 = 0x10;

/// Extended profile: partitioned and switching slices.
const EXTENDED_PROFILE: u8 = 88;

/// Decodes the frames of one sequence parameter set, one after the other.
pub(super) struct Decoder {
    decoder: openh264::decoder::Decoder,
    /// Columns at the left and rows at the top that are cropped, in pixels.
    hidden: (usize, usize),
}

/// Reason for the lack of a frame.
#[derive(Debug)]
pub(super) enum DecodeFailure {
    /// The library does not take the parameter sets.
    Unsupported,
    /// This frame could not be decoded: the library's code, or 0 for half a picture.
    Damaged(i64),
}

impl Decoder {
    /// Returns the reason why such frames can never be decoded, if there is one.
    pub(super) fn unsupported(sps: &Sps) -> Option<&'static str> {
        if !sps.is_frames_only {
            Some("they are interlaced")
        } else if sps.chroma_format != 1 || sps.luma_bits != 8 || sps.chroma_bits != 8 {
            Some("only 4:2:0 with 8 bits can be decoded")
        } else if sps.profile == EXTENDED_PROFILE {
            Some("they are of Extended profile")
        } else {
            None
        }
    }

    /// Opens a decoder for such frames, which crops `hidden` columns at the left and rows at the
    /// top.
    pub(super) fn new(sps: &Sps, hidden: (u32, u32)) -> Result<Self, String> {
        if let Some(reason) = Self::unsupported(sps) {
            return Err(reason.to_owned());
        }
        openh264::decoder::Decoder::new()
            .map(|decoder| Self {
                decoder,
                hidden: (hidden.0 as usize, hidden.1 as usize),
            })
            .map_err(|error| error.to_string())
    }

    /// Decodes an access unit (Annex B) into `out`, if that is given. Returns false if it yields no
    /// frame.
    pub(super) fn decode(
        &mut self,
        annexb: &[u8],
        out: Option<&mut Yuv420Frame>,
    ) -> Result<bool, DecodeFailure> {
        let decoded = self
            .decoder
            .decode(annexb)
            .map_err(|error| match error.native_code() {
                code if code & NO_PARAMETER_SETS != 0 => DecodeFailure::Unsupported,
                code => DecodeFailure::Damaged(code),
            })?;
        let Some(picture) = decoded else {
            return Ok(false);
        };
        let Some(out) = out else {
            return Ok(true);
        };
        let (y, u, v) = picture.strides();
        let (width, height) = picture.dimensions();
        let (left, top) = self.hidden;
        // Offsets of 4:2:0 are even.
        let planes = [
            (picture.y(), y, 1),
            (picture.u(), u, 2),
            (picture.v(), v, 2),
        ]
        .map(|(plane, stride, step)| {
            let from = top / step * stride + left / step;
            (plane.get(from..).unwrap_or_default(), stride)
        });
        let size = (width.saturating_sub(left), height.saturating_sub(top));
        if out.copy_from(size, planes) {
            Ok(true)
        } else {
            Err(DecodeFailure::Damaged(0))
        }
    }
}
