//! The ends that the server decides on: logout, end of a link, an operator. Streams that run end with their right.

use super::rights::{HANDSHAKE, JSON, OPERATOR, VIEWER, ask, guarded_in, link, log_in, post};
use crate::support::{PATIENCE, Scratch, Server};
use berrymse::access::{PasswordHash, Right};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::Instant;

const V1: &str = "Sec-WebSocket-Protocol: berrymse.v1\r\n";

/// A stream or a WebSocket that is read by hand.
struct Stream(TcpStream);

impl Stream {
    fn open(server: &Server, path: &str, headers: &str) -> Self {
        let mut socket = TcpStream::connect(server.address()).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let host = server.address();
        write!(
            socket,
            "GET {path} HTTP/1.1\r\nHost: {host}\r\n{headers}\r\n"
        )
        .unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            socket.read_exact(&mut byte).unwrap();
            head.extend_from_slice(&byte);
        }
        let head = String::from_utf8(head).unwrap();
        assert!(["101", "200"].contains(&&head[9..12]), "{path}: {head}");
        Self(socket)
    }

    fn open_websocket(server: &Server, path: &str, headers: &str) -> Self {
        Self::open(server, path, &format!("{headers}{HANDSHAKE}"))
    }

    fn bytes(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        self.0.read_exact(&mut bytes).unwrap();
        bytes
    }

    /// Opcode and payload of the next frame of a WebSocket.
    fn frame(&mut self) -> (u8, Vec<u8>) {
        let head = self.bytes(2);
        let length = match head[1] {
            126 => u16::from_be_bytes(self.bytes(2).try_into().unwrap()).into(),
            127 => u64::from_be_bytes(self.bytes(8).try_into().unwrap()),
            length => length.into(),
        };
        (head[0] & 15, self.bytes(length.try_into().unwrap()))
    }

    /// Waits for the close frame; returns its code.
    fn close_code(&mut self) -> u16 {
        loop {
            if let (8, payload) = self.frame() {
                return u16::from_be_bytes(payload[..2].try_into().unwrap());
            }
        }
    }

    /// Waits for a frame of video.
    fn expect_video(&mut self) {
        while self.frame().0 != 2 {}
    }

    /// Waits for the end of a stream: the last chunk, or of the connection.
    fn expect_end(&mut self) {
        let (mut all, mut chunk) = (Vec::new(), [0; 4096]);
        while !all.ends_with(b"\r\n0\r\n\r\n") {
            let count = self.0.read(&mut chunk).unwrap();
            if count == 0 {
                return;
            }
            all.extend_from_slice(&chunk[..count]);
            all.drain(..all.len().saturating_sub(16));
        }
    }
}

/// The list of viewers as somebody sees it.
fn viewers(server: &Server, headers: &str) -> serde_json::Value {
    let (_, _, body) = server.request("GET", "/api/status", headers);
    let status: serde_json::Value = serde_json::from_slice(&body).unwrap();
    status["viewers"].clone()
}

