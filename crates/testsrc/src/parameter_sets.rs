//! Headers of the stream: level, sequence and picture parameter set, slice header.

use super::bits::BitWriter;
use super::macroblock::CHROMA_OCTAVES;
use super::rate::Rate;

/// Bits of frame_num.
const FRAME_NUM_BITS: u32 = 8;

/// Size and rate of the pictures.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Format {
    /// Even, in pixels.
    pub(super) width: u32,
    /// Even, in pixels.
    pub(super) height: u32,
    /// Frames per second.
    pub(super) fps: Rate,
}

impl Format {
    /// Macroblocks in a row.
    pub(super) fn columns(self) -> u32 {
        self.width.div_ceil(16)
    }

    /// Rows of macroblocks.
    pub(super) fn rows(self) -> u32 {
        self.height.div_ceil(16)
    }
}

/// Table A-1: level_idc, MaxMBPS, MaxFS. Levels below 2 are not used: their limits of the bit
/// rate are within reach of small pictures at high rates, and every decoder has level 2.
const LEVELS: [(u8, u32, u32); 14] = [
    (20, 11_880, 396),
    (21, 19_800, 792),
    (22, 20_250, 1_620),
    (30, 40_500, 1_620),
    (31, 108_000, 3_600),
    (32, 216_000, 5_120),
    (40, 245_760, 8_192),
    (42, 522_240, 8_704),
    (50, 589_824, 22_080),
    (51, 983_040, 36_864),
    (52, 2_073_600, 36_864),
    (60, 4_177_920, 139_264),
    (61, 8_355_840, 139_264),
    (62, 16_711_680, 139_264),
];

/// The lowest level_idc for a size and rate.
///
/// The limit of 172 pictures per second below level 6 (A.3.4.2) is left aside, as other encoders do:
/// decoders that stop at level 5.2 play small pictures at 240 per second well.
pub(super) fn level(format: Format) -> u8 {
    let (columns, rows) = (format.columns(), format.rows());
    let size = columns * rows;
    let longest = columns.max(rows);
    let fits = |&&(_, max_rate, max_size): &&(u8, u32, u32)| {
        size <= max_size
            && size * format.fps.ceil() <= max_rate
            && longest * longest <= 8 * max_size
    };
    LEVELS.iter().find(fits).map_or(62, |(level, ..)| *level)
}

/// seq_parameter_set_rbsp(), 7.3.2.1: Constrained Baseline, pictures in decoding order, one reference.
pub(super) fn write_sequence(bits: &mut BitWriter, format: Format) {
    bits.put(66, 8); // profile_idc: Baseline
    bits.put(0b1100_0000, 8); // constraint_set0 and 1: Constrained Baseline
    bits.put(u32::from(level(format)), 8);
    bits.ue(0); // seq_parameter_set_id
    bits.ue(FRAME_NUM_BITS - 4);
    bits.ue(2); // pic_order_cnt_type: output order is decoding order
    bits.ue(1); // max_num_ref_frames
    bits.flag(false); // gaps_in_frame_num_value_allowed_flag
    bits.ue(format.columns() - 1);
    bits.ue(format.rows() - 1);
    bits.flag(true); // frame_mbs_only_flag
    bits.flag(true); // direct_8x8_inference_flag
    let cropped_right = (16 * format.columns() - format.width) / 2;
    let cropped_below = (16 * format.rows() - format.height) / 2;
    let is_cropped = cropped_right + cropped_below > 0;
    bits.flag(is_cropped);
    if is_cropped {
        bits.ue(0);
        bits.ue(cropped_right);
        bits.ue(0);
        bits.ue(cropped_below);
    }
    bits.flag(true); // vui_parameters_present_flag
    write_vui(bits, format);
}

/// vui_parameters(), E.1.1.
fn write_vui(bits: &mut BitWriter, format: Format) {
    bits.flag(true); // aspect_ratio_info_present_flag
    bits.put(1, 8); // square pixels
    bits.flag(false); // overscan_info_present_flag
    bits.flag(true); // video_signal_type_present_flag
    bits.put(5, 3); // video_format: unspecified
    bits.flag(false); // video_full_range_flag
    bits.flag(true); // colour_description_present_flag
    for _ in ["primaries", "transfer", "matrix"] {
        bits.put(1, 8); // BT.709
    }
    bits.flag(false); // chroma_loc_info_present_flag
    bits.flag(true); // timing_info_present_flag
    let (frames, seconds) = format.fps.fraction();
    bits.put(seconds, 32); // num_units_in_tick
    bits.put(2 * frames, 32); // time_scale, in fields
    bits.flag(false); // fixed_frame_rate_flag: a busy machine makes some pictures late
    bits.flag(false); // nal_hrd_parameters_present_flag
    bits.flag(false); // vcl_hrd_parameters_present_flag
    bits.flag(false); // pic_struct_present_flag
    bits.flag(true); // bitstream_restriction_flag
    bits.flag(true); // motion_vectors_over_pic_boundaries_flag
    bits.ue(0); // max_bytes_per_pic_denom: no limit
    bits.ue(0); // max_bits_per_mb_denom: no limit
    bits.ue(13); // log2_max_mv_length_horizontal
    bits.ue(13); // log2_max_mv_length_vertical
    bits.ue(0); // max_num_reorder_frames: a decoder gives each picture out at once
    bits.ue(1); // max_dec_frame_buffering
}

