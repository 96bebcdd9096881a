//! What a viewer on a bad line sees. The whole table, with packets shaped as real lines do it, is `bench/lines`.

use crate::support::line::Line;
use crate::support::{PATIENCE, Server, Viewer, in_one_of};
use std::io::Write;
use std::num::NonZeroU32;
use std::process::Stdio;
use std::time::{Duration, Instant};
use testsrc::{Encoder, Settings};
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
            frame_rate: (FPS as u32, 1),
            bitrate: None,
            keyframe_interval: NonZeroU32::MAX,
        };
        let mut encoder = Encoder::new(&settings).unwrap();
        let is_disposable = |unit: &[u8]| unit[4] >> 5 == 0;
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
            let mut picture = encoder.encode(count * 1000 / FPS, is_keyframe);
            // All pictures of most cameras build on each other.
            if is_disposable(picture) {
                picture = encoder.encode(count * 1000 / FPS, false);
            }
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

/// The test pattern. It makes keyframes only when asked, so frames that wait on a slow link are soon seconds old.
fn encoder() -> Server {
    let server = Server::start(&[
        "--source",
        "test",
        "--width",
        "640",
        "--height",
        "360",
        "--keyframe-interval",
        "30000",
    ]);
    server.wait_for("measured", |camera| camera["frames"].as_u64() > Some(60));
    server
}

fn now_us() -> i64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    now.tv_sec * 1_000_000 + now.tv_nsec / 1000
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
        let (arrived, captured) = self.picture();
        Duration::from_micros(u64::try_from(arrived - captured).unwrap_or(0))
    }

    /// When the next picture arrived, and when it was taken.
    fn picture(&mut self) -> (i64, i64) {
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
                    return (now_us(), captured_us);
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
fn congestion_lowers_frame_rate_not_latency() {
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
                in_one_of(10, || {
                    let mut ages = watcher.ages(Duration::from_secs(6));
                    ages.sort_unstable();
                    let median = ages[ages.len() / 2];
                    let is_young = median < Duration::from_millis(median_ms);
                    let seen = format!("0.{tenths}: {median:?}, {} frames", ages.len());
                    match is_young && ages.len() > 6 * pictures_per_second {
                        true => Ok(()),
                        false => Err(seen),
                    }
                });
                assert!(watcher.skipped > 20, "0.{tenths}: {}", watcher.skipped);
            });
        }
        // Others do not notice.
        let line = Line::to(server.address());
        let mut watcher = Watcher::new(&line);
        in_one_of(4, || {
            let before = watcher.skipped;
            watcher.ages(Duration::from_secs(9));
            match watcher.skipped - before {
                0 => Ok(()),
                skipped => Err(format!("{skipped} skipped")),
            }
        });
    });
}

