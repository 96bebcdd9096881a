//! What a camera's picture costs and how old it is when its fragment is there: from the camera's buffer through the decoder of
//! JPEG, conversion and the encoder in software to the fragment that viewers are sent. `bench/encode` builds it into other
//! versions of the program, too, and compares.
//!
//!     encode_cost (MJPG|YUYV) WIDTH HEIGHT FPS COUNT FRAME... [--out FILE]
//!
//! FRAME are files with one picture each, shown one after the other and back again. With an FPS of 0 each picture follows the last
//! at once, and only CPU time counts. Prints JSON. `--out` writes the access units.

#![allow(clippy::print_stdout, reason = "it prints what it has measured")]

use berrymse::camera::{self, Config};
use berrymse::camera_handle;
use berrymse::encode::{
    self, Encoder, EncoderPreference, FrameMemory, I420, JpegDecoder, RawFrame, RawVideoFormat,
};
use berrymse::hub::{Delivery, Event};
use berrymse::shutdown::{ShutdownToken, WaitResult};
use berrymse::source::v4l2::raw::capture::LatestFrame;
use berrymse::source::{Error, Flips, Input, Item, Settings, SourceSpec};
use berrymse::time::Timestamp;
use rustix::time::{ClockId, clock_gettime};
use std::io::Write;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;
use v4l2::{Colorimetry, FourCc};

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let out = match arguments.iter().position(|it| it == "--out") {
        Some(at) => {
            let path = arguments.split_off(at).pop();
            path.map(std::fs::File::create).transpose()?
        }
        None => None,
    };
    let [format, width, height, fps, count, frames @ ..] = arguments.as_slice() else {
        return Err("encode_cost (MJPG|YUYV) WIDTH HEIGHT FPS COUNT FRAME... [--out FILE]".into());
    };
    let frames: Result<Vec<_>, _> = frames.iter().map(std::fs::read).collect();
    let mut frames = frames?;
    let back: Vec<_> = frames.iter().rev().cloned().collect();
    frames.extend(back);
    let (width, height) = (width.parse()?, height.parse()?);
    let (fps, count): (f64, u32) = (fps.parse()?, count.parse()?);
    let work = Work {
        is_jpeg: format == "MJPG",
        decoder: JpegDecoder::default(),
        jpeg: Vec::new(),
        encoder: encoder(format, width, height)?,
        size: (width, height),
    };
    if fps == 0.0 {
        flat(work, &frames, count, out)
    } else {
        paced(work, &frames, fps, count)
    }
}

/// What `source/v4l2/raw.rs` does with a picture.
struct Work {
    is_jpeg: bool,
    decoder: JpegDecoder,
    /// The newest JPEG, which the program keeps for snapshots.
    jpeg: Vec<u8>,
    encoder: Box<dyn Encoder>,
    size: (u32, u32),
}

impl Work {
    fn submit(&mut self, bytes: Vec<u8>, captured_at: Timestamp) -> Result<(), Failure> {
        let pixels = if self.is_jpeg {
            self.jpeg.clone_from(&bytes);
            let memory = self.encoder.reclaim();
            let mut picture = I420::new(self.size.0, self.size.1, memory);
            self.decoder.decode(&mut self.jpeg, &mut picture)?;
            picture.into_bytes()
        } else {
            bytes
        };
        let picture = RawFrame {
            captured_at,
            memory: FrameMemory::Owned([pixels, Vec::new(), Vec::new()]),
        };
        Ok(self.encoder.submit(picture, false)?)
    }
}

fn encoder(format: &str, width: u32, height: u32) -> Result<Box<dyn Encoder>, Failure> {
    let fourcc = if format == "MJPG" {
        FourCc::I420
    } else {
        FourCc::new(*b"YUYV")
    };
    let shape = RawVideoFormat {
        fourcc,
        width,
        height,
        strides: [0; 3],
        colour: Colorimetry::default(),
    };
    let settings = encode::Config {
        fps: 30.0,
        bitrate: Some(1_500_000),
        keyframe_interval: NonZeroU32::MIN.saturating_add(59),
    };
    let found = encode::available_encoders(EncoderPreference::Software)?;
    let software = found.factories.first().ok_or("no encoder")?;
    Ok(software.open(&shape, &settings)?)
}

/// CPU time of this thread; nothing under valgrind (3.19), where rustix's clock finds no vDSO and crashes.
fn cpu() -> Duration {
    if std::env::var_os("NO_CLOCK").is_some() {
        return Duration::ZERO;
    }
    let now = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(now.tv_sec as u64, now.tv_nsec as u32)
}

