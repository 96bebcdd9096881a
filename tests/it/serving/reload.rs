//! SIGHUP: a service reads its configuration again, a program of a terminal ends with it.

use crate::support::{Scratch, Server, Viewer};
use berrymse::access::{PasswordHash, TokenHash};
use rustix::process::Signal;
use std::process::Command;

/// Starts the program as services are started: without a terminal.
fn start(config: &str) -> Server {
    let mut command = Command::new("setsid");
    command.args([env!("CARGO_BIN_EXE_berrymse"), "--config", config]);
    Server::start_command(command, |_| {})
}

fn config(server: &str, access: &str) -> String {
    format!(
        "camera: {{name: front, source: test, width: 320, height: 240}}\nserver: {{listen: '127.0.0.1:0'{server}}}\n{access}"
    )
}

#[test]
fn reload_changes_who_may_watch() {
    let scratch = Scratch::new("reload");
    let path = scratch.file("config.yml", config("", ""));
    let server = start(&path);
    let mut viewer = Viewer::connect(&server, "/live/front", None);
    viewer.binary();
    assert_eq!(server.get("/api/status").0, 200);

    let (password, token) = (PasswordHash::of("x").unwrap(), TokenHash::of("secret"));
    let access = format!(
        "access:\n  keyFile: {}\n  users: [{{name: owner, password: '{}', right: operator}}]\n  \
         tokens: [{{name: kiosk, hash: '{token}', right: viewer}}]\n",
        scratch.join("access.key").display(),
        password.as_str()
    );
    scratch.file("config.yml", config(", hosts: [camera.example]", &access));
    server.signal(Signal::HUP);
    server.wait_for_log("reload: applied (1 viewers ended)");
    let bearer = "Authorization: Bearer secret\r\n";
    assert_eq!(server.get("/api/status").0, 401);
    assert_eq!(server.request("GET", "/api/status", bearer).0, 200);

    // Without its token, and with words about what needs a restart.
    let access = access
        .replace("kiosk", "other")
        .replace(&token.to_string(), &TokenHash::of("y").to_string());
    scratch.file(
        "config.yml",
        config(", maxViewers: 5, webSocket: other", &access),
    );
    server.signal(Signal::HUP);
    server.wait_for_log("reload: server.webSocket, server.maxViewers only change at a restart");
    server.wait_for_log("reload: applied (0 viewers ended)");
    assert_eq!(server.request("GET", "/api/status", bearer).0, 401);

    // A wrong one changes nothing and ends nothing.
    scratch.file("config.yml", "serve: {}\n");
    server.signal(Signal::HUP);
    server.wait_for_log("reload: nothing changed (");
    let other = "Authorization: Bearer y\r\n";
    assert_eq!(server.request("GET", "/api/status", other).0, 200);
}

#[test]
fn closed_terminal_ends_the_program() {
    let scratch = Scratch::new("hangup");
    let log = scratch.join("log");
    let line = format!(
        "exec {} --source test --listen 127.0.0.1:0 2>{}",
        env!("CARGO_BIN_EXE_berrymse"),
        log.display()
    );
    // `script` is the terminal; its end closes it.
    let mut terminal = Command::new("script")
        .args(["-qec", &line, "/dev/null"])
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines =
        std::io::BufRead::lines(std::io::BufReader::new(terminal.stdout.take().unwrap()));
    assert!(lines.next().unwrap().unwrap().starts_with("Listening on"));
    terminal.kill().unwrap();
    terminal.wait().unwrap();
    let end = std::time::Instant::now() + crate::support::PATIENCE;
    while !std::fs::read_to_string(&log).is_ok_and(|log| log.contains("stopping: SIGHUP")) {
        assert!(std::time::Instant::now() < end);
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}
