//! The program as its users and their programs meet it: URLs, WebSocket, limits, start and stop.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod support;

use rustix::process::Signal;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use support::{PATIENCE, Server, Viewer, fixture, is_init, is_keyframe};
use tungstenite::Message;
use tungstenite::protocol::frame::coding::CloseCode;

const TEST: [&str; 8] = [
    "--source",
    "test",
    "--width",
    "320",
    "--height",
    "240",
    "--keyframe-interval",
    "30",
];

fn live() -> Server {
    let server = Server::start(&TEST);
    server.wait_for("live", |camera| camera["state"] == "live");
    server
}

#[test]
fn every_url_of_the_interface_answers() {
    let server = live();
    for (path, status, kind) in [
        ("/", 200, "text/html"),
        ("/berrymse.js", 200, "text/javascript"),
        ("/msevideo.js", 200, "text/javascript"),
        ("/berryMSE.js", 200, "text/javascript"),
        ("/api/status", 200, "application/json"),
        ("/healthz", 200, "text/plain"),
        ("/metrics", 200, "text/plain"),
        ("/video_websocket", 426, "text/plain"),
        ("/live/camera", 426, "text/plain"),
        ("/live/nobody", 404, "text/plain"),
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
fn what_a_page_loads_at_once_is_small() {
    const LIMIT: usize = 12_000;
    let server = live();
    let (status, _, script) = server.request("GET", "/berrymse.js", "");
    assert_eq!(status, 200);
    let mut gzip = Command::new("gzip")
        .arg("-9nc")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = gzip.stdin.take().unwrap();
    let writer = std::thread::spawn(move || Write::write_all(&mut input, script.as_ref()));
    let size = gzip.wait_with_output().unwrap().stdout.len();
    writer.join().unwrap().unwrap();
    assert!(size < LIMIT, "gzipped {size} bytes");
}

#[test]
fn the_status_tells_what_is_shown() {
    let server = live();
    let camera = server.wait_for("measured", |camera| camera["frames"].as_u64() > Some(40));
    assert_eq!(
        (camera["width"].as_u64(), camera["height"].as_u64()),
        (Some(320), Some(240))
    );
    assert_eq!(camera["source"], "test");
    assert!(
        camera["codec"].as_str().unwrap().starts_with("avc1.42"),
        "{camera}"
    );
    assert!(
        (camera["fps"].as_f64().unwrap() - 30.0).abs() < 3.0,
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
fn a_viewer_without_a_sub_protocol_gets_init_then_a_keyframe_and_no_text() {
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
fn a_player_is_told_who_we_are_and_how_the_camera_is() {
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
fn a_player_is_told_when_the_first_picture_was_taken_and_tells_the_delay_it_sees() {
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
fn pings_are_answered_and_a_close_is_returned() {
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
fn what_is_too_large_or_not_the_protocol_is_refused_with_a_code() {
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
fn a_viewer_who_floods_us_is_closed_and_disturbs_nobody() {
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

fn upgrade(server: &Server, headers: &str) -> (u16, String) {
    let headers = format!(
        "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{headers}"
    );
    let address = server.address();
    let mut socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(
        socket,
        "GET /video_websocket HTTP/1.1\r\nHost: {address}\r\n{headers}\r\n"
    )
    .unwrap();
    let mut bytes = [0; 2000];
    let count = socket.read(&mut bytes).unwrap();
    let text = String::from_utf8_lossy(&bytes[..count]).into_owned();
    (text.split(' ').nth(1).unwrap().parse().unwrap(), text)
}

#[test]
fn a_page_of_another_site_may_not_open_the_camera() {
    let server = live();
    let own = format!("Origin: {}\r\n", server.url.trim_end_matches('/'));
    assert_eq!(upgrade(&server, &own).0, 101);
    assert_eq!(upgrade(&server, "").0, 101);
    let (status, text) = upgrade(&server, "Origin: http://evil.example\r\n");
    assert_eq!(status, 403);
    assert!(text.contains("server.allowedOrigins"), "{text}");
    assert_eq!(
        server
            .request("GET", "/stream.mp4", "Origin: http://evil.example\r\n")
            .0,
        403
    );
    let (_, head, _) = server.request("HEAD", "/stream.mp4", "");
    assert!(
        head.contains("cross-origin-resource-policy: same-origin"),
        "{head}"
    );
}

#[test]
fn requests_that_hide_for_whom_they_are_are_refused() {
    let server = live();
    for headers in [
        "Origin: http://evil\u{e9}.example\r\n".to_owned(),
        format!(
            "Origin: {}\r\nOrigin: http://evil.example\r\n",
            server.url.trim_end_matches('/')
        ),
        "Host: other.example\r\n".to_owned(),
    ] {
        assert_eq!(upgrade(&server, &headers).0, 400, "{headers}");
    }
    let mut socket = TcpStream::connect(server.address()).unwrap();
    write!(socket, "GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
}

#[test]
fn only_a_get_of_http_1_1_becomes_a_websocket() {
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
fn a_log_that_nobody_reads_holds_up_no_picture() {
    let (_reader, mut log) = std::io::pipe().unwrap();
    let capacity = rustix::pipe::fcntl_getpipe_size(&log).unwrap();
    log.write_all(&vec![b' '; capacity]).unwrap();
    let mut server = Server::start_with(&TEST, |command| {
        command.args(["--listen", "127.0.0.1:0"]).stderr(log);
    });
    let mut viewer = server.watch("/video_websocket");
    viewer.collect(10);
    server.signal(Signal::TERM);
    assert_eq!(server.child.wait().unwrap().code(), Some(0));
}

#[test]
fn an_answer_that_nobody_reads_is_no_reason_to_panic() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let full = std::fs::File::options()
        .write(true)
        .open("/dev/full")
        .unwrap();
    for (stdout, code, words) in [
        (Stdio::from(writer), 0, ""),
        (
            Stdio::from(full),
            1,
            "berrymse: cannot write the answer: No space left",
        ),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_berrymse"))
            .arg("--help")
            .stdout(stdout)
            .output()
            .unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{stderr}");
        assert!(stderr.starts_with(words), "{stderr}");
        assert!(!stderr.contains("panicked"), "{stderr}");
    }
}

#[test]
fn there_is_room_for_all_viewers() {
    let script = format!(
        "ulimit -Sn 300 && ulimit -Hn && exec {} -d test -l 127.0.0.1:0",
        env!("CARGO_BIN_EXE_berrymse")
    );
    let mut child = Command::new("sh")
        .args(["-c", &script])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let hard = lines.next().unwrap().unwrap();
    lines.next().unwrap().unwrap(); // it listens
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", child.id())).unwrap();
    let files = limits
        .lines()
        .find(|line| line.starts_with("Max open files"));
    let soft: u64 = files
        .unwrap()
        .split_whitespace()
        .nth(3)
        .unwrap()
        .parse()
        .unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    // 2000 viewers, pages, and the rest
    let wanted = 2000 + 256 + 128;
    assert_eq!(
        soft,
        hard.parse().map_or(wanted, |hard: u64| hard.min(wanted))
    );
}

/// A directory for one test's files.
struct Scratch(std::path::PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path =
            std::env::temp_dir().join(format!("berrymse-test-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.0.join(name);
        std::fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn several_cameras_origins_and_the_limit_of_viewers_come_from_the_file() {
    let scratch = Scratch::new("config");
    let config = scratch.file(
        "config.yml",
        "cameras:\n  - name: front\n    source: test\n    width: 320\n    height: 240\n  - name: back\n    source: test\n\
         \x20   width: 224\n    height: 96\nserver:\n  listen: 127.0.0.1:0\n  allowedOrigins: [\"http://shop.example\"]\n  maxViewers: 1\n",
    );
    let server = Server::start_with(&["--config", &config], |_| {});
    let status = server.status();
    assert_eq!(
        (&status["cameras"][0]["name"], &status["cameras"][1]["name"]),
        (&"front".into(), &"back".into())
    );
    assert_eq!(upgrade(&server, "Origin: http://other.example\r\n").0, 403);
    let (_, head, _) = server.request("GET", "/api/status", "Origin: http://shop.example\r\n");
    assert!(
        head.contains("access-control-allow-origin: http://shop.example"),
        "{head}"
    );
    let mut first = server.watch("/live/back");
    assert!(is_init(&first.binary()));
    let (status, text) = upgrade(&server, "Origin: http://shop.example\r\n");
    assert_eq!(status, 503, "{text}");
    assert!(text.contains("maxViewers"), "{text}");
}

#[test]
fn a_viewer_who_stalls_comes_back_to_the_present_and_disturbs_nobody() {
    let server = live();
    let mut other = server.watch("/video_websocket");
    let mut stalled = server.watch("/video_websocket");
    stalled.binary();
    let decode_time = |message: &[u8]| u64::from_be_bytes(message[64..72].try_into().unwrap());
    // The other one gets every picture meanwhile.
    other.binary();
    let mut last = decode_time(&other.binary());
    let end = Instant::now() + Duration::from_secs(6);
    while Instant::now() < end {
        let next = decode_time(&other.binary());
        assert!(next > last && next - last < 6000, "{last} {next}");
        last = next;
    }
    // All that had been sent to the stalled one is less than a second of the past, then comes the present.
    let mut past = 0;
    let resumed = Instant::now();
    loop {
        let message = stalled.binary();
        let now = decode_time(&message);
        if now + 90_000 > last {
            break;
        }
        past += 1;
        assert!(
            resumed.elapsed() < Duration::from_secs(2),
            "{past} old pictures"
        );
    }
    println!("{past} old pictures, live after {:?}", resumed.elapsed());
}

#[test]
fn the_mp4_over_http_is_one_that_ffmpeg_likes() {
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
fn it_stops_within_a_second_when_asked_and_says_goodbye() {
    for signal in [Signal::TERM, Signal::INT] {
        let mut server = live();
        let mut viewer = server.watch("/video_websocket");
        viewer.binary();
        let asked = Instant::now();
        server.signal(signal);
        let status = server.child.wait().unwrap();
        assert!(
            asked.elapsed() < Duration::from_secs(1),
            "{:?}",
            asked.elapsed()
        );
        assert_eq!(status.code(), Some(0));
        let code = loop {
            match viewer.socket.read() {
                Ok(Message::Close(frame)) => break frame.unwrap().code,
                Ok(_) => {}
                Err(error) => panic!("{error}"),
            }
        };
        assert_eq!(code, CloseCode::Away);
    }
}

#[test]
fn a_port_in_use_is_refused_with_the_name_of_its_user() {
    let server = live();
    let output = Command::new(env!("CARGO_BIN_EXE_berrymse"))
        .args(["--source", "test", "--listen", server.address()])
        .output()
        .unwrap();
    let words = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{words}");
    assert!(words.contains("in use by berrymse (process"), "{words}");
    assert!(words.contains("--listen"), "{words}");
}

#[test]
fn it_serves_on_several_addresses_and_prints_each() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_berrymse"))
        .args(["--source", "test", "-l", "127.0.0.1:0", "-l", "[::1]:0"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    for start in ["http://127.0.0.1:", "http://[::1]:"] {
        let line = lines.next().unwrap().unwrap();
        let url = line.strip_prefix("Listening on ").unwrap();
        assert!(url.starts_with(start) && url.ends_with('/'), "{line}");
        let address = url.trim_start_matches("http://").trim_end_matches('/');
        let mut socket = TcpStream::connect(address).unwrap();
        write!(socket, "GET /healthz HTTP/1.0\r\n\r\n").unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).unwrap();
        assert!(answer.ends_with("ok\n"), "{answer}");
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_camera_that_comes_late_is_waited_for_and_one_that_changes_goes_on() {
    let scratch = Scratch::new("late");
    let path = scratch.0.join("camera.264");
    let server = Server::start(&[
        "--source",
        &format!("file:{}", path.display()),
        "--fps",
        "60",
    ]);
    let camera = server.wait_for("waiting", |camera| camera["state"] == "waiting");
    assert!(
        camera["error"]
            .as_str()
            .unwrap()
            .contains("there is no file"),
        "{camera}"
    );
    let mut viewer = Viewer::connect(&server, "/video_websocket", Some("berrymse.v1"));
    assert_eq!(viewer.text()["type"], "hello");
    let state = viewer.text();
    assert!(
        state["reason"].as_str().unwrap().contains("camera.264"),
        "{state}"
    );
    std::fs::copy(fixture("MIDR_MW_D.264"), &path).unwrap();
    assert!(
        is_init(&viewer.binary()),
        "the same viewer, without reconnecting"
    );
    server.wait_for("live", |camera| {
        camera["state"] == "live" && camera["width"] == 176
    });
    // Garbage: the camera is lost, the viewer stays, and a new size goes on.
    let garbage: Vec<u8> = (0..100_000u32)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    std::fs::write(&path, garbage).unwrap();
    server.wait_for("lost", |camera| camera["state"] == "lost");
    std::fs::copy(fixture("test_cif_P_CABAC_slice.264"), &path).unwrap();
    server.wait_for("live again", |camera| {
        camera["state"] == "live" && camera["width"] == 352
    });
    while !is_init(&viewer.binary()) {}
    assert!(is_keyframe(&viewer.binary()));
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

#[test]
fn a_camera_on_demand_is_open_only_while_somebody_watches() {
    let directory = std::env::temp_dir().join(format!("berrymse-demand-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let (pid, clip) = (directory.join("pid"), fixture("test_qcif_cabac.264"));
    let script = format!(
        "exec:sh -c 'echo $$ > {}; while :; do cat {}; sleep 0.2; done'",
        pid.display(),
        clip.display()
    );
    let server = Server::start(&["-d", &script, "--on-demand", "true"]);
    let process = || {
        std::fs::read_to_string(&pid)
            .ok()?
            .trim()
            .parse::<u32>()
            .ok()
    };
    let lives = |process: u32| std::path::Path::new(&format!("/proc/{process}")).exists();
    let is = |word: &'static str| move |camera: &serde_json::Value| camera["state"] == word;
    server.wait_for("idle", is("idle"));
    assert_eq!(process(), None, "nobody has watched");
    let mut first = None;
    for is_last in [false, true] {
        let mut viewer = Viewer::connect(&server, "/live/camera", Some("berrymse.v1"));
        assert_eq!(viewer.text()["type"], "hello");
        let mut states = Vec::new();
        while states.last().is_none_or(|state| state != "live") {
            let message = viewer.text();
            states.extend(message["state"].as_str().map(str::to_owned));
        }
        assert!(states.contains(&"starting".to_owned()), "{states:?}");
        assert!(is_init(&viewer.binary()) && is_keyframe(&viewer.binary()));
        let now = process().unwrap();
        assert!(lives(now) && first.replace(now) != Some(now));
        drop(viewer);
        if is_last {
            break;
        }
        let left = Instant::now();
        server.wait_for("idle", is("idle"));
        assert!(
            left.elapsed() > Duration::from_secs(8),
            "{:?}",
            left.elapsed()
        );
        assert!(!lives(now), "the program is gone");
    }
    assert_eq!(server.status()["cameras"][0]["restarts"], 0);
    std::fs::remove_dir_all(&directory).unwrap();
}

#[test]
fn the_first_picture_on_demand_is_a_new_one() {
    let server = Server::start(&["-d", "test", "--on-demand", "true"]);
    server.wait_for("idle", |camera| camera["state"] == "idle");
    let begin = Instant::now();
    let mut viewer = server.watch("/live/camera");
    assert!(is_init(&viewer.binary()) && is_keyframe(&viewer.binary()));
    println!("first picture after {:?}", begin.elapsed());
    drop(viewer);
    server.wait_for("idle", |camera| camera["state"] == "idle");
    let frames = server.status()["cameras"][0]["frames"].clone();
    let mut viewer = server.watch("/live/camera");
    assert!(is_init(&viewer.binary()) && is_keyframe(&viewer.binary()));
    let metrics = server.get("/metrics").1;
    assert!(metrics.contains("frames"), "{metrics}");
    assert!(server.status()["cameras"][0]["frames"].as_u64() > frames.as_u64());
}
