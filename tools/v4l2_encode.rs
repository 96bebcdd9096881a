//! Takes raw pictures from a V4L2 node through a hardware encoder with the program's own code, and says what came of each. For the
//! tests in `tests/vm/`: the kernel's own encoder there makes FWHT instead of H.264, which the program leaves alone.
//!
//!     v4l2_encode CAMERA ENCODER WORD...
//!
//! Words: `count=N` pictures, `format=YUYV`, `size=320x240`, `coded=FWHT`, `import` (the encoder reads the camera's buffers),
//! `raw=FILE` and `out=FILE` (what went in and what came out), `keyframe=N`, `drain=N` and `reset=N` (after picture N).
//! A line on standard output for each event, and one for the end.

#![allow(clippy::print_stdout, reason = "a program for tests")]

use berrymse::shutdown::{ShutdownToken, WaitResult};
use berrymse::time::Timestamp;
use std::collections::HashMap;
use std::error::Error;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use v4l2::m2m::{Encoder, EncoderConfig, EncoderOutput, InputFrame, RateControl, RawFormat};
use v4l2::{BufferGuard, Device, DeviceError, FourCc, Stream};

/// No encoder of a test takes longer for a picture.
const PATIENCE: Duration = Duration::from_secs(5);

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [camera, encoder, rest @ ..] = words.as_slice() else {
        println!("usage: v4l2_encode CAMERA ENCODER WORD...");
        return;
    };
    let words: HashMap<&str, &str> = rest
        .iter()
        .map(|word| word.split_once('=').unwrap_or((word, "")))
        .collect();
    match run(Path::new(camera), Path::new(encoder), &words) {
        Ok(counts) => println!("end: {counts:?}"),
        Err(error) => println!("failed: {error}"),
    }
}

#[derive(Debug, Default)]
struct Counts {
    put: u32,
    pictures: u32,
    dropped: u32,
    damaged: u32,
    failed: u32,
}

struct Test<'a> {
    words: &'a HashMap<&'a str, &'a str>,
    shutdown: ShutdownToken,
    stream: Arc<Stream>,
    encoder: Encoder,
    raw: Option<File>,
    out: Option<File>,
    counts: Counts,
}

fn run(
    camera: &Path,
    encoder: &Path,
    words: &HashMap<&str, &str>,
) -> Result<Counts, Box<dyn Error>> {
    let code = |word, default: &[u8; 4]| -> Result<FourCc, Box<dyn Error>> {
        let code = words
            .get(word)
            .map_or(default.as_slice(), |it| it.as_bytes());
        Ok(FourCc::new(code.try_into()?))
    };
    let (width, height) = words
        .get("size")
        .unwrap_or(&"320x240")
        .split_once('x')
        .ok_or("size")?;
    let device = Device::open(camera)?;
    let capture = device.identity().capture().ok_or("no camera")?;
    let agreed = device.set_format(
        capture,
        code("format", b"YUYV")?,
        width.parse()?,
        height.parse()?,
    )?;
    let _ = device.set_rate(capture, (1, 30));
    println!("camera: {capture:?} {agreed:?}");
    let stream = Arc::new(Stream::start(device, capture, 4)?);
    let wanted = EncoderConfig {
        coded: code("coded", b"FWHT")?,
        raw: RawFormat::from(&agreed),
        rate: RateControl {
            fps: 30,
            bitrate: None,
            keyframe_interval: 10,
        },
        import: words.contains_key("import"),
    };
    let mut notes = Vec::new();
    let encoder = Encoder::start(Device::open(encoder)?, &wanted, &mut notes);
    println!("notes: {notes:?}");
    let open = |word| words.get(word).map(File::create).transpose();
    let test = Test {
        words,
        shutdown: ShutdownToken::new()?,
        stream,
        encoder: encoder?,
        raw: open("raw")?,
        out: open("out")?,
        counts: Counts::default(),
    };
    test.run()
}

impl Test<'_> {
    fn number(&self, word: &str) -> Option<u32> {
        self.words.get(word)?.parse().ok()
    }

    fn run(mut self) -> Result<Counts, Box<dyn Error>> {
        let count = self.number("count").unwrap_or(20);
        while self.counts.put < count {
            self.put()?;
            let put = Some(self.counts.put);
            if put == self.number("keyframe") {
                println!("keyframe: {:?}", self.encoder.force_keyframe());
            }
            if put == self.number("drain") {
                self.drain()?;
                self.encoder.resume()?;
                println!("goes on");
            }
            if put == self.number("reset") {
                println!("reset: {} lost", self.encoder.reset()?);
            }
        }
        self.drain()?;
        println!("busy: {}", self.encoder.is_busy());
        Ok(self.counts)
    }

    /// One picture of the camera.
    fn put(&mut self) -> Result<(), Box<dyn Error>> {
        // The camera has no buffers while the encoder has them all.
        let slice = Duration::from_millis(20);
        while self.shutdown.wait_readable(self.stream.fd(), slice) != WaitResult::Ready {
            self.look()?;
        }
        let filled = self.stream.dequeue()?;
        if filled.is_damaged {
            self.stream.queue(filled)?;
            return Ok(());
        }
        let (sequence, captured_at) = (
            filled.sequence,
            filled.timestamp.unwrap_or(Timestamp::now().into()),
        );
        let held = BufferGuard::new(Arc::clone(&self.stream), filled);
        let mut bytes = Vec::new();
        for plane in 0..3 {
            held.copy(plane, 0..held.plane_len(plane), &mut bytes);
        }
        let since = Timestamp::now();
        while !self.encoder.has_room() {
            self.take_one(since)?;
        }
        self.encoder
            .queue_input(InputFrame::Import(held), captured_at)?;
        self.counts.put += 1;
        println!("put {sequence} {}", captured_at.as_nanos() / 1000);
        if let Some(raw) = &mut self.raw {
            raw.write_all(&bytes)?;
        }
        Ok(())
    }

    /// Waits for news of the encoder, and says what they are; true behind the last picture.
    fn take_one(&mut self, since: Timestamp) -> Result<bool, Box<dyn Error>> {
        let fd = self.encoder.fd();
        let slice = Duration::from_millis(100);
        self.shutdown.wait(Some(fd), Encoder::WAIT_FOR, slice);
        if Timestamp::now().since(since) > PATIENCE {
            return Err("it does nothing".into());
        }
        self.look()
    }

    /// What the encoder has for us.
    fn look(&mut self) -> Result<bool, Box<dyn Error>> {
        self.counts.failed += self.encoder.collect_inputs()?;
        let mut bytes = Vec::new();
        match self.encoder.dequeue_output(&mut bytes) {
            Err(DeviceError::WouldBlock) => Ok(false),
            Err(failure) => Err(failure.into()),
            Ok(output) => {
                println!("{output:?}, {} bytes", bytes.len());
                match output {
                    EncoderOutput::Frame { dropped, .. } => {
                        self.counts.pictures += 1;
                        self.counts.dropped += dropped;
                    }
                    EncoderOutput::Error => self.counts.damaged += 1,
                    _ => {}
                }
                if let Some(out) = &mut self.out {
                    out.write_all(&bytes)?;
                }
                Ok(output == EncoderOutput::LastBuffer)
            }
        }
    }

    fn drain(&mut self) -> Result<(), Box<dyn Error>> {
        self.encoder.drain()?;
        let since = Timestamp::now();
        while !self.take_one(since)? {}
        // The last raw buffers come back with the last picture.
        self.counts.failed += self.encoder.collect_inputs()?;
        println!("drained");
        Ok(())
    }
}
