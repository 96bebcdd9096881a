//! Tests of sources that mark the end of each access unit.

use super::*;

#[test]
fn complete_buffer_is_emitted_at_once() {
    let mut assembler = Assembler::new(BoundaryMode::Trusted);
    assert_eq!(
        push(&mut assembler, &keyframe(20), 1, ChunkEnd::Complete).len(),
        1
    );
    let units = push(&mut assembler, &p(1), 2, ChunkEnd::Complete);
    assert_eq!((units[0].captured_at, units[0].is_early), (2, false));
}

#[test]
fn parameter_sets_alone_do_not_set_the_time() {
    let mut assembler = Assembler::new(BoundaryMode::Trusted);
    assert_eq!(
        push(&mut assembler, &annexb(&sets()), 0, ChunkEnd::Complete),
        []
    );
    let units = push(
        &mut assembler,
        &annexb(&[SliceSpec::idr(0).nal()]),
        9,
        ChunkEnd::Complete,
    );
    assert_eq!((units[0].types(), units[0].captured_at), (vec![7, 8, 5], 9));
}

#[test]
fn noise_is_not_joined_to_the_previous_nal() {
    let mut assembler = Assembler::new(BoundaryMode::Trusted);
    let first = push(&mut assembler, &annexb(&sets()), 0, ChunkEnd::Complete);
    assert_eq!(first, []);
    let noise = [&[1, 0x65, 7, 7][..], &annexb(&[SliceSpec::idr(0).nal()])].concat();
    let units = push(&mut assembler, &noise, 1, ChunkEnd::Complete);
    assert_eq!(
        units[0].nals,
        [sets().to_vec(), vec![SliceSpec::idr(0).nal()]].concat()
    );
    assert_eq!(assembler.discarded_bytes(), 4);
    assert_eq!(push(&mut assembler, &[9; 50], 2, ChunkEnd::Complete), []);
    assert_eq!(push(&mut assembler, &p(1), 3, ChunkEnd::Complete).len(), 1);
}

#[test]
fn all_units_of_one_buffer_are_emitted() {
    let mut assembler = Assembler::new(BoundaryMode::Trusted);
    let buffer = [keyframe(20), p(1), p(2)].concat();
    assert_eq!(
        push(&mut assembler, &buffer, 1, ChunkEnd::Complete).len(),
        3
    );
}

#[test]
fn trailing_zeros_of_a_buffer_are_dropped() {
    let mut assembler = Assembler::new(BoundaryMode::Trusted);
    let units = push(
        &mut assembler,
        &[keyframe(20), vec![0; 100]].concat(),
        1,
        ChunkEnd::Complete,
    );
    assert_eq!(units[0].nals[2], SliceSpec::idr(0).nal());
}

#[test]
fn device_that_delivers_slices_is_distrusted() {
    let mut assembler = Assembler::new(BoundaryMode::Trusted);
    push(&mut assembler, &keyframe(20), 0, ChunkEnd::Complete);
    let mut units = Vec::new();
    for n in 1..4 {
        for slice in two_slices(n) {
            units.extend(push(&mut assembler, &slice, 1, ChunkEnd::Complete));
        }
    }
    assert_eq!(
        units.len(),
        1,
        "the first slice, before it was known to be one"
    );
    units = push(&mut assembler, &keyframe(20), 2, ChunkEnd::Complete);
    assert_eq!(units, []);
    let [first, second] = two_slices(1);
    units = push(&mut assembler, &first, 3, ChunkEnd::Complete);
    assert_eq!(units[0].types(), [7, 8, 5]);
    units = push(&mut assembler, &second, 4, ChunkEnd::Complete);
    units.extend(push(&mut assembler, &p(2), 5, ChunkEnd::Complete));
    assert_eq!(units.len(), 1);
    assert_eq!((units[0].types(), units[0].captured_at), (vec![1, 1], 3));
}

#[test]
fn parameter_sets_in_broken_units_are_kept() {
    let mut assembler = Assembler::new(BoundaryMode::Trusted);
    push(&mut assembler, &keyframe(20), 0, ChunkEnd::Complete);
    for slice in two_slices(1) {
        push(&mut assembler, &slice, 1, ChunkEnd::Complete);
    }
    let with_set = annexb(&[pps(3, 0, 1), SliceSpec::p(2).nal()]);
    let mut units = push(&mut assembler, &with_set, 2, ChunkEnd::Complete);
    units.extend(push(&mut assembler, &p(3), 3, ChunkEnd::Complete));
    assert_eq!(units.iter().map(Seen::types).collect::<Vec<_>>(), [[8]]);
}

#[test]
fn reset_waits_for_the_next_idr() {
    let mut assembler = Assembler::new(BoundaryMode::Trusted);
    push(&mut assembler, &keyframe(20), 0, ChunkEnd::Complete);
    assembler.reset();
    assert_eq!(push(&mut assembler, &p(5), 1, ChunkEnd::Complete), []);
    assert_eq!(
        push(&mut assembler, &keyframe(20), 2, ChunkEnd::Complete).len(),
        1
    );
    assert_eq!(push(&mut assembler, &p(1), 3, ChunkEnd::Complete).len(), 1);
}
