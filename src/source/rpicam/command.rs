//! Command line of rpicam-vid for a camera, its settings and the machine's encoder, with fallbacks
//! for older versions. Pure, except for the look at the machine.

use super::known_options::KnownOptions;
use super::options::{CODEC_OPTIONS, RpicamOptions};
use crate::media::orientation::Orientation;
use crate::source::Settings;
use std::fmt;
use std::fs;
use std::os::fd::RawFd;

/// Names of the program, the present one first.
pub const PROGRAMS: [&str; 2] = ["rpicam-vid", "libcamera-vid"];

/// Macroblocks per second (1080p at 30) at which the program's level 4.0 ends (H.264, table A-1).
/// The Pi's encoder does not start with a level too low.
const LEVEL_4_MACROBLOCKS: u32 = 245_760;

/// Settings of x264 where the program knows no `--low-latency`, which makes the same of them. Without either its default has
/// B frames and threads over several frames, which delay each frame.
const LOW_LATENCY: &str =
    "preset=ultrafast;tune=zerolatency;bf=0;refs=1;slices=4;thread_type=slice";

const HALF_TURN: Orientation = Orientation::new(180, false, false);

/// H.264 encoder of the machine.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Encoder {
    /// Encoder of the chip (Raspberry Pi 0 to 4).
    Own,
    /// x264 through libav (Raspberry Pi 5, which has no encoder).
    Libav,
}

impl Encoder {
    /// Detects the encoder of this machine.
    pub(super) fn of_this_machine() -> Self {
        let model = fs::read_to_string("/proc/device-tree/model").unwrap_or_default();
        let nodes = fs::read_dir("/sys/class/video4linux")
            .into_iter()
            .flatten()
            .flatten();
        let names: Vec<String> = nodes
            .filter_map(|node| fs::read_to_string(node.path().join("name")).ok())
            .collect();
        Self::of(&model, &names)
    }

    /// Selects by the machine's `model` and the `names` of its video nodes. The nodes decide: a
    /// model may be newer than this table.
    fn of(model: &str, names: &[String]) -> Self {
        const OLDER: [&str; 8] = [
            "Zero", "Pi 2", "Pi 3", "Pi 4", "Pi 400", "Model A", "Model B", "Module",
        ];
        const NEWER: [&str; 3] = ["Pi 5", "Pi 500", "Module 5"];
        let has = |start: &str| names.iter().any(|name| name.starts_with(start));
        let is = |parts: &[&str]| parts.iter().any(|part| model.contains(part));
        if has("bcm2835-codec") {
            Self::Own
        } else if has("pispbe") || has("rp1-cfe") {
            Self::Libav
        } else if model.is_empty() || (is(&OLDER) && !is(&NEWER)) {
            Self::Own
        } else {
            Self::Libav
        }
    }
}

/// Arguments that older versions may not know, and the camera works without.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum OptionalArgument {
    SavePts,
    LowLatency,
    Level,
    Flush,
    Camera,
}

impl OptionalArgument {
    const ALL: [Self; 5] = [
        Self::SavePts,
        Self::LowLatency,
        Self::Level,
        Self::Flush,
        Self::Camera,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::SavePts => "save-pts",
            Self::LowLatency => "low-latency",
            Self::Level => "level",
            Self::Flush => "flush",
            Self::Camera => "camera",
        }
    }
}

/// Arguments for the program.
#[derive(Clone, Debug)]
pub(super) struct Command {
    number: u32,
    settings: Settings,
    encoder: Encoder,
    options: RpicamOptions,
    dropped: Vec<OptionalArgument>,
    /// True if the program is known to take settings of x264.
    takes_codec_options: bool,
}

impl Command {
    pub(super) fn new(
        number: u32,
        settings: &Settings,
        encoder: Encoder,
        options: &RpicamOptions,
    ) -> Self {
        Self {
            number,
            settings: settings.clone(),
            encoder,
            options: options.clone(),
            dropped: Vec::new(),
            takes_codec_options: false,
        }
    }

