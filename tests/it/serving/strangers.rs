//! What strangers can cost the server: lines of its log, connections, memory.

use super::live;
use crate::support::{PATIENCE, Scratch, Server, TEST, fixture};
use socket2::{Domain, Socket, Type};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::time::{Duration, Instant};

/// What makes a request one for a WebSocket, but for `Connection`.
const HANDSHAKE: &str = "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

/// A word without digits that differs for each `number`.
fn word(number: usize) -> String {
    let letters = number.to_string().into_bytes();
    letters
        .iter()
        .map(|digit| char::from(b'a' + digit - b'0'))
        .collect()
}

#[test]
fn requests_of_strangers_fill_no_log() {
    let server = live();
    let before = server.log().len();
    for number in 0..150 {
        let name = format!("{}{}", word(number), "x".repeat(600));
        let origin = format!("Origin: http://{name}.example\r\n");
        server.request("GET", "/stream.mp4", &origin);
        server.request("GET", "/video_websocket", &format!("{HANDSHAKE}{origin}"));
    }
    for _ in 0..60 {
        server.watch("/video_websocket").binary();
    }
    server.wait_for("left by all", |camera| camera["viewers"] == 0);
    // What was logged comes by a thread of its own.
    std::thread::sleep(Duration::from_millis(300));
    let log = server.log();
    let lines: Vec<&str> = log[before..].lines().collect();
    assert!(lines.len() <= 20, "{} lines", lines.len());
    assert!(lines.iter().all(|line| line.len() < 256), "{lines:#?}");
    assert!(
        lines.iter().any(|line| line.contains("joined")),
        "{lines:#?}"
    );
}

/// Opens a connection that asks for `path` and takes no more than its small buffer holds.
fn unread(server: &Server, path: &str, headers: &str) -> Option<TcpStream> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let address: SocketAddr = server.address().parse().unwrap();
    socket.connect_timeout(&address.into(), PATIENCE).ok()?;
    let mut socket = TcpStream::from(socket);
    let host = server.address();
    write!(
        socket,
        "GET {path} HTTP/1.1\r\nHost: {host}\r\n{headers}\r\n"
    )
    .ok()?;
    Some(socket)
}

/// The same as a viewer.
fn unread_viewer(server: &Server) -> Option<TcpStream> {
    unread(
        server,
        "/video_websocket",
        &format!("Connection: Upgrade\r\n{HANDSHAKE}"),
    )
}

/// Number of files that the server has open.
fn open_files(server: &Server) -> usize {
    let path = format!("/proc/{}/fd", server.child.id());
    std::fs::read_dir(path).unwrap().count()
}

#[test]
fn stalled_readers_do_not_lock_out_viewers() {
    let scratch = Scratch::new("unread");
    let config = scratch.file("config.yml", "server: {maxViewers: 20}\n");
    let server = Server::start_with(&TEST, |command| {
        command.args(["--listen", "127.0.0.1:0", "--config", &config]);
    });
    server.wait_for("live", |camera| camera["state"] == "live");
    // More than there are places for viewers and for all others.
    let mut held: Vec<TcpStream> = Vec::new();
    for _ in 0..20 {
        held.extend(unread(&server, "/stream.mp4", ""));
    }
    for path in ["/berrymse.js", "/healthz", "/api/status"] {
        for _ in 0..120 {
            held.extend(unread(&server, path, ""));
        }
    }
    // Never a whole head.
    for _ in 0..100 {
        let mut socket = TcpStream::connect(server.address()).unwrap();
        let _ = socket.write_all(b"GET / HTTP/1.1\r\nHost: ");
        held.push(socket);
    }
    assert_eq!(server.get("/healthz"), (200, "ok\n".into()));
    assert_eq!(server.get("/").0, 200);
    // A reader that has taken nothing for 5 s makes room for a viewer.
    let end = Instant::now() + PATIENCE * 3;
    let is_let_in = || {
        let mut socket = unread_viewer(&server).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut status = [0; 12];
        socket.read_exact(&mut status).unwrap();
        status == *b"HTTP/1.1 101"
    };
    while !is_let_in() {
        assert!(Instant::now() < end, "no place for a viewer");
        std::thread::sleep(Duration::from_millis(200));
    }
    drop(held);
}

