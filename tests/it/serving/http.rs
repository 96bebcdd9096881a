//! The URLs and what they answer: the page, status, metrics, MP4.

use super::live;
use crate::support::PATIENCE;
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Instant;

#[test]
fn every_url_of_the_interface_answers() {
    let server = live();
    for (path, status, kind) in [
        ("/", 200, "text/html"),
        ("/berrymse.js", 200, "text/javascript"),
        ("/msevideo.js", 200, "text/javascript"),
        ("/berryMSE.js", 200, "text/javascript"),
        ("/legacy.js", 404, "text/plain"),
        ("/api/status", 200, "application/json"),
        ("/healthz", 200, "text/plain"),
        ("/metrics", 200, "text/plain"),
        ("/video_websocket", 426, "application/json"),
        ("/live/camera", 426, "application/json"),
        ("/live/nobody", 404, "application/json"),
        ("/stream/nobody.mp4", 404, "text/plain"),
        ("/nothing", 404, "text/plain"),
        ("/../Cargo.toml", 404, "text/plain"),
    ] {
        let (got, head, body) = server.request("GET", path, "");
        assert_eq!(got, status, "{path}");
        assert!(
            head.to_lowercase()
                .contains(&format!("content-type: {kind}")),
            "{path}: {head}"
        );
        assert!(!body.is_empty(), "{path}");
        let (head_status, _, head_body) = server.request("HEAD", path, "");
        assert_eq!((head_status, head_body.len()), (status, 0), "HEAD {path}");
    }
    assert_eq!(server.request("POST", "/api/status", "").0, 405);
}

#[test]
fn a_file_of_the_page_is_sent_once() {
    let server = live();
    let (_, head, _) = server.request("GET", "/berrymse.js", "");
    let etag = head
        .lines()
        .find_map(|line| line.strip_prefix("etag: "))
        .unwrap();
    let (status, _, body) =
        server.request("GET", "/berrymse.js", &format!("If-None-Match: {etag}\r\n"));
    assert_eq!((status, body.len()), (304, 0));
    assert_eq!(
        server
            .request("GET", "/berrymse.js", "If-None-Match: \"other\"\r\n")
            .0,
        200
    );
}

#[test]
fn script_goes_out_in_the_coding_asked_for() {
    let server = live();
    let (status, head, plain) = server.request("GET", "/berrymse.js", "");
    assert_eq!(status, 200);
    assert!(!head.contains("content-encoding"), "{head}");
    assert_eq!(value(&head, "vary"), "Accept-Encoding");
    let mut tags = vec![value(&head, "etag").to_owned()];
    let mut sizes = vec![plain.len()];
    for (asked, coding) in [("gzip", "gzip"), ("gzip, deflate, br", "br")] {
        let asked = format!("Accept-Encoding: {asked}\r\n");
        let (status, head, body) = server.request("GET", "/berrymse.js", &asked);
        assert_eq!(status, 200);
        assert_eq!(value(&head, "content-encoding"), coding);
        assert_eq!(value(&head, "vary"), "Accept-Encoding");
        assert_eq!(
            value(&head, "content-type"),
            "text/javascript; charset=utf-8"
        );
        if coding == "gzip" {
            assert_eq!(gunzipped(&body), plain);
        }
        // The tag is that of the coding: another one is not confirmed.
        let known = format!("{asked}If-None-Match: {}\r\n", value(&head, "etag"));
        assert_eq!(server.request("GET", "/berrymse.js", &known).0, 304);
        let other = format!("{asked}If-None-Match: {}\r\n", tags[0]);
        assert_eq!(server.request("GET", "/berrymse.js", &other).0, 200);
        tags.push(value(&head, "etag").to_owned());
        sizes.push(body.len());
    }
    assert!(sizes.is_sorted_by(|a, b| a > b), "{sizes:?}");
}

#[test]
fn script_of_a_page_is_at_most_10_kb() {
    const LIMIT: usize = 10_000;
    let server = live();
    let (status, _, script) =
        server.request("GET", "/berrymse.js", "Accept-Encoding: gzip, deflate\r\n");
    assert_eq!(status, 200);
    assert!(script.len() <= LIMIT, "{} bytes", script.len());
}

/// The value of a header.
fn value<'a>(head: &'a str, name: &str) -> &'a str {
    let prefix = format!("{name}: ");
    head.lines()
        .find_map(|line| line.strip_prefix(&prefix))
        .unwrap_or_default()
}

fn gunzipped(content: &[u8]) -> Vec<u8> {
    let mut gzip = Command::new("gzip")
        .arg("-dc")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = gzip.stdin.take().unwrap();
    let content = content.to_vec();
    let writer = std::thread::spawn(move || Write::write_all(&mut input, &content));
    let out = gzip.wait_with_output().unwrap().stdout;
    writer.join().unwrap().unwrap();
    out
}

#[test]
fn status_describes_the_stream() {
    let server = live();
    // The rate is that of four seconds. A busy machine makes fewer frames, and may make up for them.
    let is_measured = |camera: &serde_json::Value| {
        let fps = camera["fps"].as_f64().unwrap_or_default();
        camera["frames"].as_u64() > Some(40) && (3.0..33.0).contains(&fps)
    };
    let camera = server.wait_for("measured", is_measured);
    assert_eq!(
        (camera["width"].as_u64(), camera["height"].as_u64()),
        (Some(320), Some(240))
    );
    assert_eq!(camera["source"], "test");
    assert!(
        camera["codec"].as_str().unwrap().starts_with("avc1.42"),
        "{camera}"
    );
    assert_eq!(camera["keyframe_interval"], 30);
    assert_eq!(camera["error"], serde_json::Value::Null);
    for key in [
        "bitrate",
        "viewers",
        "frames_skipped",
        "restarts",
        "last_frame_age_ms",
    ] {
        assert!(camera[key].is_u64(), "{key}: {camera}");
    }
}

#[test]
fn metrics_count_viewers() {
    let server = live();
    let _viewer = server.watch("/video_websocket");
    let end = Instant::now() + PATIENCE;
    while !server
        .get("/metrics")
        .1
        .contains("berrymse_viewers{camera=\"camera\"} 1\n")
    {
        assert!(Instant::now() < end);
    }
}

#[test]
fn ffmpeg_decodes_http_mp4() {
    let server = live();
    let output = Command::new("ffmpeg")
        .args([
            "-v",
            "warning",
            "-i",
            &format!("{}stream.mp4", server.url),
            "-frames:v",
            "45",
            "-f",
            "framemd5",
            "-",
        ])
        .stdin(Stdio::null())
        .output()
        .expect("ffmpeg is needed");
    let hashes = String::from_utf8(output.stdout).unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert_eq!(
        hashes.lines().filter(|line| !line.starts_with('#')).count(),
        45
    );
    server.wait_for("empty", |camera| camera["viewers"] == 0);
}

#[test]
fn large_heads_and_silent_connections_are_refused() {
    let server = live();
    let (status, ..) = server.request("GET", "/", &format!("X: {}\r\n", "a".repeat(100_000)));
    assert!(matches!(status, 431 | 0), "{status}");
    let many: String = (0..200).map(|n| format!("X{n}: 1\r\n")).collect();
    assert_eq!(server.request("GET", "/", &many).0, 431);
    assert_eq!(server.get("/healthz").0, 200);
}
