//! Every row of the route table is behind the gate: its method, the host, the page that asks.

use crate::support::{PATIENCE, Scratch, Server};
use berrymse::serve::{Permission, ROUTES, Route};
use std::io::{Read, Write};
use std::net::TcpStream;

const JSON: &str = "Content-Type: application/json\r\nContent-Length: 2\r\n";

/// Rows for everybody.
const PUBLIC: [&str; 5] = ["/healthz", "/webrtc", "/webrtc", "/login", "/{file}"];

/// Rows that a page elsewhere may ask, though it cannot read the answer.
const DATA: [&str; 4] = [
    "/api/status",
    "/api/streams",
    "/api/streams/{camera}",
    "/api/cameras/{camera}/controls",
];

/// Rows that change a camera.
const CHANGE: [&str; 3] = [
    "/api/cameras/{camera}/controls",
    "/api/cameras/{camera}/restart",
    "/api/viewers/{viewer}/end",
];

/// Rows for the messages of viewers, who prove by a secret that they can read the stream.
const SESSION: [&str; 3] = ["/{websocket}", "/live", "/live/{camera}"];

#[test]
fn configured_name_shares_a_newer_url() {
    let handshake = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
                     Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    for (name, content) in [
        ("login", None),
        ("healthz", Some("text/plain; charset=utf-8")),
        ("metrics", Some("text/plain; version=0.0.4")),
        ("own", Some("application/json")),
    ] {
        let server = Server::start(&["--source", "test", "--websocket", name]);
        let mut socket = TcpStream::connect(server.address()).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let host = server.address();
        write!(
            socket,
            "GET /{name} HTTP/1.1\r\nHost: {host}\r\n{handshake}\r\n"
        )
        .unwrap();
        let mut status = [0; 12];
        socket.read_exact(&mut status).unwrap();
        assert_eq!(&status, b"HTTP/1.1 101", "{name}");
        let (status, head, _) = server.request("GET", &format!("/{name}"), "");
        match content {
            Some(content) => {
                let expected = if name == "own" { 426 } else { 200 };
                assert_eq!(status, expected, "{name}: {head}");
                assert!(head.contains(content), "{name}: {head}");
            }
            // Nobody can log in to an open server.
            None => assert_eq!(status, 303, "{name}: {head}"),
        }
    }
}

/// A server that answers to `localhost` and addresses only, and lets no page elsewhere in.
fn guarded(name: &str) -> Server {
    let scratch = Scratch::new(name);
    let config = scratch.file(
        "config.yml",
        "camera: {source: test, width: 320, height: 240}\n\
         server: {listen: '127.0.0.1:0', hosts: cam.example.org}\n",
    );
    Server::start_with(&["--config", &config], |_| {})
}

fn path(route: &Route) -> String {
    route
        .path
        .replace("{camera}", "camera")
        .replace("{file}", "berrymse.js")
        .replace("{websocket}", "video_websocket")
}

/// Returns status and head of an answer, read no further: streams have no end.
fn ask(server: &Server, method: &str, path: &str, headers: &str) -> (u16, String) {
    let mut socket = TcpStream::connect(server.address()).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(socket, "{method} {path} HTTP/1.1\r\n{headers}\r\n{{}}").unwrap();
    let (mut answer, mut chunk) = (Vec::new(), [0; 4096]);
    while !answer.windows(4).any(|bytes| bytes == b"\r\n\r\n") {
        let count = socket.read(&mut chunk).unwrap();
        assert!(count > 0, "{method} {path}: closed");
        answer.extend_from_slice(&chunk[..count]);
    }
    let text = String::from_utf8_lossy(&answer).into_owned();
    let (head, _) = text.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, head.to_owned())
}

