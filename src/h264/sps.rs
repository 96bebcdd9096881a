//! Sequence parameter sets (7.3.2.1.1): picture size, order counting, what the VUI says of reordering.

mod aspect;
mod rewrite;

use super::bits::{BitReader, BitWriter, Error};
use super::vui::{BitstreamRestriction, ColourDescription, MAX_DPB_FRAMES, Vui, VuiLayout};
pub use rewrite::SpsChanges;
use std::ops::Range;

/// Largest number of macroblocks in a row or column: 16384 x 16384 pixels, four times level 6.2.
const MAX_SIDE_MBS: u32 = 1024;

/// Fields of a sequence parameter set that this program needs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sps {
    /// `seq_parameter_set_id`, 0 to 31.
    pub id: u8,
    /// `profile_idc`.
    pub profile: u8,
    /// `constraint_set0_flag` (highest bit) to `constraint_set5_flag` and two reserved bits.
    pub constraints: u8,
    /// `level_idc`: ten times the level.
    pub level: u8,
    /// `ChromaArrayType`: 0 monochrome or separate planes, 1 4:2:0, 2 4:2:2, 3 4:4:4.
    pub chroma_array_type: u8,
    /// `separate_colour_plane_flag`.
    pub has_separate_planes: bool,
    /// `chroma_format_idc`, 0 to 3.
    pub chroma_format: u8,
    /// Bits of a luma sample, 8 to 14.
    pub luma_bits: u8,
    /// Bits of a chroma sample, 8 to 14.
    pub chroma_bits: u8,
    /// Bits of `frame_num` in slice headers, 4 to 16.
    pub frame_num_bits: u32,
    /// Picture order count type and its fields.
    pub poc_type: PocType,
    /// `max_num_ref_frames`.
    pub max_ref_frames: u32,
    /// `frame_mbs_only_flag`: no field pictures.
    pub is_frames_only: bool,
    /// Displayed width, in pixels.
    pub width: u32,
    /// Displayed height, in pixels.
    pub height: u32,
    /// Sample aspect ratio, width to height; 1:1 if missing or implausible.
    pub sample_aspect: (u32, u32),
    /// True if the stream has an implausible sample aspect ratio.
    pub has_implausible_aspect: bool,
    /// Cropping.
    pub cropping: Cropping,
    /// Colour description.
    pub colour: ColourDescription,
    /// `max_num_reorder_frames` and `max_dec_frame_buffering`; `None` without `bitstream_restriction_flag`.
    pub restriction: Option<BitstreamRestriction>,
    /// Position of `frame_cropping_flag` and its offsets, in bits of the payload.
    cropping_at: Range<usize>,
    /// Position of `gaps_in_frame_num_value_allowed_flag` in bits.
    gaps_at: usize,
    vui: VuiLayout,
}

/// Cropping of decoded pictures at each edge, in pixels (7.4.2.1.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Cropping {
    /// Left edge.
    pub left: u32,
    /// Right edge.
    pub right: u32,
    /// Top edge.
    pub top: u32,
    /// Bottom edge.
    pub bottom: u32,
    /// `CropUnitX` and `CropUnitY` (7-19 to 7-22): pixels in one step of an offset.
    unit: (u32, u32),
}

/// `pic_order_cnt_type` and its fields (8.2.1).
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum PocType {
    /// Type 0: slice headers carry the low bits of the count.
    Type0 {
        /// Bits of `pic_order_cnt_lsb`, 4 to 16.
        lsb_bits: u32,
    },
    /// Type 1: an expected pattern, and slice headers carry the differences.
    Type1 {
        /// `delta_pic_order_always_zero_flag`.
        is_always_as_expected: bool,
        /// `offset_for_non_ref_pic`.
        non_ref_offset: i32,
        /// `offset_for_top_to_bottom_field`.
        top_to_bottom: i32,
        /// `offset_for_ref_frame`.
        ref_frame_offsets: Vec<i32>,
    },
    /// Type 2: output order is decoding order.
    Type2,
}

