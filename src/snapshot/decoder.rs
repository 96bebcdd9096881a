//! openh264, and what it cannot do.

use super::planes::Planes;
use crate::h264::sps::Sps;
use openh264::formats::YUVSource;

/// Decodes the pictures of one sequence parameter set, one after the other.
pub(super) struct Decoder(openh264::decoder::Decoder);

impl Decoder {
    /// A decoder for such pictures; or the reason why there is none.
    pub(super) fn new(sps: &Sps) -> Result<Self, String> {
        if !sps.is_frames_only {
            return Err("they are interlaced".to_owned());
        }
        if sps.chroma_format != 1 || sps.luma_bits != 8 || sps.chroma_bits != 8 {
            return Err("only 4:2:0 with 8 bits can be decoded".to_owned());
        }
        openh264::decoder::Decoder::new()
            .map(Self)
            .map_err(|error| error.to_string())
    }

    /// Decodes an access unit (Annex B); its picture goes into `out`, if that is given. False if it brought no picture.
    pub(super) fn decode(
        &mut self,
        annexb: &[u8],
        out: Option<&mut Planes>,
    ) -> Result<bool, String> {
        let decoded = self.0.decode(annexb).map_err(|error| error.to_string())?;
        let Some(picture) = decoded else {
            return Ok(false);
        };
        let Some(out) = out else {
            return Ok(true);
        };
        let (y, u, v) = picture.strides();
        let planes = [(picture.y(), y), (picture.u(), u), (picture.v(), v)];
        if out.take(picture.dimensions(), planes) {
            Ok(true)
        } else {
            Err("the decoder gave half a picture".to_owned())
        }
    }
}
