//! The decoder of snapshots is a process without rights, and its end costs one snapshot.
#![cfg(feature = "software-encoder")]

use crate::support::{PATIENCE, Scratch, Server};
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

fn server() -> Server {
    Server::start(&["-d", "test", "-w", "320", "-h", "240"])
}

/// The decoders' processes of a server.
pub(crate) fn decoders(server: &Server) -> Vec<u32> {
    let mut found = Vec::new();
    let tasks = fs::read_dir(format!("/proc/{}/task", server.child.id()));
    for task in tasks.into_iter().flatten().flatten() {
        let children = fs::read_to_string(task.path().join("children")).unwrap_or_default();
        found.extend(
            children
                .split_whitespace()
                .map(|pid| pid.parse::<u32>().unwrap()),
        );
    }
    found.retain(|pid| {
        fs::read_to_string(format!("/proc/{pid}/comm"))
            .is_ok_and(|name| name == "berrymse-decode\n")
    });
    found
}

/// The decoder of a server that has sent a snapshot.
fn decoder(server: &Server) -> u32 {
    let end = Instant::now() + PATIENCE;
    loop {
        assert_eq!(server.get("/snapshot.jpg").0, 200);
        // On a busy machine it may have been idle for five seconds since.
        match decoders(server)[..] {
            [pid] => return pid,
            [] => assert!(Instant::now() < end, "no decoder"),
            ref several => panic!("{several:?}"),
        }
    }
}

/// A line of /proc/PID/status.
fn status(pid: u32, key: &str) -> String {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(key));
    line.unwrap_or_else(|| panic!("no {key}")).trim().to_owned()
}

#[test]
fn decoder_has_no_rights() {
    let server = server();
    let pid = decoder(&server);
    let files: Vec<_> = fs::read_dir(format!("/proc/{pid}/fd"))
        .unwrap()
        .flatten()
        .collect();
    assert_eq!(files.len(), 1, "{files:?}");
    let target = fs::read_link(files[0].path()).unwrap();
    assert!(
        target.to_str().unwrap().starts_with("socket:"),
        "{target:?}"
    );
    for (key, expected) in [
        ("Seccomp:", "2"),
        ("NoNewPrivs:", "1"),
        ("Threads:", "1"),
        ("CapEff:", "0000000000000000"),
    ] {
        assert_eq!(status(pid, key), expected, "{key}");
    }
    let limits = fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
    for name in [
        "Max open files",
        "Max file size",
        "Max core file size",
        "Max processes",
    ] {
        let line = limits
            .lines()
            .find_map(|line| line.strip_prefix(name))
            .unwrap();
        let values: Vec<&str> = line.split_whitespace().take(2).collect();
        assert_eq!(values, ["0", "0"], "{name}");
    }
    let memory = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max address space"))
        .unwrap();
    let memory: u64 = memory.split_whitespace().next().unwrap().parse().unwrap();
    assert!(memory < 200 << 20, "{memory}");
    let environment = fs::read(format!("/proc/{pid}/environ")).unwrap();
    assert!(
        !environment.windows(4).any(|it| it == b"HOME"),
        "{environment:?}"
    );
    // It is another program to the eye, but the same executable.
    let executable = |pid: u32| fs::read_link(format!("/proc/{pid}/exe")).unwrap();
    assert_eq!(executable(pid), executable(server.child.id()));
}

/// The first answer that is no snapshot, after the decoder got this signal.
fn after_signal(server: &Server, signal: Signal) -> (u16, String, String) {
    let end = Instant::now() + PATIENCE;
    let mut signalled = None;
    while Instant::now() < end {
        // A frame that was decoded before is sent once more.
        let (status, head, body) = server.request("GET", "/snapshot.jpg", "");
        if status != 200 {
            let pid: u32 = signalled.expect("it failed before the signal");
            assert!(!Path::new(&format!("/proc/{pid}")).exists());
            return (status, head, String::from_utf8(body).unwrap());
        }
        // On a busy machine it may have ended by itself since.
        if let [pid] = decoders(server)[..] {
            let _ = kill_process(Pid::from_raw(pid.cast_signed()).unwrap(), signal);
            signalled = Some(pid);
        }
    }
    panic!("nothing comes of {signal:?}");
}

#[test]
fn killed_decoder_costs_one_snapshot() {
    let server = server();
    for (count, signal) in [(1, Signal::KILL), (2, Signal::SEGV)] {
        let (status, head, words) = after_signal(&server, signal);
        assert_eq!(status, 503, "{words}");
        assert!(head.to_lowercase().contains("retry-after: 2"), "{head}");
        let reason = "the decoder failed; the next request starts it again";
        assert!(words.contains(reason), "{words}");
        assert_eq!(server.get("/snapshot.jpg").0, 200);
        let metrics = server.get("/metrics").1;
        let line = format!("berrymse_decoder_restarts_total{{camera=\"camera\"}} {count}\n");
        assert!(metrics.contains(&line), "{metrics}");
        assert_eq!(server.status()["cameras"][0]["decoder_restarts"], count);
    }
    for end in ["9 (SIGKILL)", "11 (SIGSEGV)"] {
        server.wait_for_log(&format!(
            "decoder failed (ended by signal: {end}); the next"
        ));
    }
}

#[test]
fn decoder_that_hangs_is_killed() {
    let server = server();
    let (status, _, words) = after_signal(&server, Signal::STOP);
    assert_eq!(status, 503, "{words}");
    assert_eq!(server.get("/snapshot.jpg").0, 200);
    server.wait_for_log("decoder failed (no reply for 10 s)");
}

#[test]
fn decoder_ends_when_nobody_asks_and_with_the_server() {
    let gone = |pid: u32| {
        let end = Instant::now() + PATIENCE;
        while Path::new(&format!("/proc/{pid}")).exists() {
            assert!(Instant::now() < end, "it goes on");
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    let mut server = server();
    gone(decoder(&server));
    let pid = decoder(&server);
    server.child.kill().unwrap();
    server.child.wait().unwrap();
    // A process without a parent may wait for being reaped, but runs no more.
    let end = Instant::now() + PATIENCE;
    while Path::new(&format!("/proc/{pid}")).exists() && !status(pid, "State:").starts_with('Z') {
        assert!(Instant::now() < end, "it outlives the server");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn decoder_works_after_the_executable_was_replaced() {
    let scratch = Scratch::new("replaced");
    let path = scratch.join("berrymse");
    // By a process of its own: a program that this one starts meanwhile would inherit the file, and a file that is open for writing
    // cannot be executed.
    let copied = Command::new("cp")
        .arg(env!("CARGO_BIN_EXE_berrymse"))
        .arg(&path)
        .status();
    assert!(copied.unwrap().success());
    let mut command = Command::new(&path);
    command.args(["-d", "test", "-w", "320", "-h", "240"]);
    let server = Server::start_command(command, |command| {
        command.args(["--listen", "127.0.0.1:0"]);
    });
    fs::remove_file(&path).unwrap();
    fs::write(&path, "another version").unwrap();
    decoder(&server);
}

#[test]
fn decoder_command_is_for_the_server_only() {
    let output = Command::new(env!("CARGO_BIN_EXE_berrymse"))
        .arg("decoder-process")
        .output()
        .unwrap();
    let words = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(words.contains("the server starts it by itself"), "{words}");
}
