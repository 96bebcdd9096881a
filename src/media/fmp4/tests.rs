//! What is written is read back by two independent readers of MP4, and the sizes that pages of the 2022
//! program rely on are checked byte by byte. What these cannot show, that browsers play it, is in tests/browser.

use super::read::{Reader, Segment};
use super::*;
use crate::h264::VideoParameters;
use crate::media::orientation::Orientation;
use crate::media::recovery::Recovery;
use mp4_atom::ReadFrom;
use proptest::prelude::*;
use shiguredo_mp4::demux::Fmp4SegmentDemuxer;

const SPS: [u8; 5] = [0x67, 0x64, 0x00, 0x1f, 0xac];
const PPS: [u8; 2] = [0x68, 0xee];

fn format() -> VideoParameters {
    VideoParameters {
        sps: vec![SPS.to_vec()],
        pps: vec![PPS.to_vec()],
        width: 1280,
        height: 720,
        hidden: (0, 0),
        sample_aspect: (1, 1),
        chroma_format: 1,
        luma_bits: 8,
        chroma_bits: 8,
        codec: "avc1.64001f".to_owned(),
        reorder: 0,
    }
}

fn init_of(format: &VideoParameters, orientation: Orientation) -> Vec<u8> {
    let mut out = Vec::new();
    let track = Track {
        sample_entry: &avc1::sample_entry(format),
        size: avc1::track_size(format),
        orientation,
    };
    write_init_segment(&mut out, &track);
    out
}

fn init() -> Vec<u8> {
    init_of(&format(), Orientation::default())
}

fn sample() -> Sample {
    Sample {
        sequence: 7,
        decode_time: 0x1_0000_0002,
        duration: 3000,
        composition_offset: None,
        is_keyframe: true,
        is_reference: true,
        recovery: None,
    }
}

fn made(sample: &Sample, nals: &[Vec<u8>]) -> Vec<u8> {
    let mut out = Vec::new();
    write_fragment(&mut out, sample, nals.iter().map(Vec::as_slice));
    assert_eq!(
        out.len(),
        fragment_bytes(sample, nals.iter().map(Vec::as_slice))
    );
    out
}

#[test]
fn init_segment_has_no_duration() {
    let bytes = init();
    let mut rest = &bytes[..];
    mp4_atom::Ftyp::read_from(&mut rest).unwrap();
    let moov = mp4_atom::Moov::read_from(&mut rest).unwrap();
    assert!(rest.is_empty());
    assert_eq!((moov.mvhd.timescale, moov.mvhd.duration), (90_000, 0));
    let trak = &moov.trak[0];
    assert_eq!(
        (
            trak.tkhd.duration,
            trak.mdia.mdhd.duration,
            trak.mdia.mdhd.timescale
        ),
        (0, 0, 90_000)
    );
    assert_eq!(
        (trak.tkhd.width.integer(), trak.tkhd.height.integer()),
        (1280, 720)
    );
    let mvex = moov.mvex.as_ref().unwrap();
    assert!(
        mvex.mehd.is_none(),
        "a duration of the fragments makes it a recording"
    );
    let mp4_atom::Codec::Avc1(avc1) = &trak.mdia.minf.stbl.stsd.codecs[0] else {
        panic!("no avc1")
    };
    assert_eq!((avc1.visual.width, avc1.visual.height), (1280, 720));
    assert_eq!(avc1.avcc.sequence_parameter_sets, [SPS]);
    assert_eq!(avc1.avcc.picture_parameter_sets, [PPS]);
    assert_eq!(
        (
            avc1.avcc.avc_profile_indication,
            avc1.avcc.avc_level_indication
        ),
        (0x64, 0x1f)
    );
    assert!(
        avc1.avcc.ext.is_some(),
        "High profile has the chroma format behind the sets"
    );
}

#[test]
fn a_sample_that_is_not_square_is_declared() {
    let format = VideoParameters {
        sample_aspect: (4, 3),
        ..format()
    };
    let out = init_of(&format, Orientation::default());
    let mut rest = &out[..];
    mp4_atom::Ftyp::read_from(&mut rest).unwrap();
    let moov = mp4_atom::Moov::read_from(&mut rest).unwrap();
    assert_eq!(moov.trak[0].tkhd.width.integer(), 1706);
    let mp4_atom::Codec::Avc1(avc1) = &moov.trak[0].mdia.minf.stbl.stsd.codecs[0] else {
        panic!("no avc1")
    };
    let pasp = avc1.pasp.as_ref().unwrap();
    assert_eq!((pasp.h_spacing, pasp.v_spacing), (4, 3));
}

#[test]
fn hidden_columns_and_rows_are_in_clap() {
    let format = VideoParameters {
        width: 300,
        height: 168,
        hidden: (26, 60),
        ..format()
    };
    let out = init_of(&format, Orientation::default());
    let mut rest = &out[..];
    mp4_atom::Ftyp::read_from(&mut rest).unwrap();
    let moov = mp4_atom::Moov::read_from(&mut rest).unwrap();
    let tkhd = &moov.trak[0].tkhd;
    assert_eq!((tkhd.width.integer(), tkhd.height.integer()), (326, 228));
    let mp4_atom::Codec::Avc1(avc1) = &moov.trak[0].mdia.minf.stbl.stsd.codecs[0] else {
        panic!("no avc1")
    };
    assert_eq!((avc1.visual.width, avc1.visual.height), (326, 228));
    let clap = out.windows(4).position(|name| name == b"clap").unwrap();
    let values: Vec<u32> = out[clap + 4..][..32]
        .chunks(4)
        .map(|bytes| u32::from_be_bytes(bytes.try_into().unwrap()))
        .collect();
    assert_eq!(values, [300, 1, 168, 1, 26, 2, 60, 2]);
    assert!(!init().windows(4).any(|name| name == b"clap"));
}

