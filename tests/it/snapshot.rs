//! Snapshots of the whole program: what is in the file, from when it is, and what is said when there is none.
#![cfg(feature = "software-encoder")]

use crate::support::{Scratch, Server, fixture};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

/// A decoded snapshot: luma, black is 0 and white 255.
struct Luma {
    width: usize,
    height: usize,
    pixels: Vec<u8>,
    age_ms: u64,
}

impl Luma {
    /// What is behind `path`, which has to be a JPEG.
    fn get(server: &Server, path: &str) -> Self {
        let (status, head, body) = server.request("GET", path, "");
        let words = String::from_utf8_lossy(body.get(..200).unwrap_or(&body)).into_owned();
        assert_eq!(status, 200, "{head} {words}");
        assert_eq!(header(&head, "content-type"), "image/jpeg");
        assert_eq!(header(&head, "cache-control"), "no-store");
        assert_eq!(header(&head, "content-length"), body.len().to_string());
        let age_ms = header(&head, "x-picture-age-ms").parse().unwrap();
        Self {
            age_ms,
            ..Self::decode(&body)
        }
    }

    fn decode(jpeg: &[u8]) -> Self {
        let options = DecoderOptions::default().jpeg_set_out_colorspace(ColorSpace::YCbCr);
        let mut decoder = JpegDecoder::new_with_options(ZCursor::new(jpeg), options);
        let pixels = decoder.decode().unwrap();
        let (width, height) = decoder.dimensions().unwrap();
        Self {
            width,
            height,
            pixels: pixels.chunks(3).map(|pixel| pixel[0]).collect(),
            age_ms: 0,
        }
    }

    /// The time in the test pattern, which is `across` x `down` pixels large where it is made, by where `place` says that its
    /// pixels are: milliseconds of Unix time modulo 2^32.
    fn clock(&self, place: impl Fn(usize, usize) -> (usize, usize)) -> u32 {
        let bits: Vec<u64> = (0..48)
            .map(|i| {
                let (x, y) = place(16 + i % 12 * 16 + 8, 16 + i / 12 * 16 + 8);
                u64::from(self.pixels[y * self.width + x] > 127)
            })
            .collect();
        let number = |bits: &[u64]| bits.iter().fold(0, |all, bit| all * 2 + bit);
        assert_eq!(
            (number(&bits[..4]), number(&bits[44..])),
            (10, 5),
            "{bits:?}"
        );
        number(&bits[4..36]) as u32
    }
}

fn header<'a>(head: &'a str, name: &str) -> &'a str {
    head.lines()
        .filter_map(|line| line.split_once(": "))
        .find(|(key, _)| key.eq_ignore_ascii_case(name))
        .unwrap_or_else(|| panic!("no {name}: {head}"))
        .1
}

fn unix_ms() -> u64 {
    let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    time.as_millis() as u64
}

#[test]
fn snapshot_has_orientation_and_capture_time() {
    type Place = fn(usize, usize) -> (usize, usize);
    let lays: [(&str, [usize; 2], Place); 5] = [
        ("", [320, 240], |x, y| (x, y)),
        ("-r 90", [240, 320], |x, y| (239 - y, x)),
        ("-r 180", [320, 240], |x, y| (319 - x, 239 - y)),
        ("--hflip", [320, 240], |x, y| (319 - x, y)),
        ("-r 270 --vflip", [240, 320], |x, y| (y, x)),
    ];
    for (lay, size, place) in lays {
        let mut options = vec!["-d", "test", "-w", "320", "-h", "240"];
        options.extend(lay.split_whitespace());
        let server = Server::start(&options);
        let before = unix_ms();
        let picture = Luma::get(&server, "/snapshot.jpg");
        let after = unix_ms();
        assert_eq!([picture.width, picture.height], size, "{lay}");
        let taken = u64::from(picture.clock(place));
        // The clock in the picture has 32 bits, and both round to a millisecond.
        let from = (before - picture.age_ms - 3) & 0xffff_ffff;
        let to = (after - picture.age_ms + 3) & 0xffff_ffff;
        assert!(
            from > to || (from..=to).contains(&taken),
            "{lay}: taken at {taken}, said {from} to {to}"
        );
    }
}

