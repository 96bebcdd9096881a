//! A camera's server and edges, with Debian's `nats-server` between them.

use crate::support::nats::{
    CAMERA, Nats, Outsider, Seen, Watching, assert_same_pictures, camera, check_frames, collect,
    decode_time, dropping_relay, edge, number, wait_for_frames, watch_both,
};
use crate::support::{PATIENCE, Scratch, Server, is_init, is_keyframe};
use berrymse::nats::wire::{Announcement, Ask};
use rustix::process::Signal;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

#[test]
fn edge_sends_the_bytes_of_the_camera() {
    let scratch = Scratch::new("nats-same");
    // Every frame has to be cut.
    let nats = Nats::start(&scratch, "max_payload: 1024");
    let camera = camera(&nats.url());
    let edge = edge(&nats.url());
    let (at_camera, at_edge) = watch_both(&camera, &edge, || ());
    let all = |seen: &Seen| {
        seen.iter()
            .map(|(message, _)| message.clone())
            .collect::<Vec<_>>()
    };
    let (at_camera, at_edge) = (all(&at_camera), all(&at_edge));
    let common = at_edge.iter().filter(|message| at_camera.contains(message));
    assert!(common.count() > 60, "also headers and times are the same");
    let status = edge.status()["cameras"][0].clone();
    assert_eq!(status["source"], "nats");
    assert_eq!(status["frames_dropped"], 0);
}

#[test]
fn camera_on_demand_follows_viewers_of_edges() {
    let scratch = Scratch::new("nats-demand");
    let nats = Nats::start(&scratch, "");
    let url = nats.url();
    let camera =
        Server::start(&[&CAMERA[..], &["--on-demand", "true", "--publish", &url]].concat());
    let edge = edge(&url);
    camera.wait_for("idle", |camera| camera["state"] == "idle");
    let mut viewer = edge.watch("/video_websocket");
    assert!(is_init(&viewer.binary()) && is_keyframe(&viewer.binary()));
    camera.wait_for("live", |camera| camera["state"] == "live");
    // The viewer counts at the camera, too.
    camera.wait_for("remote viewer", |camera| camera["viewers_elsewhere"] == 1);
    drop(viewer);
    edge.wait_for("idle", |camera| camera["state"] == "idle");
    camera.wait_for_log("no longer watched over NATS");
    camera.wait_for("nobody", |camera| camera["viewers_elsewhere"] == 0);
}

#[test]
fn restarted_nats_server_is_found_again() {
    let scratch = Scratch::new("nats-restart");
    let mut nats = Nats::start(&scratch, "");
    let (camera, edge) = (camera(&nats.url()), edge(&nats.url()));
    let (_, at_edge) = watch_both(&camera, &edge, || {
        nats.kill();
        thread::sleep(Duration::from_secs(1));
        // It takes smaller messages now.
        let config = std::fs::read_to_string(&nats.config).unwrap();
        std::fs::write(&nats.config, config + "max_payload: 2048\n").unwrap();
        nats.restart();
    });
    let times: Vec<u64> = (at_edge.iter().filter(|(message, _)| !is_init(message)))
        .map(|(message, _)| decode_time(message))
        .collect();
    assert!(times.is_sorted());
}

#[test]
fn stopped_nats_server_brings_nothing_old() {
    let scratch = Scratch::new("nats-stopped");
    let nats = Nats::start(&scratch, "");
    let (camera, edge) = (camera(&nats.url()), edge(&nats.url()));
    watch_both(&camera, &edge, || {
        nats.signal(Signal::STOP);
        thread::sleep(Duration::from_secs(4));
        nats.signal(Signal::CONT);
    });
}

