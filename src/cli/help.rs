//! Texts of help, version, completions and manual page.

use super::command::{self, PROGRAM};
use super::options::{ConfigSection, OPTIONS, OptionSpec};
use crate::build_info::{self, COMMIT, COMMIT_DATE, VERSION};
use clap::Arg;
use clap_complete::aot::{Bash, Fish, Generator, Zsh};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};
use std::fmt::Write;
use std::io;

/// Purpose of the program, as whatis(1) lists it.
const PURPOSE: &str = "show a camera in any browser with the least delay there is";

/// Usage of each command, aligned behind `Usage: `.
pub(super) const USAGE: &str = "\
berrymse [OPTIONS]
       berrymse cameras [--json]
       berrymse completions SHELL
       berrymse man";

/// Sources with their descriptions.
const SOURCES: &[(&str, &str)] = &[
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
        "a camera of another BerryMSE, also .../stream/NAME.mp4",
    ),
    ("-", "H.264 (Annex B) on standard input"),
    ("test", "a moving test pattern"),
];

/// Statements about the three places of a setting.
const PLACES: &[&str] = &[
    "An option beats the environment, the environment beats the file. Of an option that is given twice the last counts; addresses \
     add up. Options of the camera count for all cameras; --source is refused when the file has several.",
    "Variables of the environment are named after the options: BERRYMSE_WIDTH=640. BERRYMSE_LISTEN separates addresses by commas. \
     BERRYMSE_LOG=error|warn|info|debug|trace sets the log level.",
    "The long options and keys of the 2022 program are understood, too.",
];

/// A configuration file.
const EXAMPLE_FILE: &str = "\
camera:                       # or cameras:, a list of such blocks, each with a name
  source: /dev/video0
  controls:
    brightness: 130
server:
  listen: localhost:2020
tls:
  cert: server.crt";

/// Command lines.
const EXAMPLES: &[(&str, &str)] = &[
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
        "rpicam-vid -t 0 -n --inline --flush -o - | berrymse -d -",
        "standard input",
    ),
];

/// Files that the program reads.
const FILES: &[(&str, &str)] = &[
    ("config.yml", "configuration, in the current directory"),
    (
        "/etc/berrymse/config.yml",
        "configuration, if the current directory has none",
    ),
];
/// Exit codes.
const EXIT_STATUS: &[(&str, &str)] = &[
    ("0", "after SIGINT, SIGTERM or SIGHUP, and after a command"),
    (
        "1",
        "the program cannot start, such as for an address in use",
    ),
    ("2", "wrong command line, environment or configuration file"),
];

/// Returns the text of `--version`.
pub(super) fn version() -> String {
    let mut out = format!("{PROGRAM} {VERSION} (commit {COMMIT})\n");
    for (name, description) in build_info::parts() {
        let _ = writeln!(out, "{name}: {description}");
    }
    out
}

/// Returns the text of `--help`, wrapped at the terminal's width.
pub(super) fn text() -> String {
    let help = command::documented().render_help().to_string();
    format!("{}\n", help.trim_end())
}

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
fn file_only() -> impl Iterator<Item = (String, String)> {
    let describe = |option: &OptionSpec| match option.default {
        Some(default) => format!("{} [default: {default}]", option.help),
        None => option.help.to_owned(),
    };
    OPTIONS
        .iter()
        .filter(|option| option.name().is_none())
        .filter_map(move |option| Some((option.file_key()?, describe(option))))
}

/// Line of clap_complete's script for fish that fails while the last option lacks its value. fish then offers files.
const FISH_PARSE: &str = "    argparse -s (__fish_berrymse_global_optspecs) -- $cmd 2>/dev/null\n";
/// The line, and a second try with a value for that option.
const FISH_PARSE_WITH_VALUE: &str =
    "    argparse -s (__fish_berrymse_global_optspecs) -- $cmd 2>/dev/null
    or argparse -s (__fish_berrymse_global_optspecs) -- $cmd value 2>/dev/null\n";

/// Returns the completions for a shell, one of [`command::SHELLS`].
pub(super) fn completions(shell: &str) -> String {
    let mut command = command::documented();
    if shell == "zsh" {
        command = command.mut_args(with_escaped_value_name);
    }
    command.set_bin_name(PROGRAM);
    command.build();
    let script = printed(|out| match shell {
        "bash" => Bash.try_generate(&command, out),
        "zsh" => Zsh.try_generate(&command, out),
        _ => Fish.try_generate(&command, out),
    });
    match shell {
        "fish" => script.replace(FISH_PARSE, FISH_PARSE_WITH_VALUE),
        _ => script,
    }
}

/// Escapes the colon of `HOST:PORT`, which ends a message in zsh's `_arguments`. clap_complete does not.
fn with_escaped_value_name(arg: Arg) -> Arg {
    let names = arg.get_value_names().unwrap_or_default();
    let names: Vec<String> = names.iter().map(|name| name.replace(':', "\\:")).collect();
    match names.is_empty() {
        true => arg,
        false => arg.value_names(names),
    }
}

/// Returns the manual page in the form that man(1) reads.
pub(super) fn manual_page() -> String {
    let man = Man::new(command::documented());
    let mut end = Roff::default();
    end.control("SH", ["COMMANDS"]);
    for command in command::documented().get_subcommands() {
        let about = command.get_about().map(ToString::to_string);
        item(&mut end, command.get_name(), &about.unwrap_or_default());
    }
    end.control("SH", ["SOURCES"]);
    items(&mut end, SOURCES);
    end.control("SH", ["CONFIGURATION"]);
    for place in PLACES {
        end.text([roman(*place)]);
        end.control("PP", []);
    }
    end.control("nf", []);
    for line in EXAMPLE_FILE.lines() {
        end.text([roman(line)]);
    }
    end.control("fi", []);
    end.control("PP", []);
    end.text([roman("Only in the file:")]);
    for (key, help) in file_only() {
        item(&mut end, &key, &help);
    }
    for (title, entries) in [
        ("FILES", FILES),
        ("EXIT STATUS", EXIT_STATUS),
        ("EXAMPLES", EXAMPLES),
    ] {
        end.control("SH", [title]);
        items(&mut end, entries);
    }
    printed(|out| {
        // clap_mangen leaves an unknown date out, which moves the fields after it.
        writeln!(
            out,
            ".TH BERRYMSE 1 \"{COMMIT_DATE}\" \"{PROGRAM} {VERSION}\" \"User Commands\""
        )?;
        writeln!(out, ".SH NAME\n{PROGRAM} \\- {PURPOSE}")?;
        man.render_synopsis_section(out)?;
        man.render_options_section(out)?;
        end.to_writer(out)
    })
}

fn items(page: &mut Roff, entries: &[(&str, &str)]) {
    for (term, description) in entries {
        item(page, term, description);
    }
}

fn item(page: &mut Roff, term: &str, description: &str) {
    page.control("TP", []);
    page.text([bold(term)]);
    page.text([roman(description)]);
}

/// Returns the text that `print` writes. Writing to memory cannot fail.
fn printed(print: impl FnOnce(&mut dyn io::Write) -> io::Result<()>) -> String {
    let mut out = Vec::new();
    let _ = print(&mut out);
    String::from_utf8_lossy(&out).into_owned()
}
