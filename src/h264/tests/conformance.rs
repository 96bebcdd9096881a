//! The whole module over real streams (tests/fixtures/streams): counts and sizes as other programs find them,
//! however the stream comes.
#![allow(clippy::unwrap_used)]

use super::synthetic::{Seen, flush, push};
use crate::h264::{AccessUnit, Assembler, BoundaryMode, ChunkEnd, SampleBuilder, VideoParameters};
use crate::time::Timestamp;
use std::path::Path;
use std::sync::Arc;

fn stream(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/streams")
        .join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// What viewers would get of a stream.
#[derive(Debug, Default)]
struct Shown {
    units: usize,
    pictures: usize,
    keyframes: usize,
    formats: Vec<Arc<VideoParameters>>,
}

/// `chunks` of `(bytes, end)`.
fn show<'a>(chunks: impl IntoIterator<Item = (&'a [u8], ChunkEnd)>) -> Shown {
    let (mut assembler, mut pictures) =
        (Assembler::new(BoundaryMode::Inferred), SampleBuilder::new());
    let mut shown = Shown::default();
    let mut out = |unit: AccessUnit<'_>| {
        shown.units += 1;
        let Some(picture) = pictures.push(unit) else {
            return;
        };
        shown.pictures += 1;
        shown.keyframes += usize::from(picture.is_keyframe);
        assert!(
            picture
                .nals()
                .all(|nal| matches!(nal[0] & 31, 1 | 5 | 6 | 8))
        );
        assert_eq!(
            picture.display_shift, 0,
            "none of these streams has B pictures"
        );
        if !shown
            .formats
            .last()
            .is_some_and(|last| Arc::ptr_eq(last, &picture.parameters))
        {
            assert!(picture.is_keyframe);
            shown.formats.push(picture.parameters.clone());
        }
    };
    for (bytes, end) in chunks {
        assembler.push(bytes, Timestamp::from_nanos(0), end, &mut out);
    }
    assembler.flush(&mut out);
    shown
}

/// Width, height, codec and sample aspect.
type Look<'a> = (u32, u32, &'a str, (u32, u32));

/// Units, pictures, keyframes; the look of each format.
fn summary(shown: &Shown) -> ([usize; 3], Vec<Look<'_>>) {
    let formats = shown
        .formats
        .iter()
        .map(|f| (f.width, f.height, f.codec.as_str(), f.sample_aspect))
        .collect();
    ([shown.units, shown.pictures, shown.keyframes], formats)
}

#[test]
fn counts_and_sizes_match_ffprobe() {
    const SQUARE: (u32, u32) = (1, 1);
    let qcif = |codec| vec![(176, 144, codec, SQUARE)];
    let wanted = [
        ("SVA_NL1_B", [17, 17, 1], qcif("avc1.42e015")),
        ("MIDR_MW_D", [100, 100, 2], qcif("avc1.42e00a")),
        ("MPS_MW_A", [150, 150, 5], qcif("avc1.42e00b")),
        (
            "Zhling_1280x720",
            [19, 19, 1],
            vec![(1280, 720, "avc1.42c01f", SQUARE)],
        ),
        ("test_qcif_cabac", [30, 30, 1], qcif("avc1.4d0033")),
        (
            "Static",
            [10, 10, 1],
            vec![(152, 100, "avc1.42000d", SQUARE)],
        ),
        (
            "SarVui",
            [17, 17, 1],
            vec![(176, 144, "avc1.420015", (80, 33))],
        ),
        ("BA_MW_D_IDR_LOST", [97, 70, 3], qcif("avc1.42e00a")),
        (
            "Error_I_P",
            [6, 6, 3],
            vec![
                (352, 288, "avc1.42000d", SQUARE),
                (640, 480, "avc1.42001e", SQUARE),
                (352, 288, "avc1.42000d", SQUARE),
            ],
        ),
    ];
    for (name, counts, formats) in wanted {
        let bytes = stream(&format!("{name}.264"));
        let shown = show([(bytes.as_slice(), ChunkEnd::Open)]);
        assert_eq!(summary(&shown), (counts, formats), "{name}");
        let reorder: Vec<_> = shown.formats.iter().map(|format| format.reorder).collect();
        assert!(reorder.iter().all(|reorder| *reorder == 0), "{name}");
    }
}

#[test]
fn chunk_size_does_not_change_units() {
    for name in [
        "SVA_NL1_B.264",
        "MPS_MW_A.264",
        "Zhling_1280x720.264",
        "Error_I_P.264",
    ] {
        let bytes = stream(name);
        let units = |piece: usize| {
            let mut assembler = Assembler::new(BoundaryMode::Inferred);
            let mut units: Vec<Seen> = bytes
                .chunks(piece)
                .flat_map(|chunk| push(&mut assembler, chunk, 0, ChunkEnd::Open))
                .collect();
            units.extend(flush(&mut assembler));
            units
        };
        let whole = units(bytes.len());
        for piece in [7, 188, 1448, 4096] {
            assert!(units(piece) == whole, "{name} in pieces of {piece}");
        }
    }
}

#[test]
fn pauses_emit_the_same_units_earlier() {
    let bytes = stream("MIDR_MW_D.264");
    let mut assembler = Assembler::new(BoundaryMode::Inferred);
    let mut whole = push(&mut assembler, &bytes, 0, ChunkEnd::Open);
    whole.extend(flush(&mut assembler));
    let written: Vec<Vec<u8>> = whole
        .iter()
        .map(|unit| super::synthetic::annexb(&unit.nals))
        .collect();
    let (mut early, mut all) = (0, Vec::new());
    for unit in &written {
        let units = push(&mut assembler, unit, 0, ChunkEnd::Pause);
        early += usize::from(units.iter().any(|unit| unit.is_early));
        all.extend(units);
    }
    all.extend(flush(&mut assembler));
    assert!(
        all.iter()
            .map(|unit| &unit.nals)
            .eq(whole.iter().map(|unit| &unit.nals))
    );
    assert!(early > 80, "{early} of {}", whole.len());
}

#[test]
fn repeated_stream_keeps_its_parameters() {
    let bytes = stream("MPS_MW_A.264");
    let shown = show([(bytes.as_slice(), ChunkEnd::Open), (&bytes, ChunkEnd::Open)]);
    assert_eq!((shown.pictures, shown.formats.len()), (300, 1));
}
