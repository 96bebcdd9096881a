//! go2rtc's WebSocket and its list of streams, as its players and front ends ask for them.

use super::live;
use crate::support::{Viewer, decode, is_init};
use serde_json::Value;
use tungstenite::Message;

fn ask(viewer: &mut Viewer, text: &str) {
    viewer.socket.send(Message::text(text)).unwrap();
}

#[test]
fn go2rtc_player_gets_media_type_then_mp4_from_zero() {
    let server = live();
    let mut viewer = server.watch("/api/ws?src=camera");
    ask(&mut viewer, r#"{"type":"webrtc/offer","value":"v=0"}"#);
    let refused = viewer.text();
    assert_eq!(refused["type"], "error", "{refused}");
    // Front ends send an offer of some kilobytes.
    ask(
        &mut viewer,
        &format!(
            r#"{{"type":"webrtc/candidate","value":"{}"}}"#,
            "x".repeat(9000)
        ),
    );
    ask(
        &mut viewer,
        r#"{"type":"mse","value":"avc1.640029,avc1.64002A,opus"}"#,
    );
    let Message::Text(text) = viewer.socket.read().unwrap() else {
        panic!("the media type is first");
    };
    let told: Value = serde_json::from_str(&text).unwrap();
    let camera = server.wait_for("live", |camera| camera["state"] == "live");
    let codec = camera["codec"].as_str().unwrap();
    assert_eq!(told["type"], "mse");
    assert_eq!(told["value"], format!("video/mp4; codecs=\"{codec}\""));
    let messages = viewer.collect(40);
    assert!(is_init(&messages[0]));
    let time = messages[1]
        .windows(4)
        .position(|four| four == b"tfdt")
        .unwrap()
        + 8;
    assert_eq!(messages[1][time..time + 8], [0; 8]);
    assert!(decode("mp4", &messages.concat()).len() > 35);
}

#[test]
fn go2rtc_client_gets_nothing_before_it_asks() {
    let server = live();
    let mut viewer = server.watch("/api/ws?src=camera");
    server.wait_for("a viewer", |camera| camera["viewers"] == 1);
    ask(&mut viewer, r#"{"type":"mse","value":"hvc1.1.6.L153.B0"}"#);
    let Message::Text(text) = viewer.socket.read().unwrap() else {
        panic!("video without being asked for");
    };
    assert!(text.contains("avc1"), "{text}");
}

#[test]
fn go2rtc_urls_name_the_camera_in_the_query() {
    let server = live();
    let json = |path: &str| {
        let (status, body) = server.get(path);
        (
            status,
            serde_json::from_str::<Value>(&body).unwrap_or_default(),
        )
    };
    assert_eq!(json("/api/ws?src=camera").1["code"], "no_upgrade");
    assert_eq!(json("/api/ws").1["code"], "no_upgrade");
    let (status, refusal) = json("/api/ws?src=other");
    assert_eq!((status, &refusal["code"]), (404, &"camera".into()));
    let (status, one) = json("/api/streams?src=camera");
    assert_eq!(status, 200);
    let medias = &one["producers"][0]["medias"];
    assert!(
        medias[0]
            .as_str()
            .unwrap()
            .starts_with("video, recvonly, H264"),
        "{one}"
    );
    assert_eq!(json("/api/streams").1["camera"], one);
    assert_eq!(json("/api/streams?src=other").0, 404);
}
