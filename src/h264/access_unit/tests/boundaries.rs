//! Tests where one access unit ends and the next begins.

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