    /// Drops what the program does not know. Returns the names, for the log.
    pub(super) fn drop_unknown(&mut self, known: &KnownOptions) -> Vec<&'static str> {
        self.takes_codec_options = known.has(CODEC_OPTIONS);
        let unknown: Vec<OptionalArgument> = OptionalArgument::ALL
            .into_iter()
            .filter(|option| {
                self.has(*option)
                    && !known.has(option.name())
                    // Without the number it would be another camera.
                    && *option != OptionalArgument::Camera
            })
            .collect();
        self.dropped.extend(&unknown);
        unknown.into_iter().map(OptionalArgument::name).collect()
    }

    /// Returns the options that have no effect, as the machine has its own encoder.
    pub(super) fn without_effect(&self) -> Vec<&str> {
        let is_own = self.encoder == Encoder::Own;
        let options = self.options.for_x264().filter(|_| is_own);
        options.map(|option| option.name.as_str()).collect()
    }

    /// Returns the settings for x264, empty without any.
    fn codec_options(&self) -> String {
        if self.encoder == Encoder::Own {
            return String::new();
        }
        let is_left_to_us = !self.has(OptionalArgument::LowLatency) && self.takes_codec_options;
        self.options
            .codec_options(if is_left_to_us { LOW_LATENCY } else { "" })
    }

    /// Returns true if the program gets this argument.
    pub(super) fn has(&self, option: OptionalArgument) -> bool {
        let settings = &self.settings;
        let macroblocks = settings.width.div_ceil(16) * settings.height.div_ceil(16);
        let is_of_use = match option {
            // libav rejects it, unless the name of a file ends in 264.
            OptionalArgument::SavePts => self.encoder == Encoder::Own,
            OptionalArgument::LowLatency => self.encoder == Encoder::Libav,
            OptionalArgument::Level => {
                self.encoder == Encoder::Own
                    && macroblocks.saturating_mul(settings.fps.ceil()) > LEVEL_4_MACROBLOCKS
            }
            OptionalArgument::Flush => true,
            OptionalArgument::Camera => self.number > 0,
        };
        is_of_use && !self.dropped.contains(&option)
    }

    /// Drops an argument.
    pub(super) fn drop(&mut self, option: OptionalArgument) {
        if !self.dropped.contains(&option) {
            self.dropped.push(option);
        }
    }

    /// Returns the orientation that the camera applies: it can turn by half and mirror, but not by
    /// a quarter.
    pub(super) fn orientation(&self) -> Orientation {
        let wanted = self.settings.orientation();
        if wanted.swaps_axes() {
            Orientation::default()
        } else {
            wanted
        }
    }

    /// Returns the arguments; PTS lines are written to `marks`.
    ///
    /// `--verbose 0` is not among them: it would silence libcamera, which alone says why a camera
    /// cannot be opened.
    pub(super) fn arguments(&self, pts: Option<RawFd>) -> Vec<String> {
        let settings = &self.settings;
        let mut out: Vec<String> = ["-t", "0", "-n", "--inline", "--codec", "h264", "-o", "-"]
            .map(str::to_owned)
            .into();
        let mut add = |name: &str, value: &dyn fmt::Display| {
            out.extend([format!("--{name}"), value.to_string()])
        };
        add("width", &settings.width);
        add("height", &settings.height);
        add("framerate", &settings.fps);
        add("intra", &settings.keyframe_interval);
        if let Some(bitrate) = settings.bitrate {
            add("bitrate", &bitrate);
        }
        let orientation = self.orientation();
        if orientation == HALF_TURN {
            add("rotation", &180);
        }
        if self.encoder == Encoder::Libav {
            add("libav-format", &"h264");
        }
        if self.has(OptionalArgument::Camera) {
            add("camera", &self.number);
        }
        if self.has(OptionalArgument::Level) {
            add("level", &"4.2");
        }
        if let (true, Some(fd)) = (self.has(OptionalArgument::SavePts), pts) {
            add("save-pts", &format_args!("/dev/fd/{fd}"));
        }
        if orientation.is_mirrored() {
            let is_upside_down = orientation.quarter_turns() == 2;
            out.push(if is_upside_down { "--vflip" } else { "--hflip" }.to_owned());
        }
        for switch in [OptionalArgument::Flush, OptionalArgument::LowLatency] {
            if self.has(switch) {
                out.push(format!("--{}", switch.name()));
            }
        }
        out.extend(self.options.arguments());
        let codec_options = self.codec_options();
        if !codec_options.is_empty() {
            out.push(format!("--{CODEC_OPTIONS}={codec_options}"));
        }
        out
    }

    /// Changes the arguments that the program's last lines reject; returns false if nothing
    /// changes.
    pub(super) fn drop_rejected(&mut self, words: &str) -> bool {
        let is_refused = |option: &OptionalArgument| {
            let name = option.name();
            words.contains(&format!("unrecognised option '--{name}'"))
                || (*option == OptionalArgument::SavePts
                    && (words.contains("timestamp file") || words.contains("--save-pts")))
        };
        let refused = OptionalArgument::ALL
            .into_iter()
            .find(|option| self.has(*option) && is_refused(option));
        if let Some(option) = refused {
            // Without the number it would be another camera.
            if option == OptionalArgument::Camera {
                return false;
            }
            self.drop(option);
            return true;
        }
        // The machine is not what it looked like.
        if self.encoder == Encoder::Own && words.contains("libav: cannot allocate output context") {
            self.encoder = Encoder::Libav;
            return true;
        }
        false
    }
}

impl fmt::Display for Command {
    /// Writes the dropped arguments, for the log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.dropped.last() {
            Some(option) => write!(f, "without --{}", option.name()),
            None => f.write_str("with the encoder in software"),
        }
    }
}

#[cfg(test)]
mod tests;
