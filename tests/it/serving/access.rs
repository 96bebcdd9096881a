//! Who may open the camera: origins, hosts, the number of viewers.

use super::live;
use crate::support::{PATIENCE, Scratch, Server, is_init};
use std::io::{Read, Write};
use std::net::TcpStream;

const HANDSHAKE: &str = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
                         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

fn upgrade(server: &Server, headers: &str) -> (u16, String) {
    let host = server.address();
    ask(
        server,
        "/video_websocket",
        &format!("Host: {host}\r\n{HANDSHAKE}{headers}"),
    )
}

/// Status and text of the answer to a GET with all its `headers`.
fn ask(server: &Server, path: &str, headers: &str) -> (u16, String) {
    let mut socket = TcpStream::connect(server.address()).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(socket, "GET {path} HTTP/1.1\r\n{headers}\r\n").unwrap();
    let mut bytes = [0; 4000];
    let count = socket.read(&mut bytes).unwrap();
    let text = String::from_utf8_lossy(&bytes[..count]).into_owned();
    (text.split(' ').nth(1).unwrap().parse().unwrap(), text)
}

/// The code of a refusal; checks that a page may read it.
fn code(answer: &str) -> String {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.contains("content-type: application/json"), "{answer}");
    assert!(head.contains("access-control-allow-origin: "), "{answer}");
    let body: serde_json::Value = serde_json::from_str(body).unwrap();
    assert!(
        body["message"].as_str().is_some_and(|text| text.len() > 20),
        "{body}"
    );
    body["code"].as_str().unwrap().to_owned()
}

#[test]
fn websocket_refused_says_why_to_a_get() {
    let server = live();
    let host = format!("Host: {}\r\n", server.address());
    let own = format!("Origin: {}\r\n", server.url.trim_end_matches('/'));
    let foreign = "Origin: http://evil.example\r\n";
    let portless = "Host: pi.local\r\nOrigin: http://pi.local:8080\r\n";
    let proxied = "Host: pi.local\r\nReferer: http://pi.local:8080/cameras?a=b\r\n";
    let lost = HANDSHAKE.replace("Upgrade: websocket\r\nConnection: Upgrade\r\n", "");
    for (path, headers, status, expected) in [
        ("/live/camera", host.clone(), 426, "no_upgrade"),
        ("/live/camera", format!("{host}{own}"), 426, "no_upgrade"),
        ("/live/camera", format!("{host}{lost}"), 426, "no_upgrade"),
        ("/live/camera", format!("{host}{foreign}"), 403, "origin"),
        (
            "/live/camera",
            format!("{host}{foreign}{HANDSHAKE}"),
            403,
            "origin",
        ),
        ("/live/nobody", format!("{host}{foreign}"), 403, "origin"),
        ("/live/camera", portless.into(), 403, "origin"),
        ("/live/camera", proxied.into(), 403, "origin"),
        ("/live/nobody", host.clone(), 404, "camera"),
        (
            "/live/nobody",
            format!("{host}{own}{HANDSHAKE}"),
            404,
            "camera",
        ),
    ] {
        let (got, answer) = ask(&server, path, &headers);
        assert_eq!(
            (got, code(&answer).as_str()),
            (status, expected),
            "{path} {headers}: {answer}"
        );
    }
    let (_, answer) = ask(&server, "/live/camera", proxied);
    assert!(answer.contains("Host $http_host"), "{answer}");
    server.wait_for_log("server: allowedOrigins: [\"http://evil.example\"]");
    server.wait_for_log("proxy_set_header Upgrade $http_upgrade");
}

