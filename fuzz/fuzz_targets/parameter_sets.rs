//! Parameter sets and slice headers of any bytes: no panic; a rewritten sequence parameter set says the same as before,
//! but for what was to be replaced, and holds no start code.
#![no_main]

use berrymse::h264::parameter_sets::ParameterSets;
use berrymse::h264::pps::Pps;
use berrymse::h264::slice::SliceHeader;
use berrymse::h264::sps::{Sps, SpsChanges};
use berrymse::h264::vui::{BitstreamRestriction, ColourDescription};
use libfuzzer_sys::fuzz_target;

const WRITTEN: BitstreamRestriction = BitstreamRestriction { reorder_frames: 0, buffered_frames: 16 };

fn rewrite(nal: &[u8], sps: &Sps) {
    let changes = SpsChanges { restriction: Some(WRITTEN), ..SpsChanges::default() };
    let rewritten = sps.rewrite(nal, &changes).expect("what was read can be copied");
    let again = Sps::parse(&rewritten).expect("what was written can be read");
    if rewritten != nal {
        assert_eq!(again.restriction, Some(WRITTEN));
        assert!(rewritten[1..].windows(3).all(|w| w[0] != 0 || w[1] != 0 || w[2] > 2));
    }
    assert_eq!((again.id, again.codec(), again.width, again.height), (sps.id, sps.codec(), sps.width, sps.height));
    assert_eq!((again.frame_num_bits, &again.poc_type), (sps.frame_num_bits, &sps.poc_type));
    assert_eq!(again.sample_aspect, sps.sample_aspect);
    replace_all(nal, sps);
}

/// Every field that can be replaced at once.
fn replace_all(nal: &[u8], sps: &Sps) {
    let colour = ColourDescription { is_full_range: true, primaries: 1, transfer: 0, matrix: 0 };
    let mut cropping = sps.cropping;
    (cropping.left, cropping.top) = (0, 0);
    let changes = SpsChanges {
        cropping: Some(cropping),
        is_square: true,
        colour: Some(colour),
        restriction: Some(WRITTEN),
    };
    let rewritten = sps.rewrite(nal, &changes).expect("what was read can be replaced");
    let again = Sps::parse(&rewritten).expect("what was replaced can be read");
    assert_eq!((again.cropping.left, again.cropping.top), (0, 0));
    assert_eq!((again.cropping.right, again.cropping.bottom), (sps.cropping.right, sps.cropping.bottom));
    assert_eq!(again.width, sps.width + sps.cropping.left);
    assert_eq!(again.height, sps.height + sps.cropping.top);
    assert_eq!((&again.poc_type, again.max_ref_frames), (&sps.poc_type, sps.max_ref_frames));
}

fuzz_target!(|input: &[u8]| {
    let mut sets = ParameterSets::default();
    for nal in input.split(|byte| *byte == 0xfe).filter(|nal| !nal.is_empty()) {
        if let Ok(sps) = Sps::parse(nal) {
            assert!(sps.width > 0 && sps.width <= 16384 && sps.height > 0 && sps.height <= 16384);
            rewrite(nal, &sps);
            sets.put_sps(sps);
        }
        if let Ok(pps) = Pps::parse(nal) {
            sets.put_pps(pps);
        }
        let _ = SliceHeader::parse_with_marking(nal, &sets);
    }
});
