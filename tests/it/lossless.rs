//! A writer that must have every frame, as recording and publishing do: a thread of its own that follows a camera.

use berrymse::camera::{self, Config};
use berrymse::camera_handle;
use berrymse::heartbeat::Heartbeat;
use berrymse::hub::{Delivery, Event, Hub};
use berrymse::shutdown::ShutdownToken;
use berrymse::source::{Error, Flips, Input, Item, Settings, SourceSpec};
use berrymse::time::Timestamp;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use testsrc::Encoder;

const FPS: u32 = 60;

fn settings(width: u32, height: u32) -> Settings {
    Settings {
        width,
        height,
        fps: FPS.to_string().parse().unwrap(),
        bitrate: Some(3_000_000),
        rotation: None,
        flips: Flips::default(),
        keyframe_interval: NonZeroU32::new(60).unwrap(),
    }
}

/// The test pattern as fast as the writer takes it: the time of its camera is that of its frames.
struct FastCamera {
    encoder: Encoder,
    begun: Timestamp,
    given: u64,
    frames: u64,
    /// Frames that the writer has; it is waited for before the queue is full.
    written: Arc<AtomicU64>,
    most_ahead: u64,
    keyframe: bool,
}

impl Input for FastCamera {
    fn read(&mut self) -> Result<Option<Item<'_>>, Error> {
        if self.given == self.frames {
            return Err(Error::Ended("all is given".into()));
        }
        if self.given >= self.written.load(Ordering::Acquire) + self.most_ahead {
            thread::sleep(Duration::from_millis(1));
            return Ok(None);
        }
        let time = Duration::from_secs(1) * u32::try_from(self.given).unwrap() / FPS;
        self.given += 1;
        let keyframe = std::mem::take(&mut self.keyframe);
        Ok(Some(Item::AccessUnit {
            annexb: self.encoder.encode(time.as_millis() as u64, keyframe),
            captured_at: self.begun + time,
        }))
    }

    fn request_keyframe(&mut self) {
        self.keyframe = true;
    }

    fn can_make_keyframes(&self) -> bool {
        true
    }
}

/// What a writer has got.
#[derive(Debug, Default)]
struct Written {
    frames: u64,
    keyframes: u64,
    bytes: u64,
    lost: u64,
    overruns: u64,
    /// Media time of the last frame.
    seconds: f64,
}

/// Follows the camera until `is_over`, and takes nothing while `is_paused`.
fn write(
    hub: &Hub,
    max_bytes: usize,
    count: &AtomicU64,
    is_paused: &AtomicBool,
    is_over: &AtomicBool,
) -> Written {
    let mut subscription = hub.subscribe(Delivery::Lossless { max_bytes });
    let mut written = Written::default();
    // The number of the next frame.
    let mut next: Option<u32> = None;
    let mut is_after_overrun = false;
    loop {
        if is_paused.load(Ordering::Acquire) {
            thread::sleep(Duration::from_millis(1));
            continue;
        }
        let was_over = is_over.load(Ordering::Acquire);
        match subscription.try_next() {
            Some(Event::Frame(frame)) => {
                if let Some(next) = next {
                    assert_eq!(frame.sequence, next, "each frame is there once");
                }
                if next.is_none() || std::mem::take(&mut is_after_overrun) {
                    assert!(frame.is_keyframe, "it begins with a keyframe");
                }
                next = Some(frame.sequence + 1);
                written.frames += 1;
                written.keyframes += u64::from(frame.is_keyframe);
                written.bytes += frame.nals().map(|nal| nal.len() as u64).sum::<u64>();
                written.seconds = frame.decode_time as f64 / 90_000.0;
                count.fetch_add(1, Ordering::Release);
            }
            Some(Event::Skipped(lost)) => {
                written.lost += lost;
                written.overruns += 1;
                next = next.map(|next| next + u32::try_from(lost).unwrap());
                is_after_overrun = true;
            }
            Some(Event::Status(_) | Event::Parameters(_)) => {}
            // What came before it was over has been taken now.
            None if was_over => return written,
            None => thread::sleep(Duration::from_micros(200)),
        }
    }
}

