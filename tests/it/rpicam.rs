//! The Raspberry Pi camera through the whole program, with a stand-in for rpicam-vid (tools/rpicam_stand_in.rs): what it is
//! called with, what comes out, and what viewers see when it fails.

mod options;

use crate::support::{Scratch, Server, decode, in_one_of, is_init, is_keyframe};
use berrymse::h264::ChunkEnd;
use berrymse::shutdown::ShutdownToken;
use berrymse::source::{Item, Settings, SourceContext, SourceSpec, open};
use std::ffi::OsString;
use std::fs;
use std::num::NonZeroU32;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// A directory with the stand-in as `name`, and its mood.
struct StandIn {
    directory: Scratch,
}

impl StandIn {
    fn new(test: &str, name: &str) -> Self {
        let directory = Scratch::new(test);
        let program = Path::new(env!("CARGO_BIN_EXE_berrymse"))
            .with_file_name("examples")
            .join("rpicam_stand_in");
        assert!(
            program.exists(),
            "cargo test builds it; with cargo test --test it: cargo build --examples"
        );
        std::os::unix::fs::symlink(program, directory.join(name)).unwrap();
        let stand_in = Self { directory };
        stand_in.is(&[]);
        stand_in
    }

    /// How it behaves when it is started next.
    fn is(&self, mood: &[&str]) {
        self.directory.file("mood", mood.join("\n"));
    }

    fn prepare(&self, command: &mut Command) {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path = [self.directory.path().to_owned()]
            .into_iter()
            .chain(std::env::split_paths(&path));
        let path: OsString = std::env::join_paths(path).unwrap();
        command
            .env("PATH", path)
            .env("RPICAM_STAND_IN", self.directory.join("mood"))
            .env("RPICAM_STAND_IN_CALLS", self.directory.join("calls"));
    }

    fn serve(&self, options: &[&str]) -> Server {
        Server::start_with(options, |command| {
            command.args(["--listen", "127.0.0.1:0"]);
            self.prepare(command);
        })
    }

