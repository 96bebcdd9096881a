//! Secrets of the configuration leave the program nowhere: no answer, no message, no line of the log.

use crate::support::{PATIENCE, Scratch, Server, Viewer};
use std::process::Command;
use std::time::Instant;
use tungstenite::Message;

/// In every command line and in what each program writes.
const CANARY: &str = "Canary-93x7";

/// Arguments of a program, as people write them.
const ARGUMENTS: [&str; 11] = [
    "rtsp://user:#@192.168.77.5/live",
    "rtsp://#@192.168.77.5/live",
    "x=rtsp://user:a/b?#@192.168.77.5/live;y",
    "rtsp://us%40er:p%40#@192.168.77.5",
    "http://192.168.77.5/?url=rtsp%3A%2F%2Fuser%3A#%40host",
    "http://192.168.77.5/?token=#&w=640",
    "--password=#",
    "--password #",
    "-p #",
    "'Authorization: Bearer #'",
    "api_key:#",
];

/// What a viewer has no business with.
const PRIVATE: [&str; 3] = ["192.168.77.5", "sh -c", "/nowhere/"];

fn config() -> String {
    let mut config = "server: {listen: '127.0.0.1:0'}\ncameras:\n".to_owned();
    for (number, argument) in ARGUMENTS.iter().enumerate() {
        // Says its arguments, and bare what is in them, and ends.
        let script = r#"echo "$0: $* failed" >&2; echo "login # wrong" >&2; exit 3"#;
        let source = format!("exec:sh -c '{script}' cam {argument}").replace('#', CANARY);
        config.push_str(&format!(
            "  - name: c{number}\n    source: {}\n",
            serde_json::json!(source)
        ));
    }
    for (name, source) in [
        ("file", "file:/nowhere/#.h264"),
        ("node", "v4l2:/nowhere/rtsp://u:#@h"),
        ("program", "exec:/nowhere/cam rtsp://u:#@h"),
    ] {
        let source = source.replace('#', if name == "file" { "x" } else { CANARY });
        config.push_str(&format!("  - name: {name}\n    source: {source}\n"));
    }
    config
}

#[test]
fn secrets_appear_in_no_output() {
    let scratch = Scratch::new("secrets");
    let file = scratch.file("config.yml", config());
    let server = Server::start_with(&["--config", &file, "--verbose"], |_| {});
    let names: Vec<String> = (0..ARGUMENTS.len())
        .map(|number| format!("c{number}"))
        .chain(["file", "node", "program"].map(str::to_owned))
        .collect();
    let end = Instant::now() + PATIENCE;
    let waits = |status: &serde_json::Value| {
        let cameras = status["cameras"].as_array().unwrap();
        cameras
            .iter()
            .all(|camera| camera["state"] == "waiting" && camera["error"].is_string())
    };
    while !waits(&server.status()) {
        assert!(Instant::now() < end, "{:#}", server.status());
    }
    let mut seen: Vec<(String, Vec<u8>)> = Vec::new();
    let visit = |seen: &mut Vec<_>, method: &str, path: String| {
        // Through a proxy, so that it is not the owner at the machine itself who asks.
        let (_, head, body) = server.request(method, &path, "Via: 1.1 test\r\n");
        seen.push((path, [head.into_bytes(), body].concat()));
    };
    for path in [
        "/",
        "/api/status",
        "/metrics",
        "/healthz",
        "/live/nobody",
        "/nothing",
    ] {
        visit(&mut seen, "GET", path.to_owned());
    }
    for name in &names {
        visit(&mut seen, "GET", format!("/snapshot/{name}.jpg"));
        visit(&mut seen, "HEAD", format!("/stream/{name}.mp4"));
        visit(&mut seen, "GET", format!("/live/{name}"));
        visit(&mut seen, "GET", format!("/api/cameras/{name}/controls"));
        let mut viewer = Viewer::connect(&server, &format!("/live/{name}"), Some("berrymse.v1"));
        // Hello, and how the camera is.
        for _ in 0..2 {
            let Message::Text(text) = viewer.socket.read().unwrap() else {
                continue;
            };
            seen.push((name.clone(), text.as_bytes().to_vec()));
        }
    }
    for (what, bytes) in &seen {
        let text = String::from_utf8_lossy(bytes);
        for word in [CANARY].iter().chain(&PRIVATE) {
            assert!(!text.contains(word), "{word} in {what}: {text}");
        }
    }
    let status = server.status();
    for camera in status["cameras"].as_array().unwrap() {
        let name = camera["name"].as_str().unwrap();
        let expected = match name {
            "file" => ("file", "no such file"),
            "node" => ("v4l2", "no such device"),
            "program" => ("exec", "the program cannot be started"),
            _ => ("exec", "the program ended (exit code 3)"),
        };
        assert_eq!(
            (camera["source"].as_str(), camera["error"].as_str()),
            (Some(expected.0), Some(expected.1)),
            "{camera:#}"
        );
    }
    // The owner reads in the log what was the matter.
    for name in &names {
        server.wait_for_log(&format!("{name}: "));
    }
    server.wait_for_log("rtsp://***@192.168.77.5/live failed");
    server.wait_for_log("login *** wrong");
    server.wait_for_log("sh ended with exit status 3");
    assert!(!server.log().contains(CANARY), "{}", server.log());
}

#[test]
fn errors_at_start_show_no_secret() {
    for arguments in [
        ["--source", "rtsp://user:Canary-93x7@host/live"],
        ["--source", "exec:ffmpeg 'rtsp://user:Canary-93x7@host/live"],
        ["--surce", "rtsp://user:Canary-93x7@host/live"],
        ["--listen", "http://user:Canary-93x7@host"],
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_berrymse"))
            .args(arguments)
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{text}");
        assert!(!text.contains(CANARY), "{text}");
    }
}
