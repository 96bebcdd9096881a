//! Recorders (`delivery=lossless`): they get every frame after they did not read for a while, and memory is bounded.

use crate::rtsp::client;
use crate::support::{PATIENCE, Scratch, Server, decode};
use std::collections::BTreeMap;
use std::io::{BufReader, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};
use testsrc::{Encoder, Settings};

/// Frames of the file, which is repeated.
const FRAMES: usize = 60;
const GOP: usize = 10;
const FPS: &str = "60";

/// Frames while a client does not read: more than the 0.7 s after which a viewer skips, less than the 8 MB that wait for a recorder.
const PAUSE: u64 = 80;

/// Bytes in each frame that mean nothing (ITU-T H.264, D.2.6).
const PADDING: usize = 30_000;

/// Returns a server of frames of 30 kB, no two of which are alike.
fn serve(scratch: &Scratch, limits: &str) -> Server {
    let mut encoder = Encoder::new(&Settings {
        width: 320,
        height: 240,
        ..Settings::default()
    })
    .unwrap();
    let mut padding = vec![0, 0, 0, 1, 6, 5];
    padding.extend(std::iter::repeat_n(255, PADDING / 255));
    padding.push(16);
    padding.extend(std::iter::repeat_n(0x55, PADDING / 255 * 255 + 16));
    padding.push(0x80);
    let mut file = Vec::new();
    for n in 0..FRAMES {
        let frame = encoder.encode(n as u64 * 16, n % GOP == 0).to_vec();
        // The message goes before the slices.
        let slice = (0..frame.len() - 4)
            .find(|at| frame[*at..].starts_with(&[0, 0, 1]) && matches!(frame[at + 3] & 31, 1 | 5))
            .unwrap();
        let start = slice - usize::from(frame[slice - 1] == 0);
        file.extend_from_slice(&frame[..start]);
        file.extend_from_slice(&padding);
        file.extend_from_slice(&frame[start..]);
    }
    assert_eq!(decode("h264", &file).len(), FRAMES);
    let source = format!("file:{}", scratch.file("large.264", &file));
    let config = scratch.file("config.yml", format!("server: {{limits: {{{limits}}}}}\n"));
    let server = Server::start(&[
        "--source",
        &source,
        "--fps",
        FPS,
        "--config",
        &config,
        "--listen",
        "127.0.0.1:0",
    ]);
    server.wait_for("live", |camera| camera["state"] == "live");
    server
}

fn counter(server: &Server, name: &str) -> u64 {
    server.status()["cameras"][0][name].as_u64().unwrap()
}

/// Waits until the camera has sent this number of frames, which nobody reads.
fn pause(server: &Server, frames: u64) {
    let until = counter(server, "frames") + frames;
    server.wait_for("frames", |camera| camera["frames"].as_u64() >= Some(until));
}

/// A client of an MP4, which reads when it is asked to.
struct Recorder(std::io::Bytes<BufReader<TcpStream>>);

impl Recorder {
    /// Returns the client, or the whole refusal.
    fn begin(server: &Server, path: &str) -> Result<Self, String> {
        let mut socket = TcpStream::connect(server.address()).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        // HTTP/1.0: without chunks.
        write!(
            socket,
            "GET {path} HTTP/1.0\r\nHost: {}\r\n\r\n",
            server.address()
        )
        .unwrap();
        let mut bytes = BufReader::with_capacity(4096, socket).bytes();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(bytes.next().unwrap().unwrap());
        }
        let head = String::from_utf8(head).unwrap();
        if head.starts_with("HTTP/1.0 200") || head.starts_with("HTTP/1.1 200") {
            return Ok(Self(bytes));
        }
        let rest: Vec<u8> = bytes.map_while(Result::ok).collect();
        Err(head + &String::from_utf8_lossy(&rest))
    }

    /// The bytes of the next frame.
    fn frame(&mut self) -> Vec<u8> {
        let mut take =
            |count| -> Vec<u8> { self.0.by_ref().take(count).map(Result::unwrap).collect() };
        loop {
            let head = take(8);
            let size = u32::from_be_bytes(head[..4].try_into().unwrap()) as usize;
            let content = take(size - 8);
            if head.ends_with(b"mdat") {
                return content;
            }
        }
    }
}

