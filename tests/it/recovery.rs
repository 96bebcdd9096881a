//! Streams whose only keyframe is their first one: late viewers, `/stream.mp4`, snapshots. libx264 makes them.

use crate::support::{PATIENCE, Scratch, Server, Viewer, decode, in_one_of, is_init, is_keyframe};
use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

const INTRA_REFRESH: &str = "intra-refresh=1:keyint=15:bframes=0:ref=1:scenecut=0";
const OPEN_GOP: &str = "open-gop=1:keyint=15:min-keyint=15:bframes=2:b-adapt=0:scenecut=0";
const ENDLESS_GOP: &str = "keyint=infinite:bframes=0:scenecut=0";
const SIZE: (usize, usize) = (320, 240);

/// An encoder in real time. `more` is for the encoder.
fn encoder(params: &str, more: &str) -> String {
    let (width, height) = SIZE;
    format!(
        "ffmpeg -v error -re -f lavfi -i testsrc2=size={width}x{height}:rate=30 {more} -pix_fmt yuv420p \
         -c:v libx264 -preset ultrafast -tune zerolatency -x264-params {params} -flush_packets 1 -f h264 -"
    )
}

fn serve(params: &str, more: &str) -> Server {
    Server::start(&["--source", &format!("exec:{}", encoder(params, more))])
}

fn decode_time(fragment: &[u8]) -> u64 {
    u64::from_be_bytes(fragment[64..72].try_into().unwrap())
}

fn number(fragment: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(fragment[at..at + 4].try_into().unwrap())
}

/// `nal_unit_type`, and the type of the message for SEI.
fn nal_types(fragment: &[u8]) -> Vec<(u8, u8)> {
    let mut rest = &fragment[number(fragment, 0) as usize + 8..];
    let mut types = Vec::new();
    while let Some((length, behind)) = rest.split_first_chunk() {
        let (nal, behind) = behind.split_at(u32::from_be_bytes(*length) as usize);
        let kind = nal[0] & 31;
        types.push((kind, if kind == 6 { nal[1] } else { 0 }));
        rest = behind;
    }
    types
}

const RECOVERY_POINT: (u8, u8) = (6, 6);

/// The first `most` frames from the keyframe on, with the init segment.
fn watch(viewer: &mut Viewer, most: usize) -> Vec<Vec<u8>> {
    let messages = viewer.collect(most);
    assert!(is_init(&messages[0]));
    assert!(is_keyframe(&messages[1]));
    assert!(nal_types(&messages[1]).contains(&(5, 0)));
    assert!(!messages[2..].iter().any(|message| is_keyframe(message)));
    messages
}

/// No step of the times is one that browsers take for a gap.
fn assert_contiguous(messages: &[Vec<u8>]) {
    for pair in messages[1..].windows(2) {
        let step = decode_time(&pair[1]) as i64 - decode_time(&pair[0]) as i64;
        let most = i64::from(number(&pair[0], 96)) * 2;
        assert!(step > 0 && step < most, "{step} {most}");
    }
}

/// A viewer who was there from the start, and one who joins after 100 frames: from its first second on the late one
/// sees the same pictures.
/// Returns the pictures of the first one.
fn late_viewer_sees_the_picture(server: &Server) -> Vec<String> {
    let (count, last) = (
        Arc::new(AtomicU64::new(0)),
        Arc::new(AtomicU64::new(u64::MAX)),
    );
    let mut early = server.watch("/video_websocket");
    // A thread of its own: a viewer who does not read is given less.
    let early = std::thread::spawn({
        let (count, last) = (count.clone(), last.clone());
        move || {
            let mut all = watch(&mut early, 3);
            while decode_time(all.last().unwrap()) < last.load(Ordering::SeqCst) {
                all.push(early.binary());
                count.store(all.len() as u64, Ordering::SeqCst);
            }
            all
        }
    });
    while count.load(Ordering::SeqCst) < 102 {
        std::thread::sleep(Duration::from_millis(10));
    }
    let mut viewer = server.watch("/video_websocket");
    let late = watch(&mut viewer, 70);
    assert_contiguous(&late);
    last.store(decode_time(late.last().unwrap()), Ordering::SeqCst);
    let all = early.join().unwrap();
    assert_eq!(all.iter().filter(|one| is_keyframe(one)).count(), 1);
    // It begins at a recovery point, and does not get all since the keyframe.
    assert!(decode_time(&late[1]) > decode_time(&all[1]) + 30 * 3000);
    let (all, seen) = (decode("mp4", &all.concat()), decode("mp4", &late.concat()));
    // At its end a decoder may not give all.
    let right = &seen[35..seen.len() - 3];
    assert!(right.len() > 25);
    let is_there = all.windows(right.len()).any(|pictures| pictures == right);
    assert!(is_there, "the pictures differ");
    // Browsers would take it for a keyframe.
    let has_point = |message: &Vec<u8>| nal_types(message).contains(&RECOVERY_POINT);
    assert!(!late[2..].iter().any(has_point));
    all
}

