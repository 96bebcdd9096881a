//! Encodes a moving texture by openh264.

#![allow(clippy::unwrap_used)]

use super::factory;
use crate::encode::{Config, Encoder, FrameMemory, RawFrame, RawVideoFormat};
use crate::h264::sps::Sps;
use crate::h264::{AccessUnit, Assembler, BoundaryMode, ChunkEnd, SampleBuilder};
use crate::time::Timestamp;
use std::num::NonZeroU32;
use v4l2::{Colorimetry, FourCc};

const WIDTH: u32 = 320;
const HEIGHT: u32 = 240;

fn format() -> RawVideoFormat {
    RawVideoFormat {
        fourcc: FourCc::new(*b"YUYV"),
        width: WIDTH,
        height: HEIGHT,
        strides: [0; 3],
        colour: Colorimetry::default(),
    }
}

fn encoder(bitrate: u32, interval: u32) -> Box<dyn Encoder> {
    let settings = Config {
        fps: 30.0,
        bitrate: Some(bitrate),
        keyframe_interval: NonZeroU32::new(interval).unwrap(),
    };
    factory().unwrap().open(&format(), &settings).unwrap()
}

/// A texture that moves by some pixels with each picture.
fn picture(number: u32) -> RawFrame {
    let byte = |x: u32, y: u32| {
        let (x, y) = (x + 3 * number, y + number);
        let wave = (x % 64).abs_diff(32) + (y % 48).abs_diff(24);
        (3 * wave + x / 5 * 7 % 23) as u8
    };
    let bytes = (0..HEIGHT).flat_map(|y| (0..2 * WIDTH).map(move |x| byte(x, y)));
    RawFrame {
        captured_at: Timestamp::from_nanos(u64::from(number + 1) * 33_000_000),
        memory: FrameMemory::Owned([bytes.collect(), Vec::new(), Vec::new()]),
    }
}

fn encode(encoder: &mut dyn Encoder, number: u32, keyframe: bool) -> Vec<u8> {
    let (picture, mut unit) = (picture(number), Vec::new());
    let at = picture.captured_at;
    encoder.submit(picture, keyframe).unwrap();
    assert_eq!(encoder.take_access_unit(&mut unit), Ok(Some(at)));
    assert_eq!(encoder.take_access_unit(&mut Vec::new()), Ok(None));
    unit
}

/// `nal_unit_type` of each NAL unit.
fn types(unit: &[u8]) -> Vec<u8> {
    let starts = memchr::memmem::find_iter(unit, &[0, 0, 1]);
    starts.map(|at| unit[at + 3] & 0x1f).collect()
}

#[test]
fn keyframes_follow_interval_and_requests() {
    let mut encoder = encoder(500_000, 5);
    let is_keyframe: Vec<bool> = (0..12)
        .map(|number| {
            let unit = encode(encoder.as_mut(), number, number == 7);
            let types = types(&unit);
            assert!([vec![7, 8, 5], vec![1]].contains(&types), "{types:?}");
            types.contains(&5)
        })
        .collect();
    let wanted = [0, 5, 7];
    assert!(
        wanted.iter().all(|&number| is_keyframe[number]),
        "{is_keyframe:?}"
    );
    assert!(!is_keyframe[1] && !is_keyframe[6], "{is_keyframe:?}");
}

#[test]
fn encoder_emits_constrained_baseline() {
    let mut encoder = encoder(500_000, 60);
    let first = encode(encoder.as_mut(), 0, false);
    let sps = memchr::memmem::find(&first, &[0, 0, 1, 0x67]).unwrap();
    let pps = memchr::memmem::find(&first, &[0, 0, 1, 0x68]).unwrap();
    let codec = Sps::parse(first[sps + 3..pps].strip_suffix(&[0]).unwrap())
        .unwrap()
        .codec();
    assert!(codec.starts_with("avc1.42c0"), "{codec}");
    encoder.as_mut().set_bitrate(500_000).unwrap();
    let mut assembler = Assembler::new(BoundaryMode::Trusted);
    let (mut pictures, mut seen) = (SampleBuilder::new(), 0);
    for number in 0..20 {
        let unit = encode(encoder.as_mut(), number, false);
        let at = Timestamp::from_nanos(1);
        assembler.push(&unit, at, ChunkEnd::Complete, &mut |unit: AccessUnit<
            '_,
        >| {
            if let Some(picture) = pictures.push(unit) {
                seen += 1;
                assert_eq!(picture.display_shift, 0);
                assert_eq!(picture.is_keyframe, number == 0);
            }
        });
    }
    assert_eq!(seen, 20);
}

#[test]
fn the_bit_rate_is_held_and_can_be_changed() {
    let mut encoder = encoder(300_000, 1000);
    let mut rate = |from: u32, count: u32| {
        let bytes: usize = (from..from + count)
            .map(|number| encode(encoder.as_mut(), number, false).len())
            .sum();
        bytes as f64 * 8.0 * 30.0 / f64::from(count)
    };
    rate(0, 30);
    let low = rate(30, 60);
    assert!((150_000.0..450_000.0).contains(&low), "{low}");
    encoder.set_bitrate(1_200_000).unwrap();
    let mut rate = |from: u32, count: u32| {
        let bytes: usize = (from..from + count)
            .map(|number| encode(encoder.as_mut(), number, false).len())
            .sum();
        bytes as f64 * 8.0 * 30.0 / f64::from(count)
    };
    rate(90, 30);
    let high = rate(120, 60);
    assert!((700_000.0..1_800_000.0).contains(&high), "{high}");
}

#[test]
fn short_frame_is_dropped_and_counted() {
    let mut encoder = encoder(500_000, 60);
    let mut short = picture(0);
    short.memory = FrameMemory::Owned([vec![0; 100], Vec::new(), Vec::new()]);
    encoder.submit(short, false).unwrap();
    assert_eq!(
        (encoder.take_access_unit(&mut Vec::new()), encoder.dropped()),
        (Ok(None), 1)
    );
    encode(encoder.as_mut(), 1, false);
}

#[test]
fn any_bit_rate_of_its_range_can_be_set() {
    let mut encoder = encoder(500_000, 30);
    let range = encoder.bitrate().unwrap().range;
    for (number, bitrate) in [*range.start(), *range.end(), 1_000_000]
        .into_iter()
        .enumerate()
    {
        encoder.set_bitrate(bitrate).unwrap();
        assert_eq!(encoder.bitrate().unwrap().now, bitrate);
        let unit = encode(encoder.as_mut(), number as u32, false);
        assert!(types(&unit).contains(&5), "{bitrate}");
    }
}
