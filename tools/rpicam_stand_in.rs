//! Stands in for rpicam-vid where there is no Raspberry Pi: takes exactly its options and refuses others in its words, and
//! writes real video (the library's test pattern) as it does: each access unit with fwrite and fflush, that is its
//! whole blocks and then its rest, and then a line to `--save-pts`.
//!
//! How it behaves is in the file that RPICAM_STAND_IN names (none: as it should), one word for each line:
//! `no-cameras`, `in-use`, `no-codec`, `no-context`, `no-memory`, `timeout N`, `hang N`, `die N` (after N pictures),
//! `clock-step N MILLISECONDS` (after N pictures its clock is set), `version V` (one of tests/fixtures/rpicam), `unknown OPTION`
//! (an older one), `no-help`. What it is called with is added to the file RPICAM_STAND_IN_CALLS, but for its help and version.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use berrymse::frame_rate::FrameRate;
use std::collections::HashMap;
use std::env;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::num::NonZeroU32;
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use testsrc::{Encoder, Settings};

/// Options of each version: name, letter, kind.
const VERSIONS: &[(&str, &str)] = &[
    (
        "1.9",
        include_str!("../tests/fixtures/rpicam/options-1.9.txt"),
    ),
    (
        "1.9-lite",
        include_str!("../tests/fixtures/rpicam/options-1.9-lite.txt"),
    ),
    (
        "1.6",
        include_str!("../tests/fixtures/rpicam/options-1.6.txt"),
    ),
    (
        "1.4",
        include_str!("../tests/fixtures/rpicam/options-1.4.txt"),
    ),
    (
        "1.0",
        include_str!("../tests/fixtures/rpicam/options-1.0.txt"),
    ),
];

/// Kind of an option.
#[derive(Clone, PartialEq)]
enum Kind {
    /// It takes a value.
    Value,
    /// It takes none.
    Switch,
    /// Its value can only be attached; this one is meant without.
    Implicit(String),
}

/// An option: name, letter, kind.
type Known = (String, Option<String>, Kind);

/// glibc's buffer for a pipe.
const BLOCK: usize = 4096;

type Options = HashMap<String, String>;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("ERROR: *** {reason} ***");
            // The program returns -1.
            ExitCode::from(255)
        }
    }
}

fn run() -> Result<(), String> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let mood = Mood::read();
    match arguments.first().map(String::as_str) {
        Some("--help") => return mood.help(),
        Some("--version") => {
            println!(
                "rpicam-apps build: v{}.0 0123456789ab 01-01-2026 (00:00:00)",
                mood.version()
            );
            return Ok(());
        }
        _ => {}
    }
    if let Some(path) = env::var_os("RPICAM_STAND_IN_CALLS") {
        let file = OpenOptions::new().create(true).append(true).open(path);
        file.and_then(|mut file| writeln!(file, "{}", arguments.join(" ")))
            .map_err(|e| e.to_string())?;
    }
    let options = parse(&arguments, &mood)?;
    mood.before_start(&options)?;
    film(&options, &mood)
}

/// As boost::program_options does it.
fn parse(arguments: &[String], mood: &Mood) -> Result<Options, String> {
    let known = mood.options();
    let mut out = Options::new();
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        let (written, inline) = match argument.split_once('=') {
            Some((name, value)) if name.starts_with("--") => (name, Some(value.to_owned())),
            _ => (argument.as_str(), None),
        };
        if !written.starts_with('-') {
            return Err(
                "too many positional options have been specified on the command line".to_owned(),
            );
        }
        let is_it = |(name, letter, _): &&Known| {
            written.strip_prefix("--") == Some(name.as_str())
                || (letter.is_some() && written.strip_prefix('-') == letter.as_deref())
        };
        let Some((name, _, kind)) = known.iter().find(is_it) else {
            return Err(format!("unrecognised option '{written}'"));
        };
        let value = match kind {
            Kind::Value => inline
                .or_else(|| rest.next().cloned())
                .ok_or_else(|| format!("the required argument for option '--{name}' is missing"))?,
            Kind::Switch => inline.unwrap_or_else(|| "1".to_owned()),
            Kind::Implicit(meant) => inline.unwrap_or_else(|| meant.clone()),
        };
        if out.insert(name.clone(), value).is_some() {
            return Err(format!(
                "option '--{name}' cannot be specified more than once"
            ));
        }
    }
    Ok(out)
}

