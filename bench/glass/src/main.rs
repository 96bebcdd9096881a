//! The meter: when a picture's pixels are on an X screen, beside when the server had its access unit. It reads the clock
//! block of the test pattern from the screen, and takes the arrival of the same pictures at a client of its own on
//! the loopback as the moment at which the server had them. Pages, browsers and players are nothing that it knows of.

mod report;
mod screen;
mod websocket;
mod x11;

use report::Report;
use std::error::Error;
use std::fs::File;
use std::io::Write;
use std::sync::mpsc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const HELP: &str = "usage: glass HOST:PORT PATH [SECONDS [WARMUP [POLL_US [EVENTS]]]]

Watches the X screen of $DISPLAY (local, without authority) for the clock of the test pattern that HOST:PORT serves at PATH
as a WebSocket, and prints a line of JSON. SECONDS: 30, after WARMUP (5) since the clock was found; POLL_US: time between two
looks at the screen, 1000; EVENTS: a file for the delay of every picture.";

/// How long a page may take until its first picture.
const PATIENCE: Duration = Duration::from_secs(30);

/// Without a clock for this time, it is looked for again.
const LOST: Duration = Duration::from_secs(2);

struct Settings {
    host: String,
    path: String,
    window: Duration,
    warmup: Duration,
    poll: Duration,
    events: Option<String>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let Some(settings) = settings(std::env::args().skip(1).collect()) else {
        eprintln!("{HELP}");
        std::process::exit(2);
    };
    let (sender, arrivals) = mpsc::channel();
    let stream = websocket::open(&settings.host, &settings.path)?;
    std::thread::spawn(move || websocket::read_pictures(stream, |at| sender.send(at).is_ok()));

    let mut display = x11::Display::open(&std::env::var("DISPLAY").unwrap_or_default())?;
    screen::find(&mut display, PATIENCE)?;
    std::thread::sleep(settings.warmup);
    // Pages move things while they load.
    let mut place = screen::find(&mut display, PATIENCE)?;
    let start = unix_ms();
    let seen = watch(&mut display, &mut place, settings.window, settings.poll)?;
    let end = unix_ms();

    let report = Report::new(&seen, &arrivals.try_iter().collect::<Vec<_>>(), start, end);
    println!("{}", report.json(&place));
    if let Some(path) = settings.events {
        let mut file = File::create(path)?;
        for (at, delay) in &report.delays {
            writeln!(file, "{at:.2} {delay:.2}")?;
        }
    }
    Ok(())
}

fn settings(args: Vec<String>) -> Option<Settings> {
    let mut args = args.into_iter();
    let (host, path) = (args.next()?, args.next()?);
    let mut number = |otherwise: f64| match args.next() {
        None => Some(otherwise),
        Some(text) => text.parse().ok().filter(|number: &f64| *number >= 0.0),
    };
    let (window, warmup, poll_us) = (number(30.0)?, number(5.0)?, number(1000.0)?);
    Some(Settings {
        host,
        path,
        window: Duration::from_secs_f64(window),
        warmup: Duration::from_secs_f64(warmup),
        poll: Duration::from_secs_f64(poll_us / 1e6),
        events: args.next(),
    })
}

/// Every new clock value and when it was first seen, in milliseconds of Unix time.
fn watch(
    display: &mut x11::Display,
    place: &mut screen::Place,
    window: Duration,
    poll: Duration,
) -> Result<Vec<(u32, f64)>, Box<dyn Error>> {
    let mut seen: Vec<(u32, f64)> = Vec::new();
    let start = Instant::now();
    let mut read_at = start;
    while start.elapsed() < window {
        let look = Instant::now();
        let value = screen::read(display, place)?;
        let at = unix_ms();
        if value.is_some() {
            read_at = look;
        } else if read_at.elapsed() > LOST {
            *place = screen::find(display, window.saturating_sub(start.elapsed()))?;
        }
        if let Some(value) = value
            && seen.last().is_none_or(|(last, _)| *last != value)
        {
            seen.push((value, at));
        }
        std::thread::sleep(poll.saturating_sub(look.elapsed()));
    }
    Ok(seen)
}

fn unix_ms() -> f64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap_or_default().as_secs_f64() * 1e3
}