#[test]
fn camera_reopens_when_limit_is_reached() {
    const LIMIT: usize = 128;
    let scratch = Scratch::new("descriptors");
    let stream = scratch.file("s.264", std::fs::read(fixture("BA1_FT_C.264")).unwrap());
    let command = format!("exec:sh -c 'cat {stream}; sleep 0.5'");
    let script = format!("ulimit -n {LIMIT} && exec \"$0\" --listen 127.0.0.1:0 --source \"$1\"",);
    let server = Server::start_command(Command::new("sh"), |shell| {
        shell.args(["-c", &script, env!("CARGO_BIN_EXE_berrymse"), &command]);
    });
    server.wait_for_log("server.maxViewers: 54 instead of 2000");
    server.wait_for("live", |camera| camera["state"] == "live");
    let mut held = Vec::new();
    for _ in 0..120 {
        held.extend(unread_viewer(&server));
        held.extend(unread(&server, "/stream.mp4", ""));
        held.extend(unread(&server, "/healthz", ""));
        assert!(open_files(&server) < LIMIT - 20, "cameras keep theirs");
    }
    let full = server.wait_for("full", |camera| camera["viewers"].as_u64() >= Some(50));
    let restarts = full["restarts"].as_u64().unwrap();
    server.wait_for("opened again", |camera| {
        camera["restarts"].as_u64().unwrap() >= restarts + 2 && camera["state"] == "live"
    });
    assert_eq!(server.get("/healthz").0, 200);
}

#[test]
fn every_answer_forbids_guessing_its_type() {
    let server = live();
    let host = server.address();
    let long = "x".repeat(40_000);
    let many = "X-Many: 1\r\n".repeat(70);
    let controls = "/api/cameras/camera/controls";
    let post =
        format!("POST {controls} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n");
    for (request, status) in [
        (format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n"), "200"),
        (
            format!(
                "GET /video_websocket HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\n{HANDSHAKE}\r\n"
            ),
            "101",
        ),
        (format!("GET /none HTTP/1.1\r\nHost: {host}\r\n\r\n"), "404"),
        (format!("DELETE / HTTP/1.1\r\nHost: {host}\r\n\r\n"), "405"),
        ("GET / HTTP/1.1\r\n\r\n".into(), "400"),
        ("nonsense\r\n\r\n".into(), "400"),
        ("GET / HTTP/1.1\r\nHost:\u{0} x\r\n\r\n".into(), "400"),
        (
            format!("GET / HTTP/1.1\r\nHost: {host}\r\n{many}\r\n"),
            "431",
        ),
        (
            format!("GET / HTTP/1.1\r\nHost: {host}\r\nX: {long}\r\n\r\n"),
            "431",
        ),
        (
            format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\nnonsense\r\n\r\n"),
            "200",
        ),
        (
            format!("GET /{long}{long} HTTP/1.1\r\nHost: {host}\r\n\r\n"),
            "431",
        ),
        // The body never comes.
        (format!("{post}Content-Length: 9\r\n\r\n"), "408"),
        (format!("{post}Content-Length: 99999\r\n\r\n"), "413"),
        (
            format!("POST {controls} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 2\r\n\r\n{{}}"),
            "415",
        ),
        (
            format!(
                "GET {controls} HTTP/1.1\r\nHost: {host}\r\nOrigin: http://evil.example\r\n\r\n"
            ),
            "200",
        ),
        (
            format!(
                "GET /stream.mp4 HTTP/1.1\r\nHost: {host}\r\nOrigin: http://evil.example\r\n\r\n"
            ),
            "403",
        ),
        (
            format!("GET /video_websocket HTTP/1.1\r\nHost: {host}\r\n\r\n"),
            "426",
        ),
    ] {
        let mut socket = TcpStream::connect(host).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.write_all(request.as_bytes()).unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            let read = socket.read_exact(&mut byte);
            assert!(
                read.is_ok(),
                "{read:?} for {}",
                &request[..80.min(request.len())]
            );
            head.push(byte[0]);
        }
        let head = String::from_utf8(head).unwrap();
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{head}");
        let has_it = head
            .to_lowercase()
            .contains("\r\nx-content-type-options: nosniff\r\n");
        assert!(has_it, "{head}");
    }
}

#[test]
fn host_of_an_absolute_target_counts() {
    let scratch = Scratch::new("absolute");
    let config = scratch.file("config.yml", "server: {hosts: [\"camera.example\"]}\n");
    let server = Server::start_with(&TEST, |command| {
        command.args(["--listen", "127.0.0.1:0", "--config", &config]);
    });
    for (target, host, status) in [
        ("/healthz", "camera.example", 200),
        ("/healthz", "evil.example", 421),
        ("http://camera.example/healthz", "evil.example", 200),
        ("http://evil.example/healthz", "camera.example", 421),
        (
            "http://camera.example@evil.example/healthz",
            "camera.example",
            421,
        ),
    ] {
        let mut socket = TcpStream::connect(server.address()).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        write!(
            socket,
            "GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
        )
        .unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).unwrap();
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{target} {host}: {answer}"
        );
    }
}