    /// The arguments of each start so far.
    fn calls(&self) -> Vec<String> {
        let text = fs::read_to_string(self.directory.join("calls")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }
}

fn is_live(camera: &serde_json::Value) -> bool {
    camera["state"] == "live"
}

/// Waits for an error with `part` in the log; viewers are told the cause alone.
fn words(server: &Server, part: &str) -> String {
    server.wait_for_log(part);
    let log = server.log();
    log.lines().find(|line| line.contains(part)).unwrap().into()
}

#[test]
fn frames_have_the_configured_settings() {
    let stand_in = StandIn::new("settings", "rpicam-vid");
    let server = stand_in.serve(&[
        "-d", "rpicam", "-w", "320", "-h", "240", "-f", "25", "-g", "10",
    ]);
    let camera = server.wait_for("live", is_live);
    assert_eq!(
        (&camera["width"], &camera["height"]),
        (&320.into(), &240.into())
    );
    let mut viewer = server.watch("/live/camera");
    let messages = viewer.collect(30);
    assert!(is_init(&messages[0]) && is_keyframe(&messages[1]));
    assert_eq!(decode("mp4", &messages.concat()).len(), 29);
    let calls = stand_in.calls();
    assert_eq!(calls.len(), 1, "{calls:?}");
    for option in [
        "-t 0 -n",
        "--codec h264",
        "--width 320 --height 240",
        "--framerate 25",
        "--intra 10",
        "--bitrate 1500000",
        "--inline",
        "--flush",
        "-o -",
        "--save-pts /dev/fd/",
    ] {
        assert!(calls[0].contains(option), "{option}: {calls:?}");
    }
    assert_eq!(
        server.wait_for("interval", |camera| camera["keyframe_interval"] == 10)["restarts"],
        0
    );
}

#[test]
fn older_program_gets_only_known_options() {
    let stand_in = StandIn::new("older", "libcamera-vid");
    for (moods, starts, log) in [
        (
            &["unknown save-pts"][..],
            1,
            "knows no --save-pts: left out",
        ),
        (
            &["unknown save-pts", "no-help"],
            2,
            "trying again without --save-pts",
        ),
    ] {
        stand_in.is(moods);
        let before = stand_in.calls().len();
        let server = stand_in.serve(&["-d", "rpicam:0", "-w", "320", "-h", "240"]);
        server.wait_for("live", is_live);
        let calls = stand_in.calls().split_off(before);
        assert_eq!(calls.len(), starts, "{calls:?}");
        let last = &calls[starts - 1];
        assert!(
            !last.contains("save-pts") && last.contains("--flush"),
            "{last}"
        );
        server.wait_for_log(log);
    }
}

#[test]
fn software_encoder_is_detected() {
    let stand_in = StandIn::new("libav", "rpicam-vid");
    stand_in.is(&["no-context"]);
    let server = stand_in.serve(&["-d", "rpicam", "-w", "320", "-h", "240"]);
    server.wait_for("live", is_live);
    let last = stand_in.calls().pop().unwrap();
    assert!(
        last.contains("--libav-format h264") && last.contains("--low-latency"),
        "{last}"
    );
    assert!(!last.contains("--save-pts"), "{last}");
}

#[test]
fn half_turn_is_done_by_the_camera() {
    let stand_in = StandIn::new("turn", "rpicam-vid");
    let server = stand_in.serve(&["-d", "rpicam", "-w", "320", "-h", "240", "-r", "180"]);
    server.wait_for("live", is_live);
    assert!(stand_in.calls()[0].contains("--rotation 180"));
}

#[test]
fn each_failure_is_explained_and_recovers() {
    let stand_in = StandIn::new("failures", "rpicam-vid");
    stand_in.is(&["in-use"]);
    let server = stand_in.serve(&["-d", "rpicam", "-w", "320", "-h", "240"]);
    let text = words(&server, "serves one program at a time");
    assert!(text.contains("failed to acquire camera"), "{text}");
    for (mood, meaning, original) in [
        ("no-cameras", "ribbon cable", "no cameras available"),
        ("no-memory", "CMA", "failed to allocate capture buffers"),
        (
            "no-codec",
            "rpicam-apps-encoder",
            "Unable to find an appropriate H.264 codec",
        ),
        (
            "unknown inline",
            "unrecognised option '--inline'",
            "ERROR: ***",
        ),
    ] {
        stand_in.is(&[mood]);
        let text = words(&server, meaning);
        assert!(text.contains(original), "{text}");
    }
    stand_in.is(&[]);
    server.wait_for("live", is_live);
    assert_eq!(
        server.status()["cameras"][0]["restarts"],
        0,
        "it had not worked before"
    );
}

#[test]
fn killed_or_hung_program_is_restarted() {
    let stand_in = StandIn::new("killed", "rpicam-vid");
    stand_in.is(&["die 20"]);
    let server = stand_in.serve(&["-d", "rpicam", "-w", "320", "-h", "240", "-g", "10"]);
    server.wait_for("live", is_live);
    let mut viewer = server.watch("/live/camera");
    words(&server, "was killed by signal 6");
    stand_in.is(&["hang 15"]);
    words(&server, "no picture for ");
    stand_in.is(&["timeout 15"]);
    let text = words(&server, "ribbon cable");
    assert!(text.contains("Camera frontend has timed out"), "{text}");
    stand_in.is(&[]);
    server.wait_for("live", is_live);
    let before = server.status()["cameras"][0]["frames"].as_u64().unwrap();
    server.wait_for("pictures", |camera| {
        camera["frames"].as_u64().unwrap() > before + 10
    });
    assert!(server.status()["cameras"][0]["restarts"].as_u64().unwrap() >= 3);
    let messages = viewer.collect(30);
    assert!(is_init(&messages[0]));
    assert_eq!(server.status()["cameras"][0]["viewers"], 1);
}

#[test]
fn pts_pipe_completes_units_with_their_time() {
    let stand_in = StandIn::new("marks", "rpicam-vid");
    // A busy machine may make lines late.
    in_one_of(12, || {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args(["--exact", "rpicam::as_another_process", "--nocapture"])
            .env(ROLE, "read");
        stand_in.prepare(&mut command);
        let text = String::from_utf8(command.output().unwrap().stdout).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix("read "));
        let Some(line) = line else {
            return Err(text);
        };
        let figures: Vec<u64> = line.split(' ').map(|word| word.parse().unwrap()).collect();
        match figures[..] {
            [whole, jitter_us] if whole >= UNITS * 3 / 4 && jitter_us < 5000 => Ok(()),
            _ => Err(line.to_owned()),
        }
    });
}