#[test]
fn intra_refresh_late_viewer_sees_the_picture() {
    late_viewer_sees_the_picture(&serve(INTRA_REFRESH, ""));
}

#[test]
fn open_gop_late_viewer_sees_the_picture() {
    late_viewer_sees_the_picture(&serve(OPEN_GOP, ""));
}

/// A program that shows the camera of `first`. Its own first viewer comes after 100 frames of that.
fn behind(first: &Server) -> Server {
    first.wait_for("old", |camera| camera["frames"].as_u64() > Some(100));
    let url = format!("{}stream.mp4", first.url);
    let second = Server::start(&["--source", &url]);
    second.wait_for("live", |camera| camera["state"] == "live");
    second
}

#[test]
fn intra_refresh_of_another_server_keeps_its_recovery_points() {
    let first = serve(INTRA_REFRESH, "");
    late_viewer_sees_the_picture(&behind(&first));
}

#[test]
fn open_gop_of_another_server_keeps_its_recovery_points() {
    let first = serve(OPEN_GOP, "");
    late_viewer_sees_the_picture(&behind(&first));
}

/// NAL units of `frames` frames from libx264, without start codes.
fn encode(qp: u32, frames: u32) -> Vec<Vec<u8>> {
    let params = format!("{INTRA_REFRESH}:qp={qp}");
    let (width, height) = SIZE;
    let output = Command::new("ffmpeg")
        .args(["-v", "error", "-f", "lavfi", "-i"])
        .arg(format!("testsrc2=size={width}x{height}:rate=30"))
        .args(["-frames:v", &frames.to_string(), "-pix_fmt", "yuv420p"])
        .args(["-c:v", "libx264", "-preset", "ultrafast"])
        .args(["-x264-params", &params, "-f", "h264", "-"])
        .output()
        .unwrap();
    let bytes = output.stdout;
    let codes: Vec<usize> = (0..bytes.len() - 3)
        .filter(|&at| bytes[at..at + 3] == [0, 0, 1])
        .collect();
    let ends = codes[1..].iter().copied().chain([bytes.len()]);
    let nal = |(start, end): (&usize, usize)| {
        let nal = &bytes[start + 3..end];
        let length = nal.iter().rposition(|&byte| byte != 0).unwrap() + 1;
        nal[..length].to_vec()
    };
    codes.iter().zip(ends).map(nal).collect()
}

/// The frame before which the picture parameter set changes: neither a keyframe nor a recovery point.
const CHANGE_AT: usize = 40;

/// Annex B whose picture parameter set is another one, of another quantizer, up to [`CHANGE_AT`].
fn stream_of_two_sets() -> Vec<u8> {
    let other = encode(30, 1);
    let other = other.iter().find(|nal| nal[0] & 31 == 8).unwrap();
    let (mut frames, mut out) = (0, Vec::new());
    let mut set: Option<Vec<u8>> = None;
    for nal in encode(24, 900) {
        let kind = nal[0] & 31;
        // `first_mb_in_slice` 0 is one bit.
        let is_frame = matches!(kind, 1 | 5) && nal[1] & 0x80 != 0;
        let mut add = |nal: &[u8]| out.extend([&[0, 0, 0, 1], nal].concat());
        if is_frame && frames == CHANGE_AT {
            add(set.as_deref().unwrap());
        }
        match kind {
            7 if frames > 0 => {}
            8 if frames > 0 => {}
            8 => {
                assert_ne!(&nal, other);
                add(other);
                set = Some(nal);
            }
            _ => add(&nal),
        }
        frames += usize::from(is_frame);
    }
    out
}

#[test]
fn late_viewer_has_sets_that_changed_before() {
    let stream = stream_of_two_sets();
    let scratch = Scratch::new("changed-sets");
    let source = format!("file:{}", scratch.file("stream.264", &stream));
    let server = Server::start(&["--source", &source, "--fps", "60"]);
    let seen = late_viewer_sees_the_picture(&server);
    let right = decode("h264", &stream);
    assert!(right.starts_with(&seen[..seen.len() - 3]));
}

