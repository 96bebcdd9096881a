//! What a viewer on a bad line sees. The whole table, with packets shaped as real lines do it, is `bench/lines`.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod support;

use berrymse::source::test_picture::Encoder;
use berrymse::source::{Flips, Settings};
use std::io::Write;
use std::num::NonZeroU32;
use std::process::Stdio;
use std::time::{Duration, Instant};
use support::line::Line;
use support::{PATIENCE, Server, Viewer};
use tungstenite::Message;

/// Pictures per second of [`Camera`].
const FPS: u64 = 30;
/// Sizes of its pictures, and what that makes in a second; a keyframe is a fifth of the bits, as with most cameras.
const KEYFRAME_BYTES: usize = 22_000;
const PICTURE_BYTES: usize = 3000;
const BYTES_PER_SECOND: u64 = 100_000;

/// Standard input of the program: small pictures, filled up with SEI to have the sizes of a camera's. One keyframe in two
/// seconds, and no way to ask for more.
fn camera() -> Server {
    let mut server = Server::start_with(&["--source", "-"], |command| {
        command
            .args(["--listen", "127.0.0.1:0"])
            .stdin(Stdio::piped());
    });
    let mut stdin = server.child.stdin.take().unwrap();
    std::thread::spawn(move || {
        let settings = Settings {
            width: 64,
            height: 48,
            fps: NonZeroU32::new(FPS as u32).unwrap(),
            bitrate: None,
            rotation: None,
            flips: Flips::default(),
            keyframe_interval: NonZeroU32::new(60).unwrap(),
        };
        let mut encoder = Encoder::new(&settings).unwrap();
        let begin = Instant::now();
        for count in 0.. {
            let due = Duration::from_millis(count * 1000 / FPS);
            std::thread::sleep(due.saturating_sub(begin.elapsed()));
            let is_keyframe = count % 60 == 0;
            let size = if is_keyframe {
                KEYFRAME_BYTES
            } else {
                PICTURE_BYTES
            };
            let picture = encoder.picture(count * 1000 / FPS, false);
            let mut unit = sei(size.saturating_sub(picture.len()));
            unit.extend_from_slice(picture);
            if stdin.write_all(&unit).is_err() {
                break;
            }
        }
    });
    server.wait_for("live", |camera| camera["state"] == "live");
    server
}

/// A NAL unit of about `size` bytes that says nothing: user_data_unregistered, D.1.7.
fn sei(size: usize) -> Vec<u8> {
    let mut unit = vec![0, 0, 0, 1, 6, 5];
    unit.resize(unit.len() + size / 255, 255);
    unit.push((size % 255) as u8);
    unit.resize(unit.len() + size, 0x55);
    unit.push(0x80);
    unit
}

/// The test picture, which makes keyframes when asked. One of its own in ten seconds: what is not left out in between is
/// soon seconds old.
fn encoder() -> Server {
    let server = Server::start(&[
        "--source",
        "test",
        "--width",
        "640",
        "--height",
        "360",
        "--keyframe-interval",
        "300",
    ]);
    server.wait_for("measured", |camera| camera["frames"].as_u64() > Some(60));
    server
}

/// A viewer who knows how old pictures are: the program's clock is that of the machine.
struct Watcher {
    viewer: Viewer,
    offset_us: i64,
    skipped: u64,
}

impl Watcher {
    fn new(line: &Line) -> Self {
        Self {
            viewer: Viewer::connect_to(&line.address, "/video_websocket", Some("berrymse.v1")),
            offset_us: 0,
            skipped: 0,
        }
    }

    /// The age of the next picture when it arrives.
    fn next(&mut self) -> Duration {
        loop {
            match self.viewer.socket.read().unwrap() {
                Message::Text(text) => {
                    let message: serde_json::Value = serde_json::from_str(&text).unwrap();
                    if message["type"] == "timing" {
                        let media_us = message["media"].as_i64().unwrap() * 100 / 9;
                        self.offset_us = message["captured_us"].as_i64().unwrap() - media_us;
                    } else if message["type"] == "skipped" {
                        self.skipped += message["count"].as_u64().unwrap();
                    }
                }
                Message::Binary(bytes) if bytes.get(4..8) == Some(b"moof") => {
                    let media = i64::from_be_bytes(bytes[64..72].try_into().unwrap());
                    let captured_us = media * 100 / 9 + self.offset_us;
                    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
                    let now_us = now.tv_sec as i64 * 1_000_000 + now.tv_nsec as i64 / 1000;
                    return Duration::from_micros(u64::try_from(now_us - captured_us).unwrap_or(0));
                }
                _ => {}
            }
        }
    }

