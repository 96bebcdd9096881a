//! Streams of unknown format: no bytes make the sniffer panic, and what it finds does not depend on how they are cut. What begins with
//! NAL units that only H.264 has is never taken for another codec.
#![no_main]

use berrymse::source::sniff::{Format, Sniffer};
use libfuzzer_sys::fuzz_target;

fn sniff<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Option<Format> {
    let mut sniffer = Sniffer::default();
    let mut pieces = pieces;
    let found = pieces.find_map(|piece| sniffer.push(piece));
    found.or_else(|| sniffer.pause())
}

fuzz_target!(|data: &[u8]| {
    let whole = sniff(std::iter::once(data));
    for piece in [1, 7, 188] {
        let found = sniff(data.chunks(piece));
        assert_eq!(found.is_some(), whole.is_some(), "{found:?} {whole:?}");
    }
    let sets = [0, 0, 0, 1, 0x67, 0x42, 0xc0, 0x1f, 0xda, 0, 0, 0, 1, 0x68, 0xce, 0x3c, 0x80, 0, 0, 1, 0x65, 0x88];
    let h264 = [&sets, data].concat();
    let is_codec = |format: Format| matches!(format, Format::H265 | Format::H266 | Format::LengthPrefixed | Format::Mp4);
    assert!(!sniff(h264.chunks(64)).is_some_and(is_codec));
});
