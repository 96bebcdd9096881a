//! The messages of `berrymse.v1` without an upgrade, for pages behind proxies that pass none on.

use super::live;
use crate::support::{PATIENCE, Scratch, Server, decode, is_init};
use serde_json::{Value, json};
use socket2::{Domain, Socket, Type};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// A stream as a proxy asks for it: HTTP/1.0, so its body is as sent.
struct Stream {
    head: String,
    body: BufReader<TcpStream>,
}

impl Stream {
    fn open(server: &Server, path: &str, headers: &str) -> Self {
        Self::open_with(server, path, headers, None)
    }

    /// Opens a stream whose kernel keeps this many bytes.
    fn open_with(server: &Server, path: &str, headers: &str, bytes: Option<usize>) -> Self {
        let address: SocketAddr = server.address().parse().unwrap();
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None).unwrap();
        if let Some(bytes) = bytes {
            socket.set_recv_buffer_size(bytes).unwrap();
        }
        socket.connect(&address.into()).unwrap();
        let mut socket = TcpStream::from(socket);
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let host = server.address();
        let accept = "Accept: application/vnd.berrymse\r\n";
        write!(
            socket,
            "GET {path} HTTP/1.0\r\nHost: {host}\r\n{accept}{headers}\r\n"
        )
        .unwrap();
        let mut body = BufReader::new(socket);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert!(body.read_line(&mut head).unwrap() > 0, "{head}");
        }
        Self { head, body }
    }

    fn status(&self) -> &str {
        self.head.split(' ').nth(1).unwrap()
    }

    /// Returns the type and payload of the next message.
    fn message(&mut self) -> (u8, Vec<u8>) {
        let mut header = [0; 5];
        self.body.read_exact(&mut header).unwrap();
        let [a, b, c, d, kind] = header;
        let mut payload = vec![0; u32::from_be_bytes([a, b, c, d]) as usize];
        self.body.read_exact(&mut payload).unwrap();
        (kind, payload)
    }

    /// Returns the next text of that type.
    fn text(&mut self, wanted: &str) -> Value {
        loop {
            let (kind, payload) = self.message();
            if kind == 1 {
                let text: Value = serde_json::from_slice(&payload).unwrap();
                if text["type"] == wanted {
                    return text;
                }
            }
        }
    }
}

fn post(server: &Server, path: &str, headers: &str, body: &Value) -> u16 {
    let body = body.to_string();
    let headers = format!("{headers}Content-Length: {}\r\n", body.len());
    server
        .request_with("POST", path, &headers, body.as_bytes())
        .0
}

#[test]
fn stream_without_upgrade_has_the_messages_of_a_websocket() {
    let server = live();
    for path in ["/live/camera", "/video_websocket"] {
        let mut stream = Stream::open(&server, path, "");
        let head = stream.head.to_lowercase();
        assert!(
            head.contains("content-type: application/vnd.berrymse\r\n"),
            "{head}"
        );
        assert!(head.contains("x-accel-buffering: no"), "{head}");
        assert!(
            head.contains("cross-origin-resource-policy: same-site"),
            "{head}"
        );
        let (kind, hello) = stream.message();
        let hello: Value = serde_json::from_slice(&hello).unwrap();
        assert_eq!(
            (kind, &hello["type"], &hello["camera"]),
            (1, &json!("hello"), &json!("camera"))
        );
        let (mut texts, mut media) = (Vec::new(), Vec::new());
        while media.len() < 30 {
            let (kind, payload) = stream.message();
            if kind == 2 {
                media.push(payload);
            } else {
                let text: Value = serde_json::from_slice(&payload).unwrap();
                texts.push(text["type"].as_str().unwrap().to_owned());
            }
        }
        assert_eq!(texts[..2], ["state", "timing"]);
        assert!(is_init(&media[0]));
        assert_eq!(decode("mp4", &media.concat()).len(), 29);
    }
    let gone = |camera: &Value| camera["viewers"] == 0;
    server.wait_for("the viewers to be gone", gone);
}

