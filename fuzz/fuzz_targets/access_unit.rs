//! Any bytes, cut anywhere, with any word about ends: no panic, no empty NAL unit, a bounded buffer, the format changes only
//! at keyframes; and without a word about ends, the units of the uncut stream.
#![no_main]

use berrymse::h264::{AccessUnit, Assembler, End, Ends, Format, Pictures};
use berrymse::time::Timestamp;
use libfuzzer_sys::fuzz_target;
use std::sync::Arc;

fn units(chunks: &mut dyn Iterator<Item = &[u8]>) -> Vec<Vec<Vec<u8>>> {
    let mut assembler = Assembler::new(Ends::Learned);
    let mut units = Vec::new();
    let mut out = |unit: AccessUnit<'_>| units.push(unit.nals.iter().map(<[u8]>::to_vec).collect());
    for chunk in chunks {
        assembler.push(chunk, Timestamp::from_nanos(0), End::Open, &mut out);
    }
    assembler.flush(&mut out);
    units
}

fn play(ends: Ends, cut: usize, ways: u8, bytes: &[u8]) {
    let (mut assembler, mut pictures) = (Assembler::new(ends), Pictures::new());
    let mut format: Option<Arc<Format>> = None;
    let mut out = |unit: AccessUnit<'_>| {
        assert!(unit.nals.iter().all(|nal| !nal.is_empty()));
        if let Some(picture) = pictures.push(unit) {
            assert!(picture.nals().all(|nal| !nal.is_empty()));
            let is_same = format.as_ref().is_some_and(|last| Arc::ptr_eq(last, &picture.format));
            assert!(is_same || picture.is_keyframe);
            assert!(picture.display_shift.abs() <= 64);
            format = Some(picture.format);
        }
    };
    for (n, piece) in bytes.chunks(cut).enumerate() {
        let end = match ways >> (n % 4 * 2) & 3 {
            0 => End::Open,
            1 => End::Complete,
            2 => End::Drained,
            _ => End::Pause,
        };
        assembler.push(piece, Timestamp::from_nanos(n as u64), end, &mut out);
    }
    assembler.flush(&mut out);
}

fuzz_target!(|input: &[u8]| {
    let [cut, ways, bytes @ ..] = input else { return };
    let cut = usize::from(*cut).max(1);
    play(Ends::Learned, cut, *ways, bytes);
    play(Ends::FromDevice, cut, *ways, bytes);
    assert_eq!(units(&mut bytes.chunks(cut)), units(&mut std::iter::once(bytes)));
});
