//! Checks who may do what: every row of the route table by every kind of client, and the ways to show a right.
//!
//! One file of more than 500 lines: the table of routes and clients is one list that is read with the clients above it.

use crate::support::{PATIENCE, Scratch, Server};
use berrymse::access::{Link, PasswordHash, Right, SigningKey, TokenHash};
use berrymse::serve::{Permission, ROUTES, Route};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::SystemTime;

const KEY: &str = "0123456789abcdef0123456789abcdef";
pub(super) const VIEWER: &str = "Authorization: Bearer viewer-token\r\n";
pub(super) const OPERATOR: &str = "Authorization: Bearer operator-token\r\n";
pub(super) const JSON: &str = "Content-Type: application/json\r\nContent-Length: 2\r\n";
pub(super) const HANDSHAKE: &str = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
                         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

/// Two cameras, two users, two tokens.
fn guarded(name: &str, server: &str, access: &str) -> Server {
    guarded_in(&Scratch::new(name), server, access)
}

/// The same with key and configuration in `scratch`.
pub(super) fn guarded_in(scratch: &Scratch, server: &str, access: &str) -> Server {
    let key = scratch.file("access.key", KEY);
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(&key, mode).unwrap();
    let password = PasswordHash::of("pass word").unwrap();
    let (password, viewer, operator) = (
        password.as_str(),
        TokenHash::of("viewer-token"),
        TokenHash::of("operator-token"),
    );
    let config = format!(
        "cameras:\n  - {{name: front, source: test, width: 320, height: 240}}\n  - {{name: back, source: test, width: 320, \
         height: 240}}\nserver: {{listen: '127.0.0.1:0'{server}}}\naccess:\n  keyFile: {key}\n  users:\n    - {{name: owner, \
         password: '{password}', right: operator}}\n    - {{name: guest, password: '{password}', right: viewer}}\n  tokens:\n    \
         - {{name: v, hash: '{viewer}', right: viewer}}\n    - {{name: o, hash: '{operator}', right: operator}}\n  revoked: \
         [old]\n{access}"
    );
    let config = scratch.file("config.yml", config);
    let server = Server::start_with(&["--config", &config], |_| {});
    let end = std::time::Instant::now() + PATIENCE;
    loop {
        let (_, _, body) = server.request("GET", "/api/status", OPERATOR);
        let status: serde_json::Value = serde_json::from_slice(&body).unwrap();
        let cameras = status["cameras"].as_array().unwrap();
        if cameras.iter().all(|camera| camera["state"] == "live") {
            return server;
        }
        assert!(std::time::Instant::now() < end, "{status:#}");
    }
}

/// Token of a link that ends in `seconds` from now.
pub(super) fn link(name: &str, camera: &str, right: Right, seconds: i64) -> String {
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap();
    let link = Link {
        name: name.into(),
        camera: camera.into(),
        right,
        expires_at: now.as_secs().checked_add_signed(seconds).unwrap(),
    };
    link.token(&SigningKey::new(KEY.as_bytes()))
}

fn path(route: &Route) -> String {
    route
        .path
        .replace("{camera}", "front")
        .replace("{viewer}", "0")
        .replace("{file}", "berrymse.js")
        .replace("{websocket}", "video_websocket")
}

/// Status and head of an answer, read no further: streams have no end.
pub(super) fn ask(server: &Server, method: &str, path: &str, headers: &str) -> (u16, String) {
    let host = format!("Host: {}\r\n", server.address());
    ask_as(server, method, path, &format!("{host}{headers}"))
}

fn ask_as(server: &Server, method: &str, path: &str, headers: &str) -> (u16, String) {
    let mut socket = TcpStream::connect(server.address()).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let body = if headers.contains("Content-Length: 2") {
        "{}"
    } else {
        ""
    };
    write!(socket, "{method} {path} HTTP/1.1\r\n{headers}\r\n{body}").unwrap();
    let (mut answer, mut chunk) = (Vec::new(), [0; 4096]);
    while !answer.windows(4).any(|bytes| bytes == b"\r\n\r\n") {
        let count = socket.read(&mut chunk).unwrap();
        assert!(count > 0, "{method} {path}: closed");
        answer.extend_from_slice(&chunk[..count]);
    }
    let text = String::from_utf8_lossy(&answer).into_owned();
    let status = text.split(' ').nth(1).unwrap().parse().unwrap();
    (status, text)
}

