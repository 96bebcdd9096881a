#![allow(clippy::unwrap_used)]
use super::*;
use crate::h264::bits::BitWriter;
use crate::h264::tests::synthetic::SpsSpec;
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

/// What the VUI of a generated set holds.
#[derive(Clone, Debug)]
struct VuiChoice {
    aspect: Option<(u32, u32, u32)>,
    overscan: Option<bool>,
    signal: Option<Option<u32>>,
    chroma_location: Option<(u32, u32)>,
    timing: Option<(u32, u32)>,
    nal_hrd: Option<Vec<(u32, u32)>>,
    vcl_hrd: Option<Vec<(u32, u32)>>,
    has_pic_struct: bool,
    restriction: Option<(u32, u32)>,
}

fn vui() -> impl Strategy<Value = VuiChoice> {
    let aspect = prop::option::of((
        prop_oneof![0_u32..=16, Just(255)],
        prop_oneof![Just(0), Just(0x0300), 1_u32..65536],
        1_u32..65536,
    ));
    let signal = prop::option::of(prop::option::of(prop_oneof![Just(0_u32), 0_u32..1 << 24]));
    let timing = prop::option::of((
        prop_oneof![Just(1_u32), 1..=u32::MAX],
        prop_oneof![Just(50_u32), 1..=u32::MAX],
    ));
    let hrd = || prop::option::of(prop::collection::vec((0_u32..70_000, 0_u32..70_000), 1..5));
    let restriction =
        prop::option::of((0_u32..=2).prop_flat_map(|reorder| (Just(reorder), 4_u32..=8)));
    (
        (aspect, prop::option::of(any::<bool>()), signal),
        (prop::option::of((0_u32..6, 0_u32..6)), timing, hrd(), hrd()),
        (any::<bool>(), restriction),
    )
        .prop_map(
            |(
                (aspect, overscan, signal),
                (chroma_location, timing, nal_hrd, vcl_hrd),
                (has_pic_struct, restriction),
            )| {
                VuiChoice {
                    aspect,
                    overscan,
                    signal,
                    chroma_location,
                    timing,
                    nal_hrd,
                    vcl_hrd,
                    has_pic_struct,
                    restriction,
                }
            },
        )
}

fn changes() -> impl Strategy<Value = SpsChanges> {
    let colour = prop::option::of((any::<bool>(), prop::array::uniform3(any::<u8>())));
    let restriction =
        prop::option::of((0_u32..=2).prop_flat_map(|reorder| (Just(reorder), 4_u32..=8)));
    (any::<bool>(), colour, restriction).prop_map(|(is_square, colour, restriction)| SpsChanges {
        cropping: None,
        is_square,
        colour: colour.map(
            |(is_full_range, [primaries, transfer, matrix])| ColourDescription {
                is_full_range,
                primaries,
                transfer,
                matrix,
            },
        ),
        restriction: restriction.map(|(reorder_frames, buffered_frames)| BitstreamRestriction {
            reorder_frames,
            buffered_frames,
        }),
    })
}

fn write_hrd(w: &mut BitWriter, hrd: Option<&Vec<(u32, u32)>>) {
    w.flag(hrd.is_some());
    if let Some(entries) = hrd {
        w.ue(entries.len() as u32 - 1);
        w.bits(8, 0x23);
        for (rate, size) in entries {
            w.ue(*rate);
            w.ue(*size);
            w.flag(true);
        }
        w.bits(20, 0);
    }
}