    /// The ages of all pictures that come within `time`.
    fn ages(&mut self, time: Duration) -> Vec<Duration> {
        let end = Instant::now() + time;
        std::iter::from_fn(|| (Instant::now() < end).then(|| self.next())).collect()
    }
}

#[test]
fn a_line_that_carries_a_part_of_the_stream_shows_fewer_pictures_and_not_older_ones() {
    let server = camera();
    std::thread::scope(|scope| {
        for (tenths, median_ms, pictures_per_second) in [(5, 1400, 8), (8, 1000, 15)] {
            let server = &server;
            scope.spawn(move || {
                let line = Line::to(server.address());
                let mut watcher = Watcher::new(&line);
                watcher.ages(Duration::from_secs(1));
                line.set(BYTES_PER_SECOND * tenths / 10);
                watcher.ages(Duration::from_secs(3));
                let mut ages = watcher.ages(Duration::from_secs(6));
                ages.sort_unstable();
                let median = ages[ages.len() / 2];
                println!(
                    "0.{tenths}: {median:?}, at most {:?}, {} pictures",
                    ages.last(),
                    ages.len()
                );
                assert!(
                    median < Duration::from_millis(median_ms),
                    "0.{tenths}: {ages:?}"
                );
                assert!(
                    ages.len() > 6 * pictures_per_second,
                    "0.{tenths}: {}",
                    ages.len()
                );
                assert!(watcher.skipped > 20, "0.{tenths}: {}", watcher.skipped);
            });
        }
        // Others do not notice.
        let line = Line::to(server.address());
        let mut watcher = Watcher::new(&line);
        watcher.ages(Duration::from_secs(9));
        assert_eq!(watcher.skipped, 0);
    });
}

#[test]
fn after_a_hole_the_picture_is_live_at_once() {
    let server = encoder();
    let line = Line::to(server.address());
    let mut watcher = Watcher::new(&line);
    watcher.ages(Duration::from_secs(1));
    let rate = server.status()["cameras"][0]["bitrate"].as_u64().unwrap() / 4;
    line.set(rate);
    watcher.ages(Duration::from_secs(1));
    line.set(0);
    std::thread::sleep(Duration::from_secs(4));
    line.set(rate);
    let back = Instant::now();
    while watcher.next() > Duration::from_millis(500) {
        assert!(back.elapsed() < PATIENCE);
    }
    // What was on its way, a keyframe, and a busy machine's time; the next keyframe of its own comes seconds later.
    assert!(
        back.elapsed() < Duration::from_secs(2),
        "{:?}",
        back.elapsed()
    );
    assert!(watcher.skipped > 60, "{}", watcher.skipped);
}

#[test]
fn an_adaptive_camera_follows_the_line_and_the_status_tells_who_is_slow() {
    let server = Server::start(&[
        "--source",
        "test",
        "--width",
        "640",
        "--height",
        "360",
        "--adaptive",
        "true",
        "--min-bitrate",
        "50000",
    ]);
    let bitrate = |camera: &serde_json::Value| camera["bitrate"].as_u64().unwrap();
    let before = server.wait_for("measured", |camera| camera["frames"].as_u64() > Some(90));
    let line = Line::to(server.address());
    let mut watcher = Watcher::new(&line);
    watcher.ages(Duration::from_secs(1));
    let good = server.wait_for("good", |camera| {
        camera["lines"]["good"]["delay_ms"].is_number()
    });
    assert_eq!(good["lines"]["good"]["viewers"], 1);
    assert_eq!(good["lines"]["slow"]["viewers"], 0);
    line.set(bitrate(&before) / 8 / 2);
    std::thread::spawn(move || watcher.ages(PATIENCE));
    server.wait_for("slow", |camera| {
        camera["lines"]["slow"]["worst_delay_ms"].as_f64() > Some(300.0)
    });
    server.wait_for("less", |camera| bitrate(camera) * 4 < bitrate(&before) * 3);
    let metrics = server.get("/metrics").1;
    let name = "berrymse_viewer_delay_seconds";
    let count = metrics
        .lines()
        .find_map(|line| line.strip_prefix(&format!("{name}_count{{camera=\"camera\"}} ")));
    assert!(count.unwrap().parse::<u64>().unwrap() > 1, "{metrics}");
    assert!(
        metrics.contains(&format!(
            "{name}_bucket{{camera=\"camera\",le=\"+Inf\"}} {}\n",
            count.unwrap()
        )),
        "{metrics}"
    );
}
