//! The help and the version, as printed.

use super::options::{OPTIONS, OptionSpec};
use crate::build_info::{self, COMMIT, VERSION};
use std::fmt::Write;

/// Column at which the explanations begin.
const COLUMN: usize = 34;

/// Returns what `--version` prints.
pub(super) fn version() -> String {
    let mut out = format!("berrymse {VERSION} (commit {COMMIT})\n");
    for (name, description) in build_info::parts() {
        let _ = writeln!(out, "{name}: {description}");
    }
    out
}

/// What `--help` prints.
pub(super) fn text() -> String {
    let mut out = String::from(HEAD);
    for row in OPTIONS.iter().filter(|row| !row.long.is_empty()) {
        let short = row
            .short
            .map_or_else(|| "    ".to_owned(), |letter| format!("-{letter}, "));
        let name = row.long.first().copied().unwrap_or_default();
        entry(&mut out, &format!("{short}--{name} {}", row.value), row);
    }
    out.push_str(SWITCHES);
    out.push_str(SOURCES);
    out.push_str(FILE);
    for row in OPTIONS.iter().filter(|row| row.long.is_empty()) {
        if let Some((section, names)) = row.file {
            let name = names.first().copied().unwrap_or_default();
            entry(&mut out, &format!("{}.{name}", section.name()), row);
        }
    }
    out.push_str(TAIL);
    out
}

/// One line, or more where the explanation has more, with the default at its end.
fn entry(out: &mut String, left: &str, row: &OptionSpec) {
    let mut help = row.help.to_owned();
    if let Some(default) = row.default {
        let _ = write!(help, " [{default}]");
    }
    for (i, line) in help.lines().enumerate() {
        let left = if i == 0 { left } else { "" };
        let _ = writeln!(out, "  {left:<width$}{line}", width = COLUMN - 2);
    }
}

const HEAD: &str = "\
BerryMSE shows a camera in any browser with the least delay there is.

Usage: berrymse [OPTIONS]            serve; open the address that it prints
       berrymse cameras [--json]     list what this machine has, with the --source for each

Options, with their defaults in brackets:
";

const SWITCHES: &str = "  \
  -v, --verbose                   log more; twice: still more
      --help                      this help
  -V, --version                   the version, and that of the software encoder
";

const SOURCES: &str = "
Sources:
  auto                            the first camera that works: V4L2 with H.264, rpicam, else
                                  V4L2 whose pictures are to be encoded
  /dev/videoN, v4l2:PATH          a V4L2 camera, also /dev/v4l/by-id/...
  rpicam, rpicam:N                a Raspberry Pi camera, through rpicam-vid
  exec:COMMAND ARGS...            a program that writes H.264 (Annex B) to its standard output
  file:PATH                       an H.264 (Annex B) file, repeated for ever
  -                               H.264 (Annex B) on standard input
  test                            a moving test picture
";

const FILE: &str = "
Every option can stand in the environment (BERRYMSE_WIDTH=640; BERRYMSE_LISTEN separates addresses
by commas; BERRYMSE_LOG=error|warn|info|debug|trace) and in the file:

  camera:                         or cameras:, a list of such blocks, each with a name
    source: /dev/video0           also width, height, bitrate, adaptive, minBitrate,
                                  rotation, hflip, vflip, fps, keyframeInterval, onDemand,
                                  stallAfter, encoder, pixelFormat
    controls:                     what the camera itself has, see below
      brightness: 130
  server:
    listen: localhost:2020        also webSocket
  tls:
    cert: server.crt              also key

An option beats the environment, the environment beats the file; of an option given twice the last
counts, addresses add up. Options for the picture count for all cameras; --source is refused when
the file has several. The 2022 program's long options and keys are understood too. Only in the file:
";

const TAIL: &str = "
Examples:
  berrymse                                   the first camera, on http://localhost:2020/
  berrymse -d test -l :8080                  the test picture, for the whole network
  berrymse -d /dev/video2 -w 640 -h 480 -b -1
  berrymse -d 'exec:ffmpeg -i rtsp://host/x -c:v copy -an -f h264 -'
  rpicam-vid -t 0 -n --inline --flush -o - | berrymse -d -
";