#[test]
fn viewer_of_the_stream_asks_and_reports_by_post() {
    let server = live();
    let mut stream = Stream::open(&server, "/live/camera", "");
    let session = stream.text("hello")["session"].clone();
    let clock = json!({"type": "clock", "sent": 12.5, "session": session});
    // A proxy that drops Host makes the server's own page one of another site.
    let origin = "Origin: http://printer.local\r\n";
    assert_eq!(post(&server, "/live/camera", origin, &clock), 204);
    let reply = stream.text("clock");
    assert_eq!(reply["sent"], 12.5);
    assert!(
        reply["received_us"].as_u64() <= reply["now_us"].as_u64(),
        "{reply}"
    );
    let report = json!({"type": "report", "delay_ms": 61.0, "shown": 30, "session": session});
    assert_eq!(post(&server, "/video_websocket", "", &report), 204);
    server.wait_for("the delay", |camera| camera["delay_ms"] == 61.0);
}

#[test]
fn messages_without_a_stream_are_refused() {
    let server = live();
    let mut stream = Stream::open(&server, "/live/camera", "");
    let session = stream.text("hello")["session"].clone();
    let clock = json!({"type": "clock", "sent": 1, "session": session});
    for (body, status) in [
        (json!({"type": "clock", "sent": 1}), 404),
        (json!({"type": "clock", "sent": 1, "session": ""}), 404),
        (json!([session]), 404),
        (json!({"type": "other", "session": session}), 204),
        (
            json!({"type": "clock", "sent": {}, "session": session}),
            204,
        ),
        (json!({"session": session, "x": "y".repeat(20_000)}), 413),
    ] {
        assert_eq!(
            post(&server, "/live/camera", "", &body),
            status,
            "{body:.80}"
        );
    }
    let (status, _, _) = server.request_with("POST", "/live/camera", "Content-Length: 1\r\n", b"{");
    assert_eq!(status, 400);
    assert_eq!(post(&server, "/live/other", "", &clock), 404);
    drop(stream);
    server.wait_for("the viewer to be gone", |camera| camera["viewers"] == 0);
    assert_eq!(post(&server, "/live/camera", "", &clock), 404);
}

#[test]
fn stream_is_refused_to_pages_elsewhere_and_counts_as_viewer() {
    let scratch = Scratch::new("message-stream");
    let config = scratch.file(
        "config.yml",
        "camera: {source: test, width: 320, height: 240}\n\
         server: {listen: '127.0.0.1:0', maxViewers: 1}\n",
    );
    let server = Server::start_with(&["--config", &config], |_| {});
    for headers in [
        "Origin: http://evil.example\r\n",
        "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: no-cors\r\n",
    ] {
        assert_eq!(
            Stream::open(&server, "/live/camera", headers).status(),
            "403"
        );
    }
    assert_eq!(Stream::open(&server, "/live/nobody", "").status(), "404");
    let mut first = Stream::open(&server, "/live/camera", "");
    first.text("hello");
    assert_eq!(Stream::open(&server, "/live/camera", "").status(), "503");
    let plain = server.request("GET", "/live/camera", "Accept: application/json\r\n");
    assert_eq!(plain.0, 503);
}

#[test]
fn stream_says_that_an_operator_ended_it() {
    let server = live();
    let mut stream = Stream::open(&server, "/live/camera", "");
    stream.text("hello");
    let list = server.status()["viewers"].clone();
    assert_eq!(list[0]["output"], "http", "{list}");
    let path = format!("/api/viewers/{}/end", list[0]["id"]);
    let headers = "Content-Type: application/json\r\nContent-Length: 2\r\n";
    let (status, _, _) = server.request_with("POST", &path, headers, b"{}");
    assert_eq!(status, 200);
    assert_eq!(stream.text("close")["code"], 4403);
    assert_eq!(stream.body.read(&mut [0]).unwrap(), 0);
}

#[test]
fn viewer_by_http_who_takes_too_little_sees_the_present() {
    let server = live();
    let mut stream = Stream::open_with(&server, "/live/camera", "", Some(8 << 10));
    stream.text("hello");
    std::thread::sleep(Duration::from_secs(6));
    // What the kernel has comes first, then what replaced the frames that nobody took.
    let end = Instant::now() + PATIENCE;
    let skipped = loop {
        assert!(Instant::now() < end, "it plays the past");
        let (kind, payload) = stream.message();
        let text = (kind == 1).then(|| serde_json::from_slice::<Value>(&payload).unwrap());
        if let Some(text) = text.filter(|text| text["type"] == "skipped") {
            break text["count"].as_u64().unwrap();
        }
    };
    // 180 frames are made in that time, less on a busy machine, and the kernel takes some.
    assert!(skipped > 5, "{skipped}");
}