#[test]
fn recorder_that_did_not_read_gets_every_frame() {
    let scratch = Scratch::new("recorder-pause");
    let server = serve(&scratch, "recorders: 2");
    let mut rtsp = client::connect(server.address());
    let base = format!("rtsp://{}/live", server.address());
    rtsp.play(&format!("{base}?delivery=lossless"), "");
    let mut mp4 = Recorder::begin(&server, "/stream.mp4?delivery=lossless").unwrap();
    assert_eq!(counter(&server, "viewers"), 2);
    pause(&server, PAUSE);
    let (mut order, mut seen) = (BTreeMap::new(), Vec::new());
    for _ in 0..PAUSE as usize + FRAMES {
        let frame = mp4.frame();
        let next = order.len();
        seen.push(*order.entry(frame).or_insert(next));
    }
    assert_eq!(order.len(), FRAMES, "no two are alike");
    let expected: Vec<usize> = (0..seen.len()).map(|n| n % FRAMES).collect();
    assert_eq!(seen, expected, "in their order, all");
    let (mut frames, mut before) = (0, None);
    while frames < PAUSE {
        let packet = rtsp.packet();
        let gap = before.map_or(1, |before: u16| packet.sequence.wrapping_sub(before));
        assert_eq!(gap, 1, "a packet is missing");
        before = Some(packet.sequence);
        frames += u64::from(packet.has_marker);
    }
    assert_eq!(counter(&server, "frames_skipped"), 0);
    // A viewer skips in the same time, so the pause was long enough.
    drop((rtsp, mp4));
    let mut viewer = Recorder::begin(&server, "/stream.mp4").unwrap();
    pause(&server, PAUSE);
    let end = Instant::now() + PATIENCE;
    while counter(&server, "frames_skipped") == 0 {
        assert!(Instant::now() < end, "a viewer gets all, too");
        viewer.frame();
    }
}

#[test]
fn recorder_without_room_is_told_what_it_lost() {
    let scratch = Scratch::new("recorder-limits");
    let server = serve(&scratch, "recorders: 1");
    let path = "/stream.mp4?delivery=lossless";
    let mut recorder = Recorder::begin(&server, path).unwrap();
    let refusal = Recorder::begin(&server, path).err().unwrap();
    assert!(
        refusal.contains("503 ") && refusal.contains("server.limits"),
        "{refusal}"
    );
    let mut rtsp = client::connect(server.address());
    let url = format!("rtsp://{}/live?delivery=", server.address());
    assert_eq!(rtsp.status("DESCRIBE", &format!("{url}all"), ""), 400);
    let answer = rtsp.ask("DESCRIBE", &format!("{url}lossless"), "");
    let base = answer.header("Content-Base").to_owned();
    let setup = rtsp.ask("SETUP", &base, "Transport: RTP/AVP/TCP;interleaved=0-1\r\n");
    let session = format!(
        "Session: {}\r\n",
        setup.header("Session").split(';').next().unwrap()
    );
    assert_eq!(rtsp.status("PLAY", &base, &session), 503);
    assert!(
        Recorder::begin(&server, "/stream.mp4").is_ok(),
        "viewers have room"
    );
    server.wait_for_log("limits: {recorders: 2}");
    let (_, metrics) = server.get("/metrics");
    assert!(
        metrics.contains("berrymse_limited_total{limit=\"recorders\"} 2"),
        "{metrics}"
    );
    // More than 8 MB, and what the kernel takes.
    pause(&server, 400);
    let end = Instant::now() + PATIENCE;
    while !server
        .log()
        .contains("it did not read while 8 MB of them came")
    {
        assert!(Instant::now() < end, "nothing is lost");
        recorder.frame();
    }
    assert!(counter(&server, "frames_skipped") > 0);
    drop(recorder);
    let end = Instant::now() + PATIENCE;
    while Recorder::begin(&server, path).is_err() {
        assert!(Instant::now() < end, "the place stays taken");
        std::thread::sleep(Duration::from_millis(50));
    }
}
