//! Options of the Raspberry Pi camera: those that the user sets, those of old versions, and the clock that `--save-pts` has.

use super::{StandIn, is_live, words};
use crate::support::Scratch;
use std::process::Command;
use std::time::{Duration, Instant};

/// Ticks of media time in a second.
const TIMESCALE: u64 = 90_000;

fn decode_time(message: &[u8]) -> u64 {
    u64::from_be_bytes(message[64..72].try_into().unwrap())
}

#[test]
fn camera_options_reach_the_program() {
    let stand_in = StandIn::new("camera-options", "rpicam-vid");
    let tuning = stand_in.directory.file("my tuning.json", "{}");
    let text = format!(
        "camera:\n  source: rpicam\n  width: 320\n  height: 240\n  rpicam:\n    autofocusMode: continuous\n    \
         roi: [0.25, 0.25, 0.5, 0.5]\n    shutter: 10ms\n    hdr: off\n    x264-preset: superfast\n    \
         tuning-file: '{tuning}'\n    arguments: [--ev, -0.5, --profile=high]\n"
    );
    let file = stand_in.directory.file("config.yml", text);
    let server = stand_in.serve(&["-c", &file]);
    server.wait_for("live", is_live);
    let call = stand_in.calls().pop().unwrap();
    let options = format!(
        "--flush --autofocus-mode=continuous --roi=0.25,0.25,0.5,0.5 --shutter=10000 --hdr=off --tuning-file={tuning} \
         --ev=-0.5 --profile=high"
    );
    assert!(call.ends_with(&options), "{call}");
    server.wait_for_log("x264-preset has no effect");
    drop(server);
    // The command line beats the file, and its arguments its lines.
    stand_in.is(&["no-context"]);
    let server = stand_in.serve(&[
        "-c",
        &file,
        "--rpicam-arg",
        "--hdr",
        "--rpicam-arg",
        "sensor",
    ]);
    server.wait_for("live", is_live);
    let call = stand_in.calls().pop().unwrap();
    assert!(
        call.contains(" --low-latency ") && call.contains("--roi="),
        "{call}"
    );
    assert!(
        call.ends_with("--hdr=sensor --libav-video-codec-opts=preset=superfast"),
        "{call}"
    );
}

#[test]
fn option_of_a_newer_version_is_refused_in_words() {
    let stand_in = StandIn::new("newer-option", "libcamera-vid");
    stand_in.is(&["version 1.0"]);
    let server = stand_in.serve(&["-d", "rpicam", "--rpicam-arg=--autofocus-mode=auto"]);
    let text = words(&server, "knows no --autofocus-mode");
    assert!(
        text.contains("--rpicam-arg: libcamera-vid (v1.0.0)")
            && text.contains("rpicam-apps 1.1 or later has it"),
        "{text}"
    );
    let camera = server.wait_for("reason", |camera| !camera["error"].is_null());
    assert_eq!(
        camera["error"],
        "the camera's program does not know an option"
    );
    assert!(stand_in.calls().is_empty(), "it was not started");
    drop(server);
    stand_in.is(&["version 1.9"]);
    let server = stand_in.serve(&["-d", "rpicam", "--rpicam-arg=--autofocus-mdoe=auto"]);
    words(
        &server,
        "knows no --autofocus-mdoe; did you mean --autofocus-mode?",
    );
    drop(server);
    let server = stand_in.serve(&[
        "-d",
        "rpicam",
        "--rpicam-arg=--tuning-file=/nonexistent.json",
    ]);
    words(&server, "--rpicam-arg: /nonexistent.json cannot be read");
    drop(server);
    // Without a help the program itself refuses.
    stand_in.is(&["version 1.0", "no-help"]);
    let server = stand_in.serve(&["-d", "rpicam", "--rpicam-arg=--hdr=auto"]);
    words(&server, "unrecognised option '--hdr'");
}

#[test]
fn encoder_in_software_has_low_latency_in_old_versions() {
    let stand_in = StandIn::new("low-latency", "rpicam-vid");
    stand_in.is(&["no-context", "version 1.6", "unknown low-latency"]);
    let server = stand_in.serve(&["-d", "rpicam", "-w", "320", "-h", "240"]);
    server.wait_for("live", is_live);
    let call = stand_in.calls().pop().unwrap();
    assert!(!call.contains("--low-latency"), "{call}");
    assert!(
        call.contains("--libav-video-codec-opts=preset=ultrafast;tune=zerolatency;bf=0;"),
        "{call}"
    );
}

#[test]
fn clock_steps_do_not_tear_media_times() {
    let stand_in = StandIn::new("clock-step", "rpicam-vid");
    // An hour back, and then 20 years on, as when a Raspberry Pi learns the time.
    stand_in.is(&["clock-step 40 -3600000", "clock-step 80 631152000000"]);
    let server = stand_in.serve(&["-d", "rpicam", "-w", "320", "-h", "240", "-f", "25"]);
    server.wait_for("live", is_live);
    let begin = Instant::now();
    let mut viewer = server.watch("/live/camera");
    let times: Vec<u64> = viewer.collect(121)[1..]
        .iter()
        .map(|m| decode_time(m))
        .collect();
    let elapsed = begin.elapsed();
    let longest = times
        .windows(2)
        .map(|pair| pair[1].saturating_sub(pair[0]))
        .max()
        .unwrap();
    assert!(times.is_sorted(), "{times:?}");
    // As long as it took by our clock, and what was kept for late viewers.
    let media = Duration::from_micros((times[119] - times[0]) * 1_000_000 / TIMESCALE);
    assert!(
        media < elapsed + Duration::from_secs(5),
        "{media:?} in {elapsed:?}"
    );
    assert!(media > Duration::from_secs(4), "{media:?}");
    assert!(longest < TIMESCALE * 3, "{longest} of {times:?}");
    assert_eq!(server.status()["cameras"][0]["restarts"], 0);
}

#[test]
fn wrong_camera_options_are_found_by_the_check() {
    let scratch = Scratch::new("rpicam-check");
    let file = scratch.file(
        "config.yml",
        "camera:\n  source: rpicam\n  rpicam:\n    autofocus-mdoe: auto\n    metering: center\n    width: 640\n    \
         roi: 2\n    arguments:\n      - --codec\n      - mjpeg\n      - -o\n      - --hdr=best\n",
    );
    let output = Command::new(env!("CARGO_BIN_EXE_berrymse"))
        .args(["--check-config", "-c", &file])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let text = String::from_utf8_lossy(&output.stderr).into_owned()
        + &String::from_utf8_lossy(&output.stdout);
    for part in [
        ":4: camera.rpicam.autofocus-mdoe: is unknown; did you mean autofocus-mode?",
        ":5: camera.rpicam.metering: 'center' is none of centre, spot, average, matrix, custom; did you mean centre?",
        ":6: camera.rpicam.width: --width is not passed on: write camera.width (--width)",
        ":7: camera.rpicam.roi: takes left, top, width and height",
        ":9: camera.rpicam.arguments: --codec is not passed on: BerryMSE takes H.264 alone",
        ":11: camera.rpicam.arguments: '-o' is a short option",
        ":12: camera.rpicam.arguments: --hdr: 'best' is none of off, auto, sensor, single-exp",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}