#[test]
fn routes_permissions_are_as_documented() {
    let of = |permission| {
        let rows = ROUTES
            .iter()
            .filter(move |row| row.permission == permission);
        rows.map(|row| row.path).collect::<Vec<_>>()
    };
    assert_eq!(of(Permission::Public), PUBLIC);
    assert_eq!(of(Permission::Data), DATA);
    assert_eq!(of(Permission::Page), ["/"]);
    assert_eq!(of(Permission::Figures), ["/metrics"]);
    assert_eq!(of(Permission::Login), ["/login", "/logout"]);
    assert_eq!(of(Permission::Change), CHANGE);
    assert_eq!(of(Permission::Session), SESSION);
    for row in ROUTES {
        let is_change = matches!(
            row.permission,
            Permission::Change | Permission::Login | Permission::Session
        );
        // A POST that changes nothing is only where it is not implemented.
        let is_expected = (row.method == "POST") == is_change || row.path == "/webrtc";
        assert!(is_expected, "{}", row.path);
    }
}

#[test]
fn every_route_refuses_a_foreign_host() {
    let server = guarded("routes-host");
    for row in ROUTES {
        let headers = format!("Host: evil.example\r\n{JSON}");
        let path = path(row);
        let (status, head) = ask(&server, row.method.as_str(), &path, &headers);
        assert_eq!(status, 421, "{} {path}: {head}", row.method);
        let (status, head) = ask(&server, row.method.as_str(), &path, JSON);
        assert_eq!(status, 400, "{} {path}: {head}", row.method);
    }
}

#[test]
fn every_route_with_frames_refuses_foreign_pages() {
    let server = guarded("routes-origin");
    let host = format!("Host: {}\r\n{JSON}", server.address());
    let foreign = format!("{host}Origin: http://evil.example\r\n");
    let cross = format!("{host}Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: no-cors\r\n");
    for row in ROUTES {
        let (method, path) = (row.method.as_str(), path(row));
        let from_origin = ask(&server, method, &path, &foreign);
        let from_site = ask(&server, method, &path, &cross);
        let expected = match row.permission {
            // Without users there is nothing to log in to.
            Permission::Public if row.path == "/login" => [303, 303],
            // What is not implemented has no frames either.
            Permission::Public if row.path == "/webrtc" => [501, 501],
            Permission::Public | Permission::Page | Permission::Data | Permission::Figures => {
                [200, 200]
            }
            Permission::Login => [403, 403],
            // The body has no secret.
            Permission::Session => [404, 404],
            Permission::Frames | Permission::Stream | Permission::WebSocket => [403, 403],
            // Browsers send Origin with each POST.
            Permission::Change => {
                assert_eq!(from_origin.0, 403, "{path}: {}", from_origin.1);
                let form = host.replace("application/json", "text/plain");
                let (status, head) = ask(&server, method, &path, &form);
                assert_eq!(status, 415, "{path}: {head}");
                continue;
            }
        };
        assert_eq!(
            [from_origin.0, from_site.0],
            expected,
            "{method} {path}: {} {}",
            from_origin.1,
            from_site.1
        );
    }
}

#[test]
fn every_route_refuses_other_methods() {
    let server = guarded("routes-method");
    let host = format!("Host: {}\r\n{JSON}", server.address());
    for row in ROUTES {
        let mut allowed = Vec::new();
        for same in ROUTES.iter().filter(|other| other.path == row.path) {
            match same.method.as_str() {
                "POST" => allowed.push("POST"),
                _ => allowed.extend(["GET", "HEAD"]),
            }
        }
        let is_open = |permission| {
            matches!(
                permission,
                Permission::Public | Permission::Page | Permission::Login
            )
        };
        if !is_open(row.permission) {
            allowed.push("OPTIONS");
        }
        let path = path(row);
        for method in ["GET", "POST", "PUT", "DELETE", "PATCH", "TRACE"] {
            if allowed.contains(&method) {
                continue;
            }
            let (status, head) = ask(&server, method, &path, &host);
            assert_eq!(status, 405, "{method} {path}: {head}");
            let expected = format!("allow: {}", allowed.join(", "));
            assert!(head.lines().any(|line| line == expected), "{path}: {head}");
        }
        let (status, head) = ask(&server, "OPTIONS", &path, &host);
        if allowed.contains(&"OPTIONS") {
            assert_eq!(status, 204, "{path}: {head}");
            let headers = "access-control-allow-headers: Authorization, Content-Type";
            assert!(head.lines().any(|line| line == headers), "{path}: {head}");
        } else {
            assert_eq!(status, 405, "{path}: {head}");
        }
    }
}