/// The fragments of `/stream.mp4`, and all bytes of the first `most`.
fn stream(server: &Server, query: &str, most: usize) -> (Vec<Vec<u8>>, Vec<u8>) {
    let mut socket = std::net::TcpStream::connect(server.address()).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    // HTTP/1.0: without chunks.
    let address = server.address();
    write!(
        socket,
        "GET /stream.mp4{query} HTTP/1.0\r\nHost: {address}\r\n\r\n"
    )
    .unwrap();
    let mut bytes = std::io::BufReader::new(socket).bytes().map(Result::unwrap);
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(bytes.next().unwrap());
    }
    let (mut all, mut fragments) = (Vec::new(), Vec::new());
    while fragments.len() < most {
        let mut next = || {
            let mut one: Vec<u8> = bytes.by_ref().take(4).collect();
            let size = u32::from_be_bytes(one[..4].try_into().unwrap()) as usize;
            one.extend(bytes.by_ref().take(size - 4));
            one
        };
        let mut one = next();
        if &one[4..8] == b"moof" {
            one.extend(next());
            fragments.push(one.clone());
        }
        all.extend(one);
    }
    (fragments, all)
}

#[test]
fn stream_mp4_late_client_begins_at_zero() {
    let server = serve(INTRA_REFRESH, "");
    watch(&mut server.watch("/video_websocket"), 102);
    let (fragments, all) = stream(&server, "", 60);
    assert!(is_keyframe(&fragments[0]));
    assert!(!fragments[1..].iter().any(|fragment| is_keyframe(fragment)));
    let (mut end, mut pauses) = (0, Vec::new());
    for (n, fragment) in fragments.iter().enumerate() {
        assert_eq!(number(fragment, 20) as usize, n + 1);
        let start = decode_time(fragment);
        assert!(start + 4500 >= end, "{n}: {start}, {end}");
        if start > end + 4500 {
            pauses.push(n);
        }
        end = start + u64::from(number(fragment, 96));
    }
    // A busy machine makes some frames late.
    assert!(pauses.len() < 15, "{pauses:?}");
    assert_eq!(decode_time(&fragments[0]), 0);
    assert!(decode("mp4", &all).len() > 50);
    let (capture, _) = stream(&server, "?clock=capture", 2);
    let unix = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap();
    let first = decode_time(&capture[0]) / 90_000;
    assert!(unix.as_secs().abs_diff(first) < 15, "{first} {unix:?}");
    let (status, ..) = server.request("GET", "/stream.mp4?start=old", "");
    assert_eq!(status, 400);
}

