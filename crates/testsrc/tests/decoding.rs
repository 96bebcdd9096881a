//! The test pattern decoded by ffmpeg, which must report no error.
//!
//! The encoder is driven with given times; what the decoder shows must be exact where it has to be (the
//! code for programs) and where it has to be it must move.
#![allow(clippy::unwrap_used)]

use std::io::{Read, Write};
use std::num::NonZeroU32;
use std::process::{Command, Stdio};
use testsrc::{Encoder, Settings, timestamp_code};

/// A moment shortly before midnight of a leap day, so that all digits change.
const START_MS: u64 = 1_709_251_199_700;

struct Case {
    width: u32,
    height: u32,
    fps: u32,
    keyframe_interval: u32,
    bitrate: Option<u32>,
    pictures: u64,
}

impl Case {
    fn new(width: u32, height: u32, fps: u32) -> Self {
        Self {
            width,
            height,
            fps,
            keyframe_interval: 20,
            bitrate: None,
            pictures: 30,
        }
    }

    fn encoder(&self) -> Encoder {
        let settings = Settings {
            width: self.width,
            height: self.height,
            frame_rate: (self.fps, 1),
            bitrate: self.bitrate,
            keyframe_interval: NonZeroU32::new(self.keyframe_interval).unwrap(),
        };
        Encoder::new(&settings).unwrap()
    }

    fn time_ms(&self, count: u64) -> u64 {
        START_MS + count * 1000 / u64::from(self.fps)
    }

    /// The access units of all pictures.
    fn encoded(&self) -> Vec<Vec<u8>> {
        let mut encoder = self.encoder();
        (0..self.pictures)
            .map(|count| encoder.encode(self.time_ms(count), false).to_vec())
            .collect()
    }

    /// Encodes and decodes; checks that the decoder is content and every picture comes out.
    fn decoded(&self) -> Vec<Picture> {
        let (width, height) = (self.width as usize / 2 * 2, self.height as usize / 2 * 2);
        let pictures = decode(&self.encoded().concat(), width, height);
        assert_eq!(
            pictures.len() as u64,
            self.pictures,
            "{}x{}",
            self.width,
            self.height
        );
        pictures
    }
}

/// A decoded picture in planes of 8 bits.
struct Picture {
    width: usize,
    luma: Vec<u8>,
    chroma: [Vec<u8>; 2],
}

impl Picture {
    fn luma_at(&self, x: usize, y: usize) -> u8 {
        self.luma[y * self.width + x]
    }

    /// The code for programs, read as strictly as can be: every pixel has to be exact.
    fn code(&self) -> u32 {
        let mut blocks = 0;
        for block in 0..48 {
            let (left, top) = (16 + block % 12 * 16, 16 + block / 12 * 16);
            let level = self.luma_at(left, top);
            assert!(level == 235 || level == 16, "block {block} has {level}");
            for (x, y) in (0..256).map(|i| (left + i % 16, top + i / 16)) {
                assert_eq!(self.luma_at(x, y), level, "block {block}");
                let chroma = y / 2 * (self.width / 2) + x / 2;
                assert_eq!(
                    [self.chroma[0][chroma], self.chroma[1][chroma]],
                    [128, 128],
                    "block {block}"
                );
            }
            blocks = blocks << 1 | u64::from(level == 235);
        }
        timestamp_code::decode(blocks).expect("a valid code")
    }
}