#[test]
fn trun_and_flags_stand_at_2022_offsets() {
    let key = made(&sample(), &[vec![0x65, 1]]);
    assert_eq!((&key[76..80], key[92]), (&b"trun"[..], 2));
    let other = made(
        &Sample {
            is_keyframe: false,
            ..sample()
        },
        &[vec![0x41, 1]],
    );
    assert_eq!((&other[76..80], other[92]), (&b"trun"[..], 1));
    let reordered = Sample {
        is_keyframe: false,
        is_reference: false,
        composition_offset: Some(-3000),
        ..sample()
    };
    let reordered = made(&reordered, &[vec![1, 1]]);
    assert_eq!((&reordered[76..80], reordered[92]), (&b"trun"[..], 1));
}

#[test]
fn init_segment_of_another_server_is_read() {
    for degrees in [0, 90, 180, 270] {
        for mirror in [false, true] {
            let orientation = Orientation::new(degrees, mirror, false);
            let mut reader = Reader::default();
            reader.push(&init_of(&format(), orientation));
            let expected = read::TrackDescription {
                sample_entry: avc1::sample_entry(&format()),
                size: (1280, 720),
                orientation,
                timescale: 90_000,
            };
            assert_eq!(reader.next_segment(), Ok(Some(Segment::Init(expected))));
            assert_eq!(reader.next_segment(), Ok(None));
        }
    }
}

#[test]
fn stream_that_is_no_fragments_of_one_sample_is_refused() {
    let read = |bytes: &[u8]| {
        let mut reader = Reader::default();
        reader.push(bytes);
        let mut last = reader.next_segment();
        while matches!(last, Ok(Some(_))) {
            last = reader.next_segment();
        }
        last.map_err(|error| error.to_string())
    };
    let whole = made(&sample(), &[vec![0x65, 1]]);
    assert_eq!(read(&whole), Ok(None));
    assert!(read(&whole[108 - 4..]).is_err(), "media data alone");
    let mut two = whole.clone();
    two[87] = 2;
    assert!(read(&two).is_err(), "two samples");
    let mut short = whole.clone();
    short[103] += 1;
    assert!(read(&short).is_err(), "the sample is longer than its box");
    assert!(read(&[0; 16]).is_err());
    assert!(read(b"HTTP/1.1 200 OK\r\n").is_err());
}

#[test]
fn every_field_of_a_fragment_is_read_back() {
    let bytes = made(
        &Sample {
            composition_offset: Some(-1500),
            ..sample()
        },
        &[vec![0x65; 10]],
    );
    let moof = mp4_atom::Moof::read_from(&mut &bytes[..]).unwrap();
    assert_eq!(moof.mfhd.sequence_number, 7);
    let traf = &moof.traf[0];
    assert_eq!(
        (traf.tfhd.track_id, traf.tfhd.default_sample_flags),
        (1, Some(0x0101_0000))
    );
    assert_eq!(
        traf.tfdt.as_ref().unwrap().base_media_decode_time,
        0x1_0000_0002
    );
    let trun = &traf.trun[0];
    assert_eq!(trun.data_offset, Some(bytes.len() as i32 - 14));
    let entry = trun.samples.get(0).unwrap();
    assert_eq!(
        (entry.duration, entry.size, entry.cts),
        (Some(3000), Some(14), Some(-1500))
    );
}

proptest! {
    #[test]
    fn muxing_then_demuxing_gives_the_same_nal_units(
        units in prop::collection::vec(
            (prop::collection::vec(prop::collection::vec(any::<u8>(), 1..100), 1..5), any::<bool>(), -10_000i32..10_000),
            1..8,
        ),
    ) {
        let mut demuxer = Fmp4SegmentDemuxer::new();
        demuxer.handle_init_segment(&init()).unwrap();
        for (number, (nals, is_keyframe, offset)) in units.into_iter().enumerate() {
            let sample = Sample {
                sequence: number as u32 + 1,
                decode_time: number as u64 * 3000,
                composition_offset: (offset % 2 == 0).then_some(offset),
                is_keyframe,
                recovery: (!is_keyframe && offset % 3 == 0).then_some(Recovery {
                    frames: offset.unsigned_abs(),
                    is_marked: offset > 0,
                }),
                ..sample()
            };
            let bytes = made(&sample, &nals);
            let read = demuxer.handle_media_segment(&bytes).unwrap();
            prop_assert_eq!(read.len(), 1);
            let read = &read[0];
            prop_assert_eq!(read.keyframe, is_keyframe);
            prop_assert_eq!((read.timestamp, read.duration), (sample.decode_time, 3000));
            let mut data = &bytes[read.data_offset as usize..][..read.data_size];
            let mut got = Vec::new();
            while let Some((length, rest)) = data.split_first_chunk::<4>() {
                let (nal, rest) = rest.split_at(u32::from_be_bytes(*length) as usize);
                got.push(nal.to_vec());
                data = rest;
            }
            // Cut anywhere, our own reader finds the same.
            let mut reader = Reader::default();
            let (start, end) = bytes.split_at(bytes.len() * number.min(7) / 7);
            reader.push(start);
            let early = reader.next_segment().unwrap();
            reader.push(end);
            let read = match early {
                None => reader.next_segment().unwrap(),
                whole => whole,
            };
            prop_assert_eq!(read, Some(Segment::Fragment(sample)));
            prop_assert_eq!(got, nals);
        }
    }
}
