//! The bit rate follows a viewer's line with a real encoder, that for cameras without H.264: raw pictures through openh264, real TCP,
//! and a line that gets worse and better.
#![cfg(feature = "software-encoder")]

use crate::support::line::Line;
use crate::support::{Viewer, in_one_of};
use berrymse::camera::{self, Config};
use berrymse::camera_handle::{self, Handle};
use berrymse::encode::{self, Encoder, EncoderPreference, FrameMemory, RawFrame, RawVideoFormat};
use berrymse::serve::{self, AppState, Fanout};
use berrymse::shutdown::ShutdownToken;
use berrymse::source::{Error, Flips, Input, Item, Settings, SourceSpec};
use berrymse::time::Timestamp;
use std::num::NonZeroU32;
use std::time::{Duration, Instant};
use v4l2::{Colorimetry, FourCc};

const WIDTH: u32 = 320;
const HEIGHT: u32 = 240;
const FPS: u32 = 30;
const LEAST: u32 = 100_000;
const MOST: u32 = 600_000;

/// A raw camera that is made up: what it shows moves, and is noisy as every sensor is.
struct RawCamera {
    encoder: Box<dyn Encoder>,
    pictures: Vec<Vec<u8>>,
    begun: Timestamp,
    count: u32,
    wants_keyframe: bool,
    unit: Vec<u8>,
    shutdown: ShutdownToken,
}

impl RawCamera {
    fn new(shutdown: ShutdownToken) -> Self {
        let shape = RawVideoFormat {
            fourcc: FourCc::new(*b"YUYV"),
            width: WIDTH,
            height: HEIGHT,
            strides: [0; 3],
            colour: Colorimetry::default(),
        };
        let settings = encode::Config {
            fps: f64::from(FPS),
            bitrate: Some(MOST),
            keyframe_interval: NonZeroU32::new(60).unwrap(),
        };
        let found = encode::available_encoders(EncoderPreference::Software).unwrap();
        Self {
            encoder: found.factories[0].open(&shape, &settings).unwrap(),
            pictures: (0..16).map(picture).collect(),
            begun: Timestamp::now(),
            count: 0,
            wants_keyframe: false,
            unit: Vec::new(),
            shutdown,
        }
    }
}

impl Input for RawCamera {
    fn read(&mut self) -> Result<Option<Item<'_>>, Error> {
        let due = self.begun + Duration::from_secs(1) * self.count / FPS;
        if self.shutdown.sleep(due.since(Timestamp::now())) {
            return Err(Error::Stopped);
        }
        let bytes = self.pictures[self.count as usize % self.pictures.len()].clone();
        self.count += 1;
        let picture = RawFrame {
            captured_at: Timestamp::now(),
            memory: FrameMemory::Owned([bytes, Vec::new(), Vec::new()]),
        };
        let keyframe = std::mem::take(&mut self.wants_keyframe);
        self.encoder.submit(picture, keyframe).unwrap();
        let captured_at = self.encoder.take_access_unit(&mut self.unit).unwrap();
        Ok(captured_at.map(|captured_at| Item::AccessUnit {
            annexb: &self.unit,
            captured_at,
        }))
    }

    fn request_keyframe(&mut self) {
        self.wants_keyframe = true;
    }

    fn can_make_keyframes(&self) -> bool {
        true
    }

    fn set_bitrate(&mut self, bits_per_second: u32) -> Option<u32> {
        println!("bit rate {bits_per_second}");
        self.encoder.set_bitrate(bits_per_second).unwrap();
        self.encoder.bitrate().map(|bitrate| bitrate.now)
    }

    fn can_set_bitrate(&self) -> bool {
        true
    }
}

fn picture(number: u32) -> Vec<u8> {
    let mut noise = 12_345 + number;
    let mut byte = |x: u32, y: u32| {
        noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let still = (x % 160).abs_diff(80) + (y % 120).abs_diff(60);
        let moves = (x / 2 + 8 * number) % 64 < 32 && y > HEIGHT / 3;
        (still + u32::from(moves) * 60 + (noise >> 28)) as u8
    };
    let pixels = (0..HEIGHT).flat_map(|y| (0..WIDTH).map(move |x| (x, y)));
    pixels.flat_map(|(x, y)| [byte(x, y), 128]).collect()
}