fn write_vui(w: &mut BitWriter, vui: &VuiChoice) {
    w.flag(vui.aspect.is_some());
    if let Some((idc, width, height)) = vui.aspect {
        w.bits(8, idc);
        if idc == 255 {
            w.bits(16, width);
            w.bits(16, height);
        }
    }
    w.flag(vui.overscan.is_some());
    if let Some(overscan) = vui.overscan {
        w.flag(overscan);
    }
    w.flag(vui.signal.is_some());
    if let Some(colour) = vui.signal {
        w.bits(4, 0b1011);
        w.flag(colour.is_some());
        if let Some(colour) = colour {
            w.bits(24, colour);
        }
    }
    w.flag(vui.chroma_location.is_some());
    if let Some((top, bottom)) = vui.chroma_location {
        w.ue(top);
        w.ue(bottom);
    }
    w.flag(vui.timing.is_some());
    if let Some((tick, scale)) = vui.timing {
        w.bits(32, tick);
        w.bits(32, scale);
        w.flag(true);
    }
    write_hrd(w, vui.nal_hrd.as_ref());
    write_hrd(w, vui.vcl_hrd.as_ref());
    if vui.nal_hrd.is_some() || vui.vcl_hrd.is_some() {
        w.flag(false);
    }
    w.flag(vui.has_pic_struct);
    w.flag(vui.restriction.is_some());
    if let Some((reorder, buffered)) = vui.restriction {
        w.flag(true);
        w.ue(0);
        w.ue(2);
        w.ue(9);
        w.ue(10);
        w.ue(reorder);
        w.ue(buffered);
    }
}

fn write_scaling_lists(w: &mut BitWriter, count: usize, deltas: &[i32]) {
    let mut next = deltas.iter().cycle();
    for list in 0..count {
        w.flag(list % 2 == 0);
        if list % 2 == 0 {
            let mut scale = 8;
            for _ in 0..if list < 6 { 16 } else { 64 } {
                let delta = *next.next().unwrap();
                w.se(delta);
                scale = (scale + delta) & 255;
                if scale == 0 {
                    break;
                }
            }
        }
    }
}

fn write_order(w: &mut BitWriter, order_type: u32) {
    w.ue(order_type);
    match order_type {
        0 => w.ue(7),
        1 => {
            w.flag(false);
            w.se(-3);
            w.se(1);
            w.ue(3);
            [2, -70_000, 4].into_iter().for_each(|offset| w.se(offset));
        }
        _ => {}
    }
}

#[derive(Clone, Debug)]
struct Choice {
    profile: u32,
    chroma: u32,
    lists: Option<Vec<i32>>,
    order_type: u32,
    is_frames_only: bool,
    size: (u32, u32),
    crop: Option<[u32; 4]>,
    vui: Option<VuiChoice>,
}

fn choice() -> impl Strategy<Value = Choice> {
    (
        prop::sample::select(vec![66_u32, 77, 88, 100, 110, 122, 244]),
        0_u32..=3,
        prop::option::of(prop::collection::vec(-9_i32..9, 7)),
        0_u32..=2,
        any::<bool>(),
        (1_u32..120, 1_u32..60),
        prop::option::of(prop::array::uniform4(0_u32..4)),
        prop::option::of(vui()),
    )
        .prop_map(
            |(profile, chroma, lists, order_type, is_frames_only, size, crop, vui)| Choice {
                profile,
                chroma,
                lists,
                order_type,
                is_frames_only,
                size,
                crop,
                vui,
            },
        )
}

fn write(choice: &Choice) -> Vec<u8> {
    let mut w = BitWriter::default();
    w.bits(8, choice.profile);
    w.bits(8, 0);
    w.bits(8, 52);
    w.ue(3);
    if has_chroma_format(choice.profile as u8) {
        w.ue(choice.chroma);
        if choice.chroma == 3 {
            w.flag(false);
        }
        w.ue(0);
        w.ue(0);
        w.flag(false);
        w.flag(choice.lists.is_some());
        if let Some(deltas) = &choice.lists {
            write_scaling_lists(&mut w, if choice.chroma == 3 { 12 } else { 8 }, deltas);
        }
    }
    w.ue(5);
    write_order(&mut w, choice.order_type);
    w.ue(4);
    w.flag(true);
    w.ue(choice.size.0);
    w.ue(choice.size.1);
    w.flag(choice.is_frames_only);
    if !choice.is_frames_only {
        w.flag(true);
    }
    w.flag(true);
    w.flag(choice.crop.is_some());
    choice
        .crop
        .into_iter()
        .flatten()
        .for_each(|crop| w.ue(crop));
    w.flag(choice.vui.is_some());
    if let Some(vui) = &choice.vui {
        write_vui(&mut w, vui);
    }
    w.into_nal(0x67)
}

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
