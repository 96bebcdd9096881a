//! What cameras send as JPEG: no bytes make the search for H.264 in it panic; it gives all of an access unit or nothing, and
//! never more than came in.
#![no_main]

use berrymse::jpeg::{EmbeddedH264, extract_h264, segments};
use libfuzzer_sys::fuzz_target;

fn look(jpeg: &[u8]) -> (EmbeddedH264, Vec<u8>) {
    let mut out = vec![0xaa];
    let embedded = extract_h264(jpeg, &mut out);
    assert_eq!(out.first(), Some(&0xaa));
    assert!(out.len() <= jpeg.len() + 1);
    assert!(embedded == EmbeddedH264::Complete || out.len() == 1);
    (embedded, out)
}

/// `data` as APP4 segments, cut at each `most` bytes.
fn as_segments(data: &[u8], most: usize) -> Vec<u8> {
    let mut out = vec![0xff, 0xd8];
    for piece in data.chunks(most) {
        out.extend([0xff, 0xe4]);
        out.extend((piece.len() as u16 + 2).to_be_bytes());
        out.extend(piece);
    }
    out
}

fuzz_target!(|data: &[u8]| {
    let bytes: usize = segments(data).map(|segment| segment.payload.len()).sum();
    assert!(bytes <= data.len());
    look(data);
    look(&as_segments(data, 65_533));
    look(&as_segments(data, 40));
    // Behind a header that is right, all that it counts is found, however it is cut.
    let mut unit = b"\x01\x00\x16\x00H264".to_vec();
    unit.resize(22, 0);
    unit.extend((data.len() as u32).to_le_bytes());
    unit.extend(data);
    for most in [26, 77, 65_533] {
        let (embedded, out) = look(&as_segments(&unit, most));
        assert_eq!((embedded, &out[1..]), (EmbeddedH264::Complete, data));
    }
});
