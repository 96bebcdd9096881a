//! Who may open the camera: origins, hosts, the number of viewers.

use crate::live;
use crate::support::{PATIENCE, Scratch, Server, is_init};
use std::io::{Read, Write};
use std::net::TcpStream;

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
fn several_cameras_origins_and_the_limit_of_viewers_come_from_the_file() {
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
    let mut first = server.watch("/live/back");
    assert!(is_init(&first.binary()));
    let (status, text) = upgrade(&server, "Origin: http://shop.example\r\n");
    assert_eq!(status, 503, "{text}");
    assert!(text.contains("maxViewers"), "{text}");
}

#[test]
fn with_a_list_of_its_names_it_answers_to_no_other() {
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
    server.wait_for_log("asks for evil.example:2020, which is not in server.hosts");
    for host in [server.address(), "localhost", "CAM.example.org:443"] {
        let answer = ask("/api/status", host, "");
        assert!(answer.starts_with("HTTP/1.1 200 "), "{host}: {answer}");
    }
}
