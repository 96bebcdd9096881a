//! A viewer's connection: what comes over it in which order, and what a viewer may not do.

use super::live;
use crate::support::{PATIENCE, Server, Viewer, is_init, is_keyframe};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tungstenite::Message;
use tungstenite::protocol::frame::coding::CloseCode;

#[test]
fn plain_viewer_gets_init_and_keyframe_only() {
    let server = live();
    let mut viewer = server.watch("/video_websocket");
    for number in 0..40 {
        let Message::Binary(bytes) = viewer.socket.read().unwrap() else {
            continue;
        };
        match number {
            0 => assert!(is_init(&bytes)),
            1 => assert!(is_keyframe(&bytes)),
            _ => assert_eq!(&bytes[76..80], b"trun"),
        }
    }
}

#[test]
fn player_receives_hello_and_state() {
    let server = live();
    let mut viewer = Viewer::connect(&server, "/live/camera", Some("berrymse.v1"));
    let hello = viewer.text();
    assert_eq!(
        (hello["type"].as_str(), hello["camera"].as_str()),
        (Some("hello"), Some("camera"))
    );
    let state = viewer.text();
    assert_eq!(
        (state["type"].as_str(), state["state"].as_str()),
        (Some("state"), Some("live"))
    );
    viewer
        .socket
        .send(Message::text(r#"{"type":"unknown"}"#))
        .unwrap();
    viewer.socket.send(Message::text("no json")).unwrap();
    viewer
        .socket
        .send(Message::text(r#"{"type":"clock","sent":12.5}"#))
        .unwrap();
    let mut clock = viewer.text();
    while clock["type"] == "timing" {
        clock = viewer.text();
    }
    assert_eq!(
        (clock["type"].as_str(), clock["sent"].as_f64()),
        (Some("clock"), Some(12.5))
    );
    assert!(clock["now_us"].as_u64() >= clock["received_us"].as_u64());
}

#[test]
fn player_receives_timing_and_reports_delay() {
    let server = live();
    let mut viewer = Viewer::connect(&server, "/live/camera", Some("berrymse.v1"));
    let timing = loop {
        match viewer.socket.read().unwrap() {
            Message::Binary(bytes) => assert!(is_init(&bytes), "a picture before its timing"),
            Message::Text(text) => {
                let message: serde_json::Value = serde_json::from_str(&text).unwrap();
                if message["type"] == "timing" {
                    break message;
                }
            }
            _ => {}
        }
    };
    let picture = viewer.binary();
    let decode_time = u64::from_be_bytes(picture[64..72].try_into().unwrap());
    assert_eq!(timing["media"].as_u64(), Some(decode_time));
    assert!(timing["captured_us"].is_u64());
    for report in [
        r#"{"type":"report","delay_ms":"x"}"#,
        r#"{"type":"report","delay_ms":42.25,"shown":30}"#,
    ] {
        viewer.socket.send(Message::text(report)).unwrap();
    }
    server.wait_for("the delay", |camera| camera["delay_ms"] == 42.3);
    assert!(server.get("/metrics").1.contains("berrymse_delay_seconds"));
}

#[test]
fn two_viewers_get_the_same_bytes() {
    let server = live();
    let (mut a, mut b) = (
        server.watch("/video_websocket"),
        server.watch("/live/camera"),
    );
    let (a, b) = (a.collect(50), b.collect(50));
    // The later one may have started at a newer keyframe.
    let start = a
        .iter()
        .position(|message| *message == b[1])
        .expect("a common keyframe");
    assert!(a[start..].iter().zip(&b[1..]).all(|(a, b)| a == b));
}

#[test]
fn ping_gets_pong_and_close_is_echoed() {
    let server = live();
    let mut viewer = server.watch("/video_websocket");
    viewer.socket.send(Message::Ping("abc".into())).unwrap();
    while viewer.socket.read().unwrap() != Message::Pong("abc".into()) {}
    viewer.socket.close(None).unwrap();
    let end = loop {
        match viewer.socket.read() {
            Ok(Message::Close(frame)) => break frame,
            Ok(_) => {}
            Err(error) => panic!("{error}"),
        }
    };
    assert_eq!(end.unwrap().code, CloseCode::Normal);
    server.wait_for("empty", |camera| camera["viewers"] == 0);
}

#[test]
fn only_http_1_1_get_upgrades() {
    let server = live();
    let headers = "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    for (method, version) in [("HEAD", "1.1"), ("GET", "1.0")] {
        let mut socket = TcpStream::connect(server.address()).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        write!(
            socket,
            "{method} /video_websocket HTTP/{version}\r\nHost: {}\r\nConnection: Upgrade, close\r\n{headers}\r\n",
            server.address()
        )
        .unwrap();
        let mut answer = [0; 12];
        socket.read_exact(&mut answer).unwrap();
        assert!(
            answer.ends_with(b" 426"),
            "{method} {version}: {}",
            String::from_utf8_lossy(&answer)
        );
    }
}

#[test]
fn protocol_error_closes_with_its_code() {
    let server = live();
    for (bytes, code) in [
        (vec![0x82, 0xfe, 0xff, 0xff, 0, 0, 0, 0], CloseCode::Size),
        (vec![0x81, 0x00], CloseCode::Protocol),
    ] {
        let mut viewer = server.watch("/video_websocket");
        viewer.binary();
        viewer.socket.get_mut().write_all(&bytes).unwrap();
        let frame = loop {
            match viewer.socket.read() {
                Ok(Message::Close(frame)) => break frame.unwrap(),
                Ok(_) => {}
                Err(error) => panic!("{error}"),
            }
        };
        assert_eq!(frame.code, code);
    }
    server.wait_for("empty", |camera| camera["viewers"] == 0);
}

#[test]
fn flooding_viewer_is_closed_alone() {
    let server = live();
    let mut other = server.watch("/video_websocket");
    for flood in [
        [0x89, 0x80, 0, 0, 0, 0].repeat(10_000), // pings
        [0x00, 0x80, 0, 0, 0, 0].repeat(10_000), // parts of a message that never ends
    ] {
        let mut viewer = server.watch("/video_websocket");
        let socket = viewer.socket.get_mut();
        socket.write_all(&[0x01, 0x80, 0, 0, 0, 0]).unwrap();
        let end = Instant::now() + PATIENCE;
        while socket.write_all(&flood).is_ok() {
            assert!(Instant::now() < end, "it may flood for ever");
        }
        other.collect(10);
    }
}

#[test]
fn stalled_viewer_catches_up_alone() {
    let server = live();
    let mut other = server.watch("/video_websocket");
    let mut stalled = server.watch("/video_websocket");
    stalled.binary();
    let decode_time = |message: &[u8]| u64::from_be_bytes(message[64..72].try_into().unwrap());
    // The other one gets nearly every frame meanwhile: a busy machine takes some.
    let (mut frames, mut gaps) = (0, 0);
    other.binary();
    let mut last = decode_time(&other.binary());
    let end = Instant::now() + Duration::from_secs(6);
    while Instant::now() < end {
        let next = decode_time(&other.binary());
        assert!(next > last, "{last} {next}");
        frames += 1;
        gaps += usize::from(next - last >= 6000);
        last = next;
    }
    assert!(gaps * 5 < frames, "{gaps} gaps in {frames} frames");
    // What had been sent to the stalled one comes, then the present. Who plays the past on would stay behind the other for ever.
    let (newest, is_over) = (AtomicU64::new(last), AtomicBool::new(false));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                newest.store(decode_time(&other.binary()), Ordering::Relaxed);
            }
        });
        let end = Instant::now() + PATIENCE;
        let is_past = |time| time + 90_000 <= newest.load(Ordering::Relaxed);
        while is_past(decode_time(&stalled.binary())) && Instant::now() < end {}
        is_over.store(true, Ordering::Relaxed);
        assert!(Instant::now() < end, "it stays in the past");
    });
}

#[test]
fn only_idle_viewers_are_pinged() {
    let waiting = Server::start(&["--source", "exec:sleep 60"]);
    let server = live();
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let watching = scope.spawn(|| {
            let mut viewer = server.watch("/video_websocket");
            let mut count = 0;
            while !is_over.load(Ordering::Relaxed) {
                assert!(!viewer.socket.read().unwrap().is_ping());
                count += 1;
            }
            count
        });
        let mut viewer = waiting.watch("/video_websocket");
        let read = std::iter::repeat_with(|| viewer.socket.read());
        let last = read.skip_while(|read| read.as_ref().is_ok_and(|message| !message.is_ping()));
        let is_ping = last.take(1).all(|read| read.is_ok());
        // The other came a little later.
        std::thread::sleep(Duration::from_secs(2));
        is_over.store(true, Ordering::Relaxed);
        assert!(is_ping);
        assert!(watching.join().unwrap() > 10);
    });
}
