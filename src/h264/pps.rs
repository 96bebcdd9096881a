//! Picture parameter sets (7.3.2.2), as far as slice headers depend on them.

use super::bits::{BitReader, Error};

/// Fields of a picture parameter set that a slice header depends on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pps {
    /// `pic_parameter_set_id`.
    pub id: u8,
    /// `seq_parameter_set_id`: the sequence parameter set it belongs to.
    pub sps_id: u8,
    /// `bottom_field_pic_order_in_frame_present_flag`.
    pub has_bottom_order: bool,
    /// `num_ref_idx_l0_default_active_minus1` and `num_ref_idx_l1_default_active_minus1`, plus 1.
    pub default_ref_counts: [u32; 2],
    /// `weighted_pred_flag`.
    pub has_weighted_prediction: bool,
    /// `weighted_bipred_idc` is 1: B slices carry weights.
    pub has_weighted_biprediction: bool,
    /// `redundant_pic_cnt_present_flag`.
    pub has_redundant_count: bool,
}

impl Pps {
    /// Reads a NAL unit of type 8, header byte included.
    pub fn parse(nal: &[u8]) -> Result<Self, Error> {
        let r = &mut BitReader::after_header(nal);
        let id = r.ue_to(255, "pic_parameter_set_id")? as u8;
        let sps_id = r.ue_to(31, "seq_parameter_set_id")? as u8;
        r.flag("entropy_coding_mode_flag")?;
        let has_bottom_order = r.flag("bottom_field_pic_order_in_frame_present_flag")?;
        let groups = r.ue_to(7, "num_slice_groups_minus1")? + 1;
        if groups > 1 {
            skip_slice_groups(r, groups)?;
        }
        let default_ref_counts = [
            r.ue_to(31, "num_ref_idx_l0_default_active_minus1")? + 1,
            r.ue_to(31, "num_ref_idx_l1_default_active_minus1")? + 1,
        ];
        let has_weighted_prediction = r.flag("weighted_pred_flag")?;
        let has_weighted_biprediction = r.bits(2, "weighted_bipred_idc")? == 1;
        r.se("pic_init_qp_minus26")?;
        r.se("pic_init_qs_minus26")?;
        r.se("chroma_qp_index_offset")?;
        r.flag("deblocking_filter_control_present_flag")?;
        r.flag("constrained_intra_pred_flag")?;
        let has_redundant_count = r.flag("redundant_pic_cnt_present_flag")?;
        Ok(Self {
            id,
            sps_id,
            has_bottom_order,
            default_ref_counts,
            has_weighted_prediction,
            has_weighted_biprediction,
            has_redundant_count,
        })
    }
}

fn skip_slice_groups(r: &mut BitReader<'_>, groups: u32) -> Result<(), Error> {
    match r.ue_to(6, "slice_group_map_type")? {
        0 => {
            for _ in 0..groups {
                r.ue("run_length_minus1")?;
            }
        }
        2 => {
            for _ in 1..groups {
                r.ue("top_left")?;
                r.ue("bottom_right")?;
            }
        }
        3..=5 => {
            r.flag("slice_group_change_direction_flag")?;
            r.ue("slice_group_change_rate_minus1")?;
        }
        6 => {
            // Ceil(Log2(groups)) bits each; a set that lies about the count runs into its own end.
            let bits = groups.next_power_of_two().ilog2();
            for _ in 0..=r.ue("pic_size_in_map_units_minus1")? {
                r.bits(bits, "slice_group_id")?;
            }
        }
        _ => {}
    }
    Ok(())
}