/// Posts a form; returns status and head.
pub(super) fn post(server: &Server, path: &str, headers: &str, form: &str) -> (u16, String) {
    let length = form.len();
    let headers = format!(
        "{headers}Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {length}\r\n"
    );
    let (status, head, body) = server.request_with("POST", path, &headers, form.as_bytes());
    (
        status,
        format!("{head}\r\n\r\n{}", String::from_utf8_lossy(&body)),
    )
}

/// Logs in; returns the header with the session's cookie.
pub(super) fn log_in(server: &Server, user: &str) -> String {
    let (status, answer) = post(
        server,
        "/login",
        "",
        &format!("user={user}&password=pass+word"),
    );
    assert_eq!(status, 303, "{answer}");
    let cookie = answer
        .lines()
        .find_map(|line| line.strip_prefix("set-cookie: "))
        .unwrap();
    assert!(cookie.contains("; HttpOnly; SameSite=Lax"), "{cookie}");
    assert!(
        !cookie.contains("Path") && !cookie.contains("Secure"),
        "{cookie}"
    );
    format!("Cookie: other=1; {}\r\n", cookie.split(';').next().unwrap())
}

/// Statuses for: nobody, a viewer, an operator, an expired link, a page elsewhere, another host, a wrong password. The page and
/// the host are an operator's.
fn expected(row: &Route) -> [u16; 7] {
    match (row.method.as_str(), row.path, row.permission) {
        ("POST", "/login", Permission::Login) => [415, 415, 415, 415, 403, 421, 415],
        ("POST", "/logout", Permission::Login) => [303, 303, 303, 303, 403, 421, 303],
        ("GET", "/login" | "/healthz" | "/{file}", Permission::Public) => {
            [200, 200, 200, 200, 200, 421, 200]
        }
        ("GET", "/", Permission::Page) => [401, 200, 200, 401, 200, 421, 401],
        ("GET" | "POST", "/webrtc", Permission::Public) => [501, 501, 501, 501, 501, 421, 501],
        (
            "GET",
            "/api/status"
            | "/api/cameras/{camera}/controls"
            | "/api/streams"
            | "/api/streams/{camera}",
            Permission::Data,
        ) => [401, 200, 200, 401, 200, 421, 401],
        ("GET", "/metrics", Permission::Figures) => [401, 200, 200, 401, 200, 421, 401],
        ("GET", "/snapshot.jpg" | "/snapshot/{camera}.jpg" | "/snapshot", Permission::Frames)
        | ("GET", "/stream.mjpg" | "/stream/{camera}.mjpg" | "/stream", Permission::Stream) => {
            let seen = if cfg!(feature = "software-encoder") {
                200
            } else {
                501
            };
            [401, seen, seen, 401, 403, 421, 401]
        }
        (
            "GET",
            "/stream.mp4"
            | "/stream/{camera}.mp4"
            | "/stream.h264"
            | "/stream/{camera}.h264"
            | "/video"
            | "/video.mp4"
            | "/video.h264",
            Permission::Stream,
        ) => [401, 200, 200, 401, 403, 421, 401],
        (
            "GET",
            "/{websocket}" | "/live" | "/live/{camera}" | "/raw" | "/raw/{camera}" | "/api/ws"
            | "/api/ws/{camera}",
            Permission::WebSocket,
        ) => [401, 426, 426, 401, 403, 421, 401],
        ("POST", "/{websocket}" | "/live" | "/live/{camera}", Permission::Session) => {
            [401, 404, 404, 401, 404, 421, 401]
        }
        ("POST", "/api/cameras/{camera}/controls", Permission::Change) => {
            [401, 403, 200, 401, 403, 421, 401]
        }
        ("POST", "/api/viewers/{viewer}/end", Permission::Change) => {
            [401, 403, 404, 401, 403, 421, 401]
        }
        ("POST", "/api/cameras/{camera}/restart", Permission::Change) => {
            [401, 403, 202, 401, 403, 421, 401]
        }
        (method, path, permission) => panic!("no row for {method} {path} {permission:?}"),
    }
}