/// How it is to behave.
struct Mood(Vec<(String, String)>);

impl Mood {
    fn read() -> Self {
        let text = env::var_os("RPICAM_STAND_IN").and_then(|path| fs::read_to_string(path).ok());
        let words = |line: &str| {
            let (word, value) = line.split_once(' ').unwrap_or((line, ""));
            (word.to_owned(), value.to_owned())
        };
        Self(text.unwrap_or_default().lines().map(words).collect())
    }

    fn has(&self, word: &str) -> bool {
        self.0.iter().any(|(it, _)| it == word)
    }

    fn is_unknown(&self, option: &str) -> bool {
        self.0
            .iter()
            .any(|(word, value)| word == "unknown" && value == option)
    }

    fn version(&self) -> &str {
        let mut words = self.0.iter();
        let version = words.find(|(word, _)| word == "version");
        version.map_or("1.9", |(_, value)| value)
    }

    /// The options of its version, but for those that it is not to know.
    fn options(&self) -> Vec<Known> {
        let list = VERSIONS.iter().find(|(name, _)| *name == self.version());
        let option = |line: &str| {
            let (names, kind) = line.split_once(' ')?;
            let (name, letter) = match names.split_once(',') {
                Some((name, letter)) => (name, Some(letter.to_owned())),
                None => (names, None),
            };
            let kind = match kind.split_once(' ') {
                Some((_, meant)) => Kind::Implicit(meant.to_owned()),
                None if kind == "switch" => Kind::Switch,
                None => Kind::Value,
            };
            (!self.is_unknown(name)).then(|| (name.to_owned(), letter, kind))
        };
        list.map_or_else(Vec::new, |(_, text)| {
            text.lines().filter_map(option).collect()
        })
    }

    /// The help, in the form of the real one.
    fn help(&self) -> Result<(), String> {
        if self.has("no-help") {
            return Err("no help here".to_owned());
        }
        println!("Valid options are:");
        for (name, letter, kind) in self.options() {
            let names = match letter {
                Some(letter) => format!("-{letter} [ --{name} ]"),
                None => format!("--{name}"),
            };
            let value = match kind {
                Kind::Value => "arg".to_owned(),
                Kind::Switch => "[=arg(=1)] (=0)".to_owned(),
                Kind::Implicit(meant) => format!("[=arg(={meant})]"),
            };
            println!(
                "  {:38}What it does,\n{:40}--and-more",
                format!("{names} {value}"),
                ""
            );
        }
        Ok(())
    }

    /// Milliseconds by which its clock was set before this picture.
    fn clock_step(&self, picture: u32) -> i64 {
        let steps = self.0.iter().filter(|(word, _)| word == "clock-step");
        let step = |(_, value): &(String, String)| -> Option<i64> {
            let (after, step) = value.split_once(' ')?;
            let after: u32 = after.parse().ok()?;
            (picture >= after).then(|| step.parse().ok())?
        };
        steps.filter_map(step).sum()
    }

    /// True from picture N on.
    fn is_time_for(&self, word: &str, picture: u32) -> bool {
        self.0
            .iter()
            .any(|(it, value)| it == word && value.parse().is_ok_and(|n: u32| picture >= n))
    }

    /// The ways not to start, in the real program's words.
    fn before_start(&self, options: &Options) -> Result<(), String> {
        let verbose = options.get("verbose").is_none_or(|level| level != "0");
        let says = |text: &str| {
            if verbose {
                eprintln!("[0:01:02.345678901] [{}] {text}", std::process::id());
            }
        };
        if options.contains_key("list-cameras") {
            if self.has("no-cameras") {
                println!("No cameras available!");
            } else {
                println!("Available cameras\n-----------------");
                println!("0 : imx708 [4608x2592 10-bit RGGB] (/base/soc/i2c0mux/i2c@1/imx708@1a)");
                println!(
                    "    Modes: 'SRGGB10_CSI2P' : 1536x864 [120.13 fps - (768, 432)/3072x1728 crop]"
                );
            }
            std::process::exit(0);
        }
        says(" INFO Camera camera_manager.cpp:330 libcamera v0.5.2");
        if self.has("no-cameras") {
            return Err("no cameras available".into());
        }
        if options.get("camera").is_some_and(|number| number != "0") {
            return Err("selected camera is not available".into());
        }
        if self.has("in-use") {
            says("ERROR Camera camera.cpp:1028 Pipeline handler in use by another process");
            return Err("failed to acquire camera /base/soc/i2c0mux/i2c@1/imx708@1a".into());
        }
        if self.has("no-memory") {
            says(
                "ERROR V4L2 v4l2_videodevice.cpp:1248 /dev/video14[18:cap]: Unable to request 6 buffers: Cannot allocate memory",
            );
            return Err("failed to allocate capture buffers".into());
        }
        let is_libav = self.has("no-codec") || self.has("no-context");
        if self.has("no-codec") {
            return Err("Unable to find an appropriate H.264 codec".into());
        }
        if self.has("no-context") && !options.contains_key("libav-format") {
            return Err(
                "libav: cannot allocate output context, try setting with --libav-format".into(),
            );
        }
        if is_libav && options.contains_key("save-pts") {
            return Err("--save-pts is not supported here".into());
        }
        Ok(())
    }
}