/// What ffmpeg shows of a stream. Any message of it fails the test, as does another size.
fn decode(stream: &[u8], width: usize, height: usize) -> Vec<Picture> {
    let mut child = Command::new("ffmpeg")
        .args(["-v", "error", "-threads", "1", "-f", "h264", "-i", "pipe:0"])
        .args([
            "-fps_mode",
            "passthrough",
            "-f",
            "rawvideo",
            "-pix_fmt",
            "yuv420p",
            "pipe:1",
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("this test needs ffmpeg");
    let mut stdin = child.stdin.take().unwrap();
    let mut stderr = child.stderr.take().unwrap();
    let (raw, messages) = std::thread::scope(|scope| {
        scope.spawn(move || stdin.write_all(stream).unwrap());
        let messages = scope.spawn(move || {
            let mut text = String::new();
            stderr.read_to_string(&mut text).unwrap();
            text
        });
        let mut raw = Vec::new();
        child.stdout.take().unwrap().read_to_end(&mut raw).unwrap();
        (raw, messages.join().unwrap())
    });
    assert_eq!(messages, "", "{width}x{height}");
    assert!(child.wait().unwrap().success());
    let (luma, chroma) = (width * height, width * height / 4);
    assert_eq!(
        raw.len() % (luma + 2 * chroma),
        0,
        "pictures are not {width}x{height}"
    );
    let picture = |raw: &[u8]| Picture {
        width,
        luma: raw[..luma].to_vec(),
        chroma: [
            raw[luma..luma + chroma].to_vec(),
            raw[luma + chroma..].to_vec(),
        ],
    };
    raw.chunks_exact(luma + 2 * chroma).map(picture).collect()
}

#[test]
fn every_frame_decodes_and_carries_its_time() {
    for (width, height, fps) in [
        (1280, 720, 30),
        (640, 480, 30),
        (224, 96, 30),
        (222, 94, 30),
        (1918, 1078, 25),
        (64, 48, 15),
        (16, 16, 240),
        (320, 240, 5),
        (1920, 1080, 60),
        (1080, 1920, 30),
        (641, 361, 1),
        (16, 2304, 30),
        (4096, 16, 30),
    ] {
        let case = Case::new(width, height, fps);
        let pictures = case.decoded();
        for (count, picture) in pictures.iter().enumerate() {
            if width >= 224 && height >= 96 {
                assert_eq!(
                    picture.code(),
                    case.time_ms(count as u64) as u32,
                    "{width}x{height} {count}"
                );
            }
            if let Some(before) = count.checked_sub(1).map(|before| &pictures[before]) {
                assert_ne!(
                    before.luma, picture.luma,
                    "{width}x{height}: {count} does not move"
                );
            }
        }
    }
}

#[test]
fn largest_frames_decode() {
    for (width, height) in [(3840, 2160), (4096, 2304)] {
        let case = Case {
            keyframe_interval: 3,
            pictures: 4,
            ..Case::new(width, height, 30)
        };
        for (count, picture) in case.decoded().iter().enumerate() {
            assert_eq!(picture.code(), case.time_ms(count as u64) as u32);
        }
    }
}

#[test]
fn predicted_frame_equals_an_idr_frame() {
    for (width, height, fps) in [
        (1280, 720, 30),
        (320, 240, 30),
        (222, 94, 25),
        (176, 600, 2),
    ] {
        let with_interval = |keyframe_interval| {
            Case {
                keyframe_interval,
                pictures: 100,
                ..Case::new(width, height, fps)
            }
            .decoded()
        };
        for (count, (one, other)) in with_interval(1000)
            .iter()
            .zip(&with_interval(1))
            .enumerate()
        {
            let error = |one: &[u8], other: &[u8]| -> u8 {
                one.iter()
                    .zip(other)
                    .map(|(a, b)| a.abs_diff(*b))
                    .max()
                    .unwrap()
            };
            // Both differ from the drawing by coding errors of their own, but none may add up.
            let luma = error(&one.luma, &other.luma);
            assert!(luma < 60, "{width}x{height} {count}: {luma}");
            for component in 0..2 {
                assert!(error(&one.chroma[component], &other.chroma[component]) < 40);
            }
        }
    }
}

#[test]
fn stream_decodes_without_disposable_frames() {
    // The numbers of the pictures begin again after 256 that are kept.
    for (width, height, fps, pictures) in [(1280, 720, 30, 61), (224, 96, 240, 599)] {
        let case = Case {
            keyframe_interval: 600,
            pictures,
            ..Case::new(width, height, fps)
        };
        let units = case.encoded();
        let is_disposable = |unit: &[u8]| unit[4] >> 5 == 0;
        let disposable = units.iter().filter(|unit| is_disposable(unit)).count();
        assert_eq!(disposable, units.len() / 2);
        let rest: Vec<_> = units.iter().filter(|unit| !is_disposable(unit)).collect();
        let stream: Vec<u8> = rest.iter().flat_map(|unit| unit.iter().copied()).collect();
        let without = decode(&stream, width as usize, height as usize);
        assert_eq!(without.len(), rest.len());
        let whole = case.decoded();
        let kept = units
            .iter()
            .zip(&whole)
            .filter(|(unit, _)| !is_disposable(unit));
        for (alone, (_, among_all)) in without.iter().zip(kept) {
            assert!(alone.luma == among_all.luma && alone.chroma == among_all.chroma);
        }
    }
}

#[test]
fn keyframes_come_at_the_interval_and_on_request() {
    let mut encoder = Case {
        keyframe_interval: 4,
        ..Case::new(320, 240, 30)
    }
    .encoder();
    let kinds: String = (0..14)
        .map(
            |count| match encoder.encode(START_MS, count == 6 || count == 7)[4] & 31 {
                7 => 'K',
                1 => 'p',
                _ => '?',
            },
        )
        .collect();
    assert_eq!(kinds, "KpppKpKKpppKpp");
}

#[test]
fn stream_declares_no_reordering() {
    let access_unit = Case::new(1280, 720, 30)
        .encoder()
        .encode(START_MS, false)
        .to_vec();
    let mut child = Command::new("ffprobe")
        .args(["-v", "error", "-f", "h264", "-show_entries"])
        .args(["stream=profile,level,has_b_frames,refs,width,height,color_space,color_range,sample_aspect_ratio"])
        .args(["-of", "compact=p=0:nk=0", "pipe:0"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("this test needs ffprobe");
    child.stdin.take().unwrap().write_all(&access_unit).unwrap();
    let output = String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap();
    assert_eq!(
        output.trim(),
        "profile=Constrained Baseline|width=1280|height=720|has_b_frames=0|sample_aspect_ratio=1:1|level=31|\
         color_range=tv|color_space=bt709|refs=1"
    );
}

#[test]
fn bit_rate_is_kept() {
    for (width, height, fps, keyframe_interval, bitrate) in [
        (1280, 720, 30, 60, 1_500_000),
        (1280, 720, 30, 60, 300_000),
        (1280, 720, 60, 60, 700_000),
        (1920, 1080, 60, 60, 1_500_000),
        (640, 480, 30, 30, 150_000),
        (320, 240, 240, 240, 300_000),
        (640, 480, 30, 1, 1_500_000),
    ] {
        let case = Case {
            keyframe_interval,
            bitrate: Some(bitrate),
            pictures: u64::from(4 * fps.max(keyframe_interval)),
            ..Case::new(width, height, fps)
        };
        let units = case.encoded();
        let bits: u64 = units.iter().map(|unit| 8 * unit.len() as u64).sum();
        let rate = bits * u64::from(fps) / case.pictures;
        assert!(
            rate <= u64::from(bitrate),
            "{width}x{height} at {fps}: {rate} of {bitrate}"
        );
    }
}

#[test]
fn keyframes_of_720p_are_small() {
    let size = Case::new(1280, 720, 30)
        .encoder()
        .encode(START_MS, false)
        .len();
    assert!(size < 60_000, "{size}");
}