#[test]
fn every_route_is_for_those_of_the_table() {
    let server = guarded("rights-table", ", hosts: cam.example.org", "");
    let address = server.address().to_owned();
    let expired = link("g", "front", Right::Operator, -10);
    // The restart comes last, as the camera is gone for a time.
    let mut rows: Vec<&Route> = ROUTES.iter().collect();
    rows.sort_by_key(|row| row.path.ends_with("/restart"));
    for (number, row) in rows.into_iter().enumerate() {
        let own = format!("Host: {address}\r\n{JSON}");
        // Each account allows some attempts at once.
        let wrong = base64(&format!("user{number}:wrong"));
        let asked = [
            own.clone(),
            format!("{own}{VIEWER}"),
            format!("{own}{OPERATOR}"),
            format!("{own}Authorization: Bearer {expired}\r\n"),
            format!("{own}{OPERATOR}Origin: http://evil.example\r\n"),
            format!("Host: evil.example\r\n{JSON}{OPERATOR}"),
            format!("{own}Authorization: Basic {wrong}\r\n"),
        ];
        let path = path(row);
        let got = asked.map(|headers| ask_as(&server, row.method.as_str(), &path, &headers).0);
        assert_eq!(got, expected(row), "{} {path}", row.method);
    }
}

fn base64(text: &str) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(text)
}

#[test]
fn login_is_asked_for_in_the_form_that_the_client_knows() {
    let server = guarded("rights-forms", "", "");
    let (status, answer) = ask(&server, "GET", "/stream.mp4", "");
    assert_eq!(status, 401);
    assert!(
        answer.contains("www-authenticate: Basic realm=\"BerryMSE\""),
        "{answer}"
    );
    let html = "Accept: text/html,*/*\r\n";
    for (path, location) in [
        ("/", "login"),
        ("/?camera=front", "login?next=%3Fcamera%3Dfront"),
        ("/snapshot/front.jpg", "../login?next=snapshot/front.jpg"),
    ] {
        let (status, answer) = ask(&server, "GET", path, html);
        assert_eq!(status, 303, "{answer}");
        assert!(
            answer.contains(&format!("location: {location}\r\n")),
            "{answer}"
        );
    }
    for headers in [
        "Accept: application/json\r\n",
        "Accept: */*\r\nSec-Fetch-Mode: cors\r\n",
    ] {
        let (status, answer) = ask(&server, "GET", "/api/status", headers);
        assert_eq!(status, 401);
        assert!(!answer.contains("www-authenticate"), "{answer}");
        assert!(answer.contains("login_required"), "{answer}");
    }
    for headers in ["", HANDSHAKE, html] {
        let (status, answer) = ask(&server, "GET", "/live/front", headers);
        assert_eq!(status, 401, "{answer}");
        assert!(answer.contains("\"code\":\"login_required\""), "{answer}");
        assert!(
            answer.contains("access-control-allow-origin: *"),
            "{answer}"
        );
        assert!(!answer.contains("www-authenticate"), "{answer}");
    }
    // Strangers learn no names of cameras.
    for (method, path) in [
        ("GET", "/live/nobody"),
        ("GET", "/stream/nobody.mp4"),
        ("OPTIONS", "/live/nobody"),
    ] {
        let (_, answer) = ask(&server, method, path, "");
        assert!(!answer.contains("front"), "{answer}");
    }
    let (_, answer) = ask(&server, "GET", "/login", html);
    assert!(answer.contains("form-action 'self'"), "{answer}");
    assert!(answer.contains("referrer-policy: same-origin"), "{answer}");
}

