//! Programs that say little: silence is no fault of theirs, and what they wrote last is shown. Those that die again and again cost
//! little log.

use crate::support::{Scratch, Server};
use std::time::Duration;
use testsrc::{Encoder, Settings};

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
    let end = std::time::Instant::now() + Duration::from_secs(60);
    let count = || std::fs::read_to_string(&starts).map_or(0, |text| text.lines().count());
    while count() < 5 {
        assert!(std::time::Instant::now() < end, "{} starts", count());
        std::thread::sleep(Duration::from_millis(20));
    }
    let log = server.log();
    let lines = log.lines().filter(|line| line.contains("oops")).count();
    // Once by itself, once in the exit error; each once more after 10 s on a busy machine.
    assert!((1..=4).contains(&lines), "{log}");
}