/// Waits until the list has `count` viewers.
fn wait_for_viewers(server: &Server, count: usize) -> Vec<serde_json::Value> {
    let end = Instant::now() + PATIENCE;
    loop {
        let list = viewers(server, OPERATOR).as_array().unwrap().clone();
        if list.len() == count {
            return list;
        }
        assert!(Instant::now() < end, "{list:#?}");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

#[test]
fn logout_ends_its_streams_and_outlives_a_restart() {
    let scratch = Scratch::new("sessions-logout");
    let server = guarded_in(&scratch, "", "");
    let (cookie, other) = (log_in(&server, "guest"), log_in(&server, "guest"));
    let mut v1 = Stream::open_websocket(&server, "/live/front", &format!("{cookie}{V1}"));
    let mut plain = Stream::open_websocket(&server, "/live/front", &cookie);
    let mut streams = vec!["/stream/front.mp4", "/stream/back.h264"];
    if cfg!(feature = "software-encoder") {
        streams.push("/stream/front.mjpg");
    }
    let mut streams: Vec<Stream> = (streams.iter())
        .map(|path| Stream::open(&server, path, &cookie))
        .collect();
    let mut stays = Stream::open_websocket(&server, "/live/front", &format!("{other}{V1}"));
    let list = wait_for_viewers(&server, streams.len() + 3);
    assert!(list.iter().all(|viewer| viewer["name"] == "guest"));
    let mp4 = list
        .iter()
        .find(|viewer| viewer["output"] == "mp4")
        .unwrap();
    assert_eq!(
        (&mp4["camera"], &mp4["address"]),
        (&"front".into(), &"127.0.0.1".into())
    );
    assert_eq!(viewers(&server, VIEWER), serde_json::Value::Null);

    assert_eq!(post(&server, "/logout", &cookie, "").0, 303);
    assert_eq!(v1.close_code(), 4401);
    assert_eq!(plain.close_code(), 1008);
    streams.iter_mut().for_each(Stream::expect_end);
    stays.expect_video();
    wait_for_viewers(&server, 1);
    server.wait_for_log("left: its session or link has ended (guest, ");

    drop(server);
    let config = scratch.join("config.yml");
    let server = Server::start_with(&["--config", config.to_str().unwrap()], |_| {});
    assert_eq!(ask(&server, "GET", "/api/status", &cookie).0, 401);
    assert_eq!(ask(&server, "GET", "/api/status", &other).0, 200);
}

#[test]
fn link_ends_its_streams_with_its_time() {
    let server = guarded_in(&Scratch::new("sessions-link"), "", "");
    let token = link("party", "front", Right::Viewer, 3);
    let path = format!("/live/front?token={token}");
    let mut v1 = Stream::open_websocket(&server, &path, V1);
    let path = format!("/stream/front.mp4?token={token}");
    let mut mp4 = Stream::open(&server, &path, "");
    v1.expect_video();
    assert_eq!(v1.close_code(), 4401);
    mp4.expect_end();
    server.wait_for_log("(party, ");
}

#[test]
fn operator_ends_a_viewer() {
    let server = guarded_in(&Scratch::new("sessions-operator"), "", "");
    let mut front = Stream::open_websocket(&server, "/live/front", &format!("{VIEWER}{V1}"));
    let mut back = Stream::open_websocket(&server, "/live/back", &format!("{VIEWER}{V1}"));
    let mut raw = Stream::open(&server, "/stream/front.h264", VIEWER);
    let list = wait_for_viewers(&server, 3);
    let path = |camera: &str, output: &str| {
        let is_it =
            |viewer: &&serde_json::Value| viewer["camera"] == camera && viewer["output"] == output;
        let id = list.iter().find(is_it).unwrap()["id"].as_u64().unwrap();
        format!("/api/viewers/{id}/end")
    };
    let end = |path: &str, headers: &str| ask(&server, "POST", path, &format!("{headers}{JSON}")).0;
    let front_path = path("front", "websocket");
    assert_eq!(end(&front_path, VIEWER), 403);
    // The operator of one camera knows nothing of others.
    let of_back = link("o", "back", Right::Operator, 600);
    let of_back = format!("Authorization: Bearer {of_back}\r\n");
    assert_eq!(end(&front_path, &of_back), 404);
    assert_eq!(viewers(&server, &of_back).as_array().unwrap().len(), 1);
    for (path, status) in [
        (&*front_path, 200),
        (&front_path, 404),
        (&path("front", "h264"), 200),
        ("/api/viewers/4711/end", 404),
        ("/api/viewers/x/end", 404),
    ] {
        assert_eq!(end(path, OPERATOR), status, "{path}");
    }
    assert_eq!(front.close_code(), 4403);
    raw.expect_end();
    back.expect_video();
    server.wait_for_log("left: an operator ended it (v, ");
    let entry = &wait_for_viewers(&server, 1)[0];
    assert_eq!(
        (&entry["camera"], &entry["name"]),
        (&"back".into(), &"v".into())
    );
}

#[test]
fn first_password_is_deleted_when_its_user_logs_in() {
    let scratch = Scratch::new("sessions-first-password");
    let first = scratch.file("first-login", "pass word\n");
    let password = scratch.file("owner", PasswordHash::of("pass word").unwrap().as_str());
    let user = format!("passwordFile: {password}, right: operator");
    let config = format!(
        "camera: {{source: test, width: 320, height: 240}}\nserver: {{listen: '127.0.0.1:0'}}\naccess:\n  keyFile: {}\n  users:\n    \
         - {{name: owner, {user}, deleteAtLogin: {first}}}\n    - {{name: other, {user}}}\n",
        scratch.join("access.key").display()
    );
    let config = scratch.file("config.yml", config);
    let start = || Server::start_with(&["--config", &config], |_| {});
    let is_there = || Path::new(&first).exists();
    let server = start();
    server.wait_for_log(&format!("the first password of owner is in {first}, "));
    log_in(&server, "other");
    let wrong = post(&server, "/login", "", "user=owner&password=wrong");
    assert_eq!((wrong.0, is_there()), (403, true));
    log_in(&server, "owner");
    server.wait_for_log(&format!("first of owner; {first} is deleted"));
    assert!(!is_there());

    // By the name and password of a program, too. A missing file is what is wanted.
    drop(server);
    scratch.file("first-login", "pass word\n");
    let server = start();
    // Of "owner:pass word".
    let basic = "Authorization: Basic b3duZXI6cGFzcyB3b3Jk\r\n";
    assert_eq!(ask(&server, "GET", "/api/status", basic).0, 200);
    assert!(!is_there());
    drop(server);
    let server = start();
    log_in(&server, "owner");
    let log = server.log();
    assert!(!log.contains("first"), "{log}");
}
