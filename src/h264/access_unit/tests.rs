#![allow(clippy::unwrap_used)]
use super::*;
use crate::h264::slice::PictureStructure;
use crate::h264::tests::synthetic::{Seen, SliceSpec, SpsSpec, annexb, flush, pps, push};

pub(super) fn sets() -> [Vec<u8>; 2] {
    [SpsSpec::default().nal(), pps(0, 0, 0)]
}

/// Parameter sets and an IDR picture.
fn keyframe(noise: usize) -> Vec<u8> {
    let [sps, pps] = sets();
    annexb(&[sps, pps, SliceSpec::idr(0).with_noise(noise).nal()])
}

fn p(n: u32) -> Vec<u8> {
    annexb(&[SliceSpec::p(n).nal()])
}

/// The `n`th picture in two slices.
fn two_slices(n: u32) -> [Vec<u8>; 2] {
    let second = SliceSpec {
        first_mb: 100,
        ..SliceSpec::p(n)
    };
    [annexb(&[SliceSpec::p(n).nal()]), annexb(&[second.nal()])]
}

mod boundaries {
    use super::*;

    fn units(nals: &[Vec<u8>]) -> Vec<Vec<u8>> {
        let mut assembler = Assembler::new(BoundaryMode::Inferred);
        let mut units = push(&mut assembler, &annexb(nals), 0, ChunkEnd::Open);
        units.extend(flush(&mut assembler));
        assert!(units.iter().all(|unit| !unit.is_early));
        units.iter().map(Seen::types).collect()
    }

    fn after_sets(nals: &[Vec<u8>]) -> Vec<Vec<u8>> {
        let mut all = sets().to_vec();
        all.extend_from_slice(nals);
        let mut units = units(&all);
        units[0].drain(..2);
        units
    }

    #[test]
    fn slices_of_one_picture_stay_together() {
        let slice = |first_mb, n| {
            SliceSpec {
                first_mb,
                ..SliceSpec::p(n)
            }
            .nal()
        };
        let found = after_sets(&[
            slice(100, 1),
            slice(0, 1),
            slice(50, 1),
            slice(50, 2),
            slice(0, 2),
        ]);
        assert_eq!(found, [vec![1, 1, 1], vec![1, 1]]);
    }

    #[test]
    fn each_difference_of_7_4_1_2_4_starts_a_picture() {
        let first = SliceSpec {
            first_mb: 0,
            ..SliceSpec::p(4)
        };
        let same = SliceSpec {
            first_mb: 9,
            ..first.clone()
        };
        let others = [
            SliceSpec {
                frame_num: 5,
                ..same.clone()
            },
            SliceSpec {
                pps_id: 1,
                ..same.clone()
            },
            SliceSpec {
                is_reference: false,
                ..same.clone()
            },
            SliceSpec {
                order: 10,
                ..same.clone()
            },
            SliceSpec {
                idr_id: Some(0),
                ..same.clone()
            },
        ];
        let [sps, pps0] = sets();
        let head = [sps, pps0, pps(1, 0, 0), first.nal()];
        for other in others {
            let nals = [head.as_slice(), &[other.nal()]].concat();
            assert_eq!(units(&nals).len(), 2, "{other:?}");
        }
        assert_eq!(units(&[head.as_slice(), &[same.nal()]].concat()).len(), 1);
    }

    #[test]
    fn consecutive_fields_and_idr_pictures_are_split() {
        let sps = SpsSpec {
            is_frames_only: false,
            ..SpsSpec::default()
        }
        .nal();
        let field = |structure, idr_id| {
            SliceSpec {
                structure,
                idr_id,
                is_frames_only: false,
                ..SliceSpec::default()
            }
            .nal()
        };
        let found = units(&[
            sps,
            pps(0, 0, 0),
            field(PictureStructure::TopField, Some(0)),
            field(PictureStructure::BottomField, None),
            field(PictureStructure::Frame, Some(0)),
            field(PictureStructure::Frame, Some(1)),
        ]);
        assert_eq!(found, [vec![7, 8, 5], vec![1], vec![5], vec![5]]);
    }

    #[test]
    fn repeated_first_macroblock_starts_a_picture() {
        let found = after_sets(&[SliceSpec::idr(0).nal(), SliceSpec::idr(0).nal()]);
        assert_eq!(found, [[5], [5]]);
    }

    #[test]
    fn redundant_slices_belong_to_the_primary_picture() {
        let redundant = SliceSpec {
            redundant_count: 1,
            frame_num: 77,
            ..SliceSpec::p(1)
        };
        let found = after_sets(&[
            SliceSpec::p(1).nal(),
            redundant.nal(),
            SliceSpec::p(2).nal(),
        ]);
        assert_eq!(found, [vec![1, 1], vec![1]]);
    }

    #[test]
    fn non_vcl_nals_before_slices_start_a_unit() {
        for starter in [
            vec![0x09, 0xf0],
            vec![0x06, 5, 1, 9, 0x80],
            sets()[0].clone(),
            sets()[1].clone(),
            vec![0x0f, 9],
        ] {
            let found = after_sets(&[
                SliceSpec::p(1).nal(),
                starter.clone(),
                SliceSpec::p(2).nal(),
            ]);
            assert_eq!(found, [vec![1], vec![starter[0] & 31, 1]]);
        }
    }

    #[test]
    fn trailing_nals_belong_to_the_unit() {
        let found = after_sets(&[
            SliceSpec::p(1).nal(),
            vec![0x0c, 0xff, 0x80],
            vec![0x0a],
            vec![0x0b],
            vec![0x0c, 0xff, 0x80],
            SliceSpec::idr(0).nal(),
        ]);
        assert_eq!(found, [vec![1, 12, 10, 11], vec![12, 5]]);
    }

    #[test]
    fn prefix_nal_goes_with_its_slice() {
        let prefix = vec![0x6e, 0x80, 0x80, 0x01];
        let slice = |first_mb, n| {
            SliceSpec {
                first_mb,
                ..SliceSpec::p(n)
            }
            .nal()
        };
        let found = after_sets(&[
            prefix.clone(),
            slice(0, 1),
            prefix.clone(),
            slice(9, 1),
            prefix,
            slice(0, 2),
        ]);
        assert_eq!(found, [vec![14, 1, 14, 1], vec![14, 1]]);
    }

    #[test]
    fn first_macroblock_splits_without_parameter_sets() {
        let slice = |first_mb, n| {
            SliceSpec {
                first_mb,
                ..SliceSpec::p(n)
            }
            .nal()
        };
        let found = units(&[slice(0, 1), slice(9, 1), slice(0, 2), slice(9, 2)]);
        assert_eq!(found, [[1, 1], [1, 1]]);
    }
}

mod device {
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
}

mod program {
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
}

mod memory {
    use super::*;

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
}
