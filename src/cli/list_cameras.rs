//! `berrymse cameras`: lists the cameras of this machine and the `--source` for each, as text and as JSON.

mod json;

use crate::os::procfs::{ProcessInfo, processes_with_open};
use crate::source::rpicam;
use crate::source::v4l2::{explain::node_reason, raw};
use json::node_json;
use serde_json::{Value, json};
use std::env;
use std::fmt::Write;
use std::path::PathBuf;
use v4l2::{FourCc, FrameSize, Node, NodeKind, discover, m2m};

/// Limits of formats and sizes in the text, H.264 first. JSON has all of them.
const FORMATS_SHOWN: usize = 6;
const SIZES_SHOWN: usize = 8;
const WIDTH: usize = 100;

/// The usual request, for which formats are rated.
const USUAL: raw::mode_select::ModeRequest = raw::mode_select::ModeRequest {
    width: 1280,
    height: 720,
    fps: 30.0,
};

/// The sizes of a format, each with its rates in frames per second.
type Sizes = Vec<(FrameSize, Vec<f64>)>;

/// Cameras and programs that were found.
#[derive(Debug)]
pub struct Report {
    nodes: Vec<Found>,
    camera_program: Option<PathBuf>,
    /// Cameras that the program lists, by their numbers, or the reason why it failed.
    program_cameras: Result<Vec<String>, String>,
}

/// A node with details that only this report needs.
#[derive(Debug)]
struct Found {
    node: Node,
    /// Sizes of each format.
    sizes: Vec<Sizes>,
    /// Processes that have it open.
    holders: Vec<ProcessInfo>,
}

/// Looks at all video nodes (which takes some milliseconds for each) and for the programs that cameras need.
pub fn report() -> Report {
    let found = |node: Node| Found {
        sizes: node
            .formats
            .iter()
            .map(|format| node.sizes(format.fourcc))
            .collect(),
        holders: processes_with_open(&node.path),
        node,
    };
    let camera_program = rpicam::find_program(env::var_os("PATH").as_deref());
    let program_cameras = camera_program.as_deref().map_or(Ok(Vec::new()), |program| {
        rpicam::list_cameras(program).map_err(|error| error.to_string())
    });
    Report {
        nodes: discover().map(found).collect(),
        camera_program,
        program_cameras,
    }
}

impl Report {
    /// Returns a text with a paragraph for each node. It ends with a line feed.
    pub fn text(&self) -> String {
        let mut out = String::new();
        for found in &self.nodes {
            write_node(&mut out, found);
            out.push('\n');
        }
        if self.nodes.is_empty() {
            paragraph(&mut out, "", NO_NODES);
            out.push('\n');
        }
        match (&self.camera_program, self.has_sensor()) {
            (Some(program), _) => {
                let _ = writeln!(out, "Raspberry Pi cameras, through {}:", program.display());
                self.write_program_cameras(&mut out);
                out.push('\n');
            }
            (None, true) => paragraph(&mut out, "", NO_CAMERA_PROGRAM),
            (None, false) => {}
        }
        out.push_str("Test pattern, always there: --source test\n");
        if let Some(source) = self.auto() {
            let _ = writeln!(out, "--source auto, the default, takes: {source}");
        }
        out
    }

    /// Returns the sources of all usable cameras.
    pub(super) fn sources(&self) -> Vec<String> {
        let usable = |found: &&Found| node_reason(&found.node).is_none();
        let nodes = self.nodes.iter().filter(usable);
        let nodes = nodes.map(|found| found.node.name().display().to_string());
        let listed = self.program_cameras.as_ref().map_or(0, Vec::len);
        let ribbon = (0..listed).map(|number| format!("rpicam:{number}"));
        nodes.chain(ribbon).collect()
    }