#[test]
fn restarted_camera_is_another_epoch() {
    let scratch = Scratch::new("nats-epoch");
    let nats = Nats::start(&scratch, "");
    let first = camera(&nats.url());
    let edge = edge(&nats.url());
    let is_over = Arc::new(AtomicBool::new(false));
    let at_edge = collect(&edge, &is_over);
    wait_for_frames(&edge, 30);
    drop(first);
    let second = camera(&nats.url());
    second.wait_for_log("watched over NATS");
    wait_for_frames(&edge, 60);
    is_over.store(true, Ordering::Relaxed);
    let seen = at_edge.join().unwrap();
    let frames: Vec<&[u8]> = (seen.iter().map(|(message, _)| &message[..]))
        .filter(|message| !is_init(message))
        .collect();
    let follows =
        |pair: &[&[u8]]| is_keyframe(pair[1]) || number(pair[1]) == number(pair[0]).wrapping_add(1);
    assert!(frames.windows(2).all(follows));
    assert!(
        frames
            .windows(2)
            .all(|pair| decode_time(pair[0]) < decode_time(pair[1]))
    );
    assert!(
        frames
            .windows(2)
            .any(|pair| number(pair[1]) < number(pair[0]))
    );
}

#[test]
fn dropped_messages_leave_no_broken_picture() {
    let scratch = Scratch::new("nats-drops");
    let nats = Nats::start(&scratch, "");
    let camera = camera(&nats.url());
    // 5 % of the messages.
    let port = dropping_relay(nats.port, 20);
    let edge = edge(&format!("nats://127.0.0.1:{port}"));
    let (at_camera, at_edge) = watch_both(&camera, &edge, || wait_for_frames(&edge, 60));
    assert_same_pictures(&at_camera, &at_edge);
}

fn names(server: &Server) -> Vec<String> {
    let status = server.status();
    let cameras = status["cameras"].as_array().unwrap();
    (cameras.iter())
        .map(|camera| camera["name"].as_str().unwrap().to_owned())
        .collect()
}

/// Signs of life as cameras give them, and the last one.
fn announcements() -> (Vec<u8>, Vec<u8>) {
    let bytes = |is_gone| Announcement { is_gone, epoch: 5 }.encode();
    (bytes(false), bytes(true))
}

