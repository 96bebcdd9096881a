//! Parameter sets and slice headers of any bytes: no panic; a rewritten sequence parameter set says the same as before,
//! but for the restriction, and holds no start code.
#![no_main]

use berrymse::h264::parameter_sets::ParameterSets;
use berrymse::h264::pps::Pps;
use berrymse::h264::slice::SliceHeader;
use berrymse::h264::sps::Sps;
use berrymse::h264::vui::Restriction;
use libfuzzer_sys::fuzz_target;

const WRITTEN: Restriction = Restriction { reorder_frames: 0, buffered_frames: 16 };

fn rewrite(nal: &[u8], sps: &Sps) {
    let rewritten = sps.rewrite(nal, WRITTEN).expect("what was read can be copied");
    let again = Sps::parse(&rewritten).expect("what was written can be read");
    if rewritten != nal {
        assert_eq!(again.restriction, Some(WRITTEN));
        assert!(rewritten[1..].windows(3).all(|w| w[0] != 0 || w[1] != 0 || w[2] > 2));
    }
    assert_eq!((again.id, again.codec(), again.width, again.height), (sps.id, sps.codec(), sps.width, sps.height));
    assert_eq!((again.frame_num_bits, &again.order_count), (sps.frame_num_bits, &sps.order_count));
    assert_eq!(again.sample_aspect, sps.sample_aspect);
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
