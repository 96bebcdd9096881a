//! Annex B: `/stream.h264` over HTTP and `/raw` as WebSocket, against the MP4 of the same camera.

use super::live;
use crate::support::line::Line;
use crate::support::{PATIENCE, Server, Viewer, decode, is_init};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};

/// Frames of each stream that are compared.
const FRAMES: usize = 70;

/// Types of the NAL units of an access unit in Annex B.
fn nal_types(annexb: &[u8]) -> Vec<u8> {
    let code = [0, 0, 0, 1];
    let starts = annexb.windows(5).filter(|bytes| bytes[..4] == code);
    starts.map(|bytes| bytes[4] & 31).collect()
}

/// The body of an endless answer, as much of it as has `most` frames in Annex B or MP4.
fn endless(server: &Server, path: &str, most: usize) -> Vec<u8> {
    let mut socket = TcpStream::connect(server.address()).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    // HTTP/1.0: without chunks.
    let host = server.address();
    write!(socket, "GET {path} HTTP/1.0\r\nHost: {host}\r\n\r\n").unwrap();
    let mut bytes = Vec::new();
    let mut piece = [0; 16 << 10];
    loop {
        let count = socket.read(&mut piece).unwrap();
        assert!(count > 0, "{}", String::from_utf8_lossy(&bytes));
        bytes.extend_from_slice(&piece[..count]);
        let frames = if path.contains("mp4") {
            bytes.windows(4).filter(|four| four == b"moof").count()
        } else {
            let slice = |kind: &u8| matches!(kind, 1 | 5);
            nal_types(&bytes).iter().filter(|kind| slice(kind)).count()
        };
        if frames > most {
            let head = bytes.windows(4).position(|four| four == b"\r\n\r\n");
            return bytes.split_off(head.unwrap() + 4);
        }
    }
}

/// The hashes of both end with something cut off; what they have in common is the same.
fn assert_same_frames(a: &[String], b: &[String]) {
    let (a, b) = (&a[..a.len() - 2], &b[..b.len() - 2]);
    let (early, late) = if a.contains(&b[0]) { (a, b) } else { (b, a) };
    let start = early.iter().position(|hash| *hash == late[0]);
    let early = &early[start.expect("a common frame")..];
    let common = early.len().min(late.len());
    assert!(common > FRAMES / 2, "{common} frames in common");
    assert_eq!(early[..common], late[..common]);
}

#[test]
fn h264_over_http_has_the_frames_of_the_mp4() {
    let server = live();
    let (h264, mp4) = std::thread::scope(|scope| {
        let h264 = scope.spawn(|| endless(&server, "/stream.h264", FRAMES));
        let mp4 = scope.spawn(|| endless(&server, "/stream/camera.mp4", FRAMES));
        (h264.join().unwrap(), mp4.join().unwrap())
    });
    let types = nal_types(&h264);
    assert_eq!(types[..3], [7, 8, 5]);
    for (n, kind) in types.iter().enumerate() {
        if *kind == 5 {
            assert_eq!(
                types[n - 2..n],
                [7, 8],
                "each keyframe has its parameter sets"
            );
        }
    }
    assert_eq!(types.iter().filter(|kind| **kind == 5).count(), 3);
    assert_same_frames(&decode("h264", &h264), &decode("mp4", &mp4));
    // A keyframe made now.
    let next = endless(&server, "/stream/camera.h264?start=next", 5);
    assert_eq!(nal_types(&next)[..4], [7, 8, 5, 1]);
}

#[test]
fn h264_over_http_is_refused_as_the_mp4_is() {
    let server = live();
    let own = "Sec-Fetch-Site: same-origin\r\n";
    let foreign = "Sec-Fetch-Site: cross-site\r\n";
    for (query, headers, expected) in [
        ("", own, 200),
        ("", foreign, 403),
        ("?start=now", own, 400),
        ("?wait=x", own, 400),
    ] {
        for kind in ["mp4", "h264"] {
            let path = format!("/stream.{kind}{query}");
            let (status, head, _) = server.request("HEAD", &path, headers);
            assert_eq!(status, expected, "{path}: {head}");
            if status == 200 {
                assert!(
                    head.contains(&format!("content-type: video/{kind}")),
                    "{head}"
                );
                let policy = "cross-origin-resource-policy: same-";
                assert!(head.contains(policy), "{head}");
                assert!(head.contains("cache-control: no-store"), "{head}");
            }
        }
    }
    assert_eq!(server.get("/stream/other.h264").0, 404);
    assert_eq!(server.get("/stream.h264?clock=capture").0, 400);
    let (status, _, body) = server.request("GET", "/raw", "");
    let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!((status, &body["code"]), (426, &"no_upgrade".into()));
    let (status, _, body) = server.request("GET", "/raw/other", "");
    let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!((status, &body["code"]), (404, &"camera".into()));
    assert_eq!(
        server
            .request("GET", "/raw", "Origin: http://evil.example\r\n")
            .0,
        403
    );
}

#[test]
fn raw_websocket_has_one_access_unit_in_each_message() {
    let server = live();
    let mut mp4 = server.watch("/video_websocket");
    let mut raw = server.watch("/raw");
    let (mp4, raw) = std::thread::scope(|scope| {
        let mp4 = scope.spawn(move || mp4.collect(FRAMES));
        let raw = scope.spawn(move || raw.collect(FRAMES));
        (mp4.join().unwrap(), raw.join().unwrap())
    });
    assert!(is_init(&mp4[0]));
    assert_eq!(nal_types(&raw[0]), [7, 8, 5]);
    for message in &raw {
        let types = nal_types(message);
        assert!(matches!(types[..], [7, 8, 5] | [1]), "{types:?}");
    }
    assert_same_frames(
        &decode("h264", &raw.concat()),
        &decode("mp4", &mp4.concat()),
    );
    // Players of `berrymse.v1` get their text messages here, too.
    let mut raw = Viewer::connect(&server, "/raw/camera", Some("berrymse.v1"));
    assert_eq!(raw.text()["type"], "hello");
    assert_eq!(nal_types(&raw.binary())[..3], [7, 8, 5]);
}

#[test]
fn raw_client_on_a_congested_link_gets_a_stream_that_decodes() {
    let server = Server::start(&["--source", "test", "--bitrate", "3000000"]);
    server.wait_for("live", |camera| camera["state"] == "live");
    let line = Line::to(server.address());
    let mut raw = Viewer::connect_to(&line.address, "/raw", None);
    let mut all = raw.collect(10);
    // Less than a busy machine makes of the test pattern.
    line.set(20_000);
    let skipped = |camera: &serde_json::Value| camera["frames_skipped"].as_u64() > Some(20);
    let reader = std::thread::spawn(move || {
        // Until the test closes the connection.
        while let Ok(message) = raw.socket.read() {
            if let tungstenite::Message::Binary(bytes) = message {
                all.push(bytes.to_vec());
            }
        }
        all
    });
    server.wait_for("skipped frames", skipped);
    line.set(u64::MAX);
    std::thread::sleep(std::time::Duration::from_secs(1));
    drop(server);
    let all = reader.join().unwrap();
    let mut decoder = Command::new("ffmpeg")
        .args([
            "-v", "error", "-f", "h264", "-i", "pipe:0", "-f", "null", "-",
        ])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    decoder
        .stdin
        .take()
        .unwrap()
        .write_all(&all.concat())
        .unwrap();
    let output = decoder.wait_with_output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(errors.is_empty(), "{} frames: {errors}", all.len());
}
