#![allow(clippy::unwrap_used)]
use super::*;
use crate::h264::sps::Sps;
use crate::h264::tests::synthetic::{SliceSpec, SpsSpec, pps};

/// A picture as the tests look at it.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    nals: Vec<Vec<u8>>,
    is_keyframe: bool,
    is_reference: bool,
    recovery: Option<Recovery>,
    shift: i32,
    format: Arc<VideoParameters>,
}

impl Seen {
    fn types(&self) -> Vec<u8> {
        self.nals.iter().map(|nal| nal[0] & 31).collect()
    }
}

#[derive(Default)]
pub(super) struct Stream {
    pictures: SampleBuilder,
}

impl Stream {
    /// With the sets and pushed the first keyframe.
    pub(super) fn with(sps: &SpsSpec) -> (Self, Seen) {
        let mut stream = Self::default();
        let slice = SliceSpec {
            order_type: sps.order_type,
            ..SliceSpec::idr(0)
        };
        let slice = SliceSpec {
            is_frames_only: sps.is_frames_only,
            ..slice
        };
        let first = stream
            .push(&[sps.nal(), pps(0, 0, 0), slice.nal()])
            .unwrap();
        (stream, first)
    }

    fn push(&mut self, nals: &[Vec<u8>]) -> Option<Seen> {
        let mut copies = OwnedNals::default();
        nals.iter().for_each(|nal| copies.push(nal));
        let unit = AccessUnit {
            nals: copies.nals(),
            captured_at: Timestamp::from_nanos(7),
            is_early: false,
        };
        self.pictures.push(unit).map(|picture| Seen {
            nals: picture.nals().map(<[u8]>::to_vec).collect(),
            is_keyframe: picture.is_keyframe,
            is_reference: picture.is_reference,
            recovery: picture.recovery,
            shift: picture.display_shift,
            format: picture.parameters,
        })
    }

    fn slice(&mut self, slice: &SliceSpec) -> Option<Seen> {
        self.push(&[slice.nal()])
    }

    /// An IDR picture and `counts.len()` others with these order counts; their shifts.
    pub(super) fn group(&mut self, counts: &[i32]) -> (Arc<VideoParameters>, Vec<i32>) {
        let first = self.slice(&SliceSpec::idr(1)).unwrap();
        let mut shifts = vec![first.shift];
        for (n, count) in (1..).zip(counts) {
            let slice = SliceSpec {
                frame_num: n,
                order: *count,
                ..SliceSpec::default()
            };
            let seen = self.slice(&slice).unwrap();
            assert!(Arc::ptr_eq(&seen.format, &first.format));
            shifts.push(seen.shift);
        }
        (first.format, shifts)
    }
}

fn restriction(nal: &[u8]) -> Option<u32> {
    Sps::parse(nal)
        .unwrap()
        .restriction
        .map(|restriction| restriction.reorder_frames)
}

#[test]
fn only_slices_and_sei_are_stored() {
    let (mut stream, first) = Stream::with(&SpsSpec::default());
    assert_eq!(
        (first.types(), first.is_keyframe, first.is_reference),
        (vec![5], true, true)
    );
    let redundant = SliceSpec {
        redundant_count: 1,
        ..SliceSpec::p(1)
    };
    let seen = stream
        .push(&[
            vec![9, 0xf0],
            SpsSpec::default().nal(),
            pps(0, 0, 0),
            vec![6, 5, 1, 1, 0x80],
            vec![0x6e, 1, 1, 1],
            SliceSpec::p(1).nal(),
            redundant.nal(),
            vec![0x0c, 0xff, 0x80],
            vec![0x0a],
        ])
        .unwrap();
    assert_eq!((seen.types(), seen.is_keyframe), (vec![6, 1], false));
    let unused = SliceSpec {
        is_reference: false,
        ..SliceSpec::p(2)
    };
    assert!(!stream.slice(&unused).unwrap().is_reference);
}

/// As libx264 writes it: `recovery_frame_cnt` 0.
const RECOVERY: [u8; 5] = [6, 6, 1, 0xc4, 0x80];

#[test]
fn recovery_point_of_p_slices_loses_its_sei() {
    let (mut stream, _) = Stream::with(&SpsSpec::default());
    let seen = stream
        .push(&[RECOVERY.to_vec(), SliceSpec::p(1).nal()])
        .unwrap();
    let marked = Some(Recovery {
        frames: 0,
        is_marked: true,
    });
    assert_eq!((seen.recovery, seen.types()), (marked, vec![1]));
    assert_eq!(stream.slice(&SliceSpec::p(2)).unwrap().recovery, None);
}

#[test]
fn recovery_point_of_i_slices_loses_its_sei() {
    let (mut stream, first) = Stream::with(&SpsSpec::default());
    assert_eq!(first.recovery, None);
    let i = |n| {
        SliceSpec {
            is_intra: true,
            ..SliceSpec::p(n)
        }
        .nal()
    };
    let point = |is_marked| {
        Some(Recovery {
            frames: 0,
            is_marked,
        })
    };
    let user_data = vec![6, 5, 1, 1, 0x80];
    let both = vec![6, 5, 1, 1, 6, 1, 0xc4, 0x80];
    let seen = stream
        .push(&[user_data.clone(), RECOVERY.to_vec(), i(1)])
        .unwrap();
    assert_eq!((seen.recovery, seen.types()), (point(true), vec![6, 1]));
    let seen = stream.push(&[both, i(2)]).unwrap();
    assert_eq!((seen.recovery, seen.is_keyframe), (point(true), false));
    assert_eq!(seen.nals, [user_data, i(2)]);
    let seen = stream.push(&[i(3)]).unwrap();
    assert_eq!((seen.recovery, seen.types()), (point(false), vec![1]));
}

#[test]
fn first_picture_is_a_keyframe_with_known_sets() {
    let mut stream = Stream::default();
    assert!(stream.slice(&SliceSpec::idr(0)).is_none());
    assert!(
        stream
            .push(&[
                SpsSpec::default().nal(),
                pps(0, 0, 0),
                SliceSpec::p(1).nal()
            ])
            .is_none()
    );
    assert!(stream.slice(&SliceSpec::idr(0)).unwrap().is_keyframe);
    assert!(stream.slice(&SliceSpec::p(1)).is_some());
    stream.pictures.reset();
    assert!(stream.slice(&SliceSpec::p(2)).is_none());
    assert!(stream.slice(&SliceSpec::idr(1)).is_some());
}

#[test]
fn unreadable_slice_ends_the_sequence() {
    let (mut stream, _) = Stream::with(&SpsSpec::default());
    assert!(
        stream
            .slice(&SliceSpec {
                pps_id: 9,
                ..SliceSpec::p(1)
            })
            .is_none()
    );
    assert!(stream.slice(&SliceSpec::p(2)).is_none());
    assert!(stream.slice(&SliceSpec::idr(1)).is_some());
}

mod formats;

mod rewriting;

mod order;

mod fields;
