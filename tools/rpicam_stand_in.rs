//! Stands in for rpicam-vid where there is no Raspberry Pi: takes exactly its options and refuses others in its words, and
//! writes real video (the library's test pattern) as it does: each access unit with fwrite and fflush, that is its
//! whole blocks and then its rest, and then a line to `--save-pts`.
//!
//! How it behaves is in the file that RPICAM_STAND_IN names (none: as it should), one word for each line:
//! `no-cameras`, `in-use`, `no-codec`, `no-context`, `no-memory`, `timeout N`, `hang N`, `die N` (after N pictures),
//! `unknown OPTION` (an older version). What it is called with is added to the file RPICAM_STAND_IN_CALLS.
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

/// Options with a value: long name, letter.
const VALUES: &[&str] = &[
    "camera",
    "verbose,v",
    "config,c",
    "info-text",
    "width",
    "height",
    "timeout,t",
    "output,o",
    "post-process-file",
    "post-process-libs",
    "preview,p",
    "rotation",
    "roi",
    "shutter",
    "analoggain",
    "gain",
    "metering",
    "exposure",
    "ev",
    "awb",
    "awbgains",
    "wrap",
    "brightness",
    "contrast",
    "saturation",
    "sharpness",
    "framerate",
    "denoise",
    "viewfinder-width",
    "viewfinder-height",
    "tuning-file",
    "lores-width",
    "lores-height",
    "mode",
    "viewfinder-mode",
    "buffer-count",
    "viewfinder-buffer-count",
    "autofocus-mode",
    "autofocus-range",
    "autofocus-speed",
    "autofocus-window",
    "lens-position",
    "hdr",
    "metadata",
    "metadata-format",
    "flicker-period",
    "bitrate,b",
    "profile",
    "level",
    "intra,g",
    "codec",
    "save-pts",
    "quality,q",
    "initial,i",
    "segment",
    "circular",
    "frames",
    "sync",
    "libav-video-codec",
    "libav-video-codec-opts",
    "libav-format",
    "audio-codec",
    "audio-source",
    "audio-device",
    "audio-channels",
    "audio-bitrate",
    "audio-samplerate",
    "av-sync",
];
/// Options without one.
const SWITCHES: &[&str] = &[
    "help,h",
    "version",
    "list-cameras",
    "nopreview,n",
    "fullscreen,f",
    "qt-preview",
    "hflip",
    "vflip",
    "flush",
    "no-raw",
    "inline",
    "listen,l",
    "keypress,k",
    "signal,s",
    "split",
    "pause",
    "low-latency",
    "libav-audio",
];

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
    if let Some(path) = env::var_os("RPICAM_STAND_IN_CALLS") {
        let file = OpenOptions::new().create(true).append(true).open(path);
        file.and_then(|mut file| writeln!(file, "{}", arguments.join(" ")))
            .map_err(|e| e.to_string())?;
    }
    let mood = Mood::read();
    let options = parse(&arguments, &mood)?;
    mood.before_start(&options)?;
    film(&options, &mood)
}

/// As boost::program_options does it.
fn parse(arguments: &[String], mood: &Mood) -> Result<Options, String> {
    let mut out = Options::new();
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        let (written, inline) = match argument.split_once('=') {
            Some((name, value)) if name.starts_with("--") => (name, Some(value.to_owned())),
            _ => (argument.as_str(), None),
        };
        let known = |list: &[&str]| {
            list.iter().find_map(|entry| {
                let (long, letter) = entry.split_once(',').unwrap_or((entry, ""));
                let is_it = written.strip_prefix("--") == Some(long)
                    || (!letter.is_empty() && written.strip_prefix('-') == Some(letter));
                (is_it && !mood.is_unknown(long)).then(|| long.to_owned())
            })
        };
        if let Some(name) = known(VALUES) {
            let value = inline.or_else(|| rest.next().cloned());
            let value = value
                .ok_or_else(|| format!("the required argument for option '--{name}' is missing"))?;
            out.insert(name, value);
        } else if let Some(name) = known(SWITCHES) {
            out.insert(name, "1".to_owned());
        } else if written.starts_with('-') {
            return Err(format!("unrecognised option '{written}'"));
        } else {
            return Err(
                "too many positional options have been specified on the command line".to_owned(),
            );
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
        lines += &format!(
            "{}.{:03}\n",
            taken.as_micros() / 1000,
            taken.as_micros() % 1000
        );
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
