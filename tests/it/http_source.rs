//! Two programs, one behind the other: the second shows the camera of the first (`--source http://HOST/stream.mp4`).

use crate::support::{Server, Viewer, in_one_of, is_init, is_keyframe};
use std::thread;
use std::time::Instant;

const TEST: [&str; 8] = [
    "--source",
    "test",
    "--width",
    "320",
    "--height",
    "240",
    "--keyframe-interval",
    "30",
];

fn behind(first: &Server) -> Server {
    let url = format!("{}stream.mp4", first.url);
    let second = Server::start(&["--source", &url]);
    second.wait_for("live", |camera| camera["state"] == "live");
    second
}

/// The NAL units of a message with a frame.
fn sample(message: &[u8]) -> &[u8] {
    let moof = u32::from_be_bytes(message[..4].try_into().unwrap()) as usize;
    &message[moof + 8..]
}

fn decode_time(message: &[u8]) -> u64 {
    u64::from_be_bytes(message[64..72].try_into().unwrap())
}

/// The next `count` messages, and when each was there.
fn collect(server: &Server, count: usize) -> Vec<(Vec<u8>, Instant)> {
    let mut viewer = server.watch("/video_websocket");
    (0..count)
        .map(|_| (viewer.binary(), Instant::now()))
        .collect()
}

#[test]
fn frames_of_another_server_are_the_same_bytes() {
    let first = Server::start(&TEST);
    first.wait_for("live", |camera| camera["state"] == "live");
    let second = behind(&first);
    let (before, behind) = thread::scope(|scope| {
        let before = scope.spawn(|| collect(&first, 100));
        let behind = scope.spawn(|| collect(&second, 100));
        (before.join().unwrap(), behind.join().unwrap())
    });
    assert!(is_init(&before[0].0));
    assert_eq!(before[0].0, behind[0].0, "the init segment");
    let mut delays = Vec::new();
    let mut matched = behind[1..].iter().filter_map(|(message, seen)| {
        let same =
            |(other, _): &&(Vec<u8>, Instant)| !is_init(other) && sample(other) == sample(message);
        let (original, first_seen) = before.iter().find(same)?;
        assert_eq!(is_keyframe(original), is_keyframe(message));
        // Flags and size, too: all but number and times.
        assert_eq!(original[88..96], message[88..96]);
        delays.push(seen.saturating_duration_since(*first_seen));
        Some(())
    });
    let count = matched.by_ref().count();
    assert!(count > 50, "{count} frames in common");
    delays.sort();
    println!(
        "added delay of {count} frames: median {:.2?}, longest {:.2?}",
        delays[delays.len() / 2],
        delays[delays.len() - 1]
    );
    let camera = second.status()["cameras"][0].clone();
    assert_eq!(camera["source"], "http");
    assert_eq!(
        (camera["width"].as_u64(), camera["height"].as_u64()),
        (Some(320), Some(240))
    );
    assert_eq!(
        second.request("GET", "/snapshot.jpg", "").0,
        200,
        "it is decoded here"
    );
}

#[test]
fn capture_times_are_those_of_the_first_camera() {
    let first = Server::start(&TEST);
    first.wait_for("live", |camera| camera["state"] == "live");
    let second = behind(&first);
    // When the frame of the first message was taken, on the clock that both have.
    let captured = |server: &Server| {
        let mut viewer = Viewer::connect(server, "/video_websocket", Some("berrymse.v1"));
        let timing = loop {
            let message = viewer.text();
            if message["type"] == "timing" {
                break message;
            }
        };
        let mut frames = Vec::new();
        while frames.len() < 90 {
            let message = viewer.binary();
            if !is_init(&message) {
                frames.push(message);
            }
        }
        let (media, taken) = (
            timing["media"].as_u64().unwrap(),
            timing["captured_us"].as_u64().unwrap(),
        );
        let at = move |message: &[u8]| taken + (decode_time(message) - media) * 100 / 9;
        frames
            .into_iter()
            .map(|frame| (sample(&frame).to_vec(), at(&frame)))
            .collect::<Vec<_>>()
    };
    // A busy machine may stop one of the programs between two looks at its clocks.
    in_one_of(3, || {
        let (before, behind) = thread::scope(|scope| {
            let before = scope.spawn(|| captured(&first));
            let behind = scope.spawn(|| captured(&second));
            (before.join().unwrap(), behind.join().unwrap())
        });
        let mut differences: Vec<u64> = behind
            .iter()
            .filter_map(|(frame, at)| {
                let (_, original) = before.iter().find(|(other, _)| other == frame)?;
                Some(original.abs_diff(*at))
            })
            .collect();
        differences.sort_unstable();
        // A frame takes 33 ms; an age that was not known would be that of the GOP.
        match differences.get(differences.len() / 2) {
            Some(..33_000) => Ok(()),
            _ => Err(format!("capture times differ by (µs) {differences:?}")),
        }
    });
}

#[test]
fn lost_server_is_waited_for_and_media_time_goes_on() {
    let mut first = Server::start(&TEST);
    first.wait_for("live", |camera| camera["state"] == "live");
    let address = first.address().to_owned();
    let second = behind(&first);
    let mut viewer = second.watch("/video_websocket");
    let before = viewer.collect(20);
    first.child.kill().unwrap();
    first.child.wait().unwrap();
    let camera = second.wait_for("lost", |camera| camera["state"] == "lost");
    let words = camera["error"].as_str().unwrap();
    assert!(words.contains("other server"), "{words}");
    let listen = ["--listen", &address];
    let again = Server::start_with(&TEST, |command| {
        command.args(listen);
    });
    second.wait_for("live again", |camera| camera["state"] == "live");
    let mut last = decode_time(&before[19]);
    let mut has_keyframe = false;
    for _ in 0..40 {
        let message = viewer.binary();
        if is_init(&message) {
            continue;
        }
        let time = decode_time(&message);
        assert!(time > last && time < last + 9000, "{last} {time}");
        last = time;
        has_keyframe |= is_keyframe(&message);
    }
    assert!(has_keyframe);
    assert!(second.status()["cameras"][0]["restarts"].as_u64() > Some(0));
    drop(again);
}

#[test]
fn keyframe_is_asked_of_the_first_camera() {
    let first = Server::start(&["--source", "test", "--keyframe-interval", "100000"]);
    first.wait_for("live", |camera| camera["state"] == "live");
    let second = behind(&first);
    let mut viewer = second.watch("/video_websocket");
    assert!(is_keyframe(&viewer.collect(40)[1]));
    // Who joins has one made, for everybody.
    let _other = second.watch("/video_websocket");
    while !is_keyframe(&viewer.binary()) {}
}

#[test]
fn source_that_is_no_stream_says_why_and_no_password() {
    let first = Server::start(&TEST);
    first.wait_for("live", |camera| camera["state"] == "live");
    let url = format!(
        "http://me:geheim@{}/stream/other.mp4?token=geheim2",
        first.address()
    );
    let second = Server::start(&["--source", &url]);
    let camera = second.wait_for("waiting", |camera| camera["state"] == "waiting");
    assert_eq!(camera["error"], "the other server has no such stream");
    second.wait_for_log("answers 404");
    assert!(!second.log().contains("geheim"), "{}", second.log());
    assert!(!camera.to_string().contains(first.address()), "{camera}");
}
