#![allow(clippy::unwrap_used)]
mod generator;

use super::*;
use crate::h264::bits::BitWriter;
use crate::h264::tests::synthetic::SpsSpec;
use generator::{Choice, VuiChoice, changes, choice, write};
use h264_reader::nal::sps::{self as oracle, SeqParameterSet};
use h264_reader::nal::{Nal, RefNal};
use proptest::prelude::*;

fn independent(nal: &[u8]) -> SeqParameterSet {
    SeqParameterSet::from_bits(RefNal::new(nal, &[], true).rbsp_bits()).unwrap()
}

const RESTRICTION: BitstreamRestriction = BitstreamRestriction {
    reorder_frames: 0,
    buffered_frames: 4,
};

const NO_REORDERING: SpsChanges = SpsChanges {
    cropping: None,
    is_square: false,
    colour: None,
    restriction: Some(RESTRICTION),
};

proptest! {
    #[test]
    fn independent_reader_agrees(choice in choice()) {
        let nal = write(&choice);
        let (ours, theirs) = (Sps::parse(&nal).unwrap(), independent(&nal));
        prop_assert_eq!((ours.width, ours.height), theirs.pixel_dimensions().unwrap());
        prop_assert_eq!(ours.frame_num_bits, u32::from(theirs.log2_max_frame_num()));
        prop_assert_eq!(ours.codec(), theirs.rfc6381().to_string().to_lowercase());
        let vui = theirs.vui_parameters.as_ref();
        let aspect = vui.and_then(|vui| vui.aspect_ratio_info.as_ref()).and_then(oracle::AspectRatioInfo::get);
        let aspect = aspect.filter(|(width, height)| *width > 0 && *height > 0);
        let aspect = aspect.map_or((1, 1), |(w, h)| (u32::from(w), u32::from(h)));
        prop_assert_eq!(ours.sample_aspect, if ours.has_implausible_aspect { (1, 1) } else { aspect });
        let colour = vui.and_then(|vui| vui.video_signal_type.as_ref());
        let described = colour.and_then(|signal| signal.colour_description.as_ref());
        prop_assert_eq!(ours.colour.is_full_range, colour.is_some_and(|signal| signal.video_full_range_flag));
        prop_assert_eq!(
            [ours.colour.primaries, ours.colour.transfer, ours.colour.matrix],
            described.map_or([2; 3], |it| [it.colour_primaries, it.transfer_characteristics, it.matrix_coefficients])
        );
        let restriction = vui.and_then(|vui| vui.bitstream_restrictions.as_ref());
        prop_assert_eq!(
            ours.restriction.map(|r| (r.reorder_frames, r.buffered_frames)),
            restriction.map(|r| (r.max_num_reorder_frames, r.max_dec_frame_buffering))
        );
    }

    #[test]
    fn rewrite_changes_only_the_restriction(choice in choice()) {
        let nal = write(&choice);
        let sps = Sps::parse(&nal).unwrap();
        let rewritten = sps.rewrite(&nal, &NO_REORDERING).unwrap();
        prop_assert!(rewritten.windows(3).all(|w| w[0] != 0 || w[1] != 0 || w[2] > 2));
        let mut wanted = independent(&nal);
        let mut got = independent(&rewritten);
        let restriction = got.vui_parameters.as_mut().unwrap().bitstream_restrictions.as_mut().unwrap();
        prop_assert_eq!(restriction.max_num_reorder_frames, 0);
        prop_assert_eq!(restriction.max_dec_frame_buffering, 4);
        match wanted.vui_parameters.as_mut().map(|vui| vui.bitstream_restrictions.as_mut()) {
            Some(Some(before)) => {
                restriction.max_num_reorder_frames = before.max_num_reorder_frames;
                restriction.max_dec_frame_buffering = before.max_dec_frame_buffering;
            }
            Some(None) => got.vui_parameters.as_mut().unwrap().bitstream_restrictions = None,
            None => {
                let empty = got.vui_parameters.take().unwrap();
                prop_assert!(empty.timing_info.is_none() && empty.aspect_ratio_info.is_none());
                prop_assert!(empty.video_signal_type.is_none() && empty.nal_hrd_parameters.is_none());
            }
        }
        prop_assert_eq!(format!("{got:?}"), format!("{wanted:?}"));
        let again = Sps::parse(&rewritten).unwrap();
        prop_assert_eq!(again.restriction, Some(RESTRICTION));
        prop_assert_eq!(again.rewrite(&rewritten, &NO_REORDERING).unwrap(), rewritten);
    }

    #[test]
    fn rewritten_sps_has_the_changes(choice in choice(), changes in changes()) {
        let nal = write(&choice);
        let before = Sps::parse(&nal).unwrap();
        let rewritten = before.rewrite(&nal, &changes).unwrap();
        prop_assert!(rewritten.windows(3).all(|w| w[0] != 0 || w[1] != 0 || w[2] > 2));
        let after = Sps::parse(&rewritten).unwrap();
        prop_assert_eq!(after.restriction, changes.restriction.or(before.restriction));
        prop_assert_eq!(after.colour, changes.colour.unwrap_or(before.colour));
        let aspect = if changes.is_square { (1, 1) } else { before.sample_aspect };
        prop_assert_eq!((after.sample_aspect, after.has_implausible_aspect), (aspect, !changes.is_square && before.has_implausible_aspect));
        // As another reader has it, all else is as it was.
        let (mut got, mut wanted) = (independent(&rewritten), independent(&nal));
        for set in [&mut got, &mut wanted] {
            if let Some(vui) = &mut set.vui_parameters {
                vui.aspect_ratio_info = None;
                if let Some(signal) = &mut vui.video_signal_type {
                    (signal.video_full_range_flag, signal.colour_description) = (false, None);
                }
            }
        }
        if let Some(vui) = &mut got.vui_parameters {
            let old = wanted.vui_parameters.as_ref();
            vui.bitstream_restrictions = old.and_then(|vui| vui.bitstream_restrictions.clone());
            if old.is_none_or(|vui| vui.video_signal_type.is_none()) {
                vui.video_signal_type = None;
            }
            if old.is_none() {
                got.vui_parameters = None;
            }
        }
        prop_assert_eq!(format!("{got:?}"), format!("{wanted:?}"));
        prop_assert_eq!(after.rewrite(&rewritten, &changes).unwrap(), rewritten);
        prop_assert_eq!(before.rewrite(&nal, &SpsChanges::default()).unwrap(), nal);
    }

    #[test]
    fn cropping_is_replaced(choice in choice(), keeps in prop::array::uniform4(any::<bool>())) {
        let nal = write(&choice);
        let before = Sps::parse(&nal).unwrap();
        let old = before.cropping;
        let kept = |is_kept, pixels| if is_kept { pixels } else { 0 };
        let cropping = Cropping {
            left: kept(keeps[0], old.left),
            right: kept(keeps[1], old.right),
            top: kept(keeps[2], old.top),
            bottom: kept(keeps[3], old.bottom),
            ..old
        };
        let changes = SpsChanges { cropping: Some(cropping), ..SpsChanges::default() };
        let rewritten = before.rewrite(&nal, &changes).unwrap();
        let after = Sps::parse(&rewritten).unwrap();
        prop_assert_eq!(after.cropping, cropping);
        prop_assert_eq!((after.width, after.height), independent(&rewritten).pixel_dimensions().unwrap());
        let (mut got, mut wanted) = (independent(&rewritten), independent(&nal));
        (got.frame_cropping, wanted.frame_cropping) = (None, None);
        prop_assert_eq!(format!("{got:?}"), format!("{wanted:?}"));
    }

    #[test]
    fn damaged_sps_does_not_panic(choice in choice(), at in any::<prop::sample::Index>(), byte in any::<u8>(), length in any::<prop::sample::Index>()) {
        let mut nal = write(&choice);
        let index = at.index(nal.len());
        nal[index] = byte;
        nal.truncate(length.index(nal.len()) + 1);
        if let Ok(sps) = Sps::parse(&nal) {
            let rewritten = sps.rewrite(&nal, &NO_REORDERING).unwrap();
            let again = Sps::parse(&rewritten).unwrap();
            prop_assert_eq!((again.width, again.height), (sps.width, sps.height));
            let changes = SpsChanges { is_square: true, colour: Some(ColourDescription::default()), ..NO_REORDERING };
            let again = Sps::parse(&sps.rewrite(&nal, &changes).unwrap()).unwrap();
            prop_assert_eq!((again.width, again.height, again.has_implausible_aspect), (sps.width, sps.height, false));
        }
        let _ = crate::h264::pps::Pps::parse(&nal);
    }
}

