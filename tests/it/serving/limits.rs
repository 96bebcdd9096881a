//! Limits for clients: who reaches one is refused with a reason, is counted, and costs others nothing.

use crate::support::{PATIENCE, Scratch, Server, TEST, Viewer};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Instant;
use tungstenite::Message;

const HANDSHAKE: &str = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
                         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

fn start(name: &str, server: &str) -> Server {
    let scratch = Scratch::new(name);
    let config = format!("server: {{trustedProxies: 127.0.0.1, {server}}}\n");
    let config = scratch.file("config.yml", config);
    let server = Server::start_with(&TEST, |command| {
        command.args(["--listen", "127.0.0.1:0", "--config", &config]);
    });
    server.wait_for("live", |camera| camera["state"] == "live");
    server
}

/// The head and what came with it, of a client at `address` behind the proxy; the connection stays open.
fn ask(server: &Server, address: &str, path: &str, headers: &str) -> (String, TcpStream) {
    let mut socket = TcpStream::connect(server.address()).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let host = server.address();
    write!(
        socket,
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nX-Forwarded-For: {address}\r\n{headers}\r\n"
    )
    .unwrap();
    let (mut answer, mut chunk) = (Vec::new(), [0; 4096]);
    while !answer.windows(4).any(|bytes| bytes == b"\r\n\r\n") {
        let count = socket.read(&mut chunk).unwrap();
        assert!(count > 0, "{path}: closed");
        answer.extend_from_slice(&chunk[..count]);
    }
    (String::from_utf8_lossy(&answer).into_owned(), socket)
}

fn expect_limit(answer: &str) {
    assert!(answer.starts_with("HTTP/1.1 429"), "{answer}");
    assert!(answer.contains("retry-after: "), "{answer}");
}

fn counted(server: &Server, limit: &str) -> u64 {
    let (_, metrics) = server.get("/metrics");
    let name = format!("berrymse_limited_total{{limit=\"{limit}\"}} ");
    let line = metrics.lines().find_map(|line| line.strip_prefix(&name));
    line.unwrap().parse().unwrap()
}

#[test]
fn address_with_all_its_viewers_is_refused_alone() {
    let server = start("limits-viewers", "limits: {viewersPerAddress: 2}");
    for addresses in [
        ["203.0.113.1", "203.0.113.1", "203.0.113.1", "203.0.113.2"],
        // One /64, and another one.
        [
            "2001:db8::1",
            "2001:db8::2",
            "2001:db8::3",
            "2001:db8:0:1::1",
        ],
    ] {
        let [one, two, three, other] = addresses;
        let (answer, _first) = ask(&server, one, "/video_websocket", HANDSHAKE);
        assert!(answer.starts_with("HTTP/1.1 101"), "{answer}");
        let (answer, second) = ask(&server, two, "/stream.mp4", "");
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        let (answer, _) = ask(&server, three, "/video_websocket", HANDSHAKE);
        expect_limit(&answer);
        assert!(answer.contains("\"code\":\"limit\""), "{answer}");
        expect_limit(&ask(&server, three, "/stream.h264", "").0);
        let (answer, _third) = ask(&server, other, "/video_websocket", HANDSHAKE);
        assert!(answer.starts_with("HTTP/1.1 101"), "{answer}");
        drop(second);
        let end = Instant::now() + PATIENCE;
        while !ask(&server, three, "/stream.mp4", "")
            .0
            .starts_with("HTTP/1.1 200")
        {
            assert!(Instant::now() < end, "the place stays taken");
        }
    }
    assert!(counted(&server, "viewers_per_address") >= 4);
    server.wait_for_log("limits: {viewersPerAddress: 4}");
}

#[test]
fn address_with_too_many_requests_is_refused_alone() {
    let server = start("limits-requests", "limits: {requestsPerSecond: 1}");
    let end = Instant::now() + PATIENCE;
    let refused = loop {
        let (answer, _) = ask(&server, "203.0.113.1", "/healthz", "");
        if !answer.starts_with("HTTP/1.1 200") {
            break answer;
        }
        assert!(Instant::now() < end, "never refused");
    };
    expect_limit(&refused);
    let (answer, _) = ask(&server, "203.0.113.2", "/healthz", "");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    // This machine is not limited: its address may be that of everybody.
    (0..20).for_each(|_| assert_eq!(server.get("/healthz").0, 200));
    assert!(counted(&server, "requests_per_second") >= 1);
}

#[test]
fn large_requests_and_many_messages_are_counted() {
    let server = start(
        "limits-sizes",
        "controls: true, limits: {headBytes: 8192, bodyBytes: 1024, messagesPerSecond: 20}",
    );
    let large = format!("X-Large: {}\r\n", "x".repeat(10_000));
    assert_eq!(server.request("GET", "/healthz", &large).0, 431);
    let json = "Content-Type: application/json\r\nContent-Length: 2000\r\n";
    let path = "/api/cameras/camera/controls";
    assert_eq!(
        server.request_with("POST", path, json, &[b' '; 2000]).0,
        413
    );
    let mut viewer = Viewer::connect(&server, "/video_websocket", Some("berrymse.v1"));
    (0..200).for_each(|_| drop(viewer.socket.send(Message::text("{}"))));
    let code = loop {
        match viewer.socket.read() {
            Ok(Message::Close(frame)) => break frame.unwrap().code,
            other => drop(other.unwrap()),
        }
    };
    assert_eq!(u16::from(code), 4429);
    for limit in ["head", "body", "messages_per_second"] {
        let end = Instant::now() + PATIENCE;
        while counted(&server, limit) == 0 {
            assert!(Instant::now() < end, "{limit}");
        }
    }
}
