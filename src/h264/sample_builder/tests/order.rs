//! Tests of display order from picture order counts.

use super::*;

/// Display places of the pictures of a group, by shift.
fn places(shifts: &[i32]) -> Vec<i32> {
    (0..).zip(shifts).map(|(n, shift)| n + shift).collect()
}

#[test]
fn b_pyramids_are_ordered_without_lookahead() {
    let sps = SpsSpec {
        restriction: Some((2, 4)),
        ..SpsSpec::default()
    };
    let (mut stream, _) = Stream::with(&sps);
    let (_, shifts) = stream.group(&[8, 4, 2, 6, 16, 12, 10, 14]);
    assert_eq!(shifts, [2, 5, 2, 0, 1, 5, 2, 0, 1]);
    assert_eq!(places(&shifts), [2, 6, 4, 3, 5, 10, 8, 7, 9]);
}

#[test]
fn unannounced_reorder_depth_is_learned() {
    let (mut stream, _) = Stream::with(&SpsSpec::default());
    let (format, _) = stream.group(&[8, 4, 2, 6]);
    assert_eq!(format.reorder, 0);
    let (format, shifts) = stream.group(&[8, 4, 2, 6]);
    assert_eq!((format.reorder, restriction(&format.sps[0])), (2, None));
    assert_eq!(shifts, [2, 5, 2, 0, 1]);
}

#[test]
fn poc_counted_in_frames_is_understood() {
    let sps = SpsSpec {
        restriction: Some((1, 4)),
        ..SpsSpec::default()
    };
    let (mut stream, _) = Stream::with(&sps);
    stream.group(&[2, 1, 4, 3]);
    let (_, shifts) = stream.group(&[2, 1, 4, 3]);
    assert_eq!(shifts, [1, 2, 0, 2, 0]);
}

#[test]
fn poc_gaps_do_not_delay_an_ordered_stream() {
    let (mut stream, _) = Stream::with(&SpsSpec::default());
    let (_, shifts) = stream.group(&[2, 40, 42, 60]);
    assert_eq!(shifts, [0; 5]);
}

#[test]
fn mmco_5_starts_a_new_order() {
    let sps = SpsSpec {
        restriction: Some((1, 4)),
        ..SpsSpec::default()
    };
    let (mut stream, _) = Stream::with(&sps);
    stream.group(&[4, 2]);
    let reset = SliceSpec {
        frame_num: 3,
        order: 6,
        resets: true,
        ..SliceSpec::default()
    };
    let shifts: Vec<i32> = [
        reset,
        SliceSpec {
            frame_num: 1,
            order: 4,
            ..SliceSpec::default()
        },
        SliceSpec {
            frame_num: 2,
            order: 2,
            ..SliceSpec::default()
        },
    ]
    .iter()
    .map(|slice| stream.slice(slice).unwrap().shift)
    .collect();
    assert_eq!(shifts, [1, 2, 0]);
}

#[test]
fn poc_lsb_wraps() {
    let sps = SpsSpec {
        restriction: Some((1, 4)),
        ..SpsSpec::default()
    };
    let (mut stream, _) = Stream::with(&sps);
    let counts: Vec<i32> = (0..400)
        .flat_map(|pair| [4 * pair + 4, 4 * pair + 2])
        .collect();
    let (_, shifts) = stream.group(&counts);
    assert!(
        shifts[1..].chunks(2).all(|pair| pair == [2, 0]),
        "{shifts:?}"
    );
}

#[test]
fn poc_type_1_follows_its_cycle() {
    let sps = SpsSpec {
        order_type: 1,
        restriction: Some((1, 4)),
        ..SpsSpec::default()
    };
    let (mut stream, first) = Stream::with(&sps);
    assert_eq!(first.shift, 1);
    // Expected: reference frames at 2, 6, 8, 12; others 1 before the last reference frame.
    let slices = [(1, true, 2), (2, false, 1), (2, true, 0)];
    let shifts: Vec<i32> = slices
        .into_iter()
        .map(|(frame_num, is_reference, order)| {
            let slice = SliceSpec {
                order_type: 1,
                frame_num,
                is_reference,
                order,
                ..SliceSpec::default()
            };
            stream.slice(&slice).unwrap().shift
        })
        .collect();
    assert_eq!(shifts, [2, 0, 1]);
}
