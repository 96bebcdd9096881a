//! What a client of the endless MP4 is answered while there is no camera.

use crate::support::{PATIENCE, Scratch, Server, fixture, is_init};
use std::io::{Read, Write};
use std::net::TcpStream;

/// The head and the first box of an endless answer.
fn begin(server: &Server, path: &str) -> (String, Vec<u8>) {
    let mut socket = TcpStream::connect(server.address()).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let host = server.address();
    write!(socket, "GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n").unwrap();
    let mut bytes = Vec::new();
    let mut piece = [0; 512];
    loop {
        let count = socket.read(&mut piece).unwrap();
        bytes.extend_from_slice(&piece[..count]);
        let head = bytes.windows(4).position(|four| four == b"\r\n\r\n");
        if let Some(head) = head.filter(|head| bytes.len() > head + 100 || count == 0) {
            // The size of the first chunk stands on a line of its own.
            let body = &bytes[head + 4..];
            let line = body.iter().position(|&b| b == b'\n').unwrap_or_default();
            let head = String::from_utf8_lossy(&bytes[..head]).into_owned();
            return (head, body[line + 1..].to_vec());
        }
    }
}

#[test]
fn absent_camera_is_503_with_reason() {
    let scratch = Scratch::new("absent");
    let path = scratch.join("camera.264");
    let server = Server::start(&["--source", &format!("file:{}", path.display())]);
    server.wait_for("waiting", |camera| camera["state"] == "waiting");
    for path in ["/stream.mp4", "/stream/camera.mp4?wait=0.1", "/stream.h264"] {
        let (status, head, body) = server.request("GET", path, "");
        let body = String::from_utf8(body).unwrap();
        assert_eq!((status, &*body), (503, "No video: no such file.\n"));
        assert!(head.contains("retry-after: 2"), "{head}");
        let (status, head, body) = server.request("HEAD", path, "");
        assert_eq!((status, body.len()), (503, 0), "{head}");
        assert!(head.contains("retry-after: 2"), "{head}");
    }
    assert_eq!(server.get("/stream.mp4?wait=long").0, 400);
    // The camera comes while somebody waits.
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| begin(&server, "/stream.mp4?wait=600"));
        std::thread::sleep(std::time::Duration::from_millis(200));
        assert!(!waiting.is_finished());
        std::fs::copy(fixture("MIDR_MW_D.264"), &path).unwrap();
        let (head, body) = waiting.join().unwrap();
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        assert!(is_init(&body));
    });
}

#[test]
fn camera_on_demand_is_opened_for_the_mp4() {
    let scratch = Scratch::new("demand-mp4");
    let config = scratch.file(
        "config.yml",
        "camera: {source: test, width: 320, height: 240, onDemand: true}\nserver: {listen: '127.0.0.1:0'}\n",
    );
    let server = Server::start_with(&["--config", &config], |_| {});
    server.wait_for("idle", |camera| camera["state"] == "idle");
    assert_eq!(server.get("/stream.mp4?wait=0").0, 503);
    let (head, body) = begin(&server, "/stream.mp4");
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    assert!(is_init(&body));
    assert_eq!(server.request("HEAD", "/stream.mp4", "").0, 200);
}
