//! NAL units are found where a plain search finds them, wherever the stream is cut.
#![no_main]

use berrymse::h264::annexb::AnnexBBuffer;
use libfuzzer_sys::fuzz_target;

/// Start codes by the definition of B.1: each 00 00 01.
fn plain(bytes: &[u8]) -> Vec<usize> {
    let mut found = Vec::new();
    let mut at = 0;
    while at + 3 <= bytes.len() {
        if bytes[at..at + 3] == [0, 0, 1] {
            found.push(at);
            at += 3;
        } else {
            at += 1;
        }
    }
    found
}

fuzz_target!(|input: &[u8]| {
    let Some((&cut, bytes)) = input.split_first() else { return };
    let mut stream = AnnexBBuffer::default();
    let (mut found, mut forgotten) = (Vec::new(), 0);
    for piece in bytes.chunks(usize::from(cut).max(1)) {
        stream.append(piece);
        while let Some(code) = stream.next_start_code() {
            assert_eq!(code.nal, code.at + 3);
            found.push(forgotten + code.at);
        }
        forgotten += stream.discard_before(stream.end());
        assert!(stream.end() <= 3);
    }
    assert_eq!(found, plain(bytes));
});