/// Luma of all pictures in `data`.
fn luma(format: &str, data: &[u8]) -> Vec<Vec<u8>> {
    let mut child = Command::new("ffmpeg")
        .args([
            "-v",
            "error",
            "-f",
            format,
            "-i",
            "pipe:0",
            "-fps_mode",
            "passthrough",
        ])
        .args(["-vf", "scale=in_range=tv:out_range=pc", "-pix_fmt", "gray"])
        .args(["-f", "rawvideo", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let data = data.to_vec();
    std::thread::spawn(move || stdin.write_all(&data));
    let output = child.wait_with_output().unwrap().stdout;
    output
        .chunks_exact(SIZE.0 * SIZE.1)
        .map(<[u8]>::to_vec)
        .collect()
}

#[test]
fn snapshot_after_a_minute_is_the_picture() {
    // BT.601, so that JFIF's luma is the stream's own.
    let tags = "colorprim=smpte170m:transfer=smpte170m:colormatrix=smpte170m";
    let server = serve(&format!("{INTRA_REFRESH}:{tags}"), "");
    let mut viewer = server.watch("/video_websocket");
    let mut messages = watch(&mut viewer, 102);
    let (status, _, jpeg) = server.request("GET", "/snapshot.jpg", "");
    assert_eq!(status, 200);
    let jpeg = luma_of_jpeg(&jpeg);
    let difference = |picture: &Vec<u8>| {
        let sum: u64 = (picture.iter().zip(&jpeg))
            .map(|(a, b)| u64::from(a.abs_diff(*b)))
            .sum();
        sum as f64 / picture.len() as f64
    };
    // On a busy machine the snapshot is answered many frames before the viewer has its frame.
    in_one_of(8, || {
        messages.extend(viewer.collect(60));
        let pictures = luma("mp4", &messages.concat());
        let least = pictures.iter().map(difference).fold(255.0, f64::min);
        (least < 4.0)
            .then_some(())
            .ok_or(format!("no picture is like the snapshot: {least}"))
    });
}

fn luma_of_jpeg(jpeg: &[u8]) -> Vec<u8> {
    let mut child = Command::new("ffmpeg")
        .args([
            "-v", "error", "-f", "mjpeg", "-i", "pipe:0", "-pix_fmt", "gray",
        ])
        .args(["-f", "rawvideo", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(jpeg).unwrap();
    child.wait_with_output().unwrap().stdout
}

/// 8 MB, which is all that is kept, in some seconds.
const LARGE: &str = "-vf noise=alls=60:allf=t -qp 4";

#[test]
fn endless_gop_is_reported_and_restarted() {
    let server = serve(ENDLESS_GOP, LARGE);
    let camera = server.wait_for("without entry", |camera| {
        camera["error"]
            .as_str()
            .is_some_and(|words| words.contains("no keyframes"))
    });
    assert_eq!(camera["state"], "live");
    server.wait_for_log("this camera sends no keyframes");
    assert_eq!(camera["restarts"], 0, "nobody waits");
    let mut viewer = server.watch("/video_websocket");
    watch(&mut viewer, 5);
    assert_eq!(server.status()["cameras"][0]["restarts"], 1);
}

#[test]
fn endless_gop_on_stdin_starts_anywhere() {
    let words = encoder(ENDLESS_GOP, LARGE);
    let mut words = words.split_whitespace();
    let mut source = Command::new(words.next().unwrap())
        .args(words)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let pipe = source.stdout.take().unwrap();
    let server = Server::start_with(&["--source", "-"], |command| {
        command.args(["--listen", "127.0.0.1:0"]).stdin(pipe);
    });
    server.wait_for("without entry", |camera| {
        !camera["error"].is_null() && camera["state"] == "live"
    });
    let messages = in_one_of(5, || {
        let messages = server.watch("/video_websocket").collect(5);
        assert!(is_init(&messages[0]) && is_keyframe(&messages[1]));
        if messages[2..].iter().any(|message| is_keyframe(message)) {
            return Err("the viewer was too slow, and began again".to_owned());
        }
        Ok(messages)
    });
    assert_contiguous(&messages);
    let camera = server.status()["cameras"][0].clone();
    assert_eq!(
        (&camera["restarts"], camera["error"].is_null()),
        (&0.into(), false)
    );
    let _ = source.kill();
    let _ = source.wait();
}

/// Frames that the decoder of snapshots has decoded by now, in each of its goes.
fn decoded(server: &Server) -> Vec<u64> {
    let log = server.log();
    let count = |line: &str| {
        let (_, rest) = line.split_once("snapshot: ")?;
        rest.split_once(" frames decoded")?.0.parse().ok()
    };
    log.lines().filter_map(count).collect()
}

#[test]
fn snapshots_of_an_endless_gop_decode_no_frame_twice() {
    let scratch = Scratch::new("endless-gop");
    let path = scratch.join("stream.264");
    let (width, height) = SIZE;
    let status = Command::new("ffmpeg")
        .args(["-v", "error", "-f", "lavfi", "-i"])
        .arg(format!("testsrc2=size={width}x{height}:rate=30"))
        .args([
            "-frames:v",
            "6000",
            "-pix_fmt",
            "yuv420p",
            "-c:v",
            "libx264",
        ])
        .args(["-preset", "ultrafast", "-x264-params", ENDLESS_GOP])
        // Small frames: all of them are kept.
        .args(["-qp", "48"])
        .arg(&path)
        .status();
    assert!(status.unwrap().success());
    let source = format!("file:{}", path.display());
    let server = Server::start(&["-v", "--source", &source, "--fps", "160"]);
    let frames = |camera: &serde_json::Value| camera["frames"].as_u64().unwrap();
    let mut published = 1000;
    // The decoder of a stream with keyframes would be gone 5 s after the first.
    for _ in 0..3 {
        server.wait_for("many frames", |camera| frames(camera) >= published);
        // On a busy machine the decoder is behind the stream for longer than a request waits; it goes on with the next.
        let is_answered = || server.request("GET", "/snapshot.jpg", "").0 == 200;
        assert!(
            (0..12).any(|_| is_answered()),
            "no snapshot: {}",
            server.log()
        );
        published = frames(&server.status()["cameras"][0]) + 160 * 7;
    }
    let goes = decoded(&server);
    let sum: u64 = goes.iter().sum();
    assert!(goes[..3].iter().all(|count| *count == 300), "{goes:?}");
    assert!(goes.iter().all(|count| *count <= 320), "{goes:?}");
    let all = frames(&server.status()["cameras"][0]);
    assert!(sum <= all, "{sum} of {all}: {goes:?}");
}
