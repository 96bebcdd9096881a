//! A camera that comes late, is lost, changes, or is open only while somebody watches; how soon it opens is in tests/on_demand.rs.

use crate::support::{Scratch, Server, Viewer, fixture, is_init, is_keyframe};
use std::time::{Duration, Instant};

#[test]
fn late_and_changed_cameras_are_shown() {
    let scratch = Scratch::new("late");
    let path = scratch.join("camera.264");
    let server = Server::start(&[
        "--source",
        &format!("file:{}", path.display()),
        "--fps",
        "60",
    ]);
    let camera = server.wait_for("waiting", |camera| camera["state"] == "waiting");
    assert!(
        camera["error"].as_str().unwrap().contains("no such file"),
        "{camera}"
    );
    let mut viewer = Viewer::connect(&server, "/video_websocket", Some("berrymse.v1"));
    assert_eq!(viewer.text()["type"], "hello");
    let state = viewer.text();
    assert!(
        state["reason"].as_str().unwrap().contains("no such file"),
        "{state}"
    );
    server.wait_for_log("there is no file");
    std::fs::copy(fixture("MIDR_MW_D.264"), &path).unwrap();
    assert!(
        is_init(&viewer.binary()),
        "the same viewer, without reconnecting"
    );
    server.wait_for("live", |camera| {
        camera["state"] == "live" && camera["width"] == 176
    });
    // Garbage: the camera is lost, the viewer stays, and a new size goes on.
    let garbage: Vec<u8> = (0..100_000u32)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    std::fs::write(&path, garbage).unwrap();
    server.wait_for("lost", |camera| camera["state"] == "lost");
    std::fs::copy(fixture("test_cif_P_CABAC_slice.264"), &path).unwrap();
    server.wait_for("live again", |camera| {
        camera["state"] == "live" && camera["width"] == 352
    });
    while !is_init(&viewer.binary()) {}
    assert!(is_keyframe(&viewer.binary()));
}

#[test]
fn on_demand_camera_opens_for_viewers_only() {
    let scratch = Scratch::new("demand");
    let (pid, clip) = (scratch.join("pid"), fixture("test_qcif_cabac.264"));
    let script = format!(
        "exec:sh -c 'echo $$ > {}; while :; do cat {}; sleep 0.2; done'",
        pid.display(),
        clip.display()
    );
    let server = Server::start(&["-d", &script, "--on-demand", "true"]);
    let process = || {
        std::fs::read_to_string(&pid)
            .ok()?
            .trim()
            .parse::<u32>()
            .ok()
    };
    let lives = |process: u32| std::path::Path::new(&format!("/proc/{process}")).exists();
    let is = |word: &'static str| move |camera: &serde_json::Value| camera["state"] == word;
    server.wait_for("idle", is("idle"));
    assert_eq!(process(), None, "nobody has watched");
    let mut first = None;
    for is_last in [false, true] {
        let mut viewer = Viewer::connect(&server, "/live/camera", Some("berrymse.v1"));
        assert_eq!(viewer.text()["type"], "hello");
        let mut states = Vec::new();
        while states.last().is_none_or(|state| state != "live") {
            let message = viewer.text();
            states.extend(message["state"].as_str().map(str::to_owned));
        }
        // A busy machine may be told only the last of them.
        let is_known = |state: &String| ["idle", "starting", "live"].contains(&state.as_str());
        assert!(states.iter().all(is_known), "{states:?}");
        assert!(is_init(&viewer.binary()) && is_keyframe(&viewer.binary()));
        let now = process().unwrap();
        assert!(lives(now) && first.replace(now) != Some(now));
        let left = Instant::now();
        drop(viewer);
        if is_last {
            break;
        }
        server.wait_for("idle", is("idle"));
        assert!(
            left.elapsed() > Duration::from_secs(8),
            "{:?}",
            left.elapsed()
        );
        assert!(!lives(now), "the program is gone");
    }
    assert_eq!(server.status()["cameras"][0]["restarts"], 0);
}

#[test]
fn on_demand_first_frame_is_new() {
    let server = Server::start(&["-d", "test", "--on-demand", "true"]);
    server.wait_for("idle", |camera| camera["state"] == "idle");
    let begin = Instant::now();
    let mut viewer = server.watch("/live/camera");
    assert!(is_init(&viewer.binary()) && is_keyframe(&viewer.binary()));
    println!("first picture after {:?}", begin.elapsed());
    drop(viewer);
    server.wait_for("idle", |camera| camera["state"] == "idle");
    let frames = server.status()["cameras"][0]["frames"].clone();
    let mut viewer = server.watch("/live/camera");
    assert!(is_init(&viewer.binary()) && is_keyframe(&viewer.binary()));
    let metrics = server.get("/metrics").1;
    assert!(metrics.contains("frames"), "{metrics}");
    assert!(server.status()["cameras"][0]["frames"].as_u64() > frames.as_u64());
}
