//! The controls of a camera, over HTTP and in the configuration.

use crate::support::{PATIENCE, Scratch, Server, is_init, is_keyframe};
use serde_json::{Value, json};
use std::time::Instant;

const CONTROLS: &str = "/api/cameras/camera/controls";
const TEST: [&str; 6] = ["--source", "test", "--width", "320", "--height", "240"];
const JSON: &str = "Content-Type: application/json\r\n";

fn live(arguments: &[&str]) -> Server {
    let server = Server::start(arguments);
    server.wait_for("live", |camera| camera["state"] == "live");
    server
}

/// The test pattern with these lines more in the configuration file.
fn configured(name: &str, more: &str) -> Server {
    let scratch = Scratch::new(name);
    let text = format!("camera:\n  source: test\n  width: 320\n  height: 240\n{more}");
    live(&["-c", &scratch.file("config.yml", text)])
}

fn get(server: &Server) -> Value {
    let (status, body) = server.get(CONTROLS);
    assert_eq!(status, 200, "{body}");
    serde_json::from_str(&body).unwrap()
}

/// Status code and words (or JSON) of the answer to `body`.
fn post(server: &Server, headers: &str, body: &str) -> (u16, String) {
    let headers = format!("{headers}Content-Length: {}\r\n", body.len());
    let (status, _, answer) = server.request_with("POST", CONTROLS, &headers, body.as_bytes());
    (status, String::from_utf8(answer).unwrap())
}

fn value(document: &Value, name: &str) -> Value {
    let controls = document["controls"].as_array().unwrap();
    controls.iter().find(|c| c["name"] == name).unwrap()["value"].clone()
}

#[test]
fn controls_are_listed_with_their_range() {
    let server = live(&TEST);
    let document = get(&server);
    assert_eq!(document["camera"], "camera");
    assert_eq!(document["open"], true);
    assert_eq!(document["allowed"], true);
    assert_eq!(
        document["controls"][0],
        json!({
            "name": "video_bitrate", "label": "Video Bitrate", "type": "integer", "flags": [],
            "min": 25_000, "max": 200_000_000, "step": 1, "default": 1_500_000, "value": 1_500_000,
        })
    );
    let (status, _, body) = server.request("HEAD", CONTROLS, "");
    assert_eq!((status, body.len()), (200, 0));
}

#[test]
fn set_control_takes_effect_at_once() {
    let server = live(&[&TEST[..], &["--keyframe-interval", "100000"]].concat());
    let mut viewer = server.watch("/live/camera");
    assert!(is_init(&viewer.binary()));
    assert!(is_keyframe(&viewer.binary()));
    let wish = r#"{"video_gop_size": 5, "video_bitrate": 600000}"#;
    let (status, answer) = post(&server, JSON, wish);
    assert_eq!(status, 200, "{answer}");
    let answer = serde_json::from_str(&answer).unwrap();
    assert_eq!(value(&answer, "video_gop_size"), 5);
    assert_eq!(value(&get(&server), "video_bitrate"), 600_000);
    let end = Instant::now() + PATIENCE;
    let mut keyframes = 0;
    while keyframes < 3 {
        keyframes += u32::from(is_keyframe(&viewer.binary()));
        assert!(Instant::now() < end, "no keyframe every five pictures");
    }
}

