//! Texts of help and manual page that the option table does not have.

use super::options::{ConfigSection, OPTIONS, OptionSpec};
use std::fmt::Write;

/// Usage of each command, aligned behind `Usage: `.
pub(super) const USAGE: &str = "\
berrymse [OPTIONS]
       berrymse cameras [--json] [--try N]
       berrymse setup
       berrymse health [URL]
       berrymse hash-password
       berrymse token NAME
       berrymse link CAMERA [OPTIONS]
       berrymse completions SHELL
       berrymse man";

/// Sources with their descriptions.
pub(super) const SOURCES: &[(&str, &str)] = &[
    (
        "auto",
        "the first camera that works: V4L2 with H.264, then rpicam, then V4L2 with an encoder",
    ),
    (
        "/dev/videoN, v4l2:PATH",
        "a V4L2 camera, also /dev/v4l/by-id/...",
    ),
    (
        "rpicam, rpicam:N",
        "a Raspberry Pi camera, through rpicam-vid",
    ),
    (
        "exec:COMMAND ARGS...",
        "a program that writes H.264 (Annex B) to its standard output",
    ),
    ("file:PATH", "an H.264 (Annex B) file, repeated for ever"),
    (
        "http://HOST/stream.mp4",
        "a camera of another BerryMSE, also https:// and .../stream/NAME.mp4",
    ),
    ("-", "H.264 (Annex B) on standard input"),
    ("test", "a moving test pattern"),
];

/// Statements about the three places of a setting.
pub(super) const PLACES: &[&str] = &[
    "An option beats the environment, the environment beats the file. Of an option that is given twice the last counts; addresses \
     add up. Options of the camera count for all cameras; --source is refused when the file has several.",
    "Variables of the environment are named after the options: BERRYMSE_WIDTH=640. BERRYMSE_LISTEN separates addresses by commas. \
     BERRYMSE_LOG=error|warn|info|debug|trace sets the log level.",
    "The long options and keys of the 2022 program are understood, too.",
];

/// A configuration file.
pub(super) const EXAMPLE_FILE: &str = "\
camera:                       # or cameras:, a list of such blocks, each with a name
  source: /dev/video0
  controls:
    brightness: 130
server:
  listen: localhost:2020
tls:
  cert: server.crt
access:
  users:
    - {name: owner, password: \"$argon2id$...\", right: operator}";

/// Command lines.
pub(super) const EXAMPLES: &[(&str, &str)] = &[
    ("berrymse", "the first camera, on http://localhost:2020/"),
    (
        "berrymse -d test -l :8080",
        "the test pattern, for the whole network",
    ),
    (
        "berrymse -d /dev/video2 -w 640 -h 480 -b -1",
        "a webcam with the bit rate that it has",
    ),
    (
        "berrymse -d 'exec:ffmpeg -i rtsp://host/x -c:v copy -an -f h264 -'",
        "the output of a program",
    ),
    (
        "berrymse link front --name guests --for 7d",
        "a link to one camera for a week; --right operator lets its holder change the camera, too",
    ),
    (
        "rpicam-vid -t 0 -n --inline --flush -o - | berrymse -d -",
        "standard input",
    ),
];

/// Files that the program reads.
pub(super) const FILES: &[(&str, &str)] = &[
    ("config.yml", "configuration, in the current directory"),
    (
        "/etc/berrymse/config.yml",
        "configuration, if the current directory has none",
    ),
];
/// Exit codes.
pub(super) const EXIT_STATUS: &[(&str, &str)] = &[
    (
        "0",
        "after SIGINT, SIGTERM or the end of the terminal, and after a command",
    ),
    (
        "1",
        "the program cannot start, such as for an address in use; the server is not live (health)",
    ),
    ("2", "wrong command line, environment or configuration file"),
];

/// Returns the help after the options. clap wraps each line and keeps its indentation.
pub(super) fn sections() -> String {
    let mut out = String::from("Sources:\n");
    list(&mut out, SOURCES);
    out.push_str("\nEnvironment and configuration file:\n");
    for place in PLACES {
        let _ = writeln!(out, "  {place}");
    }
    out.push('\n');
    for line in EXAMPLE_FILE.lines() {
        let _ = writeln!(out, "    {line}");
    }
    out.push('\n');
    for section in ConfigSection::ALL {
        let _ = writeln!(out, "  {}: {}", section.name(), keys(section).join(", "));
    }
    out.push_str("\nOnly in the file:\n");
    for (key, help) in file_only() {
        let _ = writeln!(out, "  {key}\n      {help}");
    }
    out.push_str("\nExamples:\n");
    list(&mut out, EXAMPLES);
    out
}

/// Adds terms, each with its description below.
fn list(out: &mut String, entries: &[(&str, &str)]) {
    for (term, description) in entries {
        let _ = writeln!(out, "  {term}\n      {description}");
    }
}

/// Returns the names of a block's keys.
fn keys(section: ConfigSection) -> Vec<&'static str> {
    let names = OPTIONS.iter().filter_map(|option| option.file);
    names
        .filter(|(other, _)| *other == section)
        .filter_map(|(_, names)| names.first().copied())
        .collect()
}

/// Returns the settings that only the file has, with their defaults.
pub(super) fn file_only() -> impl Iterator<Item = (String, String)> {
    let describe = |option: &OptionSpec| match option.default {
        Some(default) => format!("{} [default: {default}]", option.help),
        None => option.help.to_owned(),
    };
    OPTIONS
        .iter()
        .filter(|option| option.name().is_none())
        .filter_map(move |option| Some((option.file_key()?, describe(option))))
}