#[test]
fn cross_site_requests_are_refused_unopened() {
    let scratch = Scratch::new("cross-site");
    let config = scratch.file(
        "config.yml",
        "camera: {source: test, width: 320, height: 240, onDemand: true}\n\
         server: {listen: '127.0.0.1:0', allowedOrigins: [\"http://shop.example\"]}\n",
    );
    let server = Server::start_with(&["--config", &config], |_| {});
    server.wait_for("idle", |camera| camera["state"] == "idle");
    let host = format!("Host: {}\r\nConnection: close\r\n", server.address());
    let cross =
        "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: no-cors\r\nSec-Fetch-Dest: image\r\n";
    let framed =
        "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: iframe\r\n";
    for path in ["/snapshot.jpg", "/stream.mp4", "/video_websocket"] {
        for fetch in [cross, framed] {
            let referer = "Referer: http://evil.example/\r\n";
            let (status, answer) = ask(&server, path, &format!("{host}{fetch}{referer}"));
            assert_eq!(status, 403, "{path}: {answer}");
            assert!(answer.contains("server.allowedOrigins"), "{answer}");
            assert_eq!(ask(&server, path, &format!("{host}{fetch}")).0, 403);
        }
    }
    let handshake = format!("{host}{HANDSHAKE}Sec-Fetch-Site: cross-site\r\n");
    assert_eq!(ask(&server, "/video_websocket", &handshake).0, 403);
    assert_eq!(server.status()["cameras"][0]["state"], "idle");
    assert!(!server.log().contains("live"), "{}", server.log());

    let listed = format!("{host}{cross}Referer: http://shop.example/cart\r\n");
    let (status, answer) = ask(&server, "/snapshot.jpg", &listed);
    assert_eq!(status, 200, "{answer}");
    let policy = |answer: &str| {
        assert!(answer.contains("vary: Origin, Referer\r\n"), "{answer}");
        let mut lines = answer.lines();
        lines
            .find_map(|line| line.strip_prefix("cross-origin-resource-policy: "))
            .unwrap()
            .to_owned()
    };
    assert_eq!(policy(&answer), "cross-origin");
    let by_origin = format!("{host}{cross}Origin: http://shop.example\r\n");
    let (_, answer) = ask(&server, "/snapshot.jpg", &by_origin);
    assert_eq!(policy(&answer), "cross-origin");
    assert!(answer.contains("access-control-allow-origin: http://shop.example"));
    let link = "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\n\
                Sec-Fetch-User: ?1\r\n";
    // Chromium takes two ports of an IP address for two sites.
    let same_site = "Sec-Fetch-Site: same-site\r\n";
    for (fetch, expected) in [
        (link, "same-site"),
        (same_site, "cross-origin"),
        ("", "same-site"),
    ] {
        let (status, answer) = ask(&server, "/snapshot.jpg", &format!("{host}{fetch}"));
        assert_eq!(
            (status, policy(&answer).as_str()),
            (200, expected),
            "{fetch}"
        );
    }
}

#[test]
fn page_is_framed_by_its_host_and_the_list() {
    let scratch = Scratch::new("frames");
    let config = scratch.file(
        "config.yml",
        "camera: {source: test, width: 320, height: 240}\n\
         server: {listen: '127.0.0.1:0', allowedOrigins: [\"https://home.example\", \"null\"]}\n",
    );
    let server = Server::start_with(&["--config", &config], |_| {});
    for (host, expected) in [
        (
            "pi.local:2020",
            "frame-ancestors 'self' http://pi.local:* https://pi.local:* https://home.example\r\n",
        ),
        ("a;b", "frame-ancestors 'self' https://home.example\r\n"),
    ] {
        let (_, answer) = ask(&server, "/", &format!("Host: {host}\r\n"));
        assert!(answer.contains(expected), "{answer}");
    }
}

#[test]
fn cross_site_page_is_rejected() {
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
        head.contains("cross-origin-resource-policy: same-site"),
        "{head}"
    );
}

#[test]
fn requests_with_ambiguous_host_are_rejected() {
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
fn file_sets_cameras_origins_and_viewer_limit() {
    let scratch = Scratch::new("several");
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
    let (_, head, _) = server.request("GET", "/berrymse.js", "Origin: http://shop.example\r\n");
    let varies: Vec<&str> = head
        .lines()
        .filter_map(|line| line.strip_prefix("vary: "))
        .collect();
    assert_eq!(varies, ["Accept-Encoding", "Origin"]);
    let mut first = server.watch("/live/back");
    assert!(is_init(&first.binary()));
    let (status, text) = upgrade(&server, "Origin: http://shop.example\r\n");
    assert_eq!(status, 503, "{text}");
    assert!(text.contains("maxViewers"), "{text}");
    assert_eq!(code(&text), "full");
    let host = format!("Host: {}\r\n", server.address());
    assert_eq!(code(&ask(&server, "/live/front", &host).1), "full");
}

#[test]
fn unlisted_host_is_rejected() {
    let scratch = Scratch::new("hosts");
    let config = scratch.file(
        "config.yml",
        "camera: {source: test, width: 320, height: 240}\nserver: {listen: '127.0.0.1:0', hosts: cam.example.org}\n",
    );
    let server = Server::start_with(&["--config", &config], |_| {});
    let ask = |path: &str, host: &str, headers: &str| {
        let mut socket = TcpStream::connect(server.address()).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        write!(
            socket,
            "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{headers}\r\n"
        )
        .unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).unwrap();
        answer
    };
    // A page that was loaded from there before its name led here asks like this.
    for path in [
        "/",
        "/api/status",
        "/snapshot.jpg",
        "/video_websocket",
        "/api/cameras/camera/controls",
    ] {
        let answer = ask(
            path,
            "evil.example:2020",
            "Origin: http://evil.example:2020\r\n",
        );
        assert!(answer.starts_with("HTTP/1.1 421 "), "{path}: {answer}");
        assert!(answer.contains("server.hosts"), "{answer}");
    }
    let answer = ask("/video_websocket", "evil.example:2020", "");
    assert_eq!(code(&answer), "host");
    server.wait_for_log("server: hosts: [\"cam.example.org\", \"evil.example\"]");
    for host in [server.address(), "localhost", "CAM.example.org:443"] {
        let answer = ask("/api/status", host, "");
        assert!(answer.starts_with("HTTP/1.1 200 "), "{host}: {answer}");
    }
}