/// pic_parameter_set_rbsp(), 7.3.2.2: CAVLC, `qp` for every macroblock.
pub(super) fn write_picture(bits: &mut BitWriter, qp: i32) {
    bits.ue(0); // pic_parameter_set_id
    bits.ue(0); // seq_parameter_set_id
    bits.flag(false); // entropy_coding_mode_flag: CAVLC
    bits.flag(false); // bottom_field_pic_order_in_frame_present_flag
    bits.ue(0); // num_slice_groups_minus1
    bits.ue(0); // num_ref_idx_l0_default_active_minus1
    bits.ue(0); // num_ref_idx_l1_default_active_minus1
    bits.flag(false); // weighted_pred_flag
    bits.put(0, 2); // weighted_bipred_idc
    bits.se(qp - 26); // pic_init_qp_minus26
    bits.se(0); // pic_init_qs_minus26
    bits.se(-6 * CHROMA_OCTAVES as i32); // chroma_qp_index_offset
    bits.flag(true); // deblocking_filter_control_present_flag
    bits.flag(true); // constrained_intra_pred_flag
    bits.flag(false); // redundant_pic_cnt_present_flag
}

/// Which picture a slice is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// `id` differs between an IDR picture and the next one if nothing is between them.
    Idr { id: u32 },
    /// Predicted from the newest reference frame; `number` is that of those since the last IDR picture. No other
    /// frame refers to a disposable one.
    Predicted { number: u32, is_disposable: bool },
}

/// slice_header(), 7.3.3, of a picture's only slice.
pub(super) fn write_slice_header(bits: &mut BitWriter, kind: Kind) {
    bits.ue(0); // first_mb_in_slice
    bits.ue(if matches!(kind, Kind::Idr { .. }) {
        7
    } else {
        5
    }); // slice_type: all I or all P
    bits.ue(0); // pic_parameter_set_id
    match kind {
        Kind::Idr { id } => {
            bits.put(0, FRAME_NUM_BITS);
            bits.ue(id);
            bits.flag(false); // no_output_of_prior_pics_flag
            bits.flag(false); // long_term_reference_flag
        }
        Kind::Predicted {
            number,
            is_disposable,
        } => {
            bits.put(number % (1 << FRAME_NUM_BITS), FRAME_NUM_BITS);
            bits.flag(false); // num_ref_idx_active_override_flag
            bits.flag(false); // ref_pic_list_modification_flag_l0
            if !is_disposable {
                bits.flag(false); // adaptive_ref_pic_marking_mode_flag
            }
        }
    }
    bits.se(0); // slice_qp_delta
    bits.ue(1); // disable_deblocking_filter_idc: flat blocks stay flat
}

#[cfg(test)]
mod tests {
    use super::*;
    use h264_reader::nal::sps::SeqParameterSet;
    use h264_reader::rbsp::BitReader;

    fn format(width: u32, height: u32, fps: u32) -> Format {
        Format {
            width,
            height,
            fps: Rate::new(fps, 1).unwrap(),
        }
    }

    #[test]
    fn level_is_the_lowest_for_size_and_rate() {
        for (width, height, fps, expected) in [
            (16, 16, 1, 20),
            (320, 240, 30, 20),
            (640, 480, 30, 30),
            (1280, 720, 30, 31),
            (1280, 720, 60, 32),
            (1920, 1080, 30, 40),
            (1920, 1080, 60, 42),
            (3840, 2160, 30, 51),
            (4096, 2304, 30, 52),
            (4096, 2304, 240, 62),
            (4096, 16, 30, 40), // too wide for the levels below
            (16, 2304, 30, 31),
        ] {
            assert_eq!(
                level(format(width, height, fps)),
                expected,
                "{width}x{height} {fps}"
            );
        }
    }

    #[test]
    fn independent_reader_finds_size_and_rate() {
        for (width, height, fps) in [
            (1280, 720, 30),
            (1918, 1078, 25),
            (16, 16, 240),
            (4096, 2304, 1),
        ] {
            let mut bits = BitWriter::default();
            write_sequence(&mut bits, format(width, height, fps));
            let rbsp = bits.finish();
            let sps = SeqParameterSet::from_bits(BitReader::new(rbsp)).unwrap();
            assert_eq!(sps.pixel_dimensions().unwrap(), (width, height));
            assert_eq!(sps.fps(), Some(f64::from(fps)));
            assert_eq!(sps.profile().profile_idc(), 66);
            assert_eq!(sps.max_num_ref_frames, 1);
            let restrictions = sps.vui_parameters.unwrap().bitstream_restrictions.unwrap();
            assert_eq!(restrictions.max_num_reorder_frames, 0);
            assert_eq!(restrictions.max_dec_frame_buffering, 1);
        }
    }
}
