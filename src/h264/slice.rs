//! Slice headers (7.3.3) up to and including `dec_ref_pic_marking`: what tells pictures apart (7.4.1.2.4)
//! and what their output order is computed from (8.2.1).

use super::bits::{BitReader, Error};
use super::nal::{NalHeader, NalUnitType};
use super::parameter_sets::ParameterSets;
use super::pps::Pps;
use super::sps::{PocType, Sps};

/// Beginning of a slice header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SliceHeader {
    /// `first_mb_in_slice`.
    pub first_mb: u32,
    /// Prediction types of the slice.
    pub slice_type: SliceType,
    /// `pic_parameter_set_id`.
    pub pps_id: u8,
    /// Sequence parameter set of the picture parameter set.
    pub sps_id: u8,
    /// `colour_plane_id`; 0 where planes are not separate.
    pub colour_plane: u8,
    /// `frame_num`.
    pub frame_num: u32,
    /// Frame or which field.
    pub structure: PictureStructure,
    /// `nal_ref_idc` of the NAL unit is not 0.
    pub is_reference: bool,
    /// `idr_pic_id`; `None` where the picture is not IDR.
    pub idr_id: Option<u32>,
    /// Fields of the picture order count.
    pub poc: PocFields,
    /// `redundant_pic_cnt`; 0 for the primary picture.
    pub redundant_count: u32,
}

/// `slice_type` modulo 5.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs)] // the standard's own names (Table 7-6)
pub enum SliceType {
    P,
    B,
    I,
    Sp,
    Si,
}

/// `field_pic_flag` and `bottom_field_flag`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs)] // the names say it
pub enum PictureStructure {
    Frame,
    TopField,
    BottomField,
}

/// Fields of the picture order count by type (8.2.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PocFields {
    /// Type 0.
    Type0 {
        /// `pic_order_cnt_lsb`.
        lsb: u32,
        /// `delta_pic_order_cnt_bottom`.
        delta_bottom: i32,
    },
    /// Type 1: `delta_pic_order_cnt[0]` and `[1]`.
    Type1([i32; 2]),
    /// Type 2: nothing is sent.
    Type2,
}

impl SliceHeader {
    /// Reads the head of the slice header in `nal`, of which the end may be missing.
    pub fn parse(nal: &[u8], sets: &ParameterSets) -> Result<Self, Error> {
        Ok(Self::read(&mut BitReader::after_header(nal), nal, sets)?.0)
    }

    /// As [`SliceHeader::parse`], and reads on to see if the picture, when decoded, resets reference pictures
    /// and order counting (`memory_management_control_operation` 5).
    pub fn parse_with_marking(nal: &[u8], sets: &ParameterSets) -> Result<(Self, bool), Error> {
        let r = &mut BitReader::after_header(nal);
        let (header, pps, sps) = Self::read(r, nal, sets)?;
        // A header that is damaged further on still says which picture it belongs to.
        let resets = header.is_reference
            && header.idr_id.is_none()
            && has_reset(r, &header, pps, sps).unwrap_or(false);
        Ok((header, resets))
    }

    /// Position of `pic_order_cnt_lsb` in bits after the header byte, and its width; `None` where it is not sent.
    pub(crate) fn poc_lsb_position(
        nal: &[u8],
        sets: &ParameterSets,
    ) -> Result<Option<(usize, u32)>, Error> {
        let r = &mut BitReader::after_header(nal);
        r.ue("first_mb_in_slice")?;
        r.ue("slice_type")?;
        let pps_id = r.ue_to(255, "pic_parameter_set_id")?;
        let (_, sps) = sets.of_picture(pps_id)?;
        if sps.has_separate_planes {
            r.bits(2, "colour_plane_id")?;
        }
        r.bits(sps.frame_num_bits, "frame_num")?;
        PictureStructure::read(r, sps)?;
        if NalHeader::of(nal).map(NalHeader::unit_type) == Some(NalUnitType::IdrSlice) {
            r.ue("idr_pic_id")?;
        }
        Ok(match sps.poc_type {
            PocType::Type0 { lsb_bits } => Some((r.position(), lsb_bits)),
            _ => None,
        })
    }

    /// Returns true if both can be slices of one primary coded picture (7.4.1.2.4).
    pub(crate) fn is_same_picture(&self, other: &Self) -> bool {
        self.frame_num == other.frame_num
            && self.pps_id == other.pps_id
            && self.sps_id == other.sps_id
            && self.structure == other.structure
            && self.is_reference == other.is_reference
            && self.idr_id == other.idr_id
            && self.poc == other.poc
    }

    fn read<'s>(
        r: &mut BitReader<'_>,
        nal: &[u8],
        sets: &'s ParameterSets,
    ) -> Result<(Self, &'s Pps, &'s Sps), Error> {
        let unit = NalHeader::of(nal).ok_or(Error::Short("nal_unit_header"))?;
        let is_idr = unit.unit_type() == NalUnitType::IdrSlice;
        let first_mb = r.ue("first_mb_in_slice")?;
        let slice_type = SliceType::read(r)?;
        let pps_id = r.ue_to(255, "pic_parameter_set_id")?;
        let (pps, sps) = sets.of_picture(pps_id)?;
        let colour_plane = if sps.has_separate_planes {
            r.bits(2, "colour_plane_id")? as u8
        } else {
            0
        };
        let frame_num = r.bits(sps.frame_num_bits, "frame_num")?;
        let structure = PictureStructure::read(r, sps)?;
        let idr_id = if is_idr {
            Some(r.ue("idr_pic_id")?)
        } else {
            None
        };
        let order = PocFields::read(r, pps, sps, structure)?;
        let redundant_count = if pps.has_redundant_count {
            r.ue("redundant_pic_cnt")?
        } else {
            0
        };
        let header = Self {
            first_mb,
            slice_type,
            pps_id: pps.id,
            sps_id: sps.id,
            colour_plane,
            frame_num,
            structure,
            is_reference: unit.ref_idc() != 0,
            idr_id,
            poc: order,
            redundant_count,
        };
        Ok((header, pps, sps))
    }
}