#[test]
fn concurrent_snapshots_share_the_newest_frame() {
    let server = Server::start(&["-d", "test", "-w", "320", "-h", "240"]);
    let clock = |picture: &Luma| picture.clock(|x, y| (x, y));
    let first = Luma::get(&server, "/snapshot/camera.jpg");
    std::thread::sleep(Duration::from_millis(200));
    let second = Luma::get(&server, "/snapshot/camera.jpg?t=1");
    assert!(clock(&second).wrapping_sub(clock(&first)) >= 150);
    std::thread::scope(|scope| {
        for i in 0..40 {
            let server = &server;
            scope.spawn(move || {
                let width = 160 + i % 4 * 16;
                let picture = Luma::get(server, &format!("/snapshot.jpg?width={width}"));
                assert_eq!(picture.width, width);
                assert_eq!(picture.height, width * 3 / 4);
            });
        }
    });
    assert_eq!(server.status()["cameras"][0]["viewers"], 0);
}

#[test]
fn snapshot_head_is_get_without_body() {
    let server = Server::start(&["-d", "test", "-w", "320", "-h", "240"]);
    let (status, head, body) = server.request("HEAD", "/snapshot.jpg", "");
    assert_eq!((status, body.len()), (200, 0));
    assert!(header(&head, "content-length").parse::<u64>().unwrap() > 1000);
    assert!(header(&head, "last-modified").ends_with(" GMT"));
    assert_eq!(header(&head, "age"), "0");
}

#[test]
fn snapshot_errors_have_reasons() {
    let server = Server::start(&["-d", "/dev/video-not-there"]);
    server.wait_for("waiting", |camera| camera["state"] == "waiting");
    let (status, words) = server.get("/snapshot.jpg");
    assert_eq!(status, 503);
    assert!(words.contains("no such device"), "{words}");
    let (status, words) = server.get("/snapshot.jpg?width=wide");
    assert_eq!(status, 400);
    assert!(words.starts_with("width is a number of pixels"), "{words}");
    let (status, words) = server.get("/snapshot/none.jpg");
    assert_eq!(status, 404);
    assert!(words.contains("There are: camera"), "{words}");
    let (status, ..) = server.request("GET", "/snapshot.jpg", "Origin: http://evil.example\r\n");
    assert_eq!(status, 403);
    assert_eq!(server.request("POST", "/snapshot.jpg", "").0, 405);
}

#[test]
fn unsupported_stream_error_has_a_reason() {
    for (options, reason) in [
        ("-pix_fmt yuv422p", "only 4:2:0 with 8 bits"),
        (
            "-pix_fmt yuv420p -flags +ilme+ildct -x264opts tff=1",
            "they are interlaced",
        ),
    ] {
        let source = format!(
            "exec:ffmpeg -v error -re -f lavfi -i testsrc2=size=160x96:rate=25 -c:v libx264 -preset ultrafast -tune zerolatency \
             -g 25 {options} -f h264 -"
        );
        let server = Server::start(&["-d", &source]);
        server.wait_for("live", |camera| camera["state"] == "live");
        let (status, words) = server.get("/snapshot.jpg");
        assert_eq!(status, 501, "{words}");
        assert!(words.contains(reason), "{words}");
    }
}

#[test]
fn snapshot_opens_on_demand_camera_afresh() {
    let server = Server::start(&[
        "-d",
        "test",
        "-w",
        "320",
        "-h",
        "240",
        "--on-demand",
        "true",
    ]);
    server.wait_for("idle", |camera| camera["state"] == "idle");
    let before = unix_ms() as u32;
    let picture = Luma::get(&server, "/snapshot.jpg");
    assert!(picture.clock(|x, y| (x, y)).wrapping_sub(before) < 10_000);
    assert_eq!(server.status()["cameras"][0]["state"], "live");
}

