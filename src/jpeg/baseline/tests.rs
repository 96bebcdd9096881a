//! Pictures of an independent encoder, compared with what an independent decoder makes of them.

#![allow(clippy::unwrap_used)]

use super::*;
use crate::jpeg::complete;
use jpeg_encoder::{ColorType, Encoder, SamplingFactor};
use proptest::prelude::*;
use zune_jpeg::JpegDecoder as Zune;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

/// Waves with a little noise.
fn pixels(width: usize, height: usize, channels: usize) -> Vec<u8> {
    let mut noise = 1_u32;
    let mut byte = |x: usize, y: usize, channel: usize| {
        noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let wave = (x as f64 / (3.0 + channel as f64)).sin() + (y as f64 / 5.0).cos();
        (128.0 + 50.0 * wave + f64::from(noise >> 28)) as u8
    };
    let all = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
    all.flat_map(|(x, y)| (0..channels).map(move |channel| (x, y, channel)))
        .map(|(x, y, channel)| byte(x, y, channel))
        .collect()
}

fn encode(
    (width, height): (usize, usize),
    sampling: SamplingFactor,
    change: impl Fn(&mut Encoder<&mut Vec<u8>>),
) -> Vec<u8> {
    let mut out = Vec::new();
    let mut encoder = Encoder::new(&mut out, 88);
    encoder.set_sampling_factor(sampling);
    change(&mut encoder);
    let pixels = pixels(width, height, 3);
    encoder
        .encode(&pixels, width as u16, height as u16, ColorType::Ycbcr)
        .unwrap();
    out
}

/// Y, U and V planes of 4:2:0.
fn decode(jpeg: &[u8], width: usize, height: usize) -> Result<[Vec<u8>; 3], DecodeError> {
    let mut planes = [1, 4, 4].map(|part| vec![77; width * height / part]);
    let mut to = Yuv420Planes {
        width,
        height,
        planes: planes.each_mut().map(Vec::as_mut_slice),
    };
    BaselineDecoder::default().decode(jpeg, SampleRange::Full, &mut to)?;
    Ok(planes)
}

/// The same by zune-jpeg, which makes the colours as large as the picture: each is the mean of four.
fn reference(jpeg: &[u8], width: usize, height: usize) -> [Vec<u8>; 3] {
    let options = DecoderOptions::default().jpeg_set_out_colorspace(ColorSpace::YCbCr);
    let mut decoder = Zune::new_with_options(ZCursor::new(jpeg), options);
    let pixels = decoder.decode().unwrap();
    let (stride, _) = decoder.dimensions().unwrap();
    let at = |x: usize, y: usize, channel: usize| u32::from(pixels[3 * (y * stride + x) + channel]);
    let all = |width: usize, height: usize| {
        (0..height).flat_map(move |y| (0..width).map(move |x| (x, y)))
    };
    let y = all(width, height).map(|(x, y)| at(x, y, 0) as u8).collect();
    let colour = |channel: usize| {
        let mean = |(x, y): (usize, usize)| {
            let square = [(0, 0), (1, 0), (0, 1), (1, 1)];
            let samples = square.map(|(dx, dy)| at(2 * x + dx, 2 * y + dy, channel));
            ((samples.iter().sum::<u32>() + 2) / 4) as u8
        };
        all(width / 2, height / 2).map(mean).collect()
    };
    [y, colour(1), colour(2)]
}

/// The greatest difference of two samples.
fn difference(a: &[u8], b: &[u8]) -> u8 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| a.abs_diff(*b)).max().unwrap()
}

const SAMPLINGS: [SamplingFactor; 4] = [
    SamplingFactor::R_4_4_4,
    SamplingFactor::R_4_2_0,
    SamplingFactor::R_4_2_2,
    SamplingFactor::R_4_4_0,
];

#[test]
fn planes_match_another_decoder() {
    for sampling in SAMPLINGS {
        for size in [(64, 48), (98, 66), (16, 16), (130, 34)] {
            let jpeg = encode(size, sampling, |_| {});
            let found = decode(&jpeg, size.0, size.1).unwrap();
            let wanted = reference(&jpeg, size.0, size.1);
            let differences = [0, 1, 2].map(|plane| difference(&found[plane], &wanted[plane]));
            // That decoder makes colours larger by a filter, which moves them to neighbours.
            let most = if sampling == SamplingFactor::R_4_4_4 {
                1
            } else {
                40
            };
            assert!(
                differences[0] <= 1,
                "{sampling:?} {size:?}: {differences:?}"
            );
            assert!(
                differences[1].max(differences[2]) <= most,
                "{sampling:?} {size:?}: {differences:?}"
            );
        }
    }
}

#[test]
fn restart_intervals_do_not_change_samples() {
    for sampling in SAMPLINGS {
        let size = (98, 66);
        let plain = decode(&encode(size, sampling, |_| {}), 98, 66);
        for interval in [1, 3, 7] {
            let jpeg = encode(size, sampling, |encoder| {
                encoder.set_restart_interval(interval)
            });
            assert!(memchr::memmem::find(&jpeg, &[0xff, 0xd1]).is_some());
            assert!(decode(&jpeg, 98, 66) == plain, "{sampling:?} {interval}");
        }
        assert!(plain.is_ok());
    }
}