#[test]
fn every_rejection_has_status_and_message() {
    let server = live(&TEST);
    let large = format!("{{\"a\": \"{}\"}}", "x".repeat(20_000));
    let plain = "Content-Type: text/plain\r\n";
    for (headers, body, status, words) in [
        (JSON, "{", 400, "this is not JSON"),
        (JSON, "[1]", 400, "an object of names and values"),
        (JSON, "\u{7f}", 400, "this is not JSON"),
        (JSON, &large, 413, "larger than 16384 bytes"),
        ("", "{}", 415, "has to be application/json"),
        (plain, "{}", 415, "has to be application/json"),
        (JSON, r#"{"bitrate": 1}"#, 422, "mean video_bitrate?"),
        (JSON, r#"{"video_bitrat": 1}"#, 422, "mean video_bitrate?"),
        (JSON, r#"{"video_bitrate": 1}"#, 422, "25000 to 200000000"),
        (JSON, r#"{"video_bitrate": 1e30}"#, 422, "a whole number"),
        (JSON, r#"{"video_bitrate": "x"}"#, 422, "cannot be \"x\""),
        (JSON, r#"{"video_bitrate": [1]}"#, 422, "a whole number"),
        (JSON, r#"{"force_key_frame": false}"#, 422, "presses it"),
        (
            JSON,
            r#"{"video_gop_size": 7, "video_bitrate": 1}"#,
            422,
            "video_bitrate cannot be 1",
        ),
    ] {
        let (got, answer) = post(&server, headers, body);
        assert_eq!(got, status, "{body}: {answer}");
        assert!(answer.contains(words), "{body}: {answer}");
    }
    assert_eq!(value(&get(&server), "video_gop_size"), 60, "all or nothing");
    let (status, answer) = server.get("/api/cameras/nobody/controls");
    assert_eq!(status, 404);
    assert!(answer.contains("There are: camera"), "{answer}");
    assert_eq!(server.request("PUT", CONTROLS, "").0, 405);
}

#[test]
fn other_origins_cannot_set_unless_allowed() {
    let server = configured(
        "origin",
        "server:\n  listen: 127.0.0.1:0\n  allowedOrigins: https://good.example\n",
    );
    let own = format!("http://{}", server.address());
    for (origin, status) in [
        (own.as_str(), 200),
        ("https://good.example", 200),
        ("https://evil.example", 403),
        ("null", 403),
    ] {
        let headers = format!("{JSON}Origin: {origin}\r\n");
        let (got, answer) = post(&server, &headers, r#"{"video_gop_size": 50}"#);
        assert_eq!(got, status, "{headers}: {answer}");
    }
    let may = |origin: &str| {
        let headers = format!("Origin: {origin}\r\nAccess-Control-Request-Method: POST\r\n");
        let (status, head, _) = server.request("OPTIONS", CONTROLS, &headers);
        assert_eq!(status, 204);
        head.contains("access-control-allow-origin")
    };
    assert!(may("https://good.example"));
    assert!(!may("https://evil.example"));
}

#[test]
fn config_sets_controls_and_forbids_changes() {
    let server = configured(
        "forbidden",
        "  controls:\n    video_gop_size: 7\n    brightness: 3\n\
         server:\n  listen: 127.0.0.1:0\n  controls: false\n",
    );
    let document = get(&server);
    assert_eq!(value(&document, "video_gop_size"), 7);
    assert_eq!(document["allowed"], false);
    let refused = json!(["there is no control \"brightness\"; GET lists those that there are"]);
    assert_eq!(document["refused"], refused);
    assert_eq!(server.status()["cameras"][0]["controls_refused"], refused);
    server.wait_for_log("controls: there is no control \"brightness\"");
    let (status, words) = post(&server, JSON, r#"{"video_gop_size": 8}"#);
    assert_eq!(status, 403);
    assert!(words.contains("server.controls is false"), "{words}");
    assert_eq!(value(&get(&server), "video_gop_size"), 7);
}

#[test]
fn closed_camera_rejects_controls() {
    // A program that ends at once would be open for a moment at each new attempt.
    let server = Server::start(&["--source", "exec:/nonexistent"]);
    server.wait_for("waiting", |camera| camera["state"] == "waiting");
    let document = get(&server);
    assert_eq!(document["open"], false);
    assert_eq!(document["controls"], json!([]));
    let (status, words) = post(&server, JSON, r#"{"brightness": 8}"#);
    assert_eq!(status, 503, "{words}");
    assert!(words.contains("the camera is not open now"), "{words}");
}
