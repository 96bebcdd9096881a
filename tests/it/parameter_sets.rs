//! Parameter sets as viewers get them: what real cameras say wrongly or vaguely is said so that all show the same.

use crate::support::{Scratch, Server, is_init};
use berrymse::h264::sps::Sps;
use std::process::Command;

/// What the init segment of a stream says.
#[derive(Debug)]
struct Init {
    sps: Sps,
    /// Width and height in the track header, in pixels.
    shown: (u32, u32),
    pasp: Option<(u32, u32)>,
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap())
}

fn find(bytes: &[u8], kind: &[u8; 4]) -> Option<usize> {
    bytes.windows(4).position(|w| w == kind)
}

impl Init {
    /// Of a stream of 320x240 that ffmpeg's filter of bitstreams has tagged.
    fn of(tags: &str) -> Self {
        let scratch = Scratch::new(&format!("parameter-sets-{:?}", std::thread::current().id()));
        let path = scratch.join("tagged.264");
        let status = Command::new("ffmpeg")
            .args([
                "-v",
                "error",
                "-y",
                "-f",
                "lavfi",
                "-i",
                "testsrc2=size=320x240:rate=10:duration=1",
            ])
            .args([
                "-pix_fmt",
                "yuv420p",
                "-c:v",
                "libx264",
                "-preset",
                "ultrafast",
                "-g",
                "10",
            ])
            .args(["-bsf:v", &format!("h264_metadata={tags}"), "-f", "h264"])
            .arg(&path)
            .status();
        assert!(
            status
                .expect("ffmpeg is needed: apt-get install ffmpeg")
                .success()
        );
        let server = Server::start(&["-d", &format!("file:{}", path.display())]);
        let message = server.watch("/video_websocket").binary();
        assert!(is_init(&message));
        let avcc = find(&message, b"avcC").unwrap() + 4;
        let length = usize::from(message[avcc + 6]) << 8 | usize::from(message[avcc + 7]);
        let tkhd = find(&message, b"tkhd").unwrap() + 4;
        let pasp = find(&message, b"pasp").map(|at| at + 4);
        Self {
            sps: Sps::parse(&message[avcc + 8..avcc + 8 + length]).unwrap(),
            shown: (
                u32_at(&message, tkhd + 76) >> 16,
                u32_at(&message, tkhd + 80) >> 16,
            ),
            pasp: pasp.map(|at| (u32_at(&message, at), u32_at(&message, at + 4))),
        }
    }
}

#[test]
fn nonsense_sample_aspect_becomes_square() {
    for aspect in ["1088/1", "65535/1", "1/4000", "3/1"] {
        let init = Init::of(&format!("sample_aspect_ratio={aspect}"));
        assert_eq!((init.shown, init.pasp), ((320, 240), None), "{aspect}");
        assert_eq!(init.sps.sample_aspect, (1, 1), "{aspect}");
        assert!(!init.sps.has_implausible_aspect, "{aspect}");
    }
    let init = Init::of("sample_aspect_ratio=4/3");
    assert_eq!((init.shown, init.pasp), ((426, 240), Some((4, 3))));
    assert_eq!(init.sps.sample_aspect, (4, 3));
}

#[test]
fn incomplete_colour_tags_are_completed() {
    for (tags, expected) in [
        ("video_full_range_flag=1", ([6, 6, 6], true)),
        (
            "video_full_range_flag=1:matrix_coefficients=5",
            ([6, 6, 6], true),
        ),
        (
            "colour_primaries=5:transfer_characteristics=5:matrix_coefficients=5",
            ([6, 6, 6], false),
        ),
        ("matrix_coefficients=1", ([1, 1, 1], false)),
        (
            "colour_primaries=1:transfer_characteristics=13:matrix_coefficients=6",
            ([1, 13, 6], false),
        ),
        ("sample_aspect_ratio=1/1", ([2, 2, 2], false)),
    ] {
        let colour = Init::of(tags).sps.colour;
        let found = [colour.primaries, colour.transfer, colour.matrix];
        assert_eq!((found, colour.is_full_range), expected, "{tags}");
    }
}