fn film(options: &Options, mood: &Mood) -> Result<(), String> {
    let number = |name: &str, default: u32| -> Result<u32, String> {
        let text = options.get(name);
        text.map_or(Ok(default), |text| text.parse())
            .map_err(|_| format!("the argument for option '--{name}' is invalid"))
    };
    let positive = |n| NonZeroU32::new(n).ok_or("0 is invalid");
    let fps: FrameRate = options
        .get("framerate")
        .map_or("30", String::as_str)
        .parse()
        .map_err(|_| "the argument for option '--framerate' is invalid")?;
    let (seconds, frames) = fps.fraction();
    let settings = Settings {
        width: number("width", 640)?,
        height: number("height", 480)?,
        frame_rate: (frames, seconds),
        bitrate: options
            .get("bitrate")
            .map(|_| number("bitrate", 0))
            .transpose()?,
        keyframe_interval: positive(number("intra", 60)?)?,
    };
    let mut encoder = Encoder::new(&settings).map_err(|e| e.to_string())?;
    let mut marks = match options.get("save-pts") {
        None => None,
        Some(path) => {
            Some(File::create(path).map_err(|_| format!("Failed to open timestamp file {path}"))?)
        }
    };
    let flush = options.contains_key("flush");
    // Lines wait for a flush as pictures do.
    let mut lines = String::from("# timecode format v2\n");
    let begin = Instant::now();
    for picture in 0.. {
        let due = fps.duration_of(picture.into());
        thread::sleep(due.saturating_sub(begin.elapsed()));
        if mood.is_time_for("die", picture) {
            std::process::abort();
        }
        if mood.is_time_for("timeout", picture) {
            eprintln!(
                "[0:01:02.345678901] [1]  WARN V4L2 v4l2_videodevice.cpp:2150 /dev/video0[14:cap]: Dequeue timer of 1000000.00us has expired!"
            );
            eprintln!(
                "[0:01:02.345678901] [1] ERROR RPI pipeline_base.cpp:1361 Camera frontend has timed out!"
            );
            eprintln!("ERROR: Device timeout detected, attempting a restart!!!");
            thread::sleep(Duration::from_secs(1000));
        }
        if mood.is_time_for("hang", picture) {
            thread::sleep(Duration::from_secs(1000));
        }
        // A sensor takes its pictures in time, however late the encoder is.
        let taken = due;
        let unix_time = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let unit = encoder.encode(unix_time.as_millis() as u64, false);
        write(unit).map_err(|_| "failed to write output bytes".to_owned())?;
        let micros = taken.as_micros() as i64 + 1000 * mood.clock_step(picture);
        lines += &format!("{}.{:03}\n", micros / 1000, micros % 1000);
        if let (true, Some(file)) = (flush, &mut marks) {
            let _ = file.write_all(std::mem::take(&mut lines).as_bytes());
        }
    }
    Ok(())
}

/// fwrite and fflush: whole blocks past the buffer, then the rest out of it.
fn write(unit: &[u8]) -> io::Result<()> {
    let mut out = unbuffered_stdout()?;
    let whole = unit.len() / BLOCK * BLOCK;
    for part in [unit.get(..whole), unit.get(whole..)].into_iter().flatten() {
        if !part.is_empty() {
            out.write_all(part)?;
        }
    }
    Ok(())
}

/// Standard output without Rust's buffer.
fn unbuffered_stdout() -> io::Result<File> {
    use std::os::fd::AsFd;
    io::stdout().as_fd().try_clone_to_owned().map(File::from)
}
