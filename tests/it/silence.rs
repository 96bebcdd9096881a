//! Programs that say little: silence is no fault of theirs, and what they wrote last is shown. Those that die again and again cost
//! little log.

use crate::support::{Scratch, Server, Viewer, is_init};
use std::fmt::Write;
use std::time::{Duration, Instant};
use testsrc::{Encoder, Settings};
use tungstenite::Message;

/// Writes the first `count` access units of the test pattern to a file; returns its path.
fn units(scratch: &Scratch, name: &str, count: u64) -> String {
    let mut encoder = Encoder::new(&Settings {
        width: 320,
        height: 240,
        ..Settings::default()
    })
    .unwrap();
    let bytes: Vec<u8> = (0..count)
        .flat_map(|n| encoder.encode(n * 33, false).to_vec())
        .collect();
    scratch.file(name, bytes)
}

fn shell(script: &str) -> String {
    format!("exec:sh -c '{script}'")
}

#[test]
fn last_frame_before_a_silence_is_shown() {
    let scratch = Scratch::new("silence-last");
    let one = units(&scratch, "one", 1);
    let server = Server::start(&["-d", &shell(&format!("cat {one}; exec sleep 1000"))]);
    let camera = server.wait_for("live", |camera| camera["state"] == "live");
    assert_eq!(camera["frames"], 1);
}

#[test]
fn silent_program_is_not_restarted() {
    let scratch = Scratch::new("silence-while");
    let ten = units(&scratch, "ten", 10);
    let script = format!("cat {ten}; sleep 6; cat {ten}; exec sleep 1000");
    let server = Server::start(&["-d", &shell(&script)]);
    server.wait_for("live", |camera| camera["frames"] == 10);
    let camera = server.wait_for("more", |camera| {
        assert_eq!(camera["state"], "live", "{camera}");
        camera["frames"] == 20
    });
    assert_eq!(camera["restarts"], 0);
}

#[test]
fn slow_rate_is_accepted_and_reported() {
    let server = Server::start(&["-d", "test", "-f", "0.5", "-w", "224", "-h", "96"]);
    let camera = server.wait_for("three frames", |camera| camera["frames"] == 3);
    assert_eq!(
        (&camera["state"], &camera["error"]),
        (&"live".into(), &().into())
    );
    assert!(
        (0.4..0.6).contains(&camera["fps"].as_f64().unwrap()),
        "{camera}"
    );
}

/// Frames at 30 frames/s before and after the slow ones, and their number.
const FAST: usize = 45;
const SLOW: usize = 5;

/// A program that writes frames at 30 frames/s, then `SLOW` of them `interval` seconds apart, then at 30 frames/s again.
fn changing_rate(scratch: &Scratch, interval: f64) -> String {
    let mut encoder = Encoder::new(&Settings {
        width: 320,
        height: 240,
        ..Settings::default()
    })
    .unwrap();
    let mut script = String::new();
    for n in 0..2 * FAST + SLOW {
        let unit = scratch.file(&format!("unit{n}"), encoder.encode(n as u64 * 33, false));
        let is_slow = (FAST..FAST + SLOW).contains(&n);
        let pause = if is_slow { interval } else { 0.033 };
        writeln!(script, "sleep {pause}; cat {unit}").unwrap();
    }
    let script = scratch.file("script", script + "exec sleep 1000\n");
    format!("exec:sh {script}")
}

/// Media times follow a rate of 30 frames/s that falls to one frame in some seconds and rises again, and the camera stays live. The
/// long form, at 0.1 frames/s: BERRYMSE_SLOW_INTERVAL=10.
#[test]
fn change_of_rate_is_followed_both_ways() {
    let interval = std::env::var("BERRYMSE_SLOW_INTERVAL");
    let interval = interval.map_or(2.5, |text| text.parse().unwrap());
    let scratch = Scratch::new("silence-rate");
    let server = Server::start(&["-d", &changing_rate(&scratch, interval)]);
    server.wait_for("live", |camera| camera["state"] == "live");
    let mut viewer = Viewer::connect(&server, "/live/camera", Some("berrymse.v1"));
    // Decoding time in seconds, and when it came.
    let mut frames: Vec<(f64, Instant)> = Vec::new();
    let mut rates = Vec::new();
    let first = server.status()["cameras"][0]["frames"].as_u64().unwrap();
    while frames.len() < 2 * FAST + SLOW {
        match viewer.socket.read().unwrap() {
            Message::Text(text) => {
                let message: serde_json::Value = serde_json::from_str(&text).unwrap();
                if message["type"] == "state" {
                    assert_eq!(message["state"], "live", "{message}");
                }
            }
            Message::Binary(bytes) if !is_init(&bytes) => {
                let ticks = u64::from_be_bytes(bytes[64..72].try_into().unwrap());
                frames.push((ticks as f64 / 90_000.0, Instant::now()));
                if (FAST + 2..FAST + SLOW).contains(&frames.len()) {
                    rates.push(server.status()["cameras"][0]["fps"].as_f64().unwrap());
                }
            }
            _ => {}
        }
    }
    let steps: Vec<f64> = frames
        .windows(2)
        .map(|pair| pair[1].0 - pair[0].0)
        .collect();
    println!("{first} frames before the viewer, rates while slow: {rates:?}, steps: {steps:.3?}");
    let media = |range: std::ops::Range<usize>| frames[range.end].0 - frames[range.start].0;
    let taken =
        |range: std::ops::Range<usize>| (frames[range.end].1 - frames[range.start].1).as_secs_f64();
    // The first two long intervals count as stalls. The next ones make the rate, and browsers take no longer step than was told.
    let slow = FAST + SLOW - 2..FAST + SLOW - 1;
    let fast = FAST + SLOW - 1..2 * FAST + SLOW - 1;
    for (range, most) in [(slow, interval / 2.0), (fast, 1.5)] {
        let (media, taken) = (media(range.clone()), taken(range));
        assert!((media - taken).abs() < most, "media {media} s in {taken} s");
    }
    assert!(frames.windows(2).all(|pair| pair[0].0 < pair[1].0));
    let camera = server.wait_for("the fast rate", |camera| camera["fps"].as_f64() > Some(5.0));
    assert_eq!(
        (&camera["state"], &camera["restarts"]),
        (&"live".into(), &0.into())
    );
}

#[test]
fn stall_after_restarts_a_silent_program() {
    let scratch = Scratch::new("silence-stall");
    let one = units(&scratch, "one", 1);
    let source = shell(&format!("cat {one}; exec sleep 1000"));
    let server = Server::start(&["--stall-after", "1", "-d", &source]);
    server.wait_for("opened again", |camera| camera["restarts"] == 2);
    server.wait_for_log("no picture for 1.");
}

#[test]
fn dying_program_is_logged_once_over_many_restarts() {
    let scratch = Scratch::new("silence-dying");
    let starts = scratch.join("starts");
    let script = format!(
        "echo >>{}; echo \"[tcp @ 0x$$] oops\" >&2; exit 3",
        starts.display()
    );
    let server = Server::start(&["-d", &shell(&script)]);
    let end = Instant::now() + Duration::from_secs(60);
    let count = || std::fs::read_to_string(&starts).map_or(0, |text| text.lines().count());
    while count() < 5 {
        assert!(Instant::now() < end, "{} starts", count());
        std::thread::sleep(Duration::from_millis(20));
    }
    let log = server.log();
    let lines = log.lines().filter(|line| line.contains("oops")).count();
    // Once by itself, once in the exit error; each once more after 10 s on a busy machine.
    assert!((1..=4).contains(&lines), "{log}");
}
