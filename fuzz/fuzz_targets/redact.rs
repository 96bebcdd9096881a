//! Masking of secrets: no text makes it panic, and whatever stands around a password in a URL or behind an option, it is
//! not in the result.
#![no_main]

use berrymse::redact::mask;
use libfuzzer_sys::fuzz_target;

const CANARY: &str = "Canary-93x7";

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    let masked = mask(&text);
    // As they are written, nobody can tell two stars of the text from those of a mask: only the canary is looked for.
    assert!(masked.contains(CANARY) <= text.contains(CANARY));
    let (before, after) = text.split_at(text.floor_char_boundary(text.len() / 2));
    for shape in ["rtsp://u:#@h/", "rtsp%3A%2F%2Fu:#%40h", " --password # ", " token=#"] {
        let secret = shape.replace('#', CANARY);
        let text = format!("{before}{secret}{after}");
        assert!(!mask(&text).contains(CANARY), "{text:?}");
    }
});