/// The address that a site with this camera listens on. Its threads end with the process.
fn serve(handle: Handle) -> String {
    let (fanout, _) = Fanout::start(std::iter::once(handle.hub()), true).unwrap();
    let camera = serve::Camera {
        name: "camera".into(),
        title: None,
        source: "test",
        source_text: String::new(),
        rtsp_delimiter: None,
        handle,
    };
    let config = serve::Config {
        listen: Vec::new(),
        rtsp: Vec::new(),
        wait_for_address: false,
        tls: None,
        is_self_signed: false,
        websocket_name: "video_websocket".into(),
        allowed_origins: Vec::new(),
        allowed_hosts: Vec::new(),
        max_viewers: 10,
        limits: serve::Limits::unlimited(),
        decode_memory_mb: 64,
        allow_control_changes: Some(false),
        frame_ancestors: Vec::new(),
        trusted_proxies: Vec::new(),
        io_uring: true,
        has_mdns: false,
        congestion: serve::CongestionSetting::System,
    };
    let room = serve::ConnectionBudget {
        viewers: 10,
        other: 10,
        note: None,
    };
    let app = AppState::new(vec![camera], config, None, false, &room, fanout);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let bound = serve::BoundListener {
        listener,
        url: String::new(),
        is_secure: false,
        is_rtsp: false,
    };
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(serve::accept_connections(
            bound,
            None,
            serve::Site::new(app),
        ))
    });
    address
}

#[test]
fn raw_camera_bitrate_follows_the_link() {
    let shutdown = ShutdownToken::new().unwrap();
    let (endpoint, handle) = camera_handle::channel([]);
    let hub = handle.hub();
    let source = Box::new(RawCamera::new(shutdown.clone()));
    std::thread::spawn(move || {
        let settings = Settings {
            width: WIDTH,
            height: HEIGHT,
            fps: berrymse::frame_rate::FrameRate::whole(FPS),
            bitrate: Some(MOST),
            rotation: None,
            flips: Flips::default(),
            keyframe_interval: NonZeroU32::new(60).unwrap(),
        };
        let mut config = Config::new("camera", SourceSpec::Test, settings);
        config.adaptive_bitrate = Some(LEAST..=MOST);
        camera::play(source, &config, &endpoint)
    });
    let line = Line::to(&serve(handle.clone()));
    let address = line.address.clone();
    std::thread::spawn(move || {
        let mut viewer = Viewer::connect_to(&address, "/video_websocket", Some("berrymse.v1"));
        while viewer.socket.read().is_ok() {}
    });
    // The measure looks back four seconds.
    let wait = |what: &str, is_there: &dyn Fn(u64) -> bool| {
        let frames = || hub.stats().frames;
        let (begin, first) = (Instant::now(), frames());
        loop {
            std::thread::sleep(Duration::from_millis(100));
            let status = hub.stats();
            if frames() > first + u64::from(FPS) && is_there(status.bitrate) {
                println!("{what}: {} after {:?}", status.bitrate, begin.elapsed());
                return status.bitrate;
            }
            // Two minutes of the stream, however long they take.
            assert!(
                frames() < first + 120 * u64::from(FPS),
                "{what}: {status:?}"
            );
        }
    };
    std::thread::sleep(Duration::from_secs(4));
    let full = wait("all", &|rate| rate > u64::from(MOST) * 7 / 10);
    line.set(full / 8 / 2);
    let less = wait("half", &|rate| rate < full * 55 / 100);
    assert!(less > u64::from(LEAST), "{less}");
    // Down to what the line carries, not to the least there is.
    let steady = in_one_of(5, || {
        std::thread::sleep(Duration::from_secs(4));
        let steady = hub.stats().bitrate;
        println!("half, later: {steady}");
        match (full / 4..full * 55 / 100).contains(&steady) {
            true => Ok(steady),
            false => Err(format!("{steady} of {full}")),
        }
    });
    line.set(u64::MAX);
    wait("all again", &|rate| rate > steady * 5 / 4);
}
