//! Opens a V4L2 node again and again, as the program does, and writes what comes out of it to standard output (Annex B) and
//! what happens to standard error, a line for each event. For the tests in `guest/`.
//!
//!     v4l2_dump [--cameras | --json | --auto] [--pictures N] [--seconds S] [--width PX] [--height PX] [--fps N] [NODE]

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program for tests"
)]

use berrymse::cameras;
use berrymse::source::{Context, Error, Settings, v4l2};
use berrymse::stop::Stop;
use berrymse::time::Timestamp;
use std::io::Write;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::time::Duration;

struct ToStderr;

impl log::Log for ToStderr {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        eprintln!(
            "{}: {}",
            record.level().as_str().to_lowercase(),
            record.args()
        );
    }

    fn flush(&self) {}
}

struct Limits {
    pictures: u64,
    until: Timestamp,
}

fn main() {
    log::set_logger(&ToStderr).expect("no other logger was set");
    log::set_max_level(log::LevelFilter::Debug);
    let mut limits = Limits {
        pictures: u64::MAX,
        until: Timestamp::now() + Duration::from_secs(3600),
    };
    let (mut size, mut fps, mut node) = ((320, 240), 15, PathBuf::from("/dev/video0"));
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut number = || {
            words
                .next()
                .and_then(|word| word.parse().ok())
                .expect("a number is wanted here")
        };
        match word.as_str() {
            "--cameras" => return print!("{}", cameras::report().text()),
            "--json" => return println!("{:#}", cameras::report().json()),
            "--auto" => return println!("{:?}", berrymse::v4l2::first_h264()),
            "--pictures" => limits.pictures = number(),
            "--seconds" => limits.until = Timestamp::now() + Duration::from_secs(number()),
            "--width" => size.0 = number() as u32,
            "--height" => size.1 = number() as u32,
            "--fps" => fps = number() as u32,
            _ => node = word.into(),
        }
    }
    let settings = Settings {
        width: size.0,
        height: size.1,
        fps: NonZeroU32::new(fps).unwrap_or(NonZeroU32::MIN),
        bitrate: Some(500_000),
        rotation: Some(0),
        keyframe_interval: NonZeroU32::new(fps).unwrap_or(NonZeroU32::MIN),
    };
    let stop = Stop::new().expect("a process has descriptors when it starts");
    follow(
        &node,
        &Context {
            name: "camera".into(),
            settings,
            stop,
        },
        &limits,
    );
}

/// Opens and reads until a limit is reached. A repeated error is told once.
fn follow(node: &Path, context: &Context, limits: &Limits) {
    let (mut count, mut last_error) = (0, None);
    while count < limits.pictures && Timestamp::now() < limits.until {
        let error = match once(node, context, limits, &mut count) {
            Ok(()) => break,
            Err(error) => error,
        };
        if last_error.as_ref() != Some(&error) {
            eprintln!("event: {}: {error}", kind(&error));
        }
        last_error = Some(error);
        context.stop.sleep(Duration::from_millis(200));
    }
    eprintln!("event: end after {count} pictures");
}

fn once(node: &Path, context: &Context, limits: &Limits, count: &mut u64) -> Result<(), Error> {
    let mut source = v4l2::open(node, context)?;
    eprintln!(
        "event: open, {} keyframes on request",
        if source.can_make_keyframes() {
            "has"
        } else {
            "no"
        }
    );
    while *count < limits.pictures && Timestamp::now() < limits.until {
        let Some(chunk) = source.read()? else {
            continue;
        };
        let age = Timestamp::now().since(chunk.captured_at);
        eprintln!(
            "picture: {count} {} bytes {:?} {} ms old",
            chunk.annexb.len(),
            chunk.end,
            age.as_millis()
        );
        let mut out = std::io::stdout().lock();
        if out
            .write_all(chunk.annexb)
            .and_then(|()| out.flush())
            .is_err()
        {
            return Ok(());
        }
        *count += 1;
    }
    Ok(())
}

fn kind(error: &Error) -> &'static str {
    match error {
        Error::Unavailable(_) => "unavailable",
        Error::Lost(_) => "lost",
        Error::Stalled(_) => "stalled",
        Error::Ended(_) => "ended",
        Error::Stopped => "stopped",
    }
}
