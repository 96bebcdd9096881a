//! A viewer that is no browser: writes the MP4 it gets to a file and a line for each event to standard output. For the tests in
//! `tests/vm/`, and for looking at what a camera does.
//!
//!     watch [--mp4 FILE] [URL]
//!
//! Each line begins with the time (Unix, in seconds): `hello CAMERA`, `state WORD 'REASON'`, `init 320x240 avc1.42c00d`, `K 1.234`
//! for a keyframe with its media time in seconds, `p 1.301` for any other picture, `skipped 3`, `closed WHY`. It never connects
//! again: what follows `closed` would be another viewer's.

#![allow(clippy::print_stdout, reason = "a program for tests")]

use std::error::Error;
use std::fs::File;
use std::io::Write;
use std::time::{SystemTime, UNIX_EPOCH};
use tungstenite::Message;
use tungstenite::client::IntoClientRequest;

const TICKS_PER_SECOND: f64 = 90_000.0;

fn main() -> Result<(), Box<dyn Error>> {
    let mut url = "ws://127.0.0.1:2020/video_websocket".to_owned();
    let mut mp4 = None;
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        match word.as_str() {
            "--mp4" => mp4 = Some(File::create(words.next().ok_or("--mp4 needs a FILE")?)?),
            _ => url = word,
        }
    }
    let mut request = url.into_client_request()?;
    let protocols = request.headers_mut();
    protocols.insert("Sec-WebSocket-Protocol", "berrymse.v1".parse()?);
    let (mut socket, _) = tungstenite::connect(request)?;
    loop {
        match socket.read() {
            Ok(Message::Binary(bytes)) => {
                if let Some(file) = &mut mp4 {
                    file.write_all(&bytes)?;
                }
                say(&binary(&bytes).unwrap_or_else(|| format!("unknown, {} bytes", bytes.len())))?;
            }
            Ok(Message::Text(text)) => say(&news(&serde_json::from_str(&text)?))?,
            Ok(Message::Close(close)) => say(&format!(
                "closed {}",
                close.map_or_else(String::new, |close| close.to_string())
            ))?,
            Ok(_) => {}
            Err(tungstenite::Error::ConnectionClosed) => return Ok(()),
            Err(error) => {
                say(&format!("closed {error}"))?;
                return Err(error.into());
            }
        }
    }
}

/// A line that whoever waits for it sees at once.
fn say(event: &str) -> std::io::Result<()> {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let mut out = std::io::stdout().lock();
    writeln!(out, "{:.3} {event}", now.as_secs_f64())?;
    out.flush()
}

fn news(message: &serde_json::Value) -> String {
    let text = |key: &str| message[key].as_str().unwrap_or_default();
    match text("type") {
        "hello" => format!("hello {}", text("camera")),
        "state" => format!("state {} '{}'", text("state"), text("reason")),
        "skipped" => format!("skipped {}", message["count"]),
        _ => message.to_string(),
    }
}

/// An init segment or a fragment.
fn binary(bytes: &[u8]) -> Option<String> {
    if bytes.get(4..8)? == b"ftyp" {
        // VisualSampleEntry (ISO/IEC 14496-12, 12.1.3) and AVCDecoderConfigurationRecord (14496-15, 5.3.3.1)
        let entry = bytes.get(find(bytes, b"stsd")?..)?;
        let [width, height] = [24, 26].map(|at| number(entry, b"avc1", at, 2));
        let codec = number(entry, b"avcC", 1, 3)?;
        return Some(format!("init {}x{} avc1.{codec:06x}", width?, height?));
    }
    let seconds = number(bytes, b"tfdt", 4, 8)? as f64 / TICKS_PER_SECOND;
    let kind = if *bytes.get(92)? == 2 { "K" } else { "p" };
    Some(format!("{kind} {seconds:.3}"))
}

/// The big-endian number `at` bytes into the first box of a type.
fn number(bytes: &[u8], kind: &[u8; 4], at: usize, len: usize) -> Option<u64> {
    let start = find(bytes, kind)? + at;
    let digits = bytes.get(start..start.checked_add(len)?)?;
    Some(
        digits
            .iter()
            .fold(0, |sum, &digit| sum << 8 | u64::from(digit)),
    )
}

/// Where the contents of the first box of a type begin.
fn find(bytes: &[u8], kind: &[u8; 4]) -> Option<usize> {
    bytes
        .windows(4)
        .position(|found| found == kind)
        .map(|at| at + 4)
}
