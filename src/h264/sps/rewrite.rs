//! Sequence parameter sets as viewers get them: a few fields replaced, every other bit as it was.

use super::{Cropping, Sps};
use crate::h264::bits::{BitReader, BitWriter, Error};
use crate::h264::vui::{BitstreamRestriction, ColourDescription, VuiEnd};

/// Changes of fields; `None` and `false` keep them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SpsChanges {
    /// Cropping in pixels, rounded down to the units of the stream.
    pub cropping: Option<Cropping>,
    /// True to set the sample aspect ratio to 1:1.
    pub is_square: bool,
    /// Range, primaries, transfer and matrix.
    pub colour: Option<ColourDescription>,
    /// Reordering and size of the decoded picture buffer.
    pub restriction: Option<BitstreamRestriction>,
}

/// Payload reader and writer.
struct RewriteCursor<'a> {
    reader: BitReader<'a>,
    writer: BitWriter,
}

impl RewriteCursor<'_> {
    /// Copies up to the bit `at`.
    fn copy_to(&mut self, at: usize) -> Result<(), Error> {
        while self.reader.position() < at {
            self.writer
                .flag(self.reader.flag("seq_parameter_set_data")?);
        }
        Ok(())
    }

    /// Skips everything up to the bit `at`.
    fn skip_to(&mut self, at: usize) -> Result<(), Error> {
        while self.reader.position() < at {
            self.reader.flag("seq_parameter_set_data")?;
        }
        Ok(())
    }

    fn write_aspect(&mut self, is_square: bool) {
        self.writer.flag(is_square); // aspect_ratio_info_present_flag
        if is_square {
            self.writer.bits(8, 1); // aspect_ratio_idc
        }
    }

    fn write_signal(&mut self, colour: Option<ColourDescription>, video_format: u8) {
        self.writer.flag(colour.is_some()); // video_signal_type_present_flag
        if let Some(colour) = colour {
            self.writer.bits(3, u32::from(video_format));
            self.writer.flag(colour.is_full_range);
            self.writer.flag(true); // colour_description_present_flag
            for value in [colour.primaries, colour.transfer, colour.matrix] {
                self.writer.bits(8, u32::from(value));
            }
        }
    }
}

impl Sps {
    /// Returns the NAL unit `nal`, from which `self` was read, with these changes and all other
    /// bits as they were. If the VUI is unreadable, as with some cameras, only its aspect ratio
    /// changes.
    pub fn rewrite(&self, nal: &[u8], changes: &SpsChanges) -> Result<Vec<u8>, Error> {
        let header = *nal.first().ok_or(Error::Short("nal_unit_header"))?;
        let reader = BitReader::after_header(nal);
        let aspect = self.vui.aspect.as_ref().filter(|_| changes.is_square);
        let is_readable = self.vui.end != VuiEnd::Unreadable;
        if !is_readable && aspect.is_none() && changes.cropping.is_none() {
            return Ok(nal.to_vec());
        }
        // One that breaks off has no stop bit: what was read counts.
        let read = self.vui.aspect.as_ref().unwrap_or(&self.cropping_at);
        let end = reader.payload_bits().max(read.end);
        let copy = &mut RewriteCursor {
            reader,
            writer: BitWriter::default(),
        };
        if let Some(cropping) = changes.cropping {
            copy.copy_to(self.cropping_at.start)?;
            copy.skip_to(self.cropping_at.end)?;
            cropping.write(&mut copy.writer, self.cropping.unit);
        }
        let changes = if is_readable {
            *changes
        } else {
            SpsChanges {
                colour: None,
                restriction: None,
                ..*changes
            }
        };
        match self.vui.end {
            VuiEnd::NoVui { at } => {
                if changes.is_square || changes.colour.is_some() || changes.restriction.is_some() {
                    copy.copy_to(at)?;
                    copy.skip_to(at + 1)?;
                    copy.writer.flag(true); // vui_parameters_present_flag
                    copy.write_aspect(changes.is_square);
                    copy.writer.flag(false); // overscan_info_present_flag
                    copy.write_signal(changes.colour, self.vui.video_format);
                    // chroma location, timing, two HRDs, pic_struct: not present
                    copy.writer.bits(5, 0);
                    match changes.restriction {
                        Some(restriction) => restriction.write_new(&mut copy.writer),
                        None => copy.writer.flag(false), // bitstream_restriction_flag
                    }
                }
            }
            VuiEnd::NoRestriction { .. } | VuiEnd::Restriction { .. } | VuiEnd::Unreadable => {
                if let Some(at) = aspect {
                    copy.copy_to(at.start)?;
                    copy.skip_to(at.end)?;
                    copy.write_aspect(true);
                }
                if let (Some(at), Some(colour)) = (self.vui.signal.clone(), changes.colour) {
                    copy.copy_to(at.start)?;
                    copy.skip_to(at.end)?;
                    copy.write_signal(Some(colour), self.vui.video_format);
                }
                match (self.vui.end, changes.restriction) {
                    (VuiEnd::NoRestriction { at }, Some(restriction)) => {
                        copy.copy_to(at)?;
                        copy.skip_to(end)?;
                        restriction.write_new(&mut copy.writer);
                    }
                    (VuiEnd::Restriction { at }, Some(restriction)) => {
                        copy.copy_to(at)?;
                        copy.skip_to(end)?;
                        restriction.write(&mut copy.writer);
                    }
                    _ => {}
                }
            }
        }
        copy.copy_to(end)?;
        Ok(std::mem::take(&mut copy.writer).into_nal(header))
    }
}

impl BitstreamRestriction {
    /// Writes `bitstream_restriction_flag` and its fields. The other values are those that E.2.1
    /// infers without them, so that nothing else changes.
    fn write_new(self, w: &mut BitWriter) {
        w.flag(true); // bitstream_restriction_flag
        w.flag(true); // motion_vectors_over_pic_boundaries_flag
        w.ue(2); // max_bytes_per_pic_denom
        w.ue(1); // max_bits_per_mb_denom
        w.ue(15); // log2_max_mv_length_horizontal
        w.ue(15); // log2_max_mv_length_vertical
        self.write(w);
    }

    fn write(self, w: &mut BitWriter) {
        w.ue(self.reorder_frames);
        w.ue(self.buffered_frames);
    }
}

impl Cropping {
    fn write(self, w: &mut BitWriter, (x, y): (u32, u32)) {
        let offsets = [
            self.left / x.max(1),
            self.right / x.max(1),
            self.top / y.max(1),
            self.bottom / y.max(1),
        ];
        let is_cropped = offsets != [0; 4];
        w.flag(is_cropped); // frame_cropping_flag
        if is_cropped {
            offsets.into_iter().for_each(|offset| w.ue(offset));
        }
    }
}