#[test]
fn session_begins_by_form_and_ends_by_logout() {
    let server = guarded("rights-session", "", "");
    for form in [
        "user=owner&password=wrong",
        "user=nobody&password=pass+word",
        "",
        "user=owner",
    ] {
        let (status, answer) = post(&server, "/login", "", form);
        assert_eq!(status, 403, "{form}: {answer}");
        assert!(
            answer.contains("The name or the password is wrong."),
            "{answer}"
        );
        assert!(!answer.contains("set-cookie"), "{answer}");
        assert!(!answer.contains("wrong\""), "{answer}");
    }
    server.wait_for_log("login: refused");
    let owner = log_in(&server, "owner");
    let guest = log_in(&server, "guest");
    for (cookie, right) in [(&owner, "operator"), (&guest, "viewer")] {
        let (_, _, body) = server.request("GET", "/api/status", cookie);
        let status: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(status["access"]["right"], right);
        assert_eq!(status["access"]["session"], true);
        let has_text = status["cameras"][0]["source_text"].is_string();
        assert_eq!(has_text, right == "operator");
        let (status, answer) = ask(
            &server,
            "GET",
            "/live/front",
            &format!("{cookie}{HANDSHAKE}"),
        );
        assert_eq!(status, 101, "{answer}");
        let changed = ask(
            &server,
            "POST",
            "/api/cameras/front/controls",
            &format!("{cookie}{JSON}"),
        );
        assert_eq!(
            changed.0,
            if right == "operator" { 200 } else { 403 },
            "{}",
            changed.1
        );
    }
    let (status, answer) = post(
        &server,
        "/login?next=snapshot/front.jpg",
        "",
        "user=guest&password=pass+word",
    );
    assert_eq!(status, 303);
    assert!(
        answer.contains("location: ./snapshot/front.jpg\r\n"),
        "{answer}"
    );
    // Pages elsewhere can neither log in nor out.
    let foreign = "Origin: http://evil.example\r\n";
    assert_eq!(
        post(&server, "/logout", &format!("{owner}{foreign}"), "").0,
        403
    );
    assert_eq!(ask(&server, "GET", "/api/status", &owner).0, 200);
    let (status, answer) = post(&server, "/logout", &owner, "");
    assert_eq!(status, 303);
    assert!(answer.contains("Max-Age=0"), "{answer}");
    assert_eq!(ask(&server, "GET", "/api/status", &owner).0, 401);
    assert_eq!(ask(&server, "GET", "/api/status", &guest).0, 200);
    // A name that its owner could lead here does not count.
    let rebound = format!("Host: evil.example\r\n{guest}");
    assert_eq!(ask_as(&server, "GET", "/api/status", &rebound).0, 401);
    let log = server.log();
    assert!(
        !log.contains("pass word") && !log.contains("session."),
        "{log}"
    );
}

#[test]
fn token_is_taken_from_each_of_its_places() {
    let server = guarded("rights-token", "", "");
    let protocol = "Sec-WebSocket-Protocol: berrymse.v1, berrymse.token.viewer-token\r\n";
    let (status, answer) = ask(
        &server,
        "GET",
        "/live/front",
        &format!("{HANDSHAKE}{protocol}"),
    );
    assert_eq!(status, 101, "{answer}");
    assert!(
        answer.contains("sec-websocket-protocol: berrymse.v1\r\n"),
        "{answer}"
    );
    assert!(!answer.contains("viewer-token"), "{answer}");
    let basic = format!("Authorization: Basic {}\r\n", base64("guest:pass word"));
    for (path, headers) in [
        ("/live/front?token=viewer-token", HANDSHAKE),
        ("/live/front", &format!("{HANDSHAKE}{VIEWER}")),
        ("/live/front", &format!("{HANDSHAKE}{basic}")),
    ] {
        assert_eq!(
            ask(&server, "GET", path, headers).0,
            101,
            "{path} {headers}"
        );
    }
    for (path, headers, status) in [
        ("/stream.mp4?token=viewer-token", "", 200),
        ("/stream.mp4", basic.as_str(), 200),
        ("/api/status?token=wrong", "", 401),
        ("/api/status?token=", "", 401),
    ] {
        assert_eq!(ask(&server, "GET", path, headers).0, status, "{path}");
    }
    server.wait_for_log("joined (v)");
    server.wait_for_log("(guest, ");
    assert!(!server.log().contains("viewer-token"), "{}", server.log());
    // Browsers ask before they send the header to another origin.
    let (status, answer) = ask(
        &server,
        "OPTIONS",
        "/live/front",
        "Origin: http://shop.example\r\n",
    );
    assert_eq!(status, 204);
    assert!(
        answer.contains("access-control-allow-headers: Authorization, Content-Type"),
        "{answer}"
    );
}

