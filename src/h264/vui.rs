//! Video usability information (E.1), as far as it says how pictures are shown and how many a decoder holds.

use super::bits::{BitReader, Error};
use std::ops::Range;

/// Limit of `max_num_ref_frames`, `max_num_reorder_frames` and `max_dec_frame_buffering` (A.3.1).
pub(super) const MAX_DPB_FRAMES: u32 = 16;

/// `video_format` where nothing is said (table E-2).
const UNSPECIFIED_FORMAT: u8 = 5;

/// Size of the decoded picture buffer (E.2.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BitstreamRestriction {
    /// `max_num_reorder_frames`: pictures that may be ahead of another in decoding and behind in output.
    pub reorder_frames: u32,
    /// `max_dec_frame_buffering`: size of the decoded picture buffer in frames.
    pub buffered_frames: u32,
}

/// Colour description (E.2.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ColourDescription {
    /// `video_full_range_flag`: luma from 0 to 255 instead of 16 to 235.
    pub is_full_range: bool,
    /// `colour_primaries` (table E-3); 2 where the stream does not say.
    pub primaries: u8,
    /// `transfer_characteristics` (table E-4); 2 where the stream does not say.
    pub transfer: u8,
    /// `matrix_coefficients` (table E-5); 2 where the stream does not say.
    pub matrix: u8,
}

impl Default for ColourDescription {
    fn default() -> Self {
        Self {
            is_full_range: false,
            primaries: 2,
            transfer: 2,
            matrix: 2,
        }
    }
}

/// Position in bits at which the rewriting takes over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum VuiEnd {
    /// No VUI; position of `vui_parameters_present_flag`.
    NoVui { at: usize },
    /// No restriction; position of `bitstream_restriction_flag`.
    NoRestriction { at: usize },
    /// `max_num_reorder_frames` is here.
    Restriction { at: usize },
    /// Truncated or invalid, as with some cameras: not rewritten.
    Unreadable,
}

/// Positions of VUI fields in the payload, in bits, for the rewriting.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct VuiLayout {
    /// `aspect_ratio_info_present_flag` and what belongs to it; `None` without a VUI.
    pub(super) aspect: Option<Range<usize>>,
    /// `video_signal_type_present_flag` and what belongs to it; `None` without a VUI.
    pub(super) signal: Option<Range<usize>>,
    /// `video_format`; 5 where the stream does not say.
    pub(super) video_format: u8,
    pub(super) end: VuiEnd,
}

/// Fields of the VUI that this program needs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Vui {
    /// `None` where the stream does not say, or says 0.
    pub(super) sample_aspect: Option<(u32, u32)>,
    pub(super) colour: ColourDescription,
    pub(super) restriction: Option<BitstreamRestriction>,
    pub(super) layout: VuiLayout,
}

impl Vui {
    /// `vui_parameters_present_flag` and E.1.1. What cannot be read counts as not being there: decoders can do without.
    pub(super) fn read(r: &mut BitReader<'_>) -> Self {
        let mut vui = Self {
            sample_aspect: None,
            colour: ColourDescription::default(),
            restriction: None,
            layout: VuiLayout {
                aspect: None,
                signal: None,
                video_format: UNSPECIFIED_FORMAT,
                end: VuiEnd::Unreadable,
            },
        };
        if vui.read_present(r).is_err() {
            vui.restriction = None;
            vui.layout.end = VuiEnd::Unreadable;
        } else if !r.is_at_end() {
            vui.layout.end = VuiEnd::Unreadable;
        }
        vui
    }