impl SliceType {
    fn read(r: &mut BitReader<'_>) -> Result<Self, Error> {
        Ok(match r.ue_to(9, "slice_type")? % 5 {
            0 => Self::P,
            1 => Self::B,
            2 => Self::I,
            3 => Self::Sp,
            _ => Self::Si,
        })
    }
}

impl PictureStructure {
    fn read(r: &mut BitReader<'_>, sps: &Sps) -> Result<Self, Error> {
        if sps.is_frames_only || !r.flag("field_pic_flag")? {
            return Ok(Self::Frame);
        }
        Ok(if r.flag("bottom_field_flag")? {
            Self::BottomField
        } else {
            Self::TopField
        })
    }
}

impl PocFields {
    fn read(
        r: &mut BitReader<'_>,
        pps: &Pps,
        sps: &Sps,
        structure: PictureStructure,
    ) -> Result<Self, Error> {
        let has_second = pps.has_bottom_order && structure == PictureStructure::Frame;
        Ok(match sps.poc_type {
            PocType::Type0 { lsb_bits } => Self::Type0 {
                lsb: r.bits(lsb_bits, "pic_order_cnt_lsb")?,
                delta_bottom: if has_second {
                    r.se("delta_pic_order_cnt_bottom")?
                } else {
                    0
                },
            },
            PocType::Type1 {
                is_always_as_expected: true,
                ..
            } => Self::Type1([0; 2]),
            PocType::Type1 { .. } => {
                let first = r.se("delta_pic_order_cnt[0]")?;
                Self::Type1([
                    first,
                    if has_second {
                        r.se("delta_pic_order_cnt[1]")?
                    } else {
                        0
                    },
                ])
            }
            PocType::Type2 => Self::Type2,
        })
    }
}

/// Reads from `direct_spatial_mv_pred_flag` to `dec_ref_pic_marking` of a reference picture that is not IDR.
fn has_reset(
    r: &mut BitReader<'_>,
    header: &SliceHeader,
    pps: &Pps,
    sps: &Sps,
) -> Result<bool, Error> {
    let is_b = header.slice_type == SliceType::B;
    let is_p = matches!(header.slice_type, SliceType::P | SliceType::Sp);
    let lists = usize::from(is_p || is_b) + usize::from(is_b);
    if is_b {
        r.flag("direct_spatial_mv_pred_flag")?;
    }
    let mut ref_counts = pps.default_ref_counts;
    if lists > 0 && r.flag("num_ref_idx_active_override_flag")? {
        for count in ref_counts.iter_mut().take(lists) {
            *count = r.ue_to(31, "num_ref_idx_active_minus1")? + 1;
        }
    }
    for _ in 0..lists {
        skip_list_modification(r)?;
    }
    if (is_p && pps.has_weighted_prediction) || (is_b && pps.has_weighted_biprediction) {
        skip_weights(
            r,
            sps.chroma_array_type != 0,
            ref_counts.get(..lists).unwrap_or_default(),
        )?;
    }
    read_marking(r)
}

/// 7.3.3.1, one list
fn skip_list_modification(r: &mut BitReader<'_>) -> Result<(), Error> {
    const END: u32 = 3;
    if r.flag("ref_pic_list_modification_flag")? {
        while r.ue_to(END, "modification_of_pic_nums_idc")? != END {
            r.ue("abs_diff_pic_num_minus1 or long_term_pic_num")?;
        }
    }
    Ok(())
}

/// 7.3.3.2
fn skip_weights(r: &mut BitReader<'_>, has_chroma: bool, ref_counts: &[u32]) -> Result<(), Error> {
    r.ue("luma_log2_weight_denom")?;
    if has_chroma {
        r.ue("chroma_log2_weight_denom")?;
    }
    for count in ref_counts {
        for _ in 0..*count {
            if r.flag("luma_weight_flag")? {
                r.se("luma_weight")?;
                r.se("luma_offset")?;
            }
            if has_chroma && r.flag("chroma_weight_flag")? {
                for _ in 0..2 {
                    r.se("chroma_weight")?;
                    r.se("chroma_offset")?;
                }
            }
        }
    }
    Ok(())
}

/// 7.3.3.3 for a picture that is not IDR: is operation 5 among the operations?
fn read_marking(r: &mut BitReader<'_>) -> Result<bool, Error> {
    let mut has_reset = false;
    if r.flag("adaptive_ref_pic_marking_mode_flag")? {
        loop {
            let operands = match r.ue_to(6, "memory_management_control_operation")? {
                0 => break,
                1 | 2 | 4 | 6 => 1,
                3 => 2,
                _ => {
                    has_reset = true;
                    0
                }
            };
            for _ in 0..operands {
                r.ue("operand of memory_management_control_operation")?;
            }
        }
    }
    Ok(has_reset)
}
