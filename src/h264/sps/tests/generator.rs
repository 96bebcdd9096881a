//! Generates and writes sequence parameter sets with any combination of fields.

use super::*;

/// What the VUI of a generated set holds.
#[derive(Clone, Debug)]
pub(super) struct VuiChoice {
    pub(super) aspect: Option<(u32, u32, u32)>,
    pub(super) overscan: Option<bool>,
    pub(super) signal: Option<Option<u32>>,
    pub(super) chroma_location: Option<(u32, u32)>,
    pub(super) timing: Option<(u32, u32)>,
    pub(super) nal_hrd: Option<Vec<(u32, u32)>>,
    pub(super) vcl_hrd: Option<Vec<(u32, u32)>>,
    pub(super) has_pic_struct: bool,
    pub(super) restriction: Option<(u32, u32)>,
}

pub(super) fn vui() -> impl Strategy<Value = VuiChoice> {
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

pub(super) fn changes() -> impl Strategy<Value = SpsChanges> {
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
pub(super) struct Choice {
    pub(super) profile: u32,
    pub(super) chroma: u32,
    pub(super) lists: Option<Vec<i32>>,
    pub(super) order_type: u32,
    pub(super) is_frames_only: bool,
    pub(super) size: (u32, u32),
    pub(super) crop: Option<[u32; 4]>,
    pub(super) vui: Option<VuiChoice>,
}

pub(super) fn choice() -> impl Strategy<Value = Choice> {
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

pub(super) fn write(choice: &Choice) -> Vec<u8> {
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
