//! Tests of field pictures.

use super::*;

fn stream() -> Stream {
    let mut stream = Stream::default();
    let sps = SpsSpec {
        is_frames_only: false,
        restriction: Some((0, 4)),
        ..SpsSpec::default()
    };
    assert!(stream.push(&[sps.nal(), pps(0, 0, 0)]).is_none());
    stream
}

fn field(structure: PictureStructure, idr_id: Option<u32>, frame_num: u32) -> SliceSpec {
    let order = 2 * frame_num as i32 + i32::from(structure == BottomField);
    SliceSpec {
        structure,
        idr_id,
        frame_num,
        order,
        is_frames_only: false,
        ..SliceSpec::default()
    }
}

use PictureStructure::{BottomField, Frame, TopField};

#[test]
fn two_fields_make_one_picture() {
    let mut stream = stream();
    assert!(stream.slice(&field(TopField, Some(0), 0)).is_none());
    let seen = stream.slice(&field(BottomField, None, 0)).unwrap();
    assert_eq!(
        (seen.types(), seen.is_keyframe, seen.shift),
        (vec![5, 1], true, 0)
    );
    assert!(stream.slice(&field(TopField, None, 1)).is_none());
    let seen = stream.slice(&field(BottomField, None, 1)).unwrap();
    assert_eq!(
        (seen.types(), seen.is_keyframe, seen.shift),
        (vec![1, 1], false, 0)
    );
    let seen = stream.slice(&field(Frame, None, 2)).unwrap();
    assert_eq!((seen.types(), seen.shift), (vec![1], 0));
}

#[test]
fn unpaired_fields_are_kept() {
    let mut stream = stream();
    stream.slice(&field(TopField, Some(0), 0));
    let seen = stream.slice(&field(TopField, None, 1)).unwrap();
    assert_eq!((seen.types(), seen.is_keyframe), (vec![5], true));
    let seen = stream.slice(&field(Frame, None, 2)).unwrap();
    assert_eq!((seen.types(), seen.is_keyframe), (vec![1, 1], false));
    stream.slice(&field(BottomField, None, 3));
    let seen = stream.slice(&field(Frame, Some(1), 0)).unwrap();
    assert_eq!((seen.types(), seen.is_keyframe), (vec![5], true));
}

#[test]
fn idr_field_before_a_frame_makes_it_a_keyframe() {
    let mut stream = stream();
    stream.slice(&field(TopField, Some(0), 0));
    let seen = stream.slice(&field(Frame, None, 1)).unwrap();
    assert_eq!((seen.types(), seen.is_keyframe), (vec![5, 1], true));
}

#[test]
fn set_between_two_fields_stays_there() {
    let mut stream = stream();
    stream.slice(&field(TopField, Some(0), 0));
    let seen = stream
        .push(&[pps(1, 0, 2), field(BottomField, None, 0).nal()])
        .unwrap();
    assert_eq!(seen.types(), [5, 8, 1]);
}
