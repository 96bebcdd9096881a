//! Tests of what is taken for something else, and what never is.

use super::*;
use proptest::prelude::*;
use std::fs;
use std::path::Path;

/// Returns what a stream is found to be, pushed in pieces of `piece` bytes.
fn sniff(bytes: &[u8], piece: usize) -> Option<Format> {
    let mut sniffer = Sniffer::default();
    let found = bytes.chunks(piece).find_map(|piece| sniffer.push(piece));
    found.or_else(|| sniffer.pause())
}

fn streams() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/streams");
    let files = fs::read_dir(folder)
        .unwrap()
        .flatten()
        .map(|file| file.path());
    let is_stream = |path: &Path| {
        path.extension()
            .is_some_and(|it| it == "264" || it == "jsv")
    };
    files
        .filter(|path| is_stream(path))
        .map(|path| fs::read(path).unwrap())
        .collect()
}

#[test]
fn real_h264_cut_anywhere_is_nothing_else() {
    let streams = streams();
    assert!(streams.len() >= 10);
    for stream in &streams {
        // Every place within the first bytes, then one of 331.
        let cuts = (0..400).chain((400..stream.len()).step_by(331));
        for cut in cuts.filter(|cut| *cut < stream.len()) {
            let rest = &stream[cut..];
            let part = &rest[..rest.len().min(3 * MAX_HEAD_BYTES)];
            assert_eq!(sniff(part, 4096), None, "cut at {cut} of {}", stream.len());
        }
    }
}

#[test]
fn single_byte_reads_are_sniffed_in_linear_time() {
    // RTP of one source whose second packet never comes: the head is searched for it.
    let mut rtp = vec![0x80, 96, 0, 1, 0, 0, 0, 0, 1, 2, 3, 4];
    rtp.resize(3 * MAX_HEAD_BYTES, 0x80);
    for bytes in streams().iter().chain([&rtp]) {
        let mut sniffer = Sniffer::default();
        let bytes = &bytes[..bytes.len().min(3 * MAX_HEAD_BYTES)];
        assert_eq!(bytes.chunks(1).find_map(|byte| sniffer.push(byte)), None);
        let most = (GROWTH + 2) * MAX_HEAD_BYTES;
        assert!(sniffer.looked_bytes <= most, "{}", sniffer.looked_bytes);
    }
}

#[test]
fn x264_banner_is_not_taken_for_text() {
    let settings =
        "x264 - core 164 - H.264/MPEG-4 AVC codec - options: cabac=1 ref=3 deblock=1:0:0 "
            .repeat(9);
    let slice = [&[0x80, 0, 0, 1, 0x65, 0x88, 0x84][..], &[0xa7; 9000]].concat();
    let stream = [settings.as_bytes(), &slice].concat();
    for piece in [1, 100, 4096] {
        assert_eq!(sniff(&stream, piece), None);
    }
}

/// Annex B of these NAL units.
fn annexb(nals: &[&[u8]]) -> Vec<u8> {
    nals.iter()
        .flat_map(|nal| [&[0, 0, 0, 1], *nal].concat())
        .collect()
}

#[test]
fn headers_tell_the_codec_of_annexb() {
    let (sps, pps) = (&[0x42, 1, 1, 1, 0x60][..], &[0x44, 1, 0xc1, 0x72][..]);
    for (nals, format) in [
        (&[&[0x40, 1, 0x0c][..], sps, pps][..], Some(Format::H265)),
        (
            &[&[0x46, 1, 0x50], &[0x40, 1, 0x0c], sps],
            Some(Format::H265),
        ),
        (
            &[&[0x02, 1, 0xd0], &[0x02, 1, 0xd0], &[0x02, 2, 0xe0]],
            Some(Format::H265),
        ),
        (&[&[0, 0x79, 0, 0x0b], &[0, 0x81, 0, 0]], Some(Format::H266)),
        // In H.264 nothing refers to these alone.
        (&[sps, pps], None),
        (&[&[0x09, 0xf0], &[0x40, 1, 0x0c], sps, pps], None),
        (
            &[&[0x06, 1, 1], &[0x06, 5, 1], &[0x06, 4, 1], &[0x68, 1]],
            None,
        ),
    ] {
        assert_eq!(sniff(&annexb(nals), 1), format, "{nals:x?}");
    }
}