    /// Returns the source that `auto` takes, in the order of `source`.
    pub(super) fn auto(&self) -> Option<String> {
        let first = |is_it: fn(NodeKind) -> bool| {
            let mut nodes = self.nodes.iter().map(|found| &found.node);
            let node = nodes.find(|node| node.purpose.is_some_and(is_it))?;
            Some(node.name().display().to_string())
        };
        let rpicam = || {
            let may_have = self
                .program_cameras
                .as_ref()
                .map_or(true, |all| !all.is_empty());
            (self.camera_program.is_some() && may_have).then(|| "rpicam".to_owned())
        };
        first(|purpose| matches!(purpose, NodeKind::H264(_)))
            .or_else(rpicam)
            .or_else(|| first(|purpose| matches!(purpose, NodeKind::NeedsEncoder(_))))
    }

    fn write_program_cameras(&self, out: &mut String) {
        match &self.program_cameras {
            Ok(cameras) if cameras.is_empty() => paragraph(out, "    ", NO_PROGRAM_CAMERA),
            Ok(cameras) => {
                for (number, camera) in cameras.iter().enumerate() {
                    paragraph(out, "    ", camera);
                    let _ = writeln!(out, "    --source rpicam:{number}");
                }
            }
            Err(reason) => paragraph(
                out,
                "    ",
                &format!("it does not list its cameras ({reason}); try --source rpicam"),
            ),
        }
    }

    /// Returns an object with `nodes`, `rpicam`, `test` and `auto`. Programs rely on the names.
    pub fn json(&self) -> Value {
        let usable = self.camera_program.as_ref();
        let reason = (usable.is_none() && self.has_sensor()).then_some(NO_CAMERA_PROGRAM);
        json!({
            "nodes": self.nodes.iter().map(node_json).collect::<Vec<_>>(),
            "rpicam": {
                "program": usable.map(|program| program.to_string_lossy()),
                "source": usable.map(|_| "rpicam"),
                "cameras": self.program_cameras.as_ref().ok(),
                "reason": self.program_cameras.as_ref().err().map_or(reason, |error| Some(error.as_str())),
            },
            "test": { "source": "test" },
            "auto": self.auto(),
        })
    }

    fn has_sensor(&self) -> bool {
        self.nodes.iter().any(|Found { node, .. }| {
            matches!(node.purpose, Some(NodeKind::Sensor | NodeKind::Isp))
        })
    }
}

const NO_NODES: &str = "No video node found (/dev/video0 and so on). Is a camera plugged in? `lsusb` shows USB \
    cameras, `sudo dmesg` what the kernel makes of them. In a container, the nodes must be passed in \
    (docker run --device /dev/video0). A camera on the ribbon cable of a Raspberry Pi needs `camera_auto_detect=1` in \
    /boot/firmware/config.txt and the package rpicam-apps-lite.";
const NO_PROGRAM_CAMERA: &str = "It finds no camera. Is the ribbon cable seated at both ends, and camera_auto_detect=1 (or the \
    camera's dtoverlay) in /boot/firmware/config.txt?";
const NO_CAMERA_PROGRAM: &str = "There is a camera that libcamera drives, but neither rpicam-vid nor libcamera-vid in \
    PATH: sudo apt install rpicam-apps-lite, then --source rpicam";

fn write_node(
    out: &mut String,
    Found {
        node,
        sizes,
        holders,
    }: &Found,
) {
    let label = node.purpose.map_or("not to be opened", NodeKind::label);
    let _ = writeln!(out, "{}  {}: {label}", node.path.display(), node.card);
    if let Ok(identity) = &node.identity {
        let _ = writeln!(out, "    driver {}, at {}", identity.driver, identity.bus);
    }
    match node_reason(node) {
        None => {
            let _ = writeln!(out, "    --source {}", node.name().display());
            if matches!(node.purpose, Some(NodeKind::NeedsEncoder(_))) {
                paragraph(out, "    ", &plan_text(node, sizes));
            }
        }
        Some(reason) => paragraph(out, "    ", &format!("no source: {reason}")),
    }
    if let Some(encoder) = &node.encoder {
        paragraph(out, "    ", &encoder_text(encoder));
    }
    let mut formats: Vec<_> = node.formats.iter().zip(sizes).collect();
    formats.sort_by_key(|(format, _)| format.fourcc != FourCc::H264);
    for (format, sizes) in formats.iter().take(FORMATS_SHOWN) {
        paragraph(
            out,
            "    ",
            &format!("{} {}", format.fourcc, sizes_text(sizes)),
        );
    }
    if formats.len() > FORMATS_SHOWN {
        let _ = writeln!(out, "    {} more formats", formats.len() - FORMATS_SHOWN);
    }
    if !holders.is_empty() {
        let names: Vec<String> = holders.iter().map(ToString::to_string).collect();
        let names = names.join(", ");
        // Two programs share a loopback node: its writer and this one.
        let is_shared = node
            .identity
            .as_ref()
            .is_ok_and(|identity| identity.is_loopback());
        if is_shared || !node.is_usable() {
            let _ = writeln!(out, "    open in {names}");
        } else {
            let text = format!("open in {names}: while that takes pictures no other can");
            paragraph(out, "    ", &text);
        }
    }
}

