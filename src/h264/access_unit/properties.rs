//! What holds for any stream and any way it is cut.
#![allow(clippy::unwrap_used)]
use super::*;
use crate::h264::tests::synthetic::{Seen, SliceSpec, annexb, flush, push};
use proptest::prelude::*;

/// One NAL unit of a stream, and if an access unit begins there.
#[derive(Clone, Debug)]
struct Made {
    nal: Vec<u8>,
    begins: bool,
}

#[derive(Clone, Debug)]
struct UnitSpec {
    has_delimiter: bool,
    has_sets: bool,
    has_sei: bool,
    is_idr: bool,
    is_reference: bool,
    slices: Vec<Vec<u8>>,
    has_redundant: bool,
    has_filler: bool,
}

fn unit_spec() -> impl Strategy<Value = UnitSpec> {
    let noise = prop::collection::vec(prop_oneof![3 => 0_u8..4, 1 => any::<u8>()], 0..30);
    let flags = (
        any::<bool>(),
        prop::bool::weighted(0.2),
        any::<bool>(),
        prop::bool::weighted(0.1),
    );
    let more = (
        any::<bool>(),
        prop::bool::weighted(0.2),
        prop::bool::weighted(0.2),
    );
    (flags, more, prop::collection::vec(noise, 1..4)).prop_map(
        |(
            (has_delimiter, has_sets, has_sei, is_idr),
            (is_reference, has_redundant, has_filler),
            slices,
        )| UnitSpec {
            has_delimiter,
            has_sets,
            has_sei,
            is_idr,
            is_reference: is_reference || is_idr,
            slices,
            has_redundant,
            has_filler,
        },
    )
}

fn make(units: &[UnitSpec]) -> Vec<Made> {
    let mut made = Vec::new();
    for (n, unit) in (0_u32..).zip(units) {
        let mut nals = Vec::new();
        if unit.has_delimiter {
            nals.push(vec![0x09, 0xf0]);
        }
        if unit.has_sets || n == 0 {
            nals.extend(tests::sets());
        }
        if unit.has_sei {
            nals.push(vec![0x06, 5, 2, 0, 1, 0x80]);
        }
        for (first_mb, noise) in (0..).zip(&unit.slices) {
            let slice = SliceSpec {
                first_mb: first_mb * 40,
                idr_id: unit.is_idr.then_some(n),
                is_reference: unit.is_reference,
                noise: noise.clone(),
                ..SliceSpec::p(n)
            };
            nals.push(slice.nal());
            if unit.has_redundant {
                nals.push(
                    SliceSpec {
                        redundant_count: 1,
                        ..slice
                    }
                    .nal(),
                );
            }
        }
        if unit.has_filler {
            nals.push(vec![0x0c, 0xff, 0xff, 0x80]);
        }
        made.extend(nals.into_iter().enumerate().map(|(i, nal)| Made {
            nal,
            begins: i == 0,
        }));
    }
    made
}

fn expected(made: &[Made]) -> Vec<Vec<Vec<u8>>> {
    let mut units: Vec<Vec<Vec<u8>>> = Vec::new();
    for one in made {
        if one.begins {
            units.push(Vec::new());
        }
        units.last_mut().unwrap().push(one.nal.clone());
    }
    units
}

fn stream(made: &[Made], zeros: &[usize]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (one, zeros) in made.iter().zip(zeros.iter().cycle()) {
        bytes.resize(bytes.len() + zeros, 0);
        bytes.extend_from_slice(&[0, 0, 1]);
        bytes.extend_from_slice(&one.nal);
    }
    bytes
}

fn nals_only(units: Vec<Seen>) -> Vec<Vec<Vec<u8>>> {
    units.into_iter().map(|unit| unit.nals).collect()
}

proptest! {
    #[test]
    fn nals_are_grouped_wherever_the_stream_is_cut(
        units in prop::collection::vec(unit_spec(), 1..12),
        zeros in prop::collection::vec(0_usize..4, 1..5),
        cuts in prop::collection::vec((1_usize..90, any::<bool>()), 1..20),
    ) {
        let made = make(&units);
        let bytes = stream(&made, &zeros);
        let mut assembler = Assembler::new(BoundaryMode::Inferred);
        let mut found = Vec::new();
        let (mut rest, mut cuts) = (bytes.as_slice(), cuts.iter().cycle());
        while !rest.is_empty() {
            let (length, pauses) = cuts.next().unwrap();
            let (piece, after) = rest.split_at((*length).min(rest.len()));
            rest = after;
            found.extend(push(&mut assembler, piece, 0, if *pauses { ChunkEnd::Pause } else { ChunkEnd::Open }));
        }
        found.extend(flush(&mut assembler));
        prop_assert_eq!(nals_only(found), expected(&made));
    }

    #[test]
    fn whole_unit_writes_match_a_file(
        units in prop::collection::vec(unit_spec(), 1..25),
        ends in Just(ChunkEnd::Complete).boxed().prop_union(Just(ChunkEnd::Pause).boxed()),
    ) {
        let made = make(&units);
        let mut assembler = Assembler::new(BoundaryMode::Inferred);
        let mut found = Vec::new();
        for unit in expected(&made) {
            found.extend(push(&mut assembler, &annexb(&unit), 0, ends));
        }
        found.extend(flush(&mut assembler));
        prop_assert_eq!(nals_only(found), expected(&made));
    }

    #[test]
    fn any_input_does_not_panic(
        chunks in prop::collection::vec(
            (prop::collection::vec(prop_oneof![6 => 0_u8..2, 2 => prop::sample::select(vec![0x65, 0x41, 0x67, 0x68, 0x6e, 0x09]), 1 => any::<u8>()], 0..60), 0..4),
            0..40),
        device in any::<bool>(),
    ) {
        let mut assembler = Assembler::new(if device { BoundaryMode::Trusted } else { BoundaryMode::Inferred });
        let mut pictures = crate::h264::SampleBuilder::new();
        for (bytes, end) in chunks {
            let end = match end {
                0 => ChunkEnd::Open,
                1 => ChunkEnd::Pause,
                2 => ChunkEnd::Complete,
                _ => { assembler.reset(); ChunkEnd::Open }
            };
            assembler.push(&bytes, Timestamp::from_nanos(0), end, &mut |unit| {
                assert!(unit.nals.iter().all(|nal| !nal.is_empty()));
                let _ = pictures.push(unit).map(|picture| picture.nals().count());
            });
        }
    }
}
