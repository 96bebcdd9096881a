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

mod formats {
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
}

mod rewriting {
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
}

mod order {
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
}

mod fields {
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
}