fn encoder_text(encoder: &m2m::EncoderNode) -> String {
    let formats: Vec<String> = encoder.raw_formats.iter().map(FourCc::to_string).collect();
    let mut text = format!("encodes {}", formats.join(", "));
    if let Some((width, height)) = encoder.max_size {
        let _ = write!(text, ", up to {width}x{height}");
    }
    text.push_str("; --encoder auto takes it, --encoder hardware insists on it");
    text
}

/// Returns the plan for a camera without H.264 and the request [`USUAL`].
fn plan_text(node: &Node, sizes: &[Sizes]) -> String {
    let formats = node.formats.iter().map(|format| format.fourcc);
    let offers: Vec<raw::mode_select::FormatCaps> = formats.zip(sizes.iter().cloned()).collect();
    match raw::plan(&offers, &USUAL) {
        Ok((encoder, mode)) => {
            let rate = mode
                .rate
                .map_or_else(String::new, |rate| format!(" --fps {}", round(rate)));
            format!(
                "to be encoded ({encoder}); the nearest to {}x{} at {}/s is {}: --width {} --height {}{rate}",
                USUAL.width, USUAL.height, USUAL.fps, mode.fourcc, mode.width, mode.height
            )
        }
        Err(reason) => format!("but it cannot be encoded: {reason}"),
    }
}

fn sizes_text(sizes: &Sizes) -> String {
    let mut words: Vec<String> = sizes
        .iter()
        .take(SIZES_SHOWN)
        .map(|(size, rates)| size_text(size, rates))
        .collect();
    if sizes.len() > SIZES_SHOWN {
        words.push(format!("{} more sizes", sizes.len() - SIZES_SHOWN));
    }
    words.join(", ")
}

fn size_text(size: &FrameSize, rates: &[f64]) -> String {
    let mut text = match size {
        FrameSize::Discrete(width, height) => format!("{width}x{height}"),
        FrameSize::Stepwise {
            min: (w_min, h_min),
            max: (w_max, h_max),
            ..
        } => {
            format!("{w_min}x{h_min} to {w_max}x{h_max}")
        }
    };
    if let (Some(highest), Some(lowest)) = (rates.first(), rates.last()) {
        let (highest, lowest) = (round(*highest), round(*lowest));
        let _ = if highest > lowest {
            write!(text, " at {lowest}-{highest}/s")
        } else {
            write!(text, " at {highest}/s")
        };
    }
    text
}

/// Rounds to two digits behind the point, as 29.97.
fn round(rate: f64) -> f64 {
    (rate * 100.0).round() / 100.0
}

/// Writes words in lines of limited width. All lines but the first have two more spaces in front.
fn paragraph(out: &mut String, indent: &str, text: &str) {
    let mut line = indent.to_owned();
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        if line.len() + word.len() >= WIDTH && line.trim() != "" {
            let _ = writeln!(out, "{}", line.trim_end());
            line = format!("{indent}  ");
        }
        line.push_str(word);
        line.push(' ');
    }
    let _ = writeln!(out, "{}", line.trim_end());
}

#[cfg(test)]
mod tests {
    use super::*;
    use v4l2::DeviceError;

    fn report_of(nodes: Vec<Found>) -> Report {
        Report {
            nodes,
            camera_program: None,
            program_cameras: Ok(Vec::new()),
        }
    }