/// One picture after the other, on this thread.
fn flat(
    mut work: Work,
    frames: &[Vec<u8>],
    count: u32,
    mut out: Option<std::fs::File>,
) -> Result<(), Failure> {
    let (mut unit, mut bytes) = (Vec::new(), 0);
    let mut spent = Duration::ZERO;
    for (number, frame) in (0..count).zip(frames.iter().cycle()) {
        let at = Timestamp::from_nanos(u64::from(number + 1) * 33_333_333);
        let buffer = frame.clone();
        let begun = cpu();
        work.submit(buffer, at)?;
        work.encoder.take_access_unit(&mut unit)?;
        spent += cpu() - begun;
        bytes += unit.len();
        if let Some(out) = &mut out {
            out.write_all(&unit)?;
        }
    }
    let cpu_ms = spent.as_secs_f64() * 1000.0 / f64::from(count);
    println!("{{\"cpu_ms\": {cpu_ms:.4}, \"bytes\": {bytes}}}");
    Ok(())
}

/// A camera at its rate, the newest picture, and a viewer.
fn paced(work: Work, frames: &[Vec<u8>], fps: f64, count: u32) -> Result<(), Failure> {
    let shutdown = ShutdownToken::new()?;
    let newest = Arc::new(LatestFrame::new()?);
    let (endpoint, handle) = camera_handle::channel([]);
    let encoding = std::thread::spawn({
        let (newest, shutdown) = (newest.clone(), shutdown.clone());
        let (width, height) = work.size;
        let settings = Settings {
            width,
            height,
            fps: berrymse::frame_rate::FrameRate::MIN,
            bitrate: None,
            rotation: None,
            flips: Flips::default(),
            keyframe_interval: NonZeroU32::MIN,
        };
        move || {
            let config = Config::new("made-up", SourceSpec::Test, settings);
            let unit = Vec::new();
            let source = Camera {
                newest,
                work,
                shutdown,
                unit,
            };
            let _ = camera::play(Box::new(source), &config, &endpoint);
            cpu()
        }
    });
    let mut viewer = handle.hub().subscribe(Delivery::LIVE);
    let watching = std::thread::spawn({
        let shutdown = shutdown.clone();
        move || {
            let mut delays = Vec::new();
            while !shutdown.is_triggered() {
                match viewer.try_next() {
                    Some(Event::Frame(frame)) => {
                        let delay = Timestamp::now().since(frame.captured_at);
                        delays.push(delay.as_secs_f64() * 1000.0);
                    }
                    Some(_) => {}
                    // Adds a tenth of a millisecond to a delay at most.
                    None => std::thread::sleep(Duration::from_micros(100)),
                }
            }
            delays
        }
    });
    let begun = Timestamp::now();
    for (number, frame) in (0..count).zip(frames.iter().cycle()) {
        let due = begun + Duration::from_secs_f64(f64::from(number) / fps);
        let bytes = frame.clone();
        shutdown.sleep(due.since(Timestamp::now()));
        // As a driver does, it stamps the picture when it is whole.
        newest.put((Timestamp::now(), bytes));
    }
    shutdown.sleep(Duration::from_millis(200));
    shutdown.trigger();
    let mut delays = watching.join().map_err(|_| "the viewer has ended")?;
    let spent = encoding.join().map_err(|_| "the encoder has ended")?;
    delays.sort_by(f64::total_cmp);
    let middle = delays.get(delays.len() / 2).copied().unwrap_or(f64::NAN);
    println!(
        "{{\"cpu_ms\": {:.4}, \"delay_ms\": {middle:.4}, \"fragments\": {}}}",
        spent.as_secs_f64() * 1000.0 / delays.len().max(1) as f64,
        delays.len()
    );
    Ok(())
}

struct Camera {
    newest: Arc<LatestFrame<(Timestamp, Vec<u8>)>>,
    work: Work,
    shutdown: ShutdownToken,
    unit: Vec<u8>,
}

impl Input for Camera {
    fn read(&mut self) -> Result<Option<Item<'_>>, Error> {
        let fd = self.newest.fd();
        if self.shutdown.wait_readable(fd, Duration::from_millis(100)) == WaitResult::Shutdown {
            return Err(Error::Stopped);
        }
        if let Some((captured_at, bytes)) = self.newest.take() {
            let submitted = self.work.submit(bytes, captured_at);
            submitted.map_err(|error| Error::Lost(error.to_string()))?;
        }
        let taken = self.work.encoder.take_access_unit(&mut self.unit);
        let captured_at = taken.map_err(|error| Error::Lost(error.0))?;
        Ok(captured_at.map(|captured_at| Item::AccessUnit {
            annexb: &self.unit,
            captured_at,
        }))
    }
}