const ROLE: &str = "BERRYMSE_TEST_ROLE";
const UNITS: u64 = 40;

/// Not a test by itself: a reader of the source with the stand-in in its PATH.
#[test]
fn as_another_process() {
    if std::env::var(ROLE).is_err() {
        return;
    }
    let settings = Settings {
        width: 1280,
        height: 720,
        fps: berrymse::frame_rate::FrameRate::whole(25),
        bitrate: None,
        rotation: None,
        flips: berrymse::source::Flips::default(),
        keyframe_interval: NonZeroU32::new(10).unwrap(),
    };
    let context = SourceContext::new("test", settings, ShutdownToken::new().unwrap());
    let mut source = open(&SourceSpec::Rpicam(0), &context).unwrap();
    let (mut whole, mut last, mut deviations_us) = (0, None, Vec::new());
    for _ in 0..10 * UNITS {
        let Some(chunk) = source.read().unwrap().and_then(Item::into_chunk) else {
            continue;
        };
        if chunk.end != ChunkEnd::Complete {
            last = None;
            continue;
        }
        whole += 1;
        if let Some(before) = last.replace(chunk.captured_at) {
            assert!(
                chunk.annexb.starts_with(&[0, 0, 0, 1]),
                "the last one was whole"
            );
            let step = chunk.captured_at.since(before);
            deviations_us.push(step.abs_diff(Duration::from_millis(40)).as_micros());
        }
        if whole == UNITS {
            break;
        }
    }
    // The median: until a quick unit has come, it is not known how long the way is.
    deviations_us.sort_unstable();
    let median = deviations_us.get(deviations_us.len() / 2);
    println!("\nread {whole} {}", median.unwrap_or(&u128::from(u64::MAX)));
}

#[test]
fn auto_uses_rpicam_without_a_usable_node() {
    let stand_in = StandIn::new("auto", "rpicam-vid");
    stand_in.is(&["no-cameras"]);
    let server = stand_in.serve(&["-w", "320", "-h", "240"]);
    let text = words(
        &server,
        "With --source rpicam: no camera found by libcamera",
    );
    assert!(text.contains("no camera found"), "{text}");
    stand_in.is(&[]);
    server.wait_for("live", is_live);
}

#[test]
fn camera_list_includes_rpicam_cameras() {
    let stand_in = StandIn::new("list", "rpicam-vid");
    let list = |json: bool| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_berrymse"));
        command.arg("cameras").args(json.then_some("--json"));
        stand_in.prepare(&mut command);
        String::from_utf8(command.output().unwrap().stdout).unwrap()
    };
    let text = list(false);
    assert!(
        text.contains("imx708") && text.contains("--source rpicam:0"),
        "{text}"
    );
    let json: serde_json::Value = serde_json::from_str(&list(true)).unwrap();
    assert!(
        json["rpicam"]["cameras"][0]
            .as_str()
            .unwrap()
            .starts_with("imx708")
    );
    stand_in.is(&["no-cameras"]);
    assert!(list(false).contains("It finds no camera"));
}

#[test]
fn missing_program_error_says_how_to_install() {
    let server = Server::start_with(&["-d", "rpicam"], |command| {
        command
            .args(["--listen", "127.0.0.1:0"])
            .env("PATH", "/nonexistent");
    });
    assert!(words(&server, "rpicam-apps-lite").contains("neither rpicam-vid nor libcamera-vid"));
}
