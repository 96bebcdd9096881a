//! Error messages of rpicam-vid and libcamera, with explanations.

use crate::os::procfs::lock_owner;
use crate::source::Cause;
use crate::source::process::Diagnosis;

pub(super) const NO_PROGRAM: &str = "rpicam: neither rpicam-vid nor libcamera-vid is in PATH. On Raspberry Pi OS: \
    sudo apt install rpicam-apps-lite (on a container or another system, use exec: with a program that it has)";

/// Texts in an error and their explanations. The first match counts.
const DIAGNOSES: [(&str, &str); 15] = [
    (IN_USE, "the camera is in use by another program"),
    (
        "no cameras available",
        "no camera found by libcamera. Is the ribbon cable seated at both ends, contacts the right way round, and \
         camera_auto_detect=1 (or the camera's dtoverlay) in /boot/firmware/config.txt? \"rpicam-hello --list-cameras\" lists them",
    ),
    (
        "selected camera is not available",
        "there is no camera of this number. \"rpicam-hello --list-cameras\" lists them",
    ),
    (NOT_ACQUIRED, "the camera is in use by another program"),
    (
        "Unable to find an appropriate H.264 codec",
        "this Raspberry Pi has no H.264 encoder, and the software encoder for rpicam-vid is missing: \
         sudo apt install rpicam-apps-encoder (or rpicam-apps instead of rpicam-apps-lite)",
    ),
    (
        "libav: cannot allocate output context",
        "this rpicam-vid cannot write H.264 to a pipe with its software encoder; a newer rpicam-apps can: \
         sudo apt update && sudo apt full-upgrade",
    ),
    ("Cannot allocate memory", NO_MEMORY),
    ("failed to allocate capture buffers", NO_MEMORY),
    ("Failed to allocate buffers", NO_MEMORY),
    (
        "frontend has timed out",
        "the camera sends no pictures. Is the ribbon cable seated at both ends? A damaged cable and a weak power supply look like this, too",
    ),
    (
        "legacy camera stack",
        "the system is set up for the camera stack of before 2021: take the camera at /dev/video0, or switch the legacy \
         camera off in raspi-config and start again",
    ),
    (
        "only supports the Raspberry Pi platforms",
        "this machine's cameras are not for rpicam-vid, which wants a Raspberry Pi's. \"berrymse cameras\" lists what there is",
    ),
    (
        "unrecognised option",
        "this rpicam-vid is too old for an option that it was started with. An update of rpicam-apps helps, or to leave it out \
         of camera.rpicam",
    ),
    (
        "for option '--",
        "this rpicam-vid does not take the value of an option in camera.rpicam",
    ),
    (
        "codec option error",
        "x264 does not take a setting in camera.rpicam.libav-video-codec-opts. \"ffmpeg -h encoder=libx264\" lists them",
    ),
];

const IN_USE: &str = "in use by another process";
const NOT_ACQUIRED: &str = "failed to acquire camera";
const NO_MEMORY: &str = "there is not enough memory for pictures (CMA). A smaller --width and --height needs less, \
    and so do buffer-count: 4 and no-raw: true in camera.rpicam; dtoverlay=vc4-kms-v3d,cma-256 in /boot/firmware/config.txt gives more";

/// Explains an error, with the name of the program that uses the camera if visible.
pub(super) fn diagnose(words: &str) -> Option<Diagnosis> {
    let (found, meaning) = DIAGNOSES.iter().find(|(part, _)| words.contains(part))?;
    if [IN_USE, NOT_ACQUIRED].contains(found) {
        let holder = lock_owner("/dev/media").map(|holder| holder.to_string());
        return Some(Diagnosis {
            message: in_use(holder),
            cause: Cause::BUSY,
        });
    }
    Some(Diagnosis {
        message: (*meaning).to_owned(),
        cause: cause(found),
    })
}