#[test]
fn truncated_vui_with_bad_aspect_is_rewritten() {
    let choice = Choice {
        profile: 66,
        chroma: 1,
        lists: None,
        order_type: 2,
        is_frames_only: true,
        size: (19, 14),
        crop: None,
        vui: Some(VuiChoice {
            aspect: Some((255, 1088, 1)),
            overscan: None,
            signal: None,
            chroma_location: None,
            timing: Some((0x1234_5678, 0x2345_6789)),
            nal_hrd: None,
            vcl_hrd: None,
            has_pic_struct: false,
            restriction: None,
        }),
    };
    let nal = write(&choice);
    for broken in [&nal[..], &nal[..nal.len() - 3]] {
        let sps = Sps::parse(broken).unwrap();
        assert_eq!(
            (sps.sample_aspect, sps.has_implausible_aspect),
            ((1, 1), true)
        );
        let changes = SpsChanges {
            is_square: true,
            ..SpsChanges::default()
        };
        let mended = Sps::parse(&sps.rewrite(broken, &changes).unwrap()).unwrap();
        assert!(!mended.has_implausible_aspect);
        assert_eq!((mended.width, mended.height), (320, 240));
    }
}

#[test]
fn real_parameter_sets_are_parsed() {
    // As the encoder of the Raspberry Pi writes it for 1280x720.
    let pi = [
        0x27, 0x64, 0x00, 0x28, 0xac, 0x2b, 0x40, 0x28, 0x02, 0xdd, 0x00, 0xf1, 0x22, 0x6a,
    ];
    let sps = Sps::parse(&pi).unwrap();
    assert_eq!(
        (sps.width, sps.height, sps.codec().as_str()),
        (1280, 720, "avc1.640028")
    );
    assert_eq!(sps.poc_type, PocType::Type2);
    assert_eq!(
        sps.restriction,
        Some(BitstreamRestriction {
            reorder_frames: 0,
            buffered_frames: 1
        })
    );
}

