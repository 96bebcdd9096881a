//! Tests of programs whose pauses end access units.

use super::*;

/// An assembler that has seen a keyframe and `count` pictures, each followed by a pause.
fn after_pauses(count: u32) -> (Assembler, u32) {
    let mut assembler = Assembler::new(BoundaryMode::Inferred);
    let mut next = 1;
    push(&mut assembler, &keyframe(20), 0, ChunkEnd::Pause);
    for _ in 1..count {
        push(&mut assembler, &p(next), 0, ChunkEnd::Pause);
        next += 1;
    }
    (assembler, next)
}

fn is_quick(assembler: &mut Assembler, n: u32) -> bool {
    push(assembler, &p(n), 0, ChunkEnd::Pause)
        .iter()
        .any(|unit| unit.is_early)
}

#[test]
fn ninth_confirmed_pause_ends_the_unit() {
    let (mut assembler, next) = after_pauses(8);
    let units = push(&mut assembler, &p(next), 7, ChunkEnd::Pause);
    assert_eq!(units.len(), 2, "the one before and, early, this one");
    assert_eq!((units[1].captured_at, units[1].is_early), (7, true));
    assert_eq!(
        push(&mut assembler, &p(next + 1), 8, ChunkEnd::Pause).len(),
        1
    );
}

/// A program that has written `count` units, each with one write, and paused after each.
fn after_writes(count: u32) -> (Assembler, u32) {
    let mut assembler = Assembler::new(BoundaryMode::Inferred);
    push(&mut assembler, &keyframe(20), 0, ChunkEnd::Drained);
    for next in 1..count {
        push(&mut assembler, &p(next), 0, ChunkEnd::Drained);
        push(&mut assembler, &[], 0, ChunkEnd::Pause);
    }
    (assembler, count)
}

#[test]
fn drain_ends_the_unit_after_60_confirmations() {
    let (mut assembler, next) = after_writes(50);
    assert_eq!(push(&mut assembler, &p(next), 7, ChunkEnd::Drained), []);
    assert!(!assembler.is_drained());
    let (mut assembler, next) = after_writes(70);
    assert_eq!(
        push(&mut assembler, &p(next), 7, ChunkEnd::Drained).len(),
        1
    );
    assert_eq!(push(&mut assembler, &[], 8, ChunkEnd::Pause), []);
    assert_eq!(
        push(&mut assembler, &p(next + 1), 9, ChunkEnd::Drained).len(),
        1
    );
}

#[test]
fn unreported_pauses_keep_the_trust() {
    let (mut assembler, mut next) = after_writes(70);
    for _ in 0..100 {
        assert_eq!(
            push(&mut assembler, &p(next), 7, ChunkEnd::Drained).len(),
            1
        );
        assert!(assembler.is_drained());
        next += 1;
    }
    // The first part of a unit, of the size of a block: the pause behind it says nothing.
    let mut whole = annexb(&[SliceSpec::p(next).with_noise(5000).nal()]);
    let rest = whole.split_off(4096);
    assert_eq!(push(&mut assembler, &whole, 8, ChunkEnd::Drained), []);
    assert!(!assembler.is_drained());
    assert_eq!(push(&mut assembler, &[], 8, ChunkEnd::Pause), []);
    push(&mut assembler, &rest, 8, ChunkEnd::Drained);
    assert!(assembler.pause_heuristic.is_trusted());
}

#[test]
fn units_in_two_writes_end_at_the_pause() {
    let mut assembler = Assembler::new(BoundaryMode::Inferred);
    push(&mut assembler, &keyframe(20), 0, ChunkEnd::Pause);
    for next in 1..200 {
        let unit = p(next);
        let (first, second) = unit.split_at(unit.len() / 2);
        let early = push(&mut assembler, first, 0, ChunkEnd::Drained).len();
        assert!(early == 0 || next <= 8, "half a picture was given out");
        push(&mut assembler, second, 0, ChunkEnd::Drained);
        let ended = push(&mut assembler, &[], 0, ChunkEnd::Pause).len();
        assert_eq!(ended, usize::from(next > 7), "unit {next}");
    }
}

#[test]
fn pause_without_data_counts() {
    let (mut assembler, next) = after_pauses(8);
    assert_eq!(push(&mut assembler, &p(next), 7, ChunkEnd::Open).len(), 1);
    assert_eq!(push(&mut assembler, &[], 8, ChunkEnd::Pause).len(), 1);
    assert_eq!(push(&mut assembler, &[], 9, ChunkEnd::Pause), []);
}

#[test]
fn pauses_are_not_used_with_trusted_boundaries() {
    let mut assembler = Assembler::new(BoundaryMode::Trusted);
    push(&mut assembler, &keyframe(20), 0, ChunkEnd::Pause);
    for n in 1..20 {
        assert!(!is_quick(&mut assembler, n));
    }
}