impl Sps {
    /// Reads a NAL unit of type 7, header byte included.
    pub fn parse(nal: &[u8]) -> Result<Self, Error> {
        let r = &mut BitReader::after_header(nal);
        let profile = r.bits(8, "profile_idc")? as u8;
        let constraints = r.bits(8, "constraint_set_flags")? as u8;
        let level = r.bits(8, "level_idc")? as u8;
        let id = r.ue_to(31, "seq_parameter_set_id")? as u8;
        let chroma = if has_chroma_format(profile) {
            Chroma::read(r)?
        } else {
            Chroma::default()
        };
        let frame_num_bits = r.ue_to(12, "log2_max_frame_num_minus4")? + 4;
        let order_count = PocType::read(r)?;
        let max_ref_frames = r.ue_to(MAX_DPB_FRAMES, "max_num_ref_frames")?;
        let gaps_at = r.position();
        r.flag("gaps_in_frame_num_value_allowed_flag")?;
        let width_mbs = r.ue_to(MAX_SIDE_MBS - 1, "pic_width_in_mbs_minus1")? + 1;
        let map_units = r.ue_to(MAX_SIDE_MBS - 1, "pic_height_in_map_units_minus1")? + 1;
        let is_frames_only = r.flag("frame_mbs_only_flag")?;
        if !is_frames_only {
            r.flag("mb_adaptive_frame_field_flag")?;
        }
        r.flag("direct_8x8_inference_flag")?;
        let rows_per_unit = if is_frames_only { 1 } else { 2 };
        if map_units * rows_per_unit > MAX_SIDE_MBS {
            return Err(Error::Range("pic_height_in_map_units_minus1"));
        }
        let start = r.position();
        let coded = (width_mbs * 16, map_units * rows_per_unit * 16);
        let cropping = Cropping::read(r, &chroma, rows_per_unit, coded)?;
        let cropping_at = start..r.position();
        let (width, height) = (
            coded.0 - cropping.left - cropping.right,
            coded.1 - cropping.top - cropping.bottom,
        );
        let vui = Vui::read(r);
        let said = vui.sample_aspect.unwrap_or((1, 1));
        let is_plausible = aspect::is_plausible(said, (width, height));
        Ok(Self {
            id,
            profile,
            constraints,
            level,
            chroma_array_type: chroma.array_type(),
            chroma_format: chroma.format as u8,
            luma_bits: chroma.luma_bits,
            chroma_bits: chroma.chroma_bits,
            has_separate_planes: chroma.has_separate_planes,
            frame_num_bits,
            poc_type: order_count,
            max_ref_frames,
            is_frames_only,
            width,
            height,
            sample_aspect: if is_plausible { said } else { (1, 1) },
            has_implausible_aspect: !is_plausible,
            cropping,
            colour: vui.colour,
            restriction: vui.restriction,
            cropping_at,
            gaps_at,
            vui: vui.layout,
        })
    }

    /// Sets `gaps_in_frame_num_value_allowed_flag` in the NAL unit `nal` of this set. Numbers are
    /// missing between a kept IDR picture and a recovery point, which OpenH264 would take for lost
    /// references.
    pub fn with_gaps_allowed(&self, nal: &[u8]) -> Result<Vec<u8>, Error> {
        let header = *nal.first().ok_or(Error::Short("nal_unit_header"))?;
        let mut reader = BitReader::after_header(nal);
        let mut writer = BitWriter::default();
        while !reader.is_at_end() {
            let is_gaps = reader.position() == self.gaps_at;
            writer.flag(reader.flag("seq_parameter_set_data")? || is_gaps);
        }
        Ok(writer.into_nal(header))
    }

    /// Returns the `codecs` parameter of RFC 6381, such as `avc1.64001f`.
    pub fn codec(&self) -> String {
        format!(
            "avc1.{:02x}{:02x}{:02x}",
            self.profile, self.constraints, self.level
        )
    }

    /// Returns true if output follows decoding order by profile or type: POC type 2, intra profiles
    /// (E.2.1), and Baseline, which has no B slices.
    pub(crate) fn cannot_reorder(&self) -> bool {
        let is_intra_profile =
            matches!(self.profile, 44 | 86 | 100 | 110 | 122 | 244) && self.constraints & 0x10 != 0;
        self.poc_type == PocType::Type2 || self.profile == 66 || is_intra_profile
    }
}

/// Returns true for profiles with `chroma_format_idc` and scaling lists.
fn has_chroma_format(profile: u8) -> bool {
    matches!(
        profile,
        100 | 110 | 122 | 244 | 44 | 83 | 86 | 118 | 128 | 138 | 139 | 134 | 135
    )
}

struct Chroma {
    format: u32,
    has_separate_planes: bool,
    luma_bits: u8,
    chroma_bits: u8,
}

impl Default for Chroma {
    fn default() -> Self {
        Self {
            format: 1,
            has_separate_planes: false,
            luma_bits: 8,
            chroma_bits: 8,
        }
    }
}