#[test]
fn cropping_beyond_the_picture_is_rejected() {
    let choice = |crop| Choice {
        profile: 66,
        chroma: 1,
        lists: None,
        order_type: 2,
        is_frames_only: true,
        size: (0, 0),
        crop: Some(crop),
        vui: None,
    };
    assert_eq!(
        Sps::parse(&write(&choice([3, 4, 0, 0]))).map(|sps| sps.width),
        Ok(2)
    );
    for crop in [
        [4, 4, 0, 0],
        [0, 0, 8, 0],
        [u32::MAX - 1, u32::MAX - 1, 0, 0],
    ] {
        assert_eq!(
            Sps::parse(&write(&choice(crop))),
            Err(Error::Range("frame_crop_offset"))
        );
    }
}

#[test]
fn truncated_vui_is_not_rewritten() {
    let nal = SpsSpec {
        restriction: Some((2, 4)),
        ..SpsSpec::default()
    }
    .nal();
    let broken = &nal[..nal.len() - 2];
    let sps = Sps::parse(broken).unwrap();
    assert_eq!((sps.width, sps.restriction), (320, None));
    assert_eq!(sps.rewrite(broken, &NO_REORDERING).unwrap(), broken);
}

#[test]
fn gaps_in_frame_num_change_one_bit() {
    let nal = SpsSpec {
        restriction: Some((2, 4)),
        ..SpsSpec::default()
    }
    .nal();
    let sps = Sps::parse(&nal).unwrap();
    let changed = sps.with_gaps_allowed(&nal).unwrap();
    let ones = |nal: &[u8]| nal.iter().map(|byte| byte.count_ones()).sum::<u32>();
    assert_eq!((changed.len(), ones(&changed)), (nal.len(), ones(&nal) + 1));
    assert_eq!(Sps::parse(&changed).unwrap(), sps);
    assert_eq!(sps.with_gaps_allowed(&changed).unwrap(), changed);
}
