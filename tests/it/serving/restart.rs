//! `POST /api/cameras/NAME/restart`: who may, how often, and what viewers see of it.

use super::live;
use crate::support::{Scratch, Server, is_init, is_keyframe};

const JSON: &str = "Content-Type: application/json\r\nContent-Length: 2\r\n";

fn post(server: &Server, name: &str, headers: &str) -> (u16, String, String) {
    let path = format!("/api/cameras/{name}/restart");
    let (status, head, body) = server.request_with("POST", &path, headers, b"{}");
    (status, head, String::from_utf8(body).unwrap())
}

#[test]
fn restarted_camera_goes_on_for_its_viewers() {
    let server = live();
    let mut viewer = server.watch("/video_websocket");
    let before = viewer.collect(10);
    let (status, _, body) = post(&server, "camera", JSON);
    assert_eq!(status, 202, "{body}");
    server.wait_for("restarted", |camera| {
        camera["restarts"] == 1 && camera["state"] == "live"
    });
    let time = |message: &[u8]| u64::from_be_bytes(message[64..72].try_into().unwrap());
    let mut last = time(&before[9]);
    let mut keyframes = 0;
    while keyframes < 2 {
        let message = viewer.binary();
        assert!(!is_init(&message), "the video is the same");
        assert!(time(&message) > last);
        last = time(&message);
        keyframes += u64::from(is_keyframe(&message));
    }
    let (status, head, body) = post(&server, "camera", JSON);
    assert_eq!(status, 429, "{body}");
    assert!(head.contains("retry-after: "), "{head}");
}

#[test]
fn restart_is_guarded_as_controls_are() {
    let server = live();
    let foreign = format!("{JSON}Origin: http://evil.example\r\n");
    let text = JSON.replace("application/json", "text/plain");
    for (name, headers, expected) in [
        ("camera", foreign.as_str(), 403),
        ("camera", text.as_str(), 415),
        ("other", JSON, 404),
    ] {
        let (status, _, body) = post(&server, name, headers);
        assert_eq!(status, expected, "{name}: {body}");
    }
    let path = "/api/cameras/camera/restart";
    let (status, head, _) = server.request("GET", path, "");
    assert_eq!(status, 405);
    assert!(head.contains("allow: POST, OPTIONS"), "{head}");
    assert_eq!(server.request("OPTIONS", path, "").0, 204);
    assert_eq!(server.status()["cameras"][0]["restarts"], 0);
    let scratch = Scratch::new("no-restart");
    let config = scratch.file(
        "config.yml",
        "camera: {source: test}\nserver: {listen: '127.0.0.1:0', controls: false}\n",
    );
    let closed = Server::start_with(&["--config", &config], |_| {});
    let (status, _, body) = post(&closed, "camera", JSON);
    assert_eq!(status, 403);
    assert!(body.contains("server.controls"), "{body}");
}

#[test]
fn camera_on_demand_is_restarted_while_it_is_open() {
    let scratch = Scratch::new("demand-restart");
    let config = scratch.file(
        "config.yml",
        "camera: {source: test, width: 320, height: 240, onDemand: true}\nserver: {listen: '127.0.0.1:0'}\n",
    );
    let server = Server::start_with(&["--config", &config], |_| {});
    server.wait_for("idle", |camera| camera["state"] == "idle");
    let mut viewer = server.watch("/video_websocket");
    viewer.collect(5);
    assert_eq!(post(&server, "camera", JSON).0, 202);
    server.wait_for("restarted", |camera| {
        camera["restarts"] == 1 && camera["state"] == "live"
    });
    viewer.collect(5);
}