#[test]
fn lossless_writer_gets_every_frame_of_ten_minutes() {
    let frames = u64::from(FPS) * 600;
    let (endpoint, handle) = camera_handle::channel([]);
    let config = Config::new("fast", SourceSpec::Test, settings(224, 96));
    let (written, is_over) = (Arc::new(AtomicU64::new(0)), AtomicBool::new(false));
    let camera = FastCamera {
        encoder: Encoder::new(&testsrc::Settings {
            width: 224,
            height: 96,
            frame_rate: (FPS, 1),
            bitrate: Some(3_000_000),
            ..testsrc::Settings::default()
        })
        .unwrap(),
        begun: Timestamp::now(),
        given: 0,
        frames,
        written: written.clone(),
        most_ahead: 200,
        keyframe: false,
    };
    let result = thread::scope(|scope| {
        let writer = scope.spawn(|| {
            write(
                handle.hub(),
                4 << 20,
                &written,
                &AtomicBool::new(false),
                &is_over,
            )
        });
        // Its subscription is there before the first frame.
        while !endpoint.publisher.has_demand() {
            thread::sleep(Duration::from_millis(1));
        }
        let end = camera::play(Box::new(camera), &config, &endpoint);
        assert!(matches!(end, Err(Error::Ended(_))));
        is_over.store(true, Ordering::Release);
        writer.join().unwrap()
    });
    println!("{result:?}");
    assert_eq!((result.frames, result.lost), (frames, 0));
    assert!(result.keyframes >= 600);
    assert!(
        (result.seconds - 600.0).abs() < 1.0,
        "media time is that of the camera"
    );
}

/// Runs the real test pattern in real time until `run` is over. A writer pauses for as many frames as `pause` says.
fn soak(run: Duration, pause: u64, max_bytes: usize) -> (Written, u64) {
    let (endpoint, handle) = camera_handle::channel([]);
    let shutdown = ShutdownToken::new().unwrap();
    let config = Config::new("soak", SourceSpec::Test, settings(640, 480));
    let (is_paused, is_over) = (AtomicBool::new(false), AtomicBool::new(false));
    let count = AtomicU64::new(0);
    thread::scope(|scope| {
        let writer = scope.spawn(|| write(handle.hub(), max_bytes, &count, &is_paused, &is_over));
        while !endpoint.publisher.has_demand() {
            thread::sleep(Duration::from_millis(1));
        }
        let camera = scope
            .spawn(|| camera::run(&config, shutdown.clone(), &endpoint, &Heartbeat::default()));
        let begun = Instant::now();
        let wait_for = |frames: u64| {
            let until = handle.hub().stats().frames + frames;
            while handle.hub().stats().frames < until {
                thread::sleep(Duration::from_millis(1));
            }
        };
        wait_for(10);
        is_paused.store(true, Ordering::Release);
        wait_for(pause);
        is_paused.store(false, Ordering::Release);
        wait_for(10);
        thread::sleep(run.saturating_sub(begun.elapsed()));
        shutdown.trigger();
        camera.join().unwrap();
        is_over.store(true, Ordering::Release);
        (writer.join().unwrap(), handle.hub().stats().frames)
    })
}

#[test]
fn forced_overrun_is_reported_with_its_count() {
    // The queue holds a few frames, and the writer misses many in its pause.
    let (written, published) = soak(Duration::ZERO, 100, 32 << 10);
    println!("{written:?} of {published}");
    assert!(written.overruns > 0);
    assert_eq!(written.frames + written.lost, published);
}

/// Ten minutes of wall time: `cargo test --release --test it lossless -- --ignored --nocapture`.
#[test]
#[ignore = "takes ten minutes"]
fn lossless_writer_gets_every_frame_in_real_time() {
    let (written, published) = soak(Duration::from_secs(600), 0, 8 << 20);
    println!("{written:?} of {published}");
    assert_eq!((written.frames, written.lost), (published, 0));
    // How many depends on the machine: a busy one is late with its test pattern.
    assert!(published > 600, "more than one a second");
}
