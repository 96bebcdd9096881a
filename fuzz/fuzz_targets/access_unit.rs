//! Any bytes, cut anywhere, with any word about ends: no panic, no empty NAL unit, a bounded buffer, the format changes only
//! at keyframes; and without a word about ends, the units of the uncut stream.
#![no_main]

use berrymse::h264::{AccessUnit, Assembler, BoundaryMode, ChunkEnd, SampleBuilder, VideoParameters};
use berrymse::time::Timestamp;
use libfuzzer_sys::fuzz_target;
use std::sync::Arc;

fn units(chunks: &mut dyn Iterator<Item = &[u8]>) -> Vec<Vec<Vec<u8>>> {
    let mut assembler = Assembler::new(BoundaryMode::Inferred);
    let mut units = Vec::new();
    let mut out = |unit: AccessUnit<'_>| units.push(unit.nals.iter().map(<[u8]>::to_vec).collect());
    for chunk in chunks {
        assembler.push(chunk, Timestamp::from_nanos(0), ChunkEnd::Open, &mut out);
    }
    assembler.flush(&mut out);
    units
}

fn play(ends: BoundaryMode, cut: usize, ways: u8, bytes: &[u8]) {
    let (mut assembler, mut pictures) = (Assembler::new(ends), SampleBuilder::new());
    let mut format: Option<Arc<VideoParameters>> = None;
    let mut out = |unit: AccessUnit<'_>| {
        assert!(unit.nals.iter().all(|nal| !nal.is_empty()));
        if let Some(picture) = pictures.push(unit) {
            assert!(picture.nals().all(|nal| !nal.is_empty()));
            let is_same = format.as_ref().is_some_and(|last| Arc::ptr_eq(last, &picture.parameters));
            assert!(is_same || picture.is_keyframe);
            assert!(picture.display_shift.abs() <= 64);
            format = Some(picture.parameters);
        }
    };
    for (n, piece) in bytes.chunks(cut).enumerate() {
        let end = match ways >> (n % 4 * 2) & 3 {
            0 => ChunkEnd::Open,
            1 => ChunkEnd::Complete,
            2 => ChunkEnd::Drained,
            _ => ChunkEnd::Pause,
        };
        assembler.push(piece, Timestamp::from_nanos(n as u64), end, &mut out);
    }
    assembler.flush(&mut out);
}

fuzz_target!(|input: &[u8]| {
    let [cut, ways, bytes @ ..] = input else { return };
    let cut = usize::from(*cut).max(1);
    play(BoundaryMode::Inferred, cut, *ways, bytes);
    play(BoundaryMode::Trusted, cut, *ways, bytes);
    assert_eq!(units(&mut bytes.chunks(cut)), units(&mut std::iter::once(bytes)));
});
