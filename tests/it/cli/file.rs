//! What a configuration file means, and whose word counts: the option's, the environment's or the file's.

use super::{Place, short};
use berrymse::controls::ControlValue;

#[test]
fn option_beats_environment_beats_file_beats_default() {
    let place = Place::new("camera: {width: 640, height: 480, fps: 10}\nserver: {listen: ':1'}\n");
    let env = [
        ("BERRYMSE_WIDTH", "800"),
        ("BERRYMSE_FPS", "15"),
        ("BERRYMSE_LISTEN", ":2,:3"),
        ("BERRYMSE_BITRATE", ""),
    ];
    assert_eq!(
        short(&place.config("", &[])),
        "camera=auto 640x480@10 1500000b r0 g60, on :1, /video_websocket"
    );
    assert_eq!(
        short(&place.config("", &env)),
        "camera=auto 800x480@15 1500000b r0 g60, on :2 :3, /video_websocket"
    );
    assert_eq!(
        short(&place.config("-w 1024 -l :4", &env)),
        "camera=auto 1024x480@15 1500000b r0 g60, on :4, /video_websocket"
    );
    let all = [
        ("BERRYMSE_SOURCE", "test"),
        ("BERRYMSE_HEIGHT", "600"),
        ("BERRYMSE_BITRATE", "-1"),
        ("BERRYMSE_ROTATION", "180"),
        ("BERRYMSE_KEYFRAME_INTERVAL", "10"),
        ("BERRYMSE_WEBSOCKET", "ws"),
    ];
    assert_eq!(
        short(&place.config("", &all)),
        "camera=test 640x600@10 ownb r180 g10, on :1, /ws"
    );
}

#[test]
fn config_file_is_the_named_or_the_local_one() {
    let place = Place::new("camera: {name: here}\n");
    place.file("named.yml", "camera: {name: named}\n");
    let env = [("BERRYMSE_CONFIG", "named.yml")];
    assert_eq!(place.config("", &[]).cameras[0].name, "here");
    assert_eq!(place.config("", &env).cameras[0].name, "named");
    assert_eq!(place.config("-c config.yml", &env).cameras[0].name, "here");
    assert_eq!(place.config("", &env).file, Some(place.0.join("named.yml")));
}

#[test]
fn several_cameras_are_a_list_of_blocks_with_names() {
    let place = Place::new(
        "cameras:\n  - name: front\n    source: /dev/video0\n  - name: test-2\n    source: test\n    width: 320\n\
         server:\n  listen: [localhost:1, ':2']\n  allowedOrigins: ['https://A.example/', '*']\n  hosts: [Pi.local, pi]\n  maxViewers: 5\n",
    );
    let server =
        "on localhost:1 :2, /video_websocket, https://a.example *, only pi.local pi, 5 viewers";
    assert_eq!(
        short(&place.config("", &[])),
        format!(
            "front=/dev/video0 1280x720@30 1500000b r0 g60, test-2=test 320x720@30 1500000b r0 g60, {server}"
        )
    );
    assert_eq!(
        short(&place.config("-w 640 -f 5", &[])),
        format!(
            "front=/dev/video0 640x720@5 1500000b r0 g60, test-2=test 640x720@5 1500000b r0 g60, {server}"
        )
    );
    let one = Place::new("cameras: [{name: front, source: /dev/video0}]\n");
    assert_eq!(
        short(&one.config("-d test", &[])),
        "front=test 1280x720@30 1500000b r0 g60, default"
    );
}

#[test]
fn controls_of_a_camera_are_names_and_values() {
    let place = Place::new(
        "camera:\n  controls:\n    Brightness: 130\n    white_balance_automatic: false\n    power_line_frequency: 50 Hz\n\
         server: {controls: no, ioUring: no, decodeMemory: 128}\n",
    );
    let config = place.config("", &[]);
    let wishes = [
        ("brightness", ControlValue::Integer(130)),
        ("white_balance_automatic", ControlValue::Bool(false)),
        (
            "power_line_frequency",
            ControlValue::Text("50 Hz".to_owned()),
        ),
    ];
    let wishes = wishes.map(|(name, wish)| (name.to_owned(), wish));
    assert_eq!(config.cameras[0].controls, wishes);
    assert_eq!(config.server.allow_control_changes, Some(false));
    assert!(!config.server.io_uring);
    assert_eq!(config.server.decode_memory_mb, 128);
    let server = Place::new("").config("", &[]).server;
    assert_eq!(server.allow_control_changes, None);
    assert!(server.io_uring);
    assert_eq!(server.decode_memory_mb, 64);
}

#[test]
fn both_key_names_may_be_given_if_equal() {
    let place =
        Place::new("camera:\n  source: test\n  sourceFD: test\nserver:\n  url: :1\n  listen: :1\n");
    assert_eq!(
        short(&place.config("", &[])),
        "camera=test 1280x720@30 1500000b r0 g60, on :1, /video_websocket"
    );
}

#[test]
fn empty_blocks_are_ignored() {
    let place = Place::new("camera:\n  # width: 640\nserver:\n");
    assert_eq!(
        short(&place.config("", &[])),
        "camera=auto 1280x720@30 1500000b r0 g60, default"
    );
}