/// The luma of all pictures of a stream as ffmpeg decodes them, with black 0 and white 255.
fn reference(path: &Path) -> (usize, Vec<Vec<u8>>) {
    let run = |program: &str, arguments: &[&str]| {
        let output = Command::new(program)
            .args(["-v", "error"])
            .args(arguments)
            .output();
        output
            .expect("ffmpeg is needed: apt-get install ffmpeg")
            .stdout
    };
    let path = path.to_str().unwrap();
    let size = run(
        "ffprobe",
        &[
            "-show_entries",
            "stream=width,height",
            "-of",
            "csv=p=0",
            path,
        ],
    );
    let size = String::from_utf8(size).unwrap();
    let (width, height) = size.trim().split_once(',').unwrap();
    let (width, height): (usize, usize) = (width.parse().unwrap(), height.parse().unwrap());
    let options = [
        "-i",
        path,
        "-fps_mode",
        "passthrough",
        "-pix_fmt",
        "yuv420p",
    ];
    let raw = run("ffmpeg", &[&options[..], &["-f", "rawvideo", "-"]].concat());
    let full = |luma: &u8| ((f64::from(*luma) - 16.0) * 255.0 / 219.0).round() as u8;
    let pictures = raw
        .chunks_exact(width * height * 3 / 2)
        .map(|picture| picture[..width * height].iter().map(full).collect())
        .collect();
    (width, pictures)
}

/// Peak signal-to-noise ratio in dB, looking at one pixel in `step`.
fn psnr(a: &[u8], b: &[u8], step: usize) -> f64 {
    let pairs = a.iter().zip(b).step_by(step);
    let squares = pairs.map(|(a, b)| f64::from(a.abs_diff(*b)).powi(2));
    let mean = squares.sum::<f64>() / a.len().div_ceil(step) as f64;
    10.0 * (255.0 * 255.0 / mean.max(1e-3)).log10()
}

#[test]
fn snapshots_match_ffmpeg() {
    for name in [
        "SVA_NL1_B.264",
        "MIDR_MW_D.264",
        "MPS_MW_A.264",
        "Zhling_1280x720.264",
        "test_qcif_cabac.264",
        "Static.264",
    ] {
        are_pictures_of(&fixture(name));
    }
}

#[test]
fn snapshots_of_b_frames_match_ffmpeg() {
    let scratch = Scratch::new("snapshot");
    let path = scratch.join("b-pictures.264");
    let status = Command::new("ffmpeg")
        .args(["-v", "error", "-y", "-f", "lavfi", "-i"])
        .args([
            "testsrc2=size=320x180:rate=25:duration=2",
            "-pix_fmt",
            "yuv420p",
        ])
        .args([
            "-c:v",
            "libx264",
            "-profile:v",
            "high",
            "-bf",
            "3",
            "-g",
            "25",
        ])
        .arg(&path)
        .status();
    assert!(status.unwrap().success());
    are_pictures_of(&path);
}

/// Plays the file, tagged as BT.601 so that JFIF's luma is its own, and takes snapshots, each of which has to be like one of its
/// pictures.
fn are_pictures_of(path: &Path) {
    let (width, pictures) = reference(path);
    let file = path.file_name().unwrap().to_str().unwrap();
    let scratch = Scratch::new(&format!("tagged-{file}"));
    let tagged = scratch.join(file);
    let status = Command::new("ffmpeg")
        .args(["-v", "error", "-y", "-f", "h264", "-i"])
        .arg(path)
        .args(["-c", "copy", "-bsf:v"])
        .arg("h264_metadata=colour_primaries=6:transfer_characteristics=6:matrix_coefficients=6")
        .args(["-f", "h264"])
        .arg(&tagged)
        .status();
    assert!(status.unwrap().success());
    let name = tagged.display();
    let server = Server::start(&["-d", &format!("file:{name}")]);
    server.wait_for("live", |camera| camera["state"] == "live");
    for _ in 0..3 {
        let snapshot = Luma::get(&server, "/snapshot.jpg");
        assert_eq!(snapshot.width, width, "{name}");
        // A few pixels tell which picture it is.
        let like = |picture: &&Vec<u8>| (psnr(picture, &snapshot.pixels, 29) * 1000.0) as u64;
        let picture = pictures.iter().max_by_key(like).unwrap();
        let likeness = psnr(picture, &snapshot.pixels, 1);
        assert!(likeness > 36.0, "{name}: {likeness:.1} dB");
        std::thread::sleep(Duration::from_millis(70));
    }
}

#[test]
fn snapshot_pixels_become_square() {
    let path = fixture("SarVui.264");
    let server = Server::start(&["-d", &format!("file:{}", path.display())]);
    let snapshot = Luma::get(&server, "/snapshot.jpg");
    assert_eq!((snapshot.width, snapshot.height), (176, 144 * 33 / 80));
}
