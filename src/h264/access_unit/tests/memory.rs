//! Tests that memory and time stay bounded.

use super::*;
use crate::h264::access_unit::oversize::{MAX_UNIT_BYTES, MAX_UNIT_NALS};

#[test]
fn stream_without_start_codes_uses_no_memory() {
    let mut assembler = Assembler::new(BoundaryMode::Inferred);
    for _ in 0..40 {
        push(&mut assembler, &[0x55; 1 << 20], 0, ChunkEnd::Open);
        assert!(assembler.stream.end() < 10);
    }
    assert_eq!(assembler.discarded_bytes(), 40 << 20);
    push(&mut assembler, &keyframe(20), 0, ChunkEnd::Open);
    assert_eq!(push(&mut assembler, &p(1), 0, ChunkEnd::Open).len(), 1);
}

#[test]
fn endless_picture_is_discarded_until_idr() {
    let mut assembler = Assembler::new(BoundaryMode::Inferred);
    push(&mut assembler, &keyframe(20), 0, ChunkEnd::Open);
    push(&mut assembler, &p(1), 0, ChunkEnd::Open);
    for _ in 0..20 {
        assert_eq!(
            push(&mut assembler, &[0x55; 1 << 20], 0, ChunkEnd::Open),
            []
        );
        assert!(assembler.stream.end() <= MAX_UNIT_BYTES + CHUNK_BYTES);
    }
    assert_eq!(
        push(&mut assembler, &[p(2), p(3)].concat(), 0, ChunkEnd::Open),
        []
    );
    push(&mut assembler, &keyframe(20), 0, ChunkEnd::Open);
    assert_eq!(push(&mut assembler, &p(1), 0, ChunkEnd::Open).len(), 1);
}

#[test]
fn slice_of_zeros_is_searched_once() {
    let mut assembler = Assembler::new(BoundaryMode::Inferred);
    push(&mut assembler, &keyframe(20), 0, ChunkEnd::Open);
    push(&mut assembler, &[0, 0, 1, 0x41], 0, ChunkEnd::Open);
    for _ in 0..4000 {
        assert_eq!(push(&mut assembler, &[0; 1000], 0, ChunkEnd::Open), []);
    }
}

#[test]
fn large_keyframe_is_searched_once() {
    let mut assembler = Assembler::new(BoundaryMode::Inferred);
    let stream = [keyframe(1_000_000), p(1)].concat();
    // Quadratic work would be half a gigabyte here.
    let units: usize = stream
        .chunks(1000)
        .map(|piece| push(&mut assembler, piece, 0, ChunkEnd::Open).len())
        .sum();
    assert_eq!(units, 1);
}
fn slices(count: u32) -> Vec<u8> {
    let slice = |first_mb| {
        let spec = SliceSpec {
            first_mb,
            ..SliceSpec::idr(0)
        };
        spec.with_noise(2).nal()
    };
    let [sps, pps] = sets();
    let mut nals = vec![sps, pps];
    nals.extend((0..count).map(slice));
    annexb(&nals)
}

#[test]
fn slice_for_each_macroblock_is_one_picture() {
    let mut assembler = Assembler::new(BoundaryMode::Inferred);
    let mut units = push(&mut assembler, &slices(8160), 0, ChunkEnd::Open);
    units.extend(push(&mut assembler, &p(1), 0, ChunkEnd::Open));
    assert_eq!(units.len(), 1);
    assert_eq!(units[0].nals.len(), 8162);
    assert_eq!(assembler.take_oversize(), None);
}

#[test]
fn units_beyond_every_level_are_reported() {
    let mut assembler = Assembler::new(BoundaryMode::Inferred);
    let many = slices(MAX_UNIT_NALS as u32);
    assert_eq!(push(&mut assembler, &many, 0, ChunkEnd::Open), []);
    assert_eq!(assembler.take_oversize(), Some(Oversize::Nals));
    assert_eq!(assembler.take_oversize(), None);
    let large = keyframe(MAX_UNIT_BYTES);
    assert_eq!(push(&mut assembler, &large, 0, ChunkEnd::Open), []);
    assert_eq!(assembler.take_oversize(), Some(Oversize::Bytes));
    assert!(Oversize::Nals.to_string().contains("140288 NAL units"));
}
