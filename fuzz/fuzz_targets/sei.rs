//! Supplemental enhancement information of any bytes: no panic; what is left without recovery points has none, holds no
//! start code, and is the same when they are taken out again. A recovery point before other messages is never alone.
#![no_main]

use berrymse::h264::bits::BitWriter;
use berrymse::h264::sei::{RecoveryPoint, recovery_point, without_recovery_point};
use libfuzzer_sys::fuzz_target;

const SEI_HEADER: u8 = 6;

fn take_out(nal: &[u8]) {
    let found = recovery_point(nal);
    assert!(found.is_none_or(|point| point.frames <= 65_535));
    if let Some(rest) = without_recovery_point(nal) {
        assert!(found.is_none_or(|point| !point.is_alone));
        assert_eq!(recovery_point(&rest), None);
        assert!(rest.windows(3).all(|w| w[0] != 0 || w[1] != 0 || w[2] > 2));
        assert_eq!(without_recovery_point(&rest).as_ref(), Some(&rest));
    }
}

/// The messages as they are, after a recovery point (`recovery_frame_cnt` 30, exact match).
fn put_before(messages: &[u8]) {
    let mut writer = BitWriter::default();
    [6, 2, 0x0f, 0xc0].iter().chain(messages).for_each(|byte| writer.bits(8, u32::from(*byte)));
    let nal = writer.into_nal(SEI_HEADER);
    if messages.is_empty() {
        assert_eq!(recovery_point(&nal), Some(RecoveryPoint { frames: 30, is_alone: true }));
    } else if let Some(point) = recovery_point(&nal) {
        assert!(!point.is_alone);
    }
    take_out(&nal);
}

fuzz_target!(|input: &[u8]| {
    for nal in input.split(|byte| *byte == 0xfe).filter(|nal| !nal.is_empty()) {
        take_out(nal);
    }
    put_before(input);
});