/// Returns the cause for viewers.
fn cause(found: &str) -> Cause {
    match found {
        "no cameras available" | "selected camera is not available" => Cause::NO_CAMERA,
        "Unable to find an appropriate H.264 codec" | "libav: cannot allocate output context" => {
            Cause::Text("no H.264 encoder for the camera")
        }
        "frontend has timed out" => Cause::Text("the camera sends no pictures"),
        "unrecognised option" => Cause::Text("the camera's program does not know an option"),
        "for option '--" | "codec option error" => {
            Cause::Text("the camera's program does not take a value")
        }
        found if found.contains("allocate") => Cause::NO_MEMORY,
        _ => Cause::UNAVAILABLE,
    }
}

fn in_use(holder: Option<String>) -> String {
    match holder {
        Some(holder) => format!("the camera is in use by {holder}: a Raspberry Pi camera serves one program at a time"),
        None => "the camera is in use by another program: a Raspberry Pi camera serves one program at a time. \
                 \"sudo fuser -v /dev/media*\" shows who may have it"
            .to_owned(),
    }
}

/// Parses the output of `--list-cameras`: lines such as `0 : imx708 [4608x2592 10-bit RGGB]
/// (/base/soc/…)`.
pub fn parse_list(text: &str) -> Vec<String> {
    let camera = |line: &str| {
        let (number, description) = line.split_once(" : ")?;
        number.parse::<u32>().ok()?;
        Some(description.trim().to_owned())
    };
    text.lines().filter_map(camera).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_errors_are_explained() {
        for (words, part) in [
            ("ERROR: *** no cameras available ***", "ribbon cable"),
            (
                "[1:2:3] [88] ERROR Camera camera.cpp:1028 Pipeline handler in use by another process | \
                 ERROR: *** failed to acquire camera /base/soc/i2c0mux/i2c@1/imx708@1a ***",
                "in use by",
            ),
            ("ERROR: *** failed to acquire camera /base ***", "in use by"),
            (
                "ERROR: *** Unable to find an appropriate H.264 codec ***",
                "rpicam-apps-encoder",
            ),
            (
                "ERROR: *** libav: cannot allocate output context ***",
                "newer rpicam-apps",
            ),
            (
                "ERROR V4L2 v4l2_videodevice.cpp:1248 Unable to request 4 buffers: Cannot allocate memory",
                "CMA",
            ),
            ("ERROR: *** failed to allocate capture buffers ***", "CMA"),
            (
                "WARN RPI pipeline_base.cpp:1361 Camera frontend has timed out!",
                "cable",
            ),
            ("ERROR: *** unrecognised option '--hdr' ***", "too old"),
            (
                "ERROR: *** the argument ('auto') for option '--hdr' is invalid ***",
                "does not take the value",
            ),
            (
                "ERROR: *** libav: codec option error x=1: Option not found ***",
                "libav-video-codec-opts",
            ),
            (
                "ERROR: *** selected camera is not available ***",
                "no camera of this number",
            ),
        ] {
            let text = diagnose(words).unwrap().message;
            assert!(text.contains(part), "{words}: {text}");
        }
        assert_eq!(diagnose("ERROR: *** something new ***"), None);
        assert_eq!(diagnose(""), None);
    }

    #[test]
    fn process_with_the_camera_is_named() {
        assert!(
            in_use(Some("motion (process 77)".into())).contains("in use by motion (process 77):")
        );
        assert!(in_use(None).contains("fuser"));
    }

    #[test]
    fn cameras_are_listed_without_their_modes() {
        let text = "Available cameras\n-----------------\n\
            0 : imx708_wide [4608x2592 10-bit RGGB] (/base/soc/i2c0mux/i2c@1/imx708@1a)\n    \
            Modes: 'SRGGB10_CSI2P' : 1536x864 [120.13 fps - (768, 432)/3072x1728 crop]\n                             \
            2304x1296 [56.03 fps - (0, 0)/4608x2592 crop]\n1 : ov5647 [2592x1944] (/base/x)\n";
        let cameras = parse_list(text);
        assert_eq!(cameras.len(), 2, "{cameras:?}");
        assert!(cameras[0].starts_with("imx708_wide [4608x2592"));
        assert!(parse_list("No cameras available!\n").is_empty());
    }
}
