//! Snapshots of many and of large cameras: the memory for decoders is one limit for all, and everybody gets a turn.
#![cfg(feature = "software-encoder")]

use crate::decoder_process::decoders;
use crate::support::{Scratch, Server};
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::process::Command;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Writes an H.264 file made with these options of ffmpeg and returns its path.
fn encode(scratch: &Scratch, name: &str, size: &str, options: &str) -> String {
    let path = scratch.join(name);
    let status = Command::new("ffmpeg")
        .args(["-v", "error", "-y", "-f", "lavfi", "-i"])
        .arg(format!("testsrc2=size={size}:rate=10:duration=2"))
        .args([
            "-pix_fmt",
            "yuv420p",
            "-c:v",
            "libx264",
            "-preset",
            "ultrafast",
        ])
        .args(options.split_whitespace())
        .arg(&path)
        .status();
    assert!(
        status
            .expect("ffmpeg is needed: apt-get install ffmpeg")
            .success()
    );
    path.to_str().unwrap().to_owned()
}

/// The memory of a server and of its decoders, in kB. What they share counts once.
fn memory_kb(server: &Server) -> u64 {
    let processes = decoders(server).into_iter().chain([server.child.id()]);
    let of_one = |process| {
        let text = fs::read_to_string(format!("/proc/{process}/smaps_rollup")).ok()?;
        let line = text.lines().find_map(|line| line.strip_prefix("Pss:"))?;
        line.trim()
            .trim_end_matches("kB")
            .trim()
            .parse::<u64>()
            .ok()
    };
    // One that ends meanwhile has none.
    processes.filter_map(of_one).sum()
}

/// The highest memory of a server and its decoders during `work`, as looked at 200 times a second.
fn peak_kb(server: &Server, work: &mut dyn FnMut()) -> u64 {
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let peak = scope.spawn(|| {
            let mut peak = 0;
            while !is_over.load(Ordering::Relaxed) {
                peak = memory_kb(server).max(peak);
                std::thread::sleep(Duration::from_millis(5));
            }
            peak
        });
        let result = catch_unwind(AssertUnwindSafe(work));
        is_over.store(true, Ordering::Relaxed);
        result.unwrap_or_else(|panic| resume_unwind(panic));
        peak.join().unwrap()
    })
}

/// The status of a request that is made again while the server asks for that: decoding has a low priority, and this machine may
/// be busy.
fn get(server: &Server, path: &str) -> u16 {
    loop {
        let mut socket = TcpStream::connect(server.address()).unwrap();
        socket
            .set_read_timeout(Some(Duration::from_secs(120)))
            .unwrap();
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        socket.write_all(request.as_bytes()).unwrap();
        let mut response = Vec::new();
        socket.read_to_end(&mut response).unwrap();
        let status: Vec<u8> = response.iter().copied().skip(9).take(3).collect();
        match String::from_utf8_lossy(&status).parse().unwrap() {
            503 => std::thread::sleep(Duration::from_secs(2)),
            status => return status,
        }
    }
}