fn wait_for_names(server: &Server, wanted: &[&str]) {
    let end = Instant::now() + PATIENCE;
    while names(server) != wanted {
        let found = names(server);
        assert!(Instant::now() < end, "{found:?} instead of {wanted:?}");
        thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn cameras_of_a_fleet_come_and_go() {
    let scratch = Scratch::new("nats-fleet");
    let nats = Nats::start(&scratch, "");
    let url = nats.url();
    let config = scratch.file(
        "edge.yml",
        format!(
            "cameras:\n  - {{name: own, source: test, width: 320, height: 240}}\n  - {{name: all, source: \"{url}/*\"}}\n"
        ),
    );
    let edge = Server::start(&["-c", &config]);
    wait_for_names(&edge, &["own"]);
    let publish = |name: &str| {
        let config = format!("publish: {{url: \"{url}\", name: {name}}}\n");
        let config = scratch.file(&format!("{name}.yml"), config);
        Server::start(&[&["-c", &config], &CAMERA[..]].concat())
    };
    // A name from elsewhere is never that of a camera here.
    let (garden, _shadow) = (publish("garden"), publish("own"));
    wait_for_names(&edge, &["own", "garden"]);
    let mut viewer = edge.watch("/live/garden");
    assert!(is_init(&viewer.binary()) && is_keyframe(&viewer.binary()));
    let (_, metrics) = edge.get("/metrics");
    assert!(metrics.contains("camera=\"garden\""));
    assert_eq!(edge.status()["cameras"][0]["source"], "test");
    garden.signal(Signal::TERM);
    wait_for_names(&edge, &["own"]);
    let _again = publish("garden");
    wait_for_names(&edge, &["own", "garden"]);
    // The viewer has waited.
    while !is_keyframe(&viewer.binary()) {}
}

#[test]
fn thousand_announced_cameras_stay_bounded() {
    let scratch = Scratch::new("nats-thousand");
    let nats = Nats::start(&scratch, "");
    let edge = Server::start(&["--source", &format!("{}/*", nats.url())]);
    wait_for_names(&edge, &[]);
    edge.wait_for_log("nats: connected");
    let mut outsider = Outsider::new(&nats);
    let (alive, gone) = announcements();
    let end = Instant::now() + PATIENCE;
    while names(&edge).len() < 1024 {
        assert!(Instant::now() < end, "{} cameras", names(&edge).len());
        for number in 0..1100 {
            outsider.publish(&format!("berrymse.c{number}.announce"), &alive);
        }
        // Names that are none.
        outsider.publish("berrymse.<b>.announce", &alive);
        outsider.publish("berrymse.%2E.announce", &alive);
        outsider.flush();
    }
    assert_eq!(names(&edge).len(), 1024);
    assert_eq!(edge.get("/").0, 200);
    assert_eq!(edge.get("/live/c1").0, 426);
    // What nobody watched makes room as soon as it is gone.
    let end = Instant::now() + PATIENCE;
    while !names(&edge).contains(&"late".to_owned()) {
        assert!(Instant::now() < end);
        for number in 0..1100 {
            outsider.publish(&format!("berrymse.c{number}.announce"), &gone);
        }
        outsider.publish("berrymse.late.announce", &alive);
        outsider.flush();
        thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn made_up_cameras_make_room_for_real_ones() {
    let scratch = Scratch::new("nats-made-up");
    let nats = Nats::start(&scratch, "");
    let edge = Server::start(&["--source", &format!("{}/*", nats.url())]);
    edge.wait_for_log("nats: connected");
    let mut outsider = Outsider::new(&nats);
    let (alive, _) = announcements();
    let mut announce = || {
        for number in 0..3000 {
            outsider.publish(&format!("berrymse.c{number}.announce"), &alive);
        }
        outsider.flush();
    };
    let is_shown = || names(&edge).contains(&"camera".to_owned());
    let end = Instant::now() + PATIENCE;
    while names(&edge).len() < 1024 {
        assert!(Instant::now() < end, "{} cameras", names(&edge).len());
        announce();
    }
    let _camera = camera(&nats.url());
    let end = Instant::now() + PATIENCE;
    while !is_shown() {
        assert!(Instant::now() < end, "no room for a real camera");
        announce();
        thread::sleep(Duration::from_millis(300));
    }
    let mut viewer = edge.watch("/live/camera");
    assert!(is_init(&viewer.binary()) && is_keyframe(&viewer.binary()));
    // It keeps its place, also without viewers.
    drop(viewer);
    for _ in 0..3 {
        announce();
        thread::sleep(Duration::from_millis(700));
        assert!(is_shown() && names(&edge).len() <= 1024);
    }
}

#[test]
fn two_cameras_with_one_name_are_told_apart() {
    let scratch = Scratch::new("nats-twice");
    let nats = Nats::start(&scratch, "");
    let older = camera(&nats.url());
    let edge = edge(&nats.url());
    let newer = camera(&nats.url());
    for (server, is_shown) in [(&older, true), (&newer, false)] {
        server.wait_for_log("another server publishes a camera under this name");
        let status = server.wait_for("the other one", |camera| {
            camera["other_publisher"]["is_shown"] == is_shown
        });
        let started = status["other_publisher"]["started_ms"].as_u64();
        assert!(started > Some(1_700_000_000_000), "{started:?}");
    }
    // The newer one is shown, and nothing of the older one between. Only a cold edge may begin with whichever answers first.
    let viewer = Watching::begin(&[&edge]);
    wait_for_frames(&edge, 90);
    let watching = Watching::begin(&[&newer, &edge]);
    wait_for_frames(&edge, 90);
    let seen = watching.end();
    check_frames(&seen[0], &seen[1]);
    newer.signal(Signal::TERM);
    older.wait_for("nobody else", |camera| camera["other_publisher"].is_null());
    // The older one takes its place.
    wait_for_frames(&edge, 90);
    let watching = Watching::begin(&[&older, &edge]);
    wait_for_frames(&edge, 90);
    let seen = watching.end();
    check_frames(&seen[0], &seen[1]);
    viewer.end();
}

#[test]
fn claims_of_askers_are_bounded() {
    let scratch = Scratch::new("nats-claims");
    let nats = Nats::start(&scratch, "");
    let camera = camera(&nats.url());
    let elsewhere = |camera: &serde_json::Value| camera["viewers_elsewhere"].as_u64().unwrap();
    let mut outsider = Outsider::new(&nats);
    let end = Instant::now() + PATIENCE;
    let mut edge = 0;
    while elsewhere(&camera.status()["cameras"][0]) == 0 {
        assert!(Instant::now() < end);
        for _ in 0..2000 {
            edge += 1;
            let report = Ask::report(edge, u64::MAX, &[(1, u32::MAX)]);
            outsider.publish("berrymse.camera.ask", &report.encode());
        }
        outsider.flush();
    }
    // 32 new ones in a second, for 5 s, and 100 000 viewers of each.
    let claimed = elsewhere(&camera.status()["cameras"][0]);
    assert!(claimed <= 6 * 32 * 100_000, "{claimed}");
}

#[test]
fn camera_that_comes_and_goes_at_will_changes_once_a_second() {
    let scratch = Scratch::new("nats-flap");
    let nats = Nats::start(&scratch, "");
    let edge = Server::start(&["--source", &format!("{}/*", nats.url())]);
    edge.wait_for_log("nats: connected");
    let mut outsider = Outsider::new(&nats);
    let (alive, gone) = announcements();
    let began = Instant::now();
    for _ in 0..100 {
        for _ in 0..50 {
            outsider.publish("berrymse.flap.announce", &alive);
            outsider.publish("berrymse.flap.announce", &gone);
        }
        outsider.flush();
        thread::sleep(Duration::from_millis(10));
    }
    // The last word counts, even if it came too early.
    outsider.publish("berrymse.flap.announce", &alive);
    outsider.flush();
    wait_for_names(&edge, &["flap"]);
    let lines = edge.log().matches("flap: ").count() as u64;
    let limit = 2 + began.elapsed().as_secs();
    assert!(lines <= limit, "{lines} lines, limit {limit}");
}

#[test]
fn camera_answers_only_to_inboxes() {
    let scratch = Scratch::new("nats-reply");
    let nats = Nats::start(&scratch, "");
    let camera = camera(&nats.url());
    camera.wait_for("frames", |camera| camera["frames"].as_u64() > Some(30));
    let mut outsider = Outsider::new(&nats);
    outsider.send("SUB berrymse.back.frames 1");
    outsider.send("SUB _INBOX_edge.> 2");
    let join = [1, 5, 0, 0, 0, 0, 0, 0, 0, 1];
    let end = Instant::now() + PATIENCE;
    let mut said = String::new();
    while !said.contains("MSG _INBOX_edge.1 2 ") {
        assert!(Instant::now() < end);
        outsider.ask("berrymse.camera.ask", "berrymse.back.frames", &join);
        outsider.ask("berrymse.camera.ask", "_INBOX_edge.1", &join);
        said += &outsider.flush();
        thread::sleep(Duration::from_millis(50));
    }
    assert!(!said.contains("berrymse.back.frames"));
}

#[test]
fn hostile_publisher_disturbs_only_its_camera() {
    let scratch = Scratch::new("nats-hostile");
    let nats = Nats::start(&scratch, "");
    let camera = camera(&nats.url());
    let edge = edge(&nats.url());
    watch_both(&camera, &edge, || {
        let mut outsider = Outsider::new(&nats);
        // Of an earlier start, so that the camera stays the one that counts.
        let header = |number: u32, chunk: u16, chunks: u16| {
            let mut bytes = vec![1, 1, 1, 0];
            bytes.extend(chunk.to_be_bytes());
            bytes.extend(chunks.to_be_bytes());
            bytes.extend(1u64.to_be_bytes());
            bytes.extend(number.to_be_bytes());
            bytes.extend([0xff; 20]);
            bytes
        };
        for number in 0..2000u32 {
            let mut bytes = header(number, (number % 7) as u16, 9);
            bytes.extend([number as u8; 600]);
            outsider.publish("berrymse.camera.frames", &bytes);
            outsider.publish("berrymse.camera.ask", &bytes);
            outsider.publish("berrymse.camera.ask", &[1, (number % 12) as u8, 0xff, 0xff]);
            outsider.publish("berrymse.camera.frames", &[1, (number % 12) as u8]);
        }
        outsider.flush();
    });
}