impl Chroma {
    fn read(r: &mut BitReader<'_>) -> Result<Self, Error> {
        let format = r.ue_to(3, "chroma_format_idc")?;
        let has_separate_planes = format == 3 && r.flag("separate_colour_plane_flag")?;
        let luma_bits = 8 + r.ue_to(6, "bit_depth_luma_minus8")? as u8;
        let chroma_bits = 8 + r.ue_to(6, "bit_depth_chroma_minus8")? as u8;
        r.flag("qpprime_y_zero_transform_bypass_flag")?;
        if r.flag("seq_scaling_matrix_present_flag")? {
            for list in 0..if format == 3 { 12 } else { 8 } {
                if r.flag("seq_scaling_list_present_flag")? {
                    skip_scaling_list(r, if list < 6 { 16 } else { 64 })?;
                }
            }
        }
        Ok(Self {
            format,
            has_separate_planes,
            luma_bits,
            chroma_bits,
        })
    }

    fn array_type(&self) -> u8 {
        if self.has_separate_planes {
            0
        } else {
            self.format as u8
        }
    }

    /// Returns `CropUnitX` and `CropUnitY` of a frame-only sequence (7-19 to 7-22).
    fn crop_unit(&self) -> (u32, u32) {
        match self.array_type() {
            1 => (2, 2),
            2 => (2, 1),
            _ => (1, 1),
        }
    }
}

/// Skips a scaling list (7.3.2.1.1.1).
fn skip_scaling_list(r: &mut BitReader<'_>, size: u32) -> Result<(), Error> {
    let (mut last, mut next) = (8_i32, 8_i32);
    for _ in 0..size {
        if next != 0 {
            let delta = r.se("delta_scale")?;
            next = last.wrapping_add(delta).rem_euclid(256);
        }
        if next != 0 {
            last = next;
        }
    }
    Ok(())
}

impl PocType {
    fn read(r: &mut BitReader<'_>) -> Result<Self, Error> {
        match r.ue_to(2, "pic_order_cnt_type")? {
            0 => Ok(Self::Type0 {
                lsb_bits: r.ue_to(12, "log2_max_pic_order_cnt_lsb_minus4")? + 4,
            }),
            1 => {
                let is_always_as_expected = r.flag("delta_pic_order_always_zero_flag")?;
                let non_ref_offset = r.se("offset_for_non_ref_pic")?;
                let top_to_bottom = r.se("offset_for_top_to_bottom_field")?;
                let count = r.ue_to(255, "num_ref_frames_in_pic_order_cnt_cycle")?;
                let ref_frame_offsets = (0..count)
                    .map(|_| r.se("offset_for_ref_frame"))
                    .collect::<Result<Vec<_>, _>>()?;
                Ok(Self::Type1 {
                    is_always_as_expected,
                    non_ref_offset,
                    top_to_bottom,
                    ref_frame_offsets,
                })
            }
            _ => Ok(Self::Type2),
        }
    }
}

impl Cropping {
    /// Reads `frame_cropping_flag` and its offsets for pictures of this coded size. Fails if
    /// nothing is left.
    fn read(
        r: &mut BitReader<'_>,
        chroma: &Chroma,
        rows_per_unit: u32,
        coded: (u32, u32),
    ) -> Result<Self, Error> {
        let (x, y) = chroma.crop_unit();
        let unit = (x, y * rows_per_unit);
        if !r.flag("frame_cropping_flag")? {
            return Ok(Self {
                unit,
                ..Self::default()
            });
        }
        let [left, right] = [
            r.ue("frame_crop_left_offset")?,
            r.ue("frame_crop_right_offset")?,
        ];
        let [top, bottom] = [
            r.ue("frame_crop_top_offset")?,
            r.ue("frame_crop_bottom_offset")?,
        ];
        let has_rest = |length: u32, before: u32, behind: u32, unit: u32| {
            (u64::from(before) + u64::from(behind)) * u64::from(unit) < u64::from(length)
        };
        if !has_rest(coded.0, left, right, unit.0) || !has_rest(coded.1, top, bottom, unit.1) {
            return Err(Error::Range("frame_crop_offset"));
        }
        Ok(Self {
            left: left * unit.0,
            right: right * unit.0,
            top: top * unit.1,
            bottom: bottom * unit.1,
            unit,
        })
    }
}

#[cfg(test)]
mod tests;