#[test]
fn link_shows_its_camera_alone() {
    let server = guarded("rights-link", "", "");
    let token = link("garden", "back", Right::Viewer, 600);
    let (_, _, body) = server.request("GET", &format!("/api/status?token={token}"), "");
    let status: serde_json::Value = serde_json::from_slice(&body).unwrap();
    let names: Vec<&str> = status["cameras"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| c["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["back"]);
    assert_eq!(status["access"]["name"], "garden");
    for (path, expected) in [
        ("/?token=#", 200),
        ("/stream/back.mp4?token=#", 200),
        ("/stream.mp4?token=#", 200),
        ("/live/back?token=#", 426),
        ("/stream/front.mp4?token=#", 404),
        ("/live/front?token=#", 404),
        ("/snapshot/front.jpg?token=#", 404),
        ("/api/cameras/front/controls?token=#", 404),
        ("/metrics?token=#", 403),
    ] {
        let (status, answer) = ask(&server, "GET", &path.replace('#', &token), "");
        assert_eq!(status, expected, "{path}: {answer}");
        assert!(!answer.contains("front"), "{path}: {answer}");
    }
    // The page's own requests send the link before a session.
    let session = log_in(&server, "owner");
    let both = format!("{session}Authorization: Bearer {token}\r\n");
    assert_eq!(ask(&server, "GET", "/live/front", &both).0, 404);
    for (name, seconds, words) in [("garden", -1, "expired"), ("old", 600, "no longer valid")] {
        let token = link(name, "back", Right::Viewer, seconds);
        let html = "Accept: text/html\r\n";
        let (status, answer) = ask(&server, "GET", &format!("/?token={token}"), html);
        assert_eq!(status, 401);
        assert!(
            answer.contains(words) && !answer.contains("www-authenticate"),
            "{answer}"
        );
        let (status, answer) = ask(&server, "GET", &format!("/live/back?token={token}"), "");
        assert_eq!(status, 401);
        assert!(answer.contains(words), "{answer}");
    }
    let operator = link("helper", "back", Right::Operator, 600);
    let ask = |path: &str| ask(&server, "POST", &format!("{path}?token={operator}"), JSON).0;
    assert_eq!(ask("/api/cameras/back/controls"), 200);
    assert_eq!(ask("/api/cameras/front/controls"), 404);
}

#[test]
fn public_cameras_are_watched_without_login() {
    let server = guarded("rights-public", "", "  public: viewer\n");
    assert_eq!(ask(&server, "GET", "/stream.mp4", "").0, 200);
    assert_eq!(ask(&server, "GET", "/", "Accept: text/html\r\n").0, 200);
    assert_eq!(
        ask(&server, "POST", "/api/cameras/front/controls", JSON).0,
        401
    );
    let (_, _, body) = server.request("GET", "/api/status", "");
    let status: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(status["access"]["right"], "viewer");
    assert_eq!(status["access"]["login"], true);
    assert_eq!(
        ask(
            &server,
            "POST",
            "/api/cameras/front/controls",
            &format!("{JSON}{OPERATOR}")
        )
        .0,
        200
    );
}

#[test]
fn guessing_leaves_the_owner_his_way() {
    let server = guarded("rights-guessing", ", trustedProxies: 127.0.0.1", "");
    let from = |address: &str, password: &str| {
        let headers = format!("X-Forwarded-For: {address}\r\n");
        let begun = std::time::Instant::now();
        let (status, answer) = post(
            &server,
            "/login",
            &headers,
            &format!("user=owner&password={password}"),
        );
        (status, answer, begun.elapsed())
    };
    let session = log_in(&server, "owner");
    let mut refused = 0;
    for _ in 0..40 {
        let (status, answer, _) = from("203.0.113.5", "wrong");
        assert!(matches!(status, 403 | 429), "{answer}");
        refused += usize::from(status == 429);
    }
    // A busy machine takes so long for the others that some more are allowed meanwhile.
    assert!(refused >= 20, "{refused}");
    let (status, answer, _) = from("203.0.113.5", "pass+word2");
    assert_eq!(status, 429);
    assert!(answer.contains("retry-after: "), "{answer}");
    let (status, answer, _) = from("198.51.100.7", "pass+word");
    assert_eq!(status, 303, "{answer}");
    let attacked = format!("X-Forwarded-For: 203.0.113.5\r\n{session}");
    assert_eq!(ask(&server, "GET", "/api/status", &attacked).0, 200);
}

#[test]
fn many_addresses_do_not_keep_a_known_one_waiting() {
    use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
    let server = guarded("rights-many", ", trustedProxies: 127.0.0.1", "");
    let from = |address: &str, form: &str| {
        let headers = format!("X-Forwarded-For: {address}\r\n");
        post(&server, "/login", &headers, form).0
    };
    assert_eq!(from("198.51.100.7", "user=guest&password=pass+word"), 303);
    let (number, is_over) = (AtomicU32::new(0), AtomicBool::new(false));
    let (is_full, full) = std::sync::mpsc::channel();
    std::thread::scope(|scope| {
        for _ in 0..24 {
            let is_full = is_full.clone();
            let (number, is_over, from) = (&number, &is_over, &from);
            scope.spawn(move || {
                while !is_over.load(Ordering::Acquire) {
                    let number = number.fetch_add(1, Ordering::AcqRel);
                    let address = std::net::Ipv4Addr::from_bits(0x0a00_0000 + number);
                    let form = "user=owner&password=wrong";
                    if from(&address.to_string(), form) == 503 {
                        let _ = is_full.send(());
                    }
                }
            });
        }
        let filled = full.recv_timeout(PATIENCE);
        let owner = from("198.51.100.7", "user=owner&password=pass+word");
        is_over.store(true, Ordering::Release);
        filled.unwrap();
        assert_eq!(owner, 303);
    });
}

#[test]
fn proxy_counts_only_if_it_is_trusted() {
    let outer = "X-Forwarded-Proto: https\r\nX-Forwarded-Host: cam.example.org\r\nX-Forwarded-For: 203.0.113.9\r\n\
                 Origin: https://cam.example.org\r\n";
    let form = "user=guest&password=pass+word";
    let trusting = guarded(
        "rights-trusted",
        ", trustedProxies: [127.0.0.1], hosts: cam.example.org",
        "",
    );
    let (status, answer) = post(&trusting, "/login", outer, form);
    assert_eq!(status, 303, "{answer}");
    assert!(answer.contains("; Secure"), "{answer}");
    trusting.wait_for_log("guest logged in (peer 203.0.113.9:");
    assert_eq!(
        ask(&trusting, "GET", "/stream.mp4", &format!("{outer}{VIEWER}")).0,
        200
    );
    let other = guarded("rights-untrusted", "", "");
    assert_eq!(post(&other, "/login", outer, form).0, 403);
    assert_eq!(
        ask(&other, "GET", "/stream.mp4", &format!("{outer}{VIEWER}")).0,
        403
    );
    // The outer name is nobody's word if the list does not have it.
    let unlisted = guarded("rights-unlisted", ", trustedProxies: [127.0.0.1]", "");
    let (status, answer) = post(&unlisted, "/login", outer, form);
    assert_eq!(status, 403);
    assert!(answer.contains("hosts: [\"cam.example.org\"]"), "{answer}");
}

/// A server without `access:`.
fn open(name: &str, listen: &str, controls: &str) -> Server {
    let scratch = Scratch::new(name);
    let config = format!(
        "camera: {{source: test, width: 320, height: 240}}\nserver: {{listen: '{listen}'{controls}}}\n"
    );
    let config = scratch.file("config.yml", config);
    Server::start_with(&["--config", &config], |_| {})
}

#[test]
fn operator_without_login_is_at_the_machine() {
    let server = open("rights-local", "127.0.0.1:0", "");
    server.wait_for("live", |camera| camera["state"] == "live");
    let path = "/api/cameras/camera/controls";
    let own = format!("Host: {}\r\n{JSON}", server.address());
    let port = server.address().rsplit(':').next().unwrap();
    for (headers, expected) in [
        (own.clone(), 200),
        (format!("Host: localhost:{port}\r\n{JSON}"), 200),
        (format!("Host: pi.local\r\n{JSON}"), 403),
        (format!("Host: evil.example\r\n{JSON}"), 403),
        (format!("{own}X-Forwarded-For: 127.0.0.1\r\n"), 403),
        (format!("{own}Forwarded: for=127.0.0.1\r\n"), 403),
        (format!("{own}Via: 1.1 proxy\r\n"), 403),
    ] {
        let (status, answer) = ask_as(&server, "POST", path, &headers);
        assert_eq!(status, expected, "{headers}: {answer}");
    }
    let (_, answer) = ask(&server, "POST", path, &format!("{JSON}Via: 1.1 proxy\r\n"));
    assert!(
        answer.contains("access.users") && answer.contains("server.controls: true"),
        "{answer}"
    );
    let (_, _, body) = server.request("GET", path, "Via: 1.1 proxy\r\n");
    assert!(String::from_utf8_lossy(&body).contains("\"allowed\": false"));
    assert!(!server.log().contains("hash-password"), "{}", server.log());
    assert_eq!(ask(&server, "GET", "/login", "").0, 303);
}

#[test]
fn open_server_warns_and_asks_for_a_word() {
    let server = open("rights-open", "0.0.0.0:0", "");
    server.wait_for_log("berrymse hash-password");
    server.wait_for_log("access: {public: viewer}");
    let port = server
        .url
        .trim_end_matches('/')
        .rsplit(':')
        .next()
        .unwrap()
        .to_owned();
    let local = format!("Host: 127.0.0.1:{port}\r\n{JSON}");
    let path = "/api/cameras/camera/controls";
    assert_eq!(ask_as(&server, "POST", path, &local).0, 403);
    assert_eq!(server.status()["access"]["exposed"], true);
    let allowed = open("rights-allowed", "0.0.0.0:0", ", controls: true");
    allowed.wait_for("live", |camera| camera["state"] == "live");
    assert_eq!(ask_as(&allowed, "POST", path, &local).0, 200);
    let scratch = Scratch::new("rights-meant");
    let config =
        "camera: {source: test}\nserver: {listen: '0.0.0.0:0'}\naccess: {public: viewer}\n";
    let config = scratch.file("config.yml", config);
    let meant = Server::start_with(&["--config", &config], |command| {
        command.env("STATE_DIRECTORY", scratch.path());
    });
    assert_eq!(meant.status()["access"]["exposed"], false);
    assert!(!meant.log().contains("hash-password"), "{}", meant.log());
    assert!(scratch.join("access.key").exists());
}

#[test]
fn frames_are_embedded_by_listed_sites() {
    let server = open(
        "rights-frame",
        "127.0.0.1:0",
        ", frameAncestors: ['https://home.example']",
    );
    let (_, answer) = ask(&server, "GET", "/", "");
    let expected =
        "frame-ancestors 'self' http://127.0.0.1:* https://127.0.0.1:* https://home.example\r\n";
    assert!(answer.contains(expected), "{answer}");
    // It may frame the page, and nothing else.
    let foreign = "Origin: https://home.example\r\n";
    assert_eq!(ask(&server, "GET", "/stream.mp4", foreign).0, 403);
}

/// Runs the program with arguments and standard input; returns code and outputs.
fn run(arguments: &[&str], input: &str) -> (Option<i32>, String, String) {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_berrymse"));
    command.args(arguments).stdin(std::process::Stdio::piped());
    command
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped());
    let mut child = command.spawn().unwrap();
    // It may refuse its arguments and end before.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (
        output.status.code(),
        text(output.stdout),
        text(output.stderr),
    )
}