#[test]
fn pauses_before_the_picture_are_neutral() {
    let mut assembler = Assembler::new(BoundaryMode::Inferred);
    for n in 0..8 {
        assert!(!is_quick(&mut assembler, n));
        push(&mut assembler, &annexb(&sets()), 0, ChunkEnd::Pause);
    }
    let units = push(
        &mut assembler,
        &annexb(&[SliceSpec::p(8).nal()]),
        5,
        ChunkEnd::Pause,
    );
    assert_eq!((units[0].types(), units[0].captured_at), (vec![7, 8, 1], 5));
}

#[test]
fn pause_after_a_block_size_is_not_trusted() {
    for block in [4096, 2 * 1448] {
        let (mut assembler, next) = after_pauses(9);
        let overhead = annexb(&[SliceSpec::p(next).with_noise(0).nal()]).len();
        push(
            &mut assembler,
            &annexb(&[SliceSpec::p(next).with_noise(4000).nal()]),
            0,
            ChunkEnd::Pause,
        );
        let block_sized = annexb(&[SliceSpec::p(next + 1).with_noise(block - overhead).nal()]);
        assert_eq!(block_sized.len(), block);
        let units = push(&mut assembler, &block_sized, 0, ChunkEnd::Pause);
        assert!(units.iter().all(|unit| !unit.is_early));
    }
}

#[test]
fn stdio_block_writes_keep_the_trust() {
    let (mut assembler, next) = after_pauses(9);
    let large = annexb(&[SliceSpec::p(next).with_noise(9001).nal()]);
    let (blocks, rest) = large.split_at(8192);
    assert_eq!(push(&mut assembler, blocks, 0, ChunkEnd::Pause), []);
    push(&mut assembler, rest, 0, ChunkEnd::Pause);
    assert!(is_quick(&mut assembler, next + 1));
}

#[test]
fn oversized_unit_is_not_trusted_once() {
    let (mut assembler, next) = after_pauses(9);
    let large = |n| annexb(&[SliceSpec::p(n).with_noise(5001).nal()]);
    assert_eq!(push(&mut assembler, &large(next), 0, ChunkEnd::Pause), []);
    assert!(is_quick(&mut assembler, next + 1));
    assert_eq!(
        push(&mut assembler, &large(next + 2), 0, ChunkEnd::Pause).len(),
        1
    );
}

#[test]
fn second_false_pause_disables_heuristic() {
    let (mut assembler, mut next) = after_pauses(9);
    for barred_units in [2000, 10_000] {
        let nal = p(next);
        assert_eq!(
            push(&mut assembler, &nal[..15], 0, ChunkEnd::Pause).len(),
            1,
            "given out, broken"
        );
        next += 1;
        let mut units = push(&mut assembler, &nal[15..], 0, ChunkEnd::Pause);
        units.extend(push(&mut assembler, &p(next), 0, ChunkEnd::Pause));
        assert_eq!(units, [], "withheld until a keyframe");
        units = push(&mut assembler, &keyframe(20), 0, ChunkEnd::Pause);
        next = 1;
        let mut quick_after = 0;
        while quick_after < barred_units && !is_quick(&mut assembler, next) {
            next += 1;
            quick_after += 1;
        }
        assert_eq!(units, []);
        assert!(
            (1990..=2010).contains(&quick_after) || quick_after == 10_000,
            "{quick_after}"
        );
        next += 1;
        if quick_after == 10_000 {
            return;
        }
    }
    panic!("believed again");
}

#[test]
fn late_slice_discards_until_idr() {
    let (mut assembler, next) = after_pauses(9);
    let [first, second] = two_slices(next);
    assert_eq!(push(&mut assembler, &first, 0, ChunkEnd::Pause).len(), 1);
    let mut units = push(&mut assembler, &second, 0, ChunkEnd::Pause);
    units.extend(push(&mut assembler, &p(next + 1), 0, ChunkEnd::Pause));
    assert_eq!(units, []);
    push(&mut assembler, &keyframe(20), 0, ChunkEnd::Pause);
    units = push(&mut assembler, &p(1), 0, ChunkEnd::Pause);
    assert_eq!(units[0].types(), [7, 8, 5]);
}

#[test]
fn picture_ends_with_the_next_start_code() {
    let mut assembler = Assembler::new(BoundaryMode::Inferred);
    push(&mut assembler, &keyframe(20), 0, ChunkEnd::Open);
    let next = annexb(&[SliceSpec::p(1).with_noise(1000).nal()]);
    assert_eq!(
        push(&mut assembler, &next[..16], 1, ChunkEnd::Open).len(),
        1
    );
}
