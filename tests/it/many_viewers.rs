//! One system call sends to all viewers, where the system has io_uring; and the same without it.

use crate::support::{Scratch, Server, Viewer, is_init};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tungstenite::Message;

/// Who watches all the time.
const STEADY: usize = 60;

/// Who does not read, so that there are many.
const STALLED: usize = 160;

/// Pictures that each of them gets.
const PICTURES: usize = 120;

/// Number of a fragment, counted by the camera (ISO/IEC 14496-12, 8.8.5).
fn number(fragment: &[u8]) -> u32 {
    assert_eq!(fragment[12..16], *b"mfhd");
    u32::from_be_bytes(fragment[20..24].try_into().unwrap())
}

/// Nothing is missing that the viewer was not told of: on a busy machine it may be too slow.
fn watch_all(viewer: &mut Viewer) {
    let (mut pictures, mut expected) = (0, None);
    while pictures < PICTURES {
        match viewer.socket.read().unwrap() {
            Message::Text(text) => {
                let message: serde_json::Value = serde_json::from_str(&text).unwrap();
                if message["type"] == "skipped" {
                    let count = u32::try_from(message["count"].as_u64().unwrap()).unwrap();
                    expected = expected.map(|number| number + count);
                }
            }
            Message::Binary(bytes) if !is_init(&bytes) => {
                let number = number(&bytes);
                assert_eq!(expected.unwrap_or(number), number);
                expected = Some(number + 1);
                pictures += 1;
            }
            _ => {}
        }
    }
}

/// Some viewers stay and miss nothing, whoever comes, stalls and leaves beside them.
fn all_get_everything(setting: &str) {
    let scratch = Scratch::new(&format!("many-{setting}"));
    let config = scratch.file("config.yml", format!("server: {{ioUring: {setting}}}\n"));
    let server = Server::start(&[
        "--source", "test", "-w", "320", "-h", "240", "--config", &config,
    ]);
    server.wait_for("live", |camera| camera["state"] == "live");
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let steady: Vec<_> = (0..STEADY)
            .map(|_| {
                scope.spawn(|| {
                    watch_all(&mut Viewer::connect(
                        &server,
                        "/video_websocket",
                        Some("berrymse.v1"),
                    ));
                })
            })
            .collect();
        let stalled: Vec<Viewer> = (0..STALLED)
            .map(|_| server.watch("/video_websocket"))
            .collect();
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                let mut passing: Vec<Viewer> =
                    (0..10).map(|_| server.watch("/video_websocket")).collect();
                passing
                    .iter_mut()
                    .step_by(2)
                    .for_each(|viewer| drop(viewer.collect(3)));
                // Each gives up its place and the number of its socket.
                drop(passing);
                std::thread::sleep(Duration::from_millis(5));
            }
        });
        let results: Vec<_> = steady.into_iter().map(|viewer| viewer.join()).collect();
        is_over.store(true, Ordering::Relaxed);
        drop(stalled);
        results.into_iter().for_each(|result| result.unwrap());
    });
    server.wait_for("left by all", |camera| camera["viewers"] == 0);
}

#[test]
fn many_viewers_receive_every_frame() {
    all_get_everything("true");
}

#[test]
fn many_viewers_without_io_uring_receive_every_frame() {
    all_get_everything("false");
}