/// Age of the newest picture that had come at each of `times`, in milliseconds.
fn ages_at(pictures: &[(i64, i64)], times: &[i64]) -> Vec<f64> {
    let age = |at: &i64| {
        let come = pictures.iter().take_while(|(arrived, _)| arrived <= at);
        let newest = come.map(|(_, captured)| captured).max().unwrap();
        (at - newest) as f64 / 1000.0
    };
    times.iter().map(age).collect()
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Count and sum of the delays of all viewers so far, and how many of them were at most 0.1 s.
fn delays(server: &Server) -> [f64; 3] {
    let metrics = server.get("/metrics").1;
    [
        "count{camera=\"camera\"",
        "sum{camera=\"camera\"",
        "bucket{camera=\"camera\",le=\"0.1\"",
    ]
    .map(|name| {
        let name = format!("berrymse_viewer_delay_seconds_{name}}} ");
        let value = metrics.lines().find_map(|line| line.strip_prefix(&name));
        value
            .unwrap_or_else(|| panic!("{metrics}"))
            .parse()
            .unwrap()
    })
}

/// The two viewers' ages as they see them, and as the server tells them.
///
/// What waits in the relay's own receive buffer (8 kB, 0.1 s of the bad line) belongs to the line but is acknowledged to the
/// server, so it is added to what that says. What the server knows begins with the next picture, 33 ms later. The rest of the
/// tolerance is for a busy machine, and for the histogram, which looks only once a second at what swings by half a second.
#[test]
fn status_reports_good_and_congested_links() {
    in_one_of(5, compare_what_is_told_and_seen);
}

fn compare_what_is_told_and_seen() -> Result<(), String> {
    const TOLERANCE_MS: f64 = 120.0;
    let server = camera();
    let bad_line = Line::to(server.address());
    let (watched, ended) = (
        Duration::from_secs(18),
        Instant::now() + Duration::from_secs(17),
    );
    let watch = |address: String| {
        let mut watcher = Watcher {
            viewer: Viewer::connect_to(&address, "/video_websocket", Some("berrymse.v1")),
            offset_us: 0,
            skipped: 0,
        };
        let end = Instant::now() + watched;
        let mut pictures = Vec::new();
        while Instant::now() < end {
            pictures.push(watcher.picture());
        }
        (pictures, watcher.skipped)
    };
    let (mut times, mut told) = (Vec::new(), [Vec::new(), Vec::new()]);
    let mut misfits = 0;
    let (mut held_ms, rate) = (Vec::new(), BYTES_PER_SECOND * 8 / 10);
    let (good, bad, before, after) = std::thread::scope(|scope| {
        let good = scope.spawn(|| watch(server.address().to_owned()));
        let bad = scope.spawn(|| watch(bad_line.address.clone()));
        std::thread::sleep(Duration::from_secs(1));
        bad_line.set(rate);
        std::thread::sleep(Duration::from_secs(4));
        let before = delays(&server);
        while Instant::now() < ended {
            let lines = &server.status()["cameras"][0]["lines"];
            let delays = ["good", "slow"].map(|class| {
                let is_told = lines[class]["viewers"] == 1;
                lines[class]["delay_ms"].as_f64().filter(|_| is_told)
            });
            if let [Some(good), Some(slow)] = delays {
                told[0].push(good);
                told[1].push(slow);
                times.push(now_us());
                held_ms.push((bad_line.held() * 1000 / rate) as f64);
            } else {
                misfits += 1;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        let after = delays(&server);
        (good.join().unwrap(), bad.join().unwrap(), before, after)
    });
    let seen = [good.0, bad.0].map(|pictures| ages_at(&pictures, &times));
    let [[good_seen, bad_seen], [good_told, bad_told]] =
        [&seen, &told].map(|all| [mean(&all[0]), mean(&all[1])]);
    let [count, sum, quick] = [0, 1, 2].map(|at| after[at] - before[at]);
    let counted = sum / count * 1000.0;
    let bad_told = bad_told + mean(&held_ms);
    println!(
        "good: {good_seen:.0} ms, told {good_told:.0}; bad: {bad_seen:.0}, told {bad_told:.0}; counted {counted:.0}"
    );
    let most = |ages: &[f64]| ages.iter().copied().fold(0.0, f64::max);
    let (most_seen, most_told) = (most(&seen[1]), most(&told[1]));
    let both = (good_seen + bad_seen) / 2.0;
    let wrong: Vec<String> = [
        (
            misfits * 10 < times.len(),
            format!("{misfits} times others than one good and one slow"),
        ),
        (good.1 == 0, format!("the good viewer misses {}", good.1)),
        (bad.1 > 20, format!("the bad viewer misses {}", bad.1)),
        (
            good_seen < 60.0 && good_told < 60.0,
            format!("good: {good_seen}, told {good_told}"),
        ),
        (
            (bad_seen - bad_told).abs() < TOLERANCE_MS,
            format!("bad: {bad_seen}, told {bad_told}"),
        ),
        (
            (most_seen - most_told).abs() < 2.0 * TOLERANCE_MS,
            format!("at most {most_seen}, told {most_told}"),
        ),
        // Two viewers, one of them in time.
        ((count - 24.0).abs() <= 3.0, format!("{count} delays")),
        (
            (quick / count - 0.5).abs() < 0.2,
            format!("{quick} of {count} are short"),
        ),
        (
            (counted - both).abs() < TOLERANCE_MS,
            format!("counted {counted}, seen {both}"),
        ),
    ]
    .into_iter()
    .filter(|(is_right, _)| !is_right)
    .map(|(_, words)| words)
    .collect();
    match wrong.is_empty() {
        true => Ok(()),
        false => Err(wrong.join("; ")),
    }
}

#[test]
fn viewer_is_live_right_after_outage() {
    in_one_of(3, watch_an_outage);
}

fn watch_an_outage() -> Result<(), String> {
    let server = encoder();
    let line = Line::to(server.address());
    let mut watcher = Watcher::new(&line);
    watcher.ages(Duration::from_secs(1));
    let rate = server.status()["cameras"][0]["bitrate"].as_u64().unwrap() / 4;
    line.set(rate);
    watcher.ages(Duration::from_secs(1));
    let frames = || server.status()["cameras"][0]["frames"].as_u64().unwrap();
    line.set(0);
    let before = frames();
    std::thread::sleep(Duration::from_secs(4));
    // A busy machine makes fewer.
    let made = frames() - before;
    line.set(rate);
    // Without a keyframe that is asked for it would never be.
    let back = Instant::now();
    while watcher.next() > Duration::from_millis(500) {
        if back.elapsed() > 2 * PATIENCE {
            return Err("not live again".into());
        }
    }
    match watcher.skipped > made / 2 {
        true => Ok(()),
        false => Err(format!("{} of {made} skipped", watcher.skipped)),
    }
}

#[test]
fn adaptive_bitrate_follows_congested_link() {
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
