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

    // Without `access:` everybody may watch again, who was known too.
    let mut viewer = Viewer::connect(&server, "/live?token=y", None);
    viewer.binary();
    scratch.file("config.yml", config("", ""));
    server.signal(Signal::HUP);
    let applied = |log: &str| log.matches("reload: applied (0 viewers ended)").count();
    let end = std::time::Instant::now() + crate::support::PATIENCE;
    while applied(&server.log()) < 2 {
        assert!(std::time::Instant::now() < end, "{}", server.log());
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    assert_eq!(server.get("/api/status").0, 200);

    // A wrong one changes nothing and ends nothing.
    scratch.file("config.yml", "serve: {}\n");
    server.signal(Signal::HUP);
    server.wait_for_log("reload: nothing changed (");
    viewer.binary();
    assert_eq!(server.get("/api/status").0, 200);
}

#[test]
fn reload_without_a_kept_key_keeps_logins() {
    let scratch = Scratch::new("reload-key");
    let password = PasswordHash::of("x").unwrap();
    let access = format!(
        "access:\n  keyFile: /dev/null/key\n  users: [{{name: owner, password: '{}', right: operator}}]\n",
        password.as_str()
    );
    let server = start(&scratch.file("config.yml", config("", &access)));
    let form = "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 21\r\n";
    let (status, head, _) = server.request_with("POST", "/login", form, b"user=owner&password=x");
    assert_eq!(status, 303, "{head}");
    let cookie = head
        .lines()
        .find_map(|line| line.strip_prefix("set-cookie: "))
        .unwrap();
    let cookie = format!("Cookie: {}\r\n", cookie.split(';').next().unwrap());
    assert_eq!(server.request("GET", "/api/status", &cookie).0, 200);
    server.signal(Signal::HUP);
    server.wait_for_log("reload: applied");
    assert_eq!(server.request("GET", "/api/status", &cookie).0, 200);
}

#[test]
fn reload_changes_the_log_level() {
    let scratch = Scratch::new("reload-log");
    let reload = |server: &Server, text: String, line: &str| {
        scratch.file("config.yml", text);
        server.signal(Signal::HUP);
        server.wait_for_log(line);
    };
    let server = start(&scratch.file("config.yml", config(", logLevel: warn", "")));
    reload(
        &server,
        config(", logLevel: debug", ""),
        "INFO  reload: applied",
    );
    let warned = "WARN  reload: server.maxViewers only change at a restart";
    reload(
        &server,
        config(", logLevel: warn, maxViewers: 5", ""),
        warned,
    );
    reload(&server, "serve: {}".to_owned(), "ERROR reload: nothing");
    let log = server.log();
    assert!(!log.contains("INFO  congestion"), "before the first: {log}");
    assert!(log.contains("INFO  reload: log level debug"), "{log}");
    assert_eq!(log.matches("reload: applied").count(), 1, "{log}");
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