#[test]
fn larger_picture_yields_its_corner() {
    let jpeg = encode((98, 66), SamplingFactor::R_4_2_2, |_| {});
    let whole = decode(&jpeg, 98, 66).unwrap();
    let corner = decode(&jpeg, 50, 20).unwrap();
    for (plane, (from, width)) in [(98, 50), (49, 25), (49, 25)].into_iter().enumerate() {
        let lines = corner[plane].chunks(width).zip(whole[plane].chunks(from));
        for (line, whole) in lines {
            assert_eq!(line, &whole[..width]);
        }
    }
    assert_eq!(decode(&jpeg, 100, 66), Err(DecodeError::TooSmall(98, 66)));
}

#[test]
fn unsupported_kinds_are_rejected() {
    let size = (64, 48);
    let progressive = encode(size, SamplingFactor::R_4_2_0, |encoder| {
        encoder.set_progressive(true)
    });
    assert_eq!(decode(&progressive, 64, 48), Err(DecodeError::Unsupported));
    let scans = encode(size, SamplingFactor::R_4_2_0, |encoder| {
        encoder.set_optimized_huffman_tables(true)
    });
    assert_eq!(decode(&scans, 64, 48), Err(DecodeError::Unsupported));
    let narrow = encode(size, SamplingFactor::R_4_1_1, |_| {});
    assert_eq!(decode(&narrow, 64, 48), Err(DecodeError::Unsupported));
    let mut out = Vec::new();
    let cmyk = pixels(64, 48, 4);
    Encoder::new(&mut out, 80)
        .encode(&cmyk, 64, 48, ColorType::Cmyk)
        .unwrap();
    assert_eq!(decode(&out, 64, 48), Err(DecodeError::Unsupported));
}

#[test]
fn planes_too_short_are_rejected() {
    let jpeg = encode((16, 16), SamplingFactor::R_4_2_0, |_| {});
    let (mut y, mut u, mut v) = ([0; 256], [0; 64], [0; 63]);
    let planes = [&mut y[..], &mut u[..], &mut v[..]];
    let mut to = Yuv420Planes {
        width: 16,
        height: 16,
        planes,
    };
    let decoded = BaselineDecoder::default().decode(&jpeg, SampleRange::Full, &mut to);
    assert_eq!(decoded, Err(DecodeError::Unsupported));
}

#[test]
fn damage_to_the_scan_is_an_error() {
    let jpeg = encode((64, 48), SamplingFactor::R_4_2_2, |encoder| {
        encoder.set_restart_interval(4)
    });
    let restart = memchr::memmem::find(&jpeg, &[0xff, 0xd1]).unwrap();
    // Cut, with an end; a restart that is missing; one that is wrong; none in the header.
    let cut = [&jpeg[..restart], &[0xff, EOI]].concat();
    let (mut missing, mut wrong, mut stray) = (jpeg.clone(), jpeg.clone(), jpeg.clone());
    missing.drain(restart..restart + 2);
    wrong[restart + 1] = 0xd5;
    let interval = memchr::memmem::find(&jpeg, &[0xff, DRI]).unwrap();
    stray.drain(interval..interval + 6);
    for damaged in [cut, missing, wrong, stray] {
        assert_eq!(decode(&damaged, 64, 48), Err(DecodeError::Damaged));
    }
}

#[test]
fn tables_of_an_earlier_picture_are_not_used() {
    let jpeg = encode((16, 16), SamplingFactor::R_4_2_0, |_| {});
    let (mut y, mut u, mut v) = ([0; 256], [0; 64], [0; 64]);
    let planes = [&mut y[..], &mut u[..], &mut v[..]];
    let mut to = Yuv420Planes {
        width: 16,
        height: 16,
        planes,
    };
    let mut baseline = BaselineDecoder::default();
    assert_eq!(baseline.decode(&jpeg, SampleRange::Full, &mut to), Ok(()));
    let mut bare = jpeg.clone();
    while let Some(at) = memchr::memmem::find(&bare, &[0xff, DHT]) {
        let length = usize::from(u16::from_be_bytes([bare[at + 2], bare[at + 3]]));
        bare.drain(at..at + 2 + length);
    }
    assert_eq!(
        baseline.decode(&bare, SampleRange::Full, &mut to),
        Err(DecodeError::Damaged)
    );
    assert!(complete(&mut bare));
    assert_eq!(baseline.decode(&bare, SampleRange::Full, &mut to), Ok(()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn damaged_bytes_never_panic(
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        sampling in prop::sample::select(SAMPLINGS.to_vec()),
    ) {
        let mut jpeg = encode((50, 34), sampling, |encoder| encoder.set_restart_interval(5));
        for (index, byte) in damage {
            let at = index.index(jpeg.len());
            jpeg[at] = byte;
        }
        let _ = decode(&jpeg, 50, 34);
    }
}