/// Packets of `stride` bytes, the sync byte of the first at `first`.
fn ts(stride: usize, first: usize) -> Vec<u8> {
    let mut bytes = vec![0xb3; first + 8 * stride];
    for at in (first..bytes.len()).step_by(stride) {
        bytes[at..at + 4].copy_from_slice(&[0x47, 0x41, 0, 0x10]);
    }
    bytes
}

fn rtp(packets: u16) -> Vec<u8> {
    let packet = |n: u16| {
        let [high, low] = (65_534_u16.wrapping_add(n)).to_be_bytes();
        let header = [
            0x80,
            0x60 | (n as u8 & 1) << 7,
            high,
            low,
            0,
            0,
            0,
            n as u8,
            1,
            2,
            3,
            4,
        ];
        [&header[..], &[0x7c; 900]].concat()
    };
    (0..packets).flat_map(packet).collect()
}

#[test]
fn magic_bytes_tell_the_format() {
    let gzip = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 1, 2];
    let length_prefixed = [
        &[0, 0, 0, 5, 0x67, 0x4d, 0, 0x1f, 1, 0, 0, 0, 3, 0x68, 0xee][..],
        &[0x3c],
    ];
    let page = b"<!DOCTYPE html><title>404</title>".repeat(3);
    for (bytes, format) in [
        (ts(188, 0), Format::MpegTs),
        (ts(188, 77), Format::MpegTs),
        (ts(192, 4), Format::MpegTs),
        (rtp(4), Format::Rtp),
        (gzip.to_vec(), Format::Compressed("gzip")),
        (length_prefixed.concat(), Format::LengthPrefixed),
        (b"DKIF\0\0 \0VP80".to_vec(), Format::Ivf("VP8")),
        (b"\0\0\0\x1cftypiso5".to_vec(), Format::Mp4),
        (b"YUV4MPEG2 W320 H240 F30:1\n".to_vec(), Format::Y4m),
        (b"FLV\x01\x05\0\0\0\x09".to_vec(), Format::Flv),
        (
            b"\x1aE\xdf\xa3\x01\0\0\0\0\0\0\x23B\x82\x88matroska".to_vec(),
            Format::Matroska,
        ),
        (b"#!rtpplay1.0 10.0.0.1/5004\n".to_vec(), Format::RtpDump),
        (
            b"--frame\r\nContent-Type: image/jpeg\r\n\r\n\xff\xd8".to_vec(),
            Format::Multipart,
        ),
        (page.clone(), Format::Html),
        (
            b"HTTP/1.1 404 Not Found\r\n".to_vec(),
            Format::Answer("HTTP/1.1 404 Not Found".into()),
        ),
        (
            b"\nno camera\nbye\n".to_vec(),
            Format::Text("no camera".into()),
        ),
        (
            "verweigert: \u{fc}\n".repeat(9).into_bytes(),
            Format::Text("verweigert: \u{fc}".into()),
        ),
        (vec![0x55; 640], Format::Text("U".repeat(80))),
        (vec![0x85; MAX_BYTES_WITHOUT_NALS], Format::NoStartCode),
    ] {
        let piece = if bytes.len() > 100_000 { 65_536 } else { 7 };
        assert_eq!(sniff(&bytes, piece), Some(format.clone()));
        assert!(!format.remedy_for_output().is_empty() && !format.remedy_for_file("a").is_empty());
    }
    assert_eq!(sniff(&rtp(2), 7), None, "two packets may be an accident");
    assert_eq!(sniff(b"abc", 7), None);
}

proptest! {
    #[test]
    fn result_does_not_depend_on_chunk_sizes(
        bytes in prop::collection::vec(any::<u8>(), 0..600), stream in 0usize..10, cut: usize, piece in 1usize..700
    ) {
        prop_assert_eq!(sniff(&bytes, piece).is_some(), sniff(&bytes, usize::MAX).is_some());
        let stream = &streams()[stream];
        let rest = &stream[cut % stream.len()..];
        prop_assert_eq!(sniff(&rest[..rest.len().min(20_000)], piece), None);
    }
}
