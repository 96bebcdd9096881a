//! Memory is bounded by construction, whatever the camera sends and however many viewers stall.

use crate::support::{Server, Viewer, fixture, is_init, is_keyframe};
use std::fs;
use std::io::Write;
use std::process::Stdio;

/// What the program takes besides: itself, libraries, stacks, buffers of the pipe and of one access unit.
const REST_KB: u64 = 24 << 10;

/// The hub's ring for one camera.
const RING_KB: u64 = 8 << 10;

/// A camera whose pictures are as large as the test likes. Slice data is not looked at, so that noise does.
struct Camera {
    server: Server,
    sets: Vec<u8>,
    idr: Vec<u8>,
    p: Vec<u8>,
}

impl Camera {
    fn start() -> Self {
        let server = Server::start_with(&["--source", "-"], |command| {
            command
                .args(["--listen", "127.0.0.1:0"])
                .stdin(Stdio::piped());
        });
        let stream = fs::read(fixture("BA1_FT_C.264")).unwrap();
        let starts: Vec<usize> = (0..stream.len() - 3)
            .filter(|&at| stream[at..at + 3] == [0, 0, 1])
            .collect();
        let nal = |kind| {
            let at = starts.iter().position(|&at| stream[at + 3] & 31 == kind);
            let at = at.unwrap();
            let mut nal = stream[starts[at]..starts[at + 1]].to_vec();
            while nal.last() == Some(&0) {
                nal.pop();
            }
            nal
        };
        Self {
            server,
            sets: [nal(7), nal(8)].concat(),
            idr: nal(5),
            p: nal(1),
        }
    }

    fn send(&mut self, picture: &[u8]) {
        let mut stdin = self.server.child.stdin.as_ref().unwrap();
        stdin.write_all(picture).unwrap();
    }

    /// A picture with its delimiter, which makes the one before it complete.
    fn picture(&self, is_keyframe: bool, bytes: usize) -> Vec<u8> {
        let slice = if is_keyframe { &self.idr } else { &self.p };
        let mut picture = vec![0, 0, 1, 9, 0xf0];
        if is_keyframe {
            picture.extend_from_slice(&self.sets);
        }
        picture.extend_from_slice(slice);
        picture.resize(picture.len().max(bytes), 0x55);
        picture
    }

    fn memory_kb(&self) -> u64 {
        let path = format!("/proc/{}/status", self.server.child.id());
        let status = fs::read_to_string(path).unwrap();
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:"))
            .unwrap();
        let kilobytes = line.trim().trim_end_matches("kB").trim();
        kilobytes.parse().unwrap()
    }
}

#[test]
fn large_keyframes_do_not_accumulate() {
    let mut camera = Camera::start();
    let picture = camera.picture(true, 1 << 20);
    camera.send(&picture);
    camera.send(&camera.picture(false, 6000));
    let mut reading = camera.server.watch("/video_websocket");
    assert!(is_init(&reading.binary()));
    assert!(is_keyframe(&reading.binary()));
    // Each stalls at another keyframe, so that none is shared.
    let mut stalled: Vec<Viewer> = Vec::new();
    for _ in 0..10 {
        stalled.push(camera.server.watch("/video_websocket"));
        for _ in 0..4 {
            // A picture is complete when the next one begins.
            camera.send(&camera.picture(true, 1 << 20));
            assert!(!is_keyframe(&reading.binary()));
            camera.send(&camera.picture(false, 6000));
            let message = reading.binary();
            assert!(is_keyframe(&message) && message.len() > 1 << 20);
        }
    }
    let most = camera.memory_kb();
    println!("{most} kB");
    assert!(most < REST_KB + RING_KB + 10 * 1024, "{most} kB");
}

/// Ten minutes of a camera that sends one keyframe, at 30 pictures per second: as good as one that never sends another.
#[test]
fn long_gop_memory_is_bounded() {
    let mut camera = Camera::start();
    camera.send(&camera.picture(true, 20_000));
    let mut reading = camera.server.watch("/video_websocket");
    let _stalled: Vec<Viewer> = (0..10)
        .map(|_| camera.server.watch("/video_websocket"))
        .collect();
    let picture = camera.picture(false, 1500);
    for _ in 0..30 {
        camera.send(&picture);
    }
    assert!(is_init(&reading.binary()));
    assert!(is_keyframe(&reading.binary()));
    for number in 0..600 {
        for _ in 0..30 {
            camera.send(&picture);
        }
        for _ in 0..30 {
            assert!(!is_keyframe(&reading.binary()), "in second {number}");
        }
    }
    let most = camera.memory_kb();
    println!("{most} kB");
    assert!(most < REST_KB + RING_KB, "{most} kB");
    // Who comes now cannot be shown anything before the next keyframe, and is then.
    let mut late = camera.server.watch("/video_websocket");
    camera
        .server
        .wait_for("all there", |camera| camera["viewers"] == 12);
    camera.send(&camera.picture(true, 20_000));
    camera.send(&picture);
    assert!(is_init(&late.binary()));
    assert!(is_keyframe(&late.binary()));
}
