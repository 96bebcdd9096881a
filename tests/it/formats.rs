//! What is no H.264, made by the real ffmpeg, as the output of a program, as a file and on standard input: the status says what it is
//! and what makes H.264 of it.

use crate::support::{Scratch, Server, fixture};
use std::collections::BTreeMap;
use std::fs::File;
use std::process::{Command, Stdio};

/// Camera's name, ffmpeg's arguments, the format's name and a part of the remedy for a program.
const FORMATS: [(&str, &str, &str, &str); 17] = [
    (
        "h265",
        "-c:v libx265 -x265-params log-level=none -f hevc",
        "H.265 (HEVC)",
        "rpicam-vid --codec h264",
    ),
    (
        "mjpeg",
        "-c:v mjpeg -f mjpeg",
        "MJPEG (JPEG pictures)",
        "-c:v libx264",
    ),
    (
        "multipart",
        "-c:v mjpeg -f mpjpeg",
        "MJPEG over HTTP",
        "-f mpjpeg",
    ),
    (
        "ts",
        "-c:v libx264 -f mpegts",
        "MPEG-TS",
        "-c copy -f h264 -",
    ),
    (
        "ps",
        "-c:v mpeg2video -f vob",
        "MPEG-PS",
        "-bsf:v h264_mp4toannexb -f h264 -",
    ),
    (
        "flv",
        "-c:v libx264 -f flv",
        "FLV",
        "-bsf:v h264_mp4toannexb -f h264 -",
    ),
    (
        "mkv",
        "-c:v libx264 -f matroska",
        "Matroska (WebM)",
        "-bsf:v h264_mp4toannexb -f h264 -",
    ),
    (
        "mp4",
        "-c:v libx264 -f mp4 -movflags frag_keyframe+empty_moov",
        "MP4",
        "-bsf:v h264_mp4toannexb",
    ),
    (
        "avi",
        "-c:v libx264 -f avi",
        "AVI",
        "-bsf:v h264_mp4toannexb",
    ),
    ("vp8", "-c:v libvpx -f ivf", "IVF (VP8)", "-c:v libx264"),
    (
        "av1",
        "-c:v libsvtav1 -svtav1-params preset=12 -f obu",
        "AV1",
        "-c:v libx264",
    ),
    (
        "m2v",
        "-c:v mpeg2video -f mpeg2video",
        "MPEG-1 or MPEG-2 video",
        "-c:v libx264",
    ),
    (
        "m4v",
        "-c:v mpeg4 -f m4v",
        "MPEG-4 Part 2 video",
        "-c:v libx264",
    ),
    (
        "y4m",
        "-f yuv4mpegpipe",
        "raw video (YUV4MPEG2)",
        "-c:v libx264",
    ),
    (
        "png",
        "-c:v png -f image2pipe",
        "PNG pictures",
        "-c:v libx264",
    ),
    ("ogg", "-c:v libvpx -f ogg", "Ogg", "-c:v libx264"),
    ("asf", "-c:v msmpeg4 -f asf", "ASF (WMV)", "-c:v libx264"),
];

fn make(scratch: &Scratch, name: &str, arguments: &str) -> String {
    let path = scratch.join(name);
    let source = "testsrc=size=160x128:rate=25:duration=0.4";
    let made = Command::new("ffmpeg")
        .args([
            "-v", "error", "-y", "-f", "lavfi", "-i", source, "-pix_fmt", "yuv420p",
        ])
        .args(arguments.split(' '))
        .arg(&path)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap();
    assert!(made.success(), "{name}");
    path.display().to_string()
}