    fn read_present(&mut self, r: &mut BitReader<'_>) -> Result<(), Error> {
        self.layout.end = VuiEnd::NoVui { at: r.position() };
        if !r.flag("vui_parameters_present_flag")? {
            return Ok(());
        }
        let start = r.position();
        self.sample_aspect = read_sample_aspect(r)?;
        self.layout.aspect = Some(start..r.position());
        if r.flag("overscan_info_present_flag")? {
            r.flag("overscan_appropriate_flag")?;
        }
        let start = r.position();
        if r.flag("video_signal_type_present_flag")? {
            self.layout.video_format = r.bits(3, "video_format")? as u8;
            self.colour.is_full_range = r.flag("video_full_range_flag")?;
            if r.flag("colour_description_present_flag")? {
                self.colour.primaries = r.bits(8, "colour_primaries")? as u8;
                self.colour.transfer = r.bits(8, "transfer_characteristics")? as u8;
                self.colour.matrix = r.bits(8, "matrix_coefficients")? as u8;
            }
        }
        self.layout.signal = Some(start..r.position());
        if r.flag("chroma_loc_info_present_flag")? {
            r.ue("chroma_sample_loc_type_top_field")?;
            r.ue("chroma_sample_loc_type_bottom_field")?;
        }
        if r.flag("timing_info_present_flag")? {
            r.bits(32, "num_units_in_tick")?;
            r.bits(32, "time_scale")?;
            r.flag("fixed_frame_rate_flag")?;
        }
        let has_nal_hrd = r.flag("nal_hrd_parameters_present_flag")?;
        if has_nal_hrd {
            skip_hrd(r)?;
        }
        let has_vcl_hrd = r.flag("vcl_hrd_parameters_present_flag")?;
        if has_vcl_hrd {
            skip_hrd(r)?;
        }
        if has_nal_hrd || has_vcl_hrd {
            r.flag("low_delay_hrd_flag")?;
        }
        r.flag("pic_struct_present_flag")?;
        self.layout.end = VuiEnd::NoRestriction { at: r.position() };
        if r.flag("bitstream_restriction_flag")? {
            r.flag("motion_vectors_over_pic_boundaries_flag")?;
            r.ue("max_bytes_per_pic_denom")?;
            r.ue("max_bits_per_mb_denom")?;
            r.ue("log2_max_mv_length_horizontal")?;
            r.ue("log2_max_mv_length_vertical")?;
            self.layout.end = VuiEnd::Restriction { at: r.position() };
            self.restriction = Some(BitstreamRestriction {
                reorder_frames: r.ue_to(MAX_DPB_FRAMES, "max_num_reorder_frames")?,
                buffered_frames: r.ue_to(MAX_DPB_FRAMES, "max_dec_frame_buffering")?,
            });
        }
        Ok(())
    }
}

/// `aspect_ratio_info_present_flag` and what follows it; Table E-1.
fn read_sample_aspect(r: &mut BitReader<'_>) -> Result<Option<(u32, u32)>, Error> {
    // From `aspect_ratio_idc` 1 on.
    const TABLE: [(u32, u32); 16] = [
        (1, 1),
        (12, 11),
        (10, 11),
        (16, 11),
        (40, 33),
        (24, 11),
        (20, 11),
        (32, 11),
        (80, 33),
        (18, 11),
        (15, 11),
        (64, 33),
        (160, 99),
        (4, 3),
        (3, 2),
        (2, 1),
    ];
    const EXTENDED: u32 = 255;
    if !r.flag("aspect_ratio_info_present_flag")? {
        return Ok(None);
    }
    match r.bits(8, "aspect_ratio_idc")? {
        EXTENDED => {
            let (width, height) = (r.bits(16, "sar_width")?, r.bits(16, "sar_height")?);
            Ok((width > 0 && height > 0).then_some((width, height)))
        }
        idc => Ok(idc
            .checked_sub(1)
            .and_then(|i| TABLE.get(i as usize).copied())),
    }
}

/// E.1.2
fn skip_hrd(r: &mut BitReader<'_>) -> Result<(), Error> {
    let count = r.ue_to(31, "cpb_cnt_minus1")? + 1;
    r.bits(8, "bit_rate_scale and cpb_size_scale")?;
    for _ in 0..count {
        r.ue("bit_rate_value_minus1")?;
        r.ue("cpb_size_value_minus1")?;
        r.flag("cbr_flag")?;
    }
    r.bits(20, "delay lengths and time_offset_length")?;
    Ok(())
}
