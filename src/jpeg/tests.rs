//! What holds of segments and of what is embedded in them.

use super::*;
use proptest::prelude::*;

fn segment(marker: u8, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u16 + 2).to_be_bytes();
    [&[0xff, marker][..], &length, payload].concat()
}

fn header(code: &[u8; 4], size: usize) -> Vec<u8> {
    let mut out = vec![1, 0, 22, 0];
    out.extend(code);
    out.resize(22, 0xff);
    out.extend((size as u32).to_le_bytes());
    out
}

/// A picture with these APP4 payloads between other segments.
fn picture(payloads: &[Vec<u8>]) -> Vec<u8> {
    let mut out = vec![0xff, SOI];
    out.extend(segment(0xe0, b"JFIF\0"));
    for payload in payloads {
        out.extend(segment(APP4, payload));
    }
    out.extend(segment(0xdb, &[0; 65]));
    out.extend(segment(SOS, &[0; 8]));
    out.extend([0x12, 0xff, 0x00, 0x34, 0xff, EOI]);
    out
}

/// `unit` behind its header, in segments of up to `most` bytes.
fn cut(unit: &[u8], most: usize) -> Vec<Vec<u8>> {
    let all = [&header(b"H264", unit.len())[..], unit].concat();
    all.chunks(most).map(<[u8]>::to_vec).collect()
}

fn read(jpeg: &[u8]) -> (EmbeddedH264, Vec<u8>) {
    let mut out = b"kept".to_vec();
    let embedded = extract_h264(jpeg, &mut out);
    assert!(out.starts_with(b"kept"));
    (embedded, out.split_off(4))
}

#[test]
fn segments_end_at_the_scan() {
    let jpeg = picture(&[vec![1, 2, 3]]);
    let markers: Vec<u8> = segments(&jpeg).map(|segment| segment.marker).collect();
    assert_eq!(markers, [0xe0, APP4, 0xdb]);
    assert_eq!(segments(&jpeg).nth(1).unwrap().payload, [1, 2, 3]);
}

#[test]
fn fill_bytes_and_standalone_markers_are_skipped() {
    let jpeg = [
        &[0xff, SOI, 0xff, 0xff, 0xff, 0xd0, 0xff, 0x01, 0xff][..],
        &segment(0xfe, b"hi"),
    ]
    .concat();
    let found: Vec<&[u8]> = segments(&jpeg).map(|segment| segment.payload).collect();
    assert_eq!(found, [b"hi"]);
}

#[test]
fn access_unit_is_joined_from_segments() {
    let unit: Vec<u8> = (0..200_000_u32).map(|i| (i * 7) as u8).collect();
    for most in [65_533, 1000, 26, 27] {
        assert_eq!(
            read(&picture(&cut(&unit, most.max(26)))),
            (EmbeddedH264::Complete, unit.clone())
        );
    }
    assert_eq!(
        read(&picture(&cut(&[], 99))),
        (EmbeddedH264::Complete, Vec::new())
    );
}

#[test]
fn longer_header_and_other_streams_are_accepted() {
    let mut long = vec![1, 0, 30, 0];
    long.extend(b"H264");
    long.resize(30, 0);
    long.extend([2, 0, 0, 0, 8, 9, 10]);
    let mut raw = header(b"YUY2", 5);
    raw.extend([1; 5]);
    assert_eq!(
        read(&picture(&[raw, long])),
        (EmbeddedH264::Complete, vec![8, 9]),
        "what is behind the last byte is left out"
    );
}

#[test]
fn truncated_h264_is_not_returned() {
    let unit = [7; 500];
    let mut payloads = cut(&unit, 100);
    payloads.pop();
    assert_eq!(read(&picture(&payloads)), (EmbeddedH264::Truncated, vec![]));
    let whole = picture(&cut(&unit, 100));
    for end in 0..561 {
        let (embedded, out) = read(&whole[..end]);
        assert!(
            embedded != EmbeddedH264::Complete && out.is_empty(),
            "{end}"
        );
    }
}

#[test]
fn pictures_without_h264_yield_none() {
    for jpeg in [
        &picture(&[])[..],
        &picture(&[b"FLIR and others use APP4, too".to_vec()]),
        &picture(&[vec![], vec![1], header(b"H264", 3)[..20].to_vec()]),
        b"",
        b"\xff",
        b"\xff\xd8",
        b"\xff\xd8\xff",
        b"\xff\xd8\xff\xe4\0",
        b"\xff\xd8\xff\xe4\0\x01\0",
        b"\0\0\0\x01\x67",
    ] {
        assert_eq!(read(jpeg), (EmbeddedH264::Absent, vec![]));
    }
}

proptest! {
    #[test]
    fn any_bytes_parse_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let mut jpeg = vec![0xff, SOI];
        jpeg.extend(&bytes);
        let _ = read(&jpeg);
        let _ = read(&picture(std::slice::from_ref(&bytes)));
        let mut known = header(b"H264", bytes.len() / 2);
        known.extend(&bytes);
        prop_assert_eq!(
            read(&picture(&[known])),
            (EmbeddedH264::Complete, bytes[..bytes.len() / 2].to_vec())
        );
    }
}
