//! How soon a camera that was closed gives its first picture to who opens it: against what the camera itself needs.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

mod support;

use std::io::Read;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use support::{Server, is_keyframe};

/// What the program may add, from the viewer's request to the first picture on its way.
const ADDED: Duration = Duration::from_millis(300);

/// A busy machine delays either side now and then; the median of so many attempts is looked at.
const ATTEMPTS: usize = 5;

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

/// From the request to the first keyframe, of a camera that is closed.
fn first_picture(source: &str) -> Duration {
    let server = Server::start(&["-d", source, "--on-demand", "true", "-f", "25"]);
    server.wait_for("idle", |camera| camera["state"] == "idle");
    let asked = Instant::now();
    let mut viewer = server.watch("/video_websocket");
    while !is_keyframe(&viewer.binary()) {}
    asked.elapsed()
}

/// From the start of a program to the first byte that is behind its first picture: before that nobody can know it whole.
fn needed(command: &str, picture_bytes: usize) -> Duration {
    let words = shlex::split(command).unwrap();
    let started = Instant::now();
    let mut child = Command::new(&words[0])
        .args(&words[1..])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = vec![0; picture_bytes + 1];
    child.stdout.take().unwrap().read_exact(&mut first).unwrap();
    let needed = started.elapsed();
    child.kill().unwrap();
    child.wait().unwrap();
    needed
}

#[test]
#[ignore = "measures time: for a machine that does nothing else"]
fn the_test_picture_is_there_at_once() {
    let times = (0..ATTEMPTS).map(|_| first_picture("test")).collect();
    let time = median(times);
    eprintln!("from the request to the first picture: {time:?}");
    assert!(time < ADDED, "{time:?}");
}

#[test]
#[ignore = "measures time: for a machine that does nothing else"]
fn a_program_has_the_time_it_needs_and_we_add_little() {
    let command = "ffmpeg -v error -re -f lavfi -i testsrc2=size=320x240:rate=25 -c:v libx264 -preset ultrafast \
                   -tune zerolatency -g 25 -flush_packets 1 -f h264 -";
    // The first picture with its parameter sets is larger than this, and the second begins far below twice of it.
    let sizes = Command::new("ffmpeg")
        .args([
            "-v",
            "error",
            "-f",
            "lavfi",
            "-i",
            "testsrc2=size=320x240:rate=25",
        ])
        .args(["-frames:v", "1", "-c:v", "libx264", "-preset", "ultrafast"])
        .args(["-tune", "zerolatency", "-f", "h264", "-"])
        .output();
    let picture_bytes = sizes.expect("ffmpeg is needed").stdout.len();
    let alone = median(
        (0..ATTEMPTS)
            .map(|_| needed(command, picture_bytes))
            .collect(),
    );
    let source = format!("exec:{command}");
    let time = median((0..ATTEMPTS).map(|_| first_picture(&source)).collect());
    eprintln!("from the request to the first picture: {time:?}, of which {alone:?} by itself");
    assert!(
        time < alone + ADDED,
        "{time:?}, of which {alone:?} by itself"
    );
}