/// Watches MJPEG until so many pictures came, and then until all watchers are that far. A server that is too busy is asked again.
fn watch_mjpeg(server: &Server, path: &str, pictures: usize, all: &Barrier) {
    loop {
        let mut socket = TcpStream::connect(server.address()).unwrap();
        socket
            .set_read_timeout(Some(Duration::from_secs(120)))
            .unwrap();
        write!(socket, "GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        let mut body = Vec::new();
        while count(&body, b"Content-Length: ") <= pictures {
            let mut piece = [0; 16 << 10];
            let length = socket.read(&mut piece).unwrap();
            body.extend_from_slice(&piece[..length]);
            if length == 0 || body.starts_with(b"HTTP/1.1 503") {
                break;
            }
        }
        if count(&body, b"Content-Length: ") > pictures {
            all.wait();
            return;
        }
        let head = String::from_utf8_lossy(&body[..body.len().min(20)]).into_owned();
        assert!(head.contains(" 503 "), "{path}: {head}");
        std::thread::sleep(Duration::from_secs(2));
    }
}

fn count(bytes: &[u8], what: &[u8]) -> usize {
    bytes.windows(what.len()).filter(|it| *it == what).count()
}

#[test]
fn twenty_cameras_stay_within_decode_memory() {
    const CAMERAS: usize = 20;
    let scratch = Scratch::new("decode-memory");
    let file = encode(&scratch, "vga.264", "640x480", "-g 10 -refs 8 -bf 0");
    let cameras: String = (0..CAMERAS)
        .map(|i| format!("  - {{name: c{i}, fps: 10, source: 'file:{file}'}}\n"))
        .collect();
    // One decoder takes 16 MB.
    let config = scratch.file(
        "config.yml",
        format!("cameras:\n{cameras}server: {{decodeMemory: 24}}\n"),
    );
    let server = Server::start(&["--config", &config]);
    let is_ready = |server: &Server| {
        let status = server.status();
        let cameras = status["cameras"].as_array().unwrap().clone();
        // All of the file was there once: the memory for it does not grow any more.
        cameras.iter().all(|it| it["frames"].as_u64() > Some(25))
    };
    while !is_ready(&server) {
        std::thread::sleep(Duration::from_millis(100));
    }
    let before = memory_kb(&server);
    let growth = |work: &mut dyn FnMut()| peak_kb(&server, work).saturating_sub(before);
    let by_snapshots = growth(&mut || {
        std::thread::scope(|scope| {
            for i in 0..CAMERAS {
                let server = &server;
                scope.spawn(move || assert_eq!(get(server, &format!("/snapshot/c{i}.jpg")), 200));
            }
        });
    });
    assert!(
        by_snapshots > 4 * 1024,
        "decoders are seen: {by_snapshots} kB"
    );
    // A quarter more for JPEGs, and what the program itself takes when it makes the first.
    let allowed = (24 + 6 + 10) * 1024;
    assert!(by_snapshots < allowed, "{by_snapshots} kB");
    // The same by MJPEG, a client for each.
    let all = Barrier::new(CAMERAS);
    let by_mjpeg = growth(&mut || {
        std::thread::scope(|scope| {
            for i in 0..CAMERAS {
                let (server, all) = (&server, &all);
                scope.spawn(move || watch_mjpeg(server, &format!("/stream/c{i}.mjpg"), 2, all));
            }
        });
    });
    assert!(by_mjpeg < allowed, "{by_mjpeg} kB by MJPEG");
}

#[test]
fn oversized_decoder_error_names_its_need() {
    let scratch = Scratch::new("decode-memory-large");
    let large = encode(
        &scratch,
        "large.264",
        "1280x720",
        "-g 10 -refs 16 -bf 0 -x264-params level=5.2",
    );
    let small = encode(&scratch, "small.264", "320x240", "-g 10 -refs 1 -bf 0");
    let config = scratch.file(
        "config.yml",
        format!(
            "cameras:\n  - {{name: large, source: 'file:{large}'}}\n  - {{name: small, source: 'file:{small}'}}\n\
             server: {{decodeMemory: 20}}\n"
        ),
    );
    let server = Server::start(&["--config", &config]);
    server.wait_for("live", |camera| camera["state"] == "live");
    let (status, head, body) = server.request("GET", "/snapshot/large.jpg", "");
    let words = String::from_utf8_lossy(&body).into_owned();
    assert_eq!(status, 501, "{words}");
    assert!(!head.to_lowercase().contains("retry-after"), "{head}");
    assert!(
        words.contains("needs 52 MB, 20 MB are allowed") && words.contains("server.decodeMemory"),
        "{words}"
    );
    assert_eq!(get(&server, "/snapshot/small.jpg"), 200);
}

#[test]
fn memory_is_returned_when_others_wait() {
    let scratch = Scratch::new("decode-memory-turns");
    let file = encode(&scratch, "vga.264", "640x480", "-g 10 -refs 1 -bf 0");
    let cameras: String = (0..4)
        .map(|i| format!("  - {{name: c{i}, fps: 10, source: 'file:{file}'}}\n"))
        .collect();
    // Room for one decoder, while each is kept for five seconds if nobody else needs the memory.
    let config = scratch.file(
        "config.yml",
        format!("cameras:\n{cameras}server: {{decodeMemory: 12}}\n"),
    );
    let server = Server::start(&["--config", &config]);
    for round in 0..5 {
        for i in 0..4 {
            assert_eq!(get(&server, &format!("/snapshot/c{i}.jpg")), 200, "{round}");
        }
    }
}

#[test]
fn damaged_keyframe_is_retried() {
    let scratch = Scratch::new("damaged-keyframe");
    let path = encode(
        &scratch,
        "whole.264",
        "320x240",
        "-g 5 -bf 0 -x264-params slices=1:cabac=0",
    );
    let mut bytes = fs::read(path).unwrap();
    // The slice data of each IDR picture, behind its header.
    let starts: Vec<usize> = (0..bytes.len() - 4)
        .filter(|&i| bytes[i..i + 3] == [0, 0, 1] && bytes[i + 3] & 0x1f == 5)
        .collect();
    for start in starts {
        for byte in &mut bytes[start + 40..start + 400] {
            *byte = 0x5a;
        }
    }
    let damaged = scratch.file("damaged.264", bytes);
    let server = Server::start(&["-d", &format!("file:{damaged}")]);
    server.wait_for("live", |camera| camera["state"] == "live");
    let (status, head, body) = server.request("GET", "/snapshot.jpg", "");
    let words = String::from_utf8_lossy(&body).into_owned();
    assert_eq!(status, 503, "{words}");
    assert!(head.to_lowercase().contains("retry-after: 2"), "{head}");
    assert!(words.contains("the newest keyframe is damaged"), "{words}");
    assert!(!words.contains("native"), "{words}");
}

#[test]
fn abandoned_requests_are_not_waited_for() {
    let scratch = Scratch::new("decode-memory-gone");
    let file = encode(&scratch, "vga.264", "640x480", "-g 10 -refs 1 -bf 0");
    let cameras: String = (0..3)
        .map(|i| format!("  - {{name: c{i}, fps: 10, source: 'file:{file}'}}\n"))
        .collect();
    let config = scratch.file(
        "config.yml",
        format!("cameras:\n{cameras}server: {{decodeMemory: 12}}\n"),
    );
    let server = Server::start(&["--config", &config]);
    server.wait_for("live", |camera| camera["state"] == "live");
    for _ in 0..30 {
        for i in 0..2 {
            let mut socket = TcpStream::connect(server.address()).unwrap();
            let request = format!("GET /snapshot/c{i}.jpg HTTP/1.1\r\nHost: localhost\r\n\r\n");
            socket.write_all(request.as_bytes()).unwrap();
        }
    }
    assert_eq!(get(&server, "/snapshot/c2.jpg"), 200);
}