#[test]
fn setup_writes_a_config_with_a_login() {
    let scratch = Scratch::new("rights-setup");
    let path = scratch.join("new.yml");
    let config = path.to_str().unwrap();
    for (answers, why) in [
        ("rtsp://x\n", "rtsp"),
        ("test\nworld\n", "neither machine nor network"),
        ("test\n\na b\n", "a name is made of"),
        ("test\n", "cannot read an answer"),
    ] {
        let (code, _, error) = run(&["setup", "-c", config], answers);
        assert_eq!(code, Some(1), "{error}");
        assert!(error.contains(why), "{error}");
        assert!(!path.exists());
    }
    let (code, said, error) = run(&["setup", "-c", config], "test\nmachine\nme\nmy \"word\"\n");
    assert_eq!(code, Some(0), "{error}");
    assert!(
        said.contains("http://localhost:2020/") && !said.contains("password of"),
        "{said}"
    );
    let mode = std::os::unix::fs::PermissionsExt::mode(&path.metadata().unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    let server = Server::start_with(&["--config", config], |command| {
        command
            .args(["--listen", "127.0.0.1:0"])
            .env("STATE_DIRECTORY", scratch.path());
    });
    let basic = format!("Authorization: Basic {}\r\n", base64("me:my \"word\""));
    let (_, _, body) = server.request("GET", "/api/status", &basic);
    let status: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(status["access"]["right"], "operator", "{status}");
    let (code, _, error) = run(&["setup", "-c", config], "\n\n\n\n");
    assert_eq!(code, Some(1));
    assert!(error.contains("exists already"), "{error}");
    std::fs::remove_file(&path).unwrap();
    let (code, said, _) = run(&["setup", "-c", config], "\n\n\n\n");
    assert_eq!(code, Some(0));
    assert!(said.contains("The password of owner is "), "{said}");
}

#[test]
fn commands_make_what_the_server_accepts() {
    let (code, hash, _) = run(&["hash-password", "--digest"], "tr\u{fc}b 5\n");
    assert_eq!(code, Some(0));
    let (hash, digest) = hash.split_once('\n').unwrap();
    let (code, token, _) = run(&["token", "kiosk"], "");
    assert_eq!(code, Some(0));
    let (token, line) = token.split_once('\n').unwrap();
    let scratch = Scratch::new("rights-commands");
    let key = scratch.join("state/access.key");
    let config = format!(
        "camera: {{source: test, name: front}}\nserver: {{listen: '127.0.0.1:0'}}\naccess:\n  keyFile: {}\n  users:\n  - {{name: \
         owner, password: '{hash}', digest: '{}', right: operator}}\n  tokens:\n  {line}",
        key.display(),
        digest.trim()
    );
    let config = scratch.file("config.yml", config);
    let server = Server::start_with(&["--config", &config], |_| {});
    let basic = format!("Authorization: Basic {}\r\n", base64("owner:tr\u{fc}b 5"));
    assert_eq!(ask(&server, "GET", "/api/status", &basic).0, 200);
    assert_eq!(
        ask(&server, "GET", &format!("/api/status?token={token}"), "").0,
        200
    );
    let (code, link, _) = run(
        &[
            "link", "front", "--name", "garden", "--for", "7d", "-c", &config,
        ],
        "",
    );
    assert_eq!(code, Some(0));
    let target = link.trim().split_once("/?").unwrap().1;
    assert_eq!(
        ask(&server, "GET", &format!("/live/front?{target}"), "").0,
        426,
        "{link}"
    );
    for (arguments, words) in [
        (
            &[
                "link", "nobody", "--name", "a", "--for", "7d", "-c", &config,
            ][..],
            "no camera 'nobody' (front)",
        ),
        (
            &["link", "front", "--for", "7d", "-c", &config],
            "--name NAME",
        ),
        (
            &[
                "link", "front", "--name", "a", "--for", "soon", "-c", &config,
            ],
            "'soon' is not a time",
        ),
        (
            &[
                "link", "front", "--name", "a b", "--for", "7d", "-c", &config,
            ],
            "is no name",
        ),
        (
            &[
                "link", "front", "--name", "a", "--for", "7d", "--right", "owner", "-c", &config,
            ],
            "none of viewer, operator",
        ),
        (
            &["link", "--name", "a", "--for", "7d"],
            "the name of a camera",
        ),
        (&["token"], "'token' needs a name"),
        (
            &["cameras", "--for", "7d"],
            "--for belongs to 'berrymse link'",
        ),
        (&["--name", "x"], "--name belongs to 'berrymse link'"),
    ] {
        let (code, _, why) = run(arguments, "");
        assert_eq!(code, Some(2), "{arguments:?}: {why}");
        assert!(why.contains(words), "{arguments:?}: {why}");
    }
    let (code, _, why) = run(&["hash-password"], "\n");
    assert_eq!(code, Some(1));
    assert!(why.contains("the password is empty"), "{why}");
}
