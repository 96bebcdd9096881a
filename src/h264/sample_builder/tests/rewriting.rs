//! Tests of the rewritten reordering limits.

use super::*;

#[test]
fn baseline_and_poc_type_2_need_no_reordering() {
    for sps in [
        SpsSpec {
            profile: 66,
            ..SpsSpec::default()
        },
        SpsSpec {
            order_type: 2,
            ..SpsSpec::default()
        },
        SpsSpec {
            order_type: 2,
            restriction: Some((1, 4)),
            ..SpsSpec::default()
        },
    ] {
        let (_, first) = Stream::with(&sps);
        assert_eq!(restriction(&first.format.sps[0]), Some(0), "{sps:?}");
        assert_eq!(first.format.reorder, 0);
    }
}

#[test]
fn no_reordering_is_learned_after_16_pictures() {
    let (mut stream, first) = Stream::with(&SpsSpec::default());
    assert_eq!(restriction(&first.format.sps[0]), None);
    let (format, _) = stream.group(&[2, 4, 6, 8, 10, 12, 14]);
    assert_eq!(restriction(&format.sps[0]), None, "one picture is no proof");
    let (format, _) = stream.group(&[2, 4, 6, 8, 10, 12, 14]);
    assert_eq!(restriction(&format.sps[0]), None, "nine are none");
    let (format, shifts) = stream.group(&[2, 4, 6]);
    assert_eq!(restriction(&format.sps[0]), Some(0));
    assert_eq!(shifts, [0; 4]);
}

#[test]
fn announced_reordering_needs_300_pictures() {
    let sps = SpsSpec {
        restriction: Some((1, 4)),
        ..SpsSpec::default()
    };
    let (mut stream, first) = Stream::with(&sps);
    assert_eq!((first.format.reorder, first.shift), (1, 1));
    let counts: Vec<i32> = (1..40).map(|n| 2 * n).collect();
    for group in 0..9 {
        let (format, shifts) = stream.group(&counts);
        let (reorder, shift) = if group < 8 { (1, 1) } else { (0, 0) };
        assert_eq!(
            (format.reorder, restriction(&format.sps[0])),
            (reorder, Some(reorder)),
            "{group}"
        );
        assert_eq!(shifts, [shift; 40]);
    }
}

#[test]
fn late_reordering_restores_the_delay() {
    let sps = SpsSpec {
        profile: 66,
        restriction: Some((0, 4)),
        ..SpsSpec::default()
    };
    let (mut stream, first) = Stream::with(&sps);
    assert_eq!(first.format.reorder, 0);
    stream.group(&[4, 2]);
    let (format, shifts) = stream.group(&[4, 2]);
    assert_eq!((format.reorder, restriction(&format.sps[0])), (1, Some(1)));
    assert_eq!(shifts, [1, 2, 0]);
}