    #[test]
    fn list_without_cameras_suggests_the_test_source() {
        let report = report_of(Vec::new());
        let text = report.text();
        assert!(text.starts_with("No video node found"), "{text}");
        assert!(text.ends_with("--source test\n"), "{text}");
        assert!(text.lines().all(|line| line.len() <= WIDTH), "{text}");
        assert_eq!(report.json()["nodes"], json!([]));
        assert_eq!(report.json()["test"]["source"], "test");
    }

    #[test]
    fn unopened_node_is_listed_with_reason() {
        let node = Node {
            path: "/dev/video3".into(),
            link: None,
            card: "Cam".into(),
            identity: Err(DeviceError::PermissionDenied),
            purpose: None,
            formats: Vec::new(),
            encoder: None,
        };
        let report = report_of(vec![Found {
            node,
            sizes: Vec::new(),
            holders: Vec::new(),
        }]);
        assert!(
            report
                .text()
                .contains("/dev/video3  Cam: not to be opened\n    no source: permission denied")
        );
        let json = report.json();
        assert_eq!(json["nodes"][0]["source"], Value::Null);
        assert!(
            json["nodes"][0]["reason"]
                .as_str()
                .unwrap()
                .contains("group video")
        );
    }

    #[test]
    fn list_says_what_auto_selects() {
        let found = |path: &str, purpose| Found {
            node: Node {
                path: path.into(),
                link: None,
                card: "Cam".into(),
                identity: Err(DeviceError::Busy),
                purpose: Some(purpose),
                formats: Vec::new(),
                encoder: None,
            },
            sizes: Vec::new(),
            holders: Vec::new(),
        };
        let capture = v4l2::PlaneApi::SinglePlanar;
        let raw = found("/dev/video0", NodeKind::NeedsEncoder(capture));
        let mut report = report_of(vec![raw, found("/dev/video1", NodeKind::Metadata)]);
        let takes = |report: &Report, what: &str| {
            let line = format!("--source auto, the default, takes: {what}\n");
            assert!(report.text().ends_with(&line), "{}", report.text());
            assert_eq!(report.json()["auto"], what);
        };
        takes(&report, "/dev/video0");
        report.camera_program = Some("/usr/bin/rpicam-vid".into());
        takes(&report, "/dev/video0");
        report.program_cameras = Ok(vec!["imx708".into()]);
        takes(&report, "rpicam");
        let h264 = found("/dev/video2", NodeKind::H264(capture));
        report.nodes.push(h264);
        takes(&report, "/dev/video2");
    }

    #[test]
    fn rpicam_cameras_are_listed_with_source() {
        let mut report = report_of(Vec::new());
        report.camera_program = Some("/usr/bin/rpicam-vid".into());
        assert!(
            report.text().contains("finds no camera"),
            "{}",
            report.text()
        );
        report.program_cameras = Ok(vec!["imx708 [4608x2592]".into(), "ov5647".into()]);
        let text = report.text();
        assert!(
            text.contains(
                "imx708 [4608x2592]\n    --source rpicam:0\n    ov5647\n    --source rpicam:1"
            ),
            "{text}"
        );
        assert_eq!(report.json()["rpicam"]["cameras"][1], "ov5647");
        report.program_cameras = Err("timed out".into());
        assert!(report.text().contains("(timed out)"));
        assert_eq!(report.json()["rpicam"]["reason"], "timed out");
    }

    #[test]
    fn sizes_are_written_with_their_rates() {
        assert_eq!(
            size_text(&FrameSize::Discrete(640, 480), &[30.0, 15.0]),
            "640x480 at 15-30/s"
        );
        assert_eq!(
            size_text(&FrameSize::Discrete(640, 480), &[30000.0 / 1001.0]),
            "640x480 at 29.97/s"
        );
        assert_eq!(
            size_text(
                &FrameSize::Stepwise {
                    min: (32, 32),
                    max: (1920, 1080),
                    step: (1, 1)
                },
                &[]
            ),
            "32x32 to 1920x1080"
        );
        assert_eq!(
            sizes_text(&vec![(FrameSize::Discrete(1, 1), Vec::new()); 9])
                .matches("1x1")
                .count(),
            SIZES_SHOWN
        );
    }
}
