//! How long a raw picture takes from its capture to the fragment that viewers are sent, and what that costs: through the encoder
//! in software, the place for the newest picture, and the rest of the program, with a camera that is made up.
//!
//!     encode_delay [SECONDS]
//!
//! A line for each: 640x480 and 1280x720 at 30 pictures a second, from YUYV; and 1280x720 at twice what this machine carries. To
//! be built with --release.

#![allow(clippy::print_stdout, reason = "it prints what it has measured")]

use berrymse::camera::{self, Config};
use berrymse::camera_handle;
use berrymse::encode::{self, Encoder, EncoderPreference, FrameMemory, RawFrame, RawVideoFormat};
use berrymse::hub::{Delivery, Event};
use berrymse::shutdown::{ShutdownToken, WaitResult};
use berrymse::source::v4l2::raw::capture::LatestFrame;
use berrymse::source::{Error, Flips, Input, Item, Settings, SourceSpec};
use berrymse::time::Timestamp;
use rustix::time::{ClockId, clock_gettime};
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use v4l2::{Colorimetry, FourCc};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let seconds = std::env::args().nth(1).map_or(Ok(20), |it| it.parse())?;
    let time = Duration::from_secs(seconds);
    run(640, 480, 30.0, time)?.print("");
    let hd = run(1280, 720, 30.0, time)?;
    hd.print("");
    // More than it can ever carry: what comes out is what it carries.
    let carried = run(1280, 720, 400.0, time / 4)?.rate;
    run(1280, 720, 2.0 * carried, time)?.print(&format!(
        " (twice the {carried:.0}/s that this machine carries just now)"
    ));
    Ok(())
}

/// What was found out.
struct Figures {
    size: (u32, u32),
    fps: f64,
    rate: f64,
    /// Milliseconds from capture to fragment, sorted.
    delays: Vec<f64>,
    dropped: u64,
    cpu_ms: f64,
}

impl Figures {
    fn print(&self, note: &str) {
        let at = |part: f64| {
            let last = self.delays.len().saturating_sub(1);
            self.delays
                .get((part * last as f64) as usize)
                .copied()
                .unwrap_or(f64::NAN)
        };
        println!(
            "{}x{} at {:.0}/s{note}: {} fragments ({:.1}/s), {} pictures left out; capture to fragment: median {:.1} ms, \
             99 % {:.1} ms, longest {:.1} ms; {:.1} ms of CPU a fragment",
            self.size.0,
            self.size.1,
            self.fps,
            self.delays.len(),
            self.rate,
            self.dropped,
            at(0.5),
            at(0.99),
            at(1.0),
            self.cpu_ms
        );
    }
}

fn run(
    width: u32,
    height: u32,
    fps: f64,
    time: Duration,
) -> Result<Figures, Box<dyn std::error::Error>> {
    let shutdown = ShutdownToken::new()?;
    let newest = Arc::new(LatestFrame::new()?);
    let camera = std::thread::spawn({
        let (newest, shutdown) = (newest.clone(), shutdown.clone());
        move || film(width, height, fps, &newest, &shutdown)
    });
    let encoder = encoder(width, height, fps)?;
    let (endpoint, handle) = camera_handle::channel([]);
    let dropped = Arc::new(AtomicU64::new(0));
    let cpu = Arc::new(Mutex::new(Duration::ZERO));
    let encoding = std::thread::spawn({
        let source = MadeUp {
            newest,
            encoder,
            shutdown: shutdown.clone(),
            unit: Vec::new(),
            dropped: dropped.clone(),
        };
        let config = Config::new("made-up", SourceSpec::Test, settings(width, height));
        let cpu = cpu.clone();
        move || {
            let end = camera::play(Box::new(source), &config, &endpoint);
            let now = clock_gettime(ClockId::ThreadCPUTime);
            *cpu.lock().unwrap_or_else(PoisonError::into_inner) =
                Duration::new(now.tv_sec as u64, now.tv_nsec as u32);
            end
        }
    });
    let begun = Timestamp::now();
    let mut viewer = handle.hub().subscribe(Delivery::LIVE);
    let mut delays = Vec::new();
    while Timestamp::now().since(begun) < time {
        match viewer.try_next() {
            Some(Event::Frame(frame)) => {
                let delay = Timestamp::now().since(frame.captured_at);
                delays.push(delay.as_secs_f64() * 1000.0);
            }
            Some(_) => {}
            // Adds a quarter of a millisecond to a delay at most.
            None => std::thread::sleep(Duration::from_micros(250)),
        }
    }
    let rate = delays.len() as f64 / time.as_secs_f64();
    shutdown.trigger();
    let _ = (camera.join(), encoding.join());
    let cpu = *cpu.lock().unwrap_or_else(PoisonError::into_inner);
    let cpu_ms = cpu.as_secs_f64() * 1000.0 / delays.len().max(1) as f64;
    delays.sort_by(f64::total_cmp);
    Ok(Figures {
        size: (width, height),
        fps,
        rate,
        delays,
        dropped: dropped.load(Ordering::Relaxed),
        cpu_ms,
    })
}