/// Starts one camera for each source and waits until none is starting; returns their errors and log lines by name.
fn errors(scratch: &Scratch, sources: &[(&str, String)]) -> BTreeMap<String, String> {
    let cameras: String = sources
        .iter()
        .map(|(name, source)| format!("  - {{name: \"{name}\", source: '{source}'}}\n"))
        .collect();
    let config = scratch.file("config.yml", format!("cameras:\n{cameras}"));
    let server = Server::start(&["--config", &config]);
    let is_settled = |camera: &serde_json::Value| camera["state"] == "waiting";
    server.wait_for("the first one refused", is_settled);
    let end = std::time::Instant::now() + std::time::Duration::from_secs(60);
    loop {
        let cameras = server.status()["cameras"].as_array().unwrap().clone();
        let log = server.log();
        // Its lines come after the status, at most a little later.
        let is_logged = |camera: &serde_json::Value| {
            let name = format!(" {}: ", camera["name"].as_str().unwrap());
            log.lines()
                .any(|line| line.contains(&name) && line.contains("not H.264"))
        };
        let is_done = cameras.iter().all(|c| is_settled(c) && is_logged(c));
        if is_done || std::time::Instant::now() > end {
            let error = |camera: &serde_json::Value| {
                let name = camera["name"].as_str().unwrap();
                let error = camera["error"].as_str().unwrap_or_default();
                assert!(error.contains("not H.264"), "{name}: {error}");
                // The log has what viewers may not know.
                let mine = log
                    .lines()
                    .filter(|line| line.contains(&format!(" {name}: ")));
                let all: Vec<_> = [error].into_iter().chain(mine).collect();
                (name.to_owned(), all.join("\n"))
            };
            return cameras.iter().map(error).collect();
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

#[test]
fn other_format_from_a_program_names_the_remedy() {
    let scratch = Scratch::new("formats-exec");
    let mut sources: Vec<_> = FORMATS
        .iter()
        .map(|(name, arguments, ..)| {
            (
                *name,
                format!("exec:cat {}", make(&scratch, name, arguments)),
            )
        })
        .collect();
    let packets = scratch.file("rtp", rtp());
    let zipped = scratch.file(
        "plain.264",
        std::fs::read(fixture("SVA_NL1_B.264")).unwrap(),
    );
    assert!(
        Command::new("gzip")
            .arg(&zipped)
            .status()
            .unwrap()
            .success()
    );
    sources.push(("rtp", format!("exec:cat {packets}")));
    sources.push(("gz", format!("exec:cat {zipped}.gz")));
    sources.push((
        "words",
        "exec:sh -c \"echo no camera; sleep 1000\"".to_owned(),
    ));
    sources.push((
        "page",
        "exec:echo \"<html><title>404</title></html>\"".to_owned(),
    ));
    let errors = errors(&scratch, &sources);
    let others = [
        ("rtp", "", "RTP packets", "stream.sdp"),
        ("gz", "", "compressed data (gzip)", "decompress it first"),
        ("words", "", "text (\"no camera\")", "standard error"),
        ("page", "", "an HTML page", ""),
    ];
    for (name, _, format, remedy) in FORMATS.iter().chain(&others) {
        let error = &errors[*name];
        assert!(
            error.contains(format) && error.contains("not H.264"),
            "{name}: {error}"
        );
        assert!(error.contains(remedy), "{name}: {error}");
    }
}

/// Packets as `nc -u` writes them to a pipe.
fn rtp() -> Vec<u8> {
    let packet = |n: u8| {
        [
            &[0x80, 0x60, 0, n, 0, 0, 0, n, 1, 2, 3, 4][..],
            &[0x7c; 1000],
        ]
        .concat()
    };
    (0..10).flat_map(packet).collect()
}

#[test]
fn other_format_in_a_file_names_a_command() {
    let scratch = Scratch::new("formats-file");
    let names = ["mp4", "h265", "ts"];
    let formats = FORMATS.iter().filter(|(name, ..)| names.contains(name));
    let sources: Vec<_> = formats
        .map(|(name, arguments, ..)| (*name, format!("file:{}", make(&scratch, name, arguments))))
        .collect();
    for (name, error) in errors(&scratch, &sources) {
        let path = scratch.join(&name);
        let command = format!("\"ffmpeg -i {}", path.display());
        assert!(
            error.contains(&command) && error.contains(" is "),
            "{error}"
        );
    }
}

#[test]
fn other_format_on_standard_input_is_named() {
    let scratch = Scratch::new("formats-stdin");
    let path = make(&scratch, "mkv", "-c:v libx264 -f matroska");
    let server = Server::start_with(&["--source", "-"], |command| {
        command
            .args(["--listen", "127.0.0.1:0"])
            .stdin(File::open(path).unwrap());
    });
    let camera = server.wait_for("refused", |camera| camera["state"] == "waiting");
    let error = camera["error"].as_str().unwrap();
    assert!(
        error.starts_with("the source sends Matroska (WebM), not H.264; "),
        "{error}"
    );
    server.wait_for_log("standard input is Matroska (WebM), not H.264");
}
