//! Tests of parameter sets: in the init segment, in-band, replaced.

use super::*;

#[test]
fn repeated_sets_change_nothing() {
    let (mut stream, first) = Stream::with(&SpsSpec::default());
    for n in 1..9 {
        let slice = if n % 3 == 0 {
            SliceSpec::idr(n)
        } else {
            SliceSpec::p(n % 3)
        };
        let seen = stream
            .push(&[SpsSpec::default().nal(), pps(0, 0, 0), slice.nal()])
            .unwrap();
        assert!(Arc::ptr_eq(&seen.format, &first.format));
        assert_eq!(seen.nals.len(), 1);
    }
}

#[test]
fn changed_set_is_in_band_until_the_keyframe() {
    let (mut stream, first) = Stream::with(&SpsSpec::default());
    let seen = stream
        .push(&[
            pps(1, 0, 3),
            SliceSpec {
                pps_id: 1,
                ..SliceSpec::p(1)
            }
            .nal(),
        ])
        .unwrap();
    assert_eq!(seen.types(), [8, 1]);
    assert!(Arc::ptr_eq(&seen.format, &first.format));
    let seen = stream
        .push(&[
            pps(1, 0, 3),
            SliceSpec {
                pps_id: 1,
                ..SliceSpec::p(2)
            }
            .nal(),
        ])
        .unwrap();
    assert_eq!(seen.types(), [1]);
    let key = stream.slice(&SliceSpec::idr(1)).unwrap();
    assert_eq!((key.types(), key.format.pps.len()), (vec![5], 2));
    assert!(!Arc::ptr_eq(&key.format, &first.format));
}

#[test]
fn new_size_starts_at_its_keyframe() {
    let (mut stream, _) = Stream::with(&SpsSpec::default());
    stream.push(&[pps(5, 0, 1), SliceSpec::p(1).nal()]).unwrap();
    let wide = SpsSpec {
        width_mbs: 40,
        ..SpsSpec::default()
    };
    let seen = stream
        .push(&[wide.nal(), pps(0, 0, 0), SliceSpec::idr(1).nal()])
        .unwrap();
    assert_eq!((seen.format.width, seen.format.height), (640, 192));
    assert_eq!((seen.format.sps.len(), seen.format.pps.len()), (1, 1));
    assert_eq!(seen.types(), [5]);
}

#[test]
fn sps_and_its_pps_never_go_in_band() {
    let (mut stream, first) = Stream::with(&SpsSpec::default());
    let other = SpsSpec {
        id: 1,
        width_mbs: 40,
        ..SpsSpec::default()
    };
    let seen = stream
        .push(&[other.nal(), pps(1, 1, 0), SliceSpec::p(1).nal()])
        .unwrap();
    assert_eq!(seen.types(), [1]);
    assert!(Arc::ptr_eq(&seen.format, &first.format));
    let seen = stream
        .slice(&SliceSpec {
            pps_id: 1,
            ..SliceSpec::idr(1)
        })
        .unwrap();
    assert_eq!(
        (
            seen.format.width,
            seen.format.sps.len(),
            seen.format.pps.len()
        ),
        (640, 2, 2)
    );
    assert_eq!(
        Sps::parse(&seen.format.sps[0]).unwrap().width,
        640,
        "the one that describes comes first"
    );
}

#[test]
fn alternating_ids_share_one_init_segment() {
    let (mut stream, _) = Stream::with(&SpsSpec::default());
    let other = SpsSpec {
        id: 1,
        ..SpsSpec::default()
    };
    let both = stream
        .push(&[other.nal(), pps(1, 1, 0), SliceSpec::idr(1).nal()])
        .unwrap()
        .format;
    for n in 2..9 {
        let seen = stream
            .slice(&SliceSpec {
                pps_id: n % 2,
                ..SliceSpec::idr(n)
            })
            .unwrap();
        assert!(Arc::ptr_eq(&seen.format, &both));
    }
}

#[test]
fn alternating_contents_end_up_in_band() {
    let (mut stream, first) = Stream::with(&SpsSpec::default());
    let mut formats = vec![first.format];
    let mut types = Vec::new();
    for n in 1..12 {
        let seen = stream
            .push(&[pps(0, 0, (n % 2) as i32), SliceSpec::idr(n).nal()])
            .unwrap();
        if !Arc::ptr_eq(&seen.format, formats.last().unwrap()) {
            formats.push(seen.format.clone());
        }
        assert!(seen.types() == [5] || seen.nals[1] == pps(0, 0, (n % 2) as i32));
        types.push(seen.types());
    }
    assert_eq!(formats.len(), 4);
    assert_eq!(types[2], [5]);
    assert_eq!(types[3..], vec![vec![7, 8, 5]; 8]);
}

#[test]
fn keyframes_carry_sets_after_an_in_band_set() {
    let (mut stream, first) = Stream::with(&SpsSpec::default());
    stream.push(&[pps(0, 0, 5), SliceSpec::p(1).nal()]).unwrap();
    let key = stream
        .push(&[pps(0, 0, 0), SliceSpec::idr(1).nal()])
        .unwrap();
    assert!(Arc::ptr_eq(&key.format, &first.format));
    assert_eq!(key.types(), [7, 8, 5], "decoders have seen another");
}