fn settings(width: u32, height: u32) -> Settings {
    Settings {
        width,
        height,
        fps: berrymse::frame_rate::FrameRate::MIN,
        bitrate: None,
        rotation: None,
        flips: Flips::default(),
        keyframe_interval: NonZeroU32::MIN,
    }
}

fn encoder(width: u32, height: u32, fps: f64) -> Result<Box<dyn Encoder>, encode::Error> {
    let shape = RawVideoFormat {
        fourcc: FourCc::new(*b"YUYV"),
        width,
        height,
        strides: [0; 3],
        colour: Colorimetry::default(),
    };
    let settings = encode::Config {
        fps: fps.min(240.0),
        bitrate: Some(1_500_000),
        keyframe_interval: NonZeroU32::MIN.saturating_add(59),
    };
    let found = encode::available_encoders(EncoderPreference::Software)?;
    let software = found
        .factories
        .first()
        .ok_or_else(|| encode::Error("no encoder".into()))?;
    software.open(&shape, &settings)
}

/// The camera: a texture behind which another moves, some noise as every sensor has it, at an even rate.
fn film(
    width: u32,
    height: u32,
    fps: f64,
    newest: &LatestFrame<RawFrame>,
    shutdown: &ShutdownToken,
) {
    const DIFFERENT: u32 = 16;
    let pictures: Vec<Vec<u8>> = (0..DIFFERENT).map(|n| picture(width, height, n)).collect();
    let begun = Timestamp::now();
    for (number, bytes) in pictures.iter().cycle().enumerate() {
        let due = begun + Duration::from_secs_f64(number as f64 / fps);
        if shutdown.sleep(due.since(Timestamp::now())) {
            return;
        }
        // As a driver does, it stamps the picture when it is whole.
        let pixels = FrameMemory::Owned([bytes.clone(), Vec::new(), Vec::new()]);
        newest.put(RawFrame {
            captured_at: Timestamp::now(),
            memory: pixels,
        });
    }
}

fn picture(width: u32, height: u32, number: u32) -> Vec<u8> {
    let mut noise = 12_345 + number;
    let mut byte = |x: u32, y: u32| {
        noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let still = (x % 160).abs_diff(80) + (y % 120).abs_diff(60);
        let moves = (x / 2 + 4 * number) % 64 < 32 && y > height / 3 && y < height / 2;
        (still + u32::from(moves) * 60 + (noise >> 30)) as u8
    };
    (0..height)
        .flat_map(|y| (0..2 * width).map(move |x| (x, y)))
        .map(|(x, y)| byte(x, y))
        .collect()
}

/// What `source/v4l2/raw.rs` does, with a camera that is no device.
struct MadeUp {
    newest: Arc<LatestFrame<RawFrame>>,
    encoder: Box<dyn Encoder>,
    shutdown: ShutdownToken,
    unit: Vec<u8>,
    dropped: Arc<AtomicU64>,
}

impl Input for MadeUp {
    fn read(&mut self) -> Result<Option<Item<'_>>, Error> {
        if self
            .shutdown
            .wait_readable(self.newest.fd(), Duration::from_millis(100))
            == WaitResult::Shutdown
        {
            return Err(Error::Stopped);
        }
        if let Some(picture) = self.newest.take() {
            let failed = |error: encode::Error| Error::Lost(error.0);
            self.encoder.submit(picture, false).map_err(failed)?;
        }
        let dropped = self.newest.overwritten() + self.encoder.dropped();
        self.dropped.store(dropped, Ordering::Relaxed);
        let taken = self.encoder.take_access_unit(&mut self.unit);
        let captured_at = taken.map_err(|error| Error::Lost(error.0))?;
        Ok(captured_at.map(|captured_at| Item::AccessUnit {
            annexb: &self.unit,
            captured_at,
        }))
    }
}
