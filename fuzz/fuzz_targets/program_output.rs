//! What a camera's program writes besides the video: lines of its standard error, times of frames, its help and its list of
//! cameras. No bytes make the parsers panic, how the bytes are cut does not matter, and what is kept and logged is bounded.
#![no_main]

use berrymse::source::pipe_reader::capture_times;
use berrymse::source::process::stderr_lines;
use berrymse::source::rpicam::{option_names, parse_list};
use berrymse::time::Timestamp;
use libfuzzer_sys::fuzz_target;
use std::time::Duration;

/// Characters of a line with the mark that it was cut.
const MAX_LINE_CHARS: usize = 501;

/// Lines of one moment that are logged.
const MAX_LOGGED: usize = 50;

fuzz_target!(|input: (u8, u32, &[u8])| {
    let (piece, interval, bytes) = input;
    let piece = usize::from(piece);
    let (lines, logged) = stderr_lines(bytes, bytes.len());
    assert_eq!(stderr_lines(bytes, piece), (lines.clone(), logged));
    assert!(logged <= MAX_LOGGED);
    for line in &lines {
        assert!(!line.trim().is_empty() && !line.contains(['\n', '\r']));
        assert!(line.chars().count() <= MAX_LINE_CHARS);
    }
    let interval = Duration::from_micros(interval.into());
    let captured = capture_times(bytes, bytes.len(), interval);
    assert_eq!(capture_times(bytes, piece, interval), captured);
    for (count, captured) in (1..).zip(captured) {
        // No frame was captured after it arrived.
        assert!(captured <= Timestamp::from(interval * count));
    }
    let text = String::from_utf8_lossy(bytes);
    for name in option_names(&text).unwrap_or_default() {
        assert!(text.contains(&format!("--{name}")));
    }
    assert!(parse_list(&text).len() <= text.lines().count());
});
