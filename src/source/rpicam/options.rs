//! Options of rpicam-vid that `camera.rpicam` and `--rpicam-arg` pass on: names, values, and the version that has them
//! first. Pure.

use super::reserved;
use super::value::Kind::{
    self, Choice, CodecOptions, File, Gains, Integer, LensPosition, Microseconds, Number,
    Rectangle, SensorMode, Switch,
};
use crate::suggest::closest_match;
use std::fmt::{self, Write};

/// An option with a type. Values of all others are left to the program.
struct OptionSpec {
    name: &'static str,
    kind: Kind,
    /// First version of rpicam-apps (before 1.4: libcamera-apps) with the option.
    since: &'static str,
}

const fn row(name: &'static str, kind: Kind, since: &'static str) -> OptionSpec {
    OptionSpec { name, kind, since }
}

/// Key for x264's preset, a part of `--libav-video-codec-opts`.
const PRESET: &str = "x264-preset";
/// Key for x264's slices, likewise.
const SLICES: &str = "x264-slices";
/// Option for all settings of the encoder in software.
pub(super) const CODEC_OPTIONS: &str = "libav-video-codec-opts";

/// Presets of x264, the fastest first.
const PRESETS: &[&str] = &[
    "ultrafast",
    "superfast",
    "veryfast",
    "faster",
    "fast",
    "medium",
    "slow",
    "slower",
    "veryslow",
];

/// Limit where rpicam-vid clamps contrast, saturation and sharpness.
const MAX_FACTOR: f64 = 15.99;

/// All options with a type, in the order of the documents.
const OPTIONS: &[OptionSpec] = &[
    row(
        "autofocus-mode",
        Choice(&["default", "manual", "auto", "continuous"]),
        "1.1",
    ),
    row(
        "autofocus-range",
        Choice(&["normal", "macro", "full"]),
        "1.1",
    ),
    row("autofocus-speed", Choice(&["normal", "fast"]), "1.1"),
    row("autofocus-window", Rectangle, "1.1"),
    row("lens-position", LensPosition, "1.1"),
    row(
        "hdr",
        Choice(&["off", "auto", "sensor", "single-exp"]),
        "1.4",
    ),
    row("roi", Rectangle, "1.0"),
    row(
        "exposure",
        Choice(&["normal", "sport", "short", "long", "custom"]),
        "1.0",
    ),
    row("shutter", Microseconds, "1.0"),
    row("gain", Number(0.0, 256.0), "1.0"),
    row("ev", Number(-10.0, 10.0), "1.0"),
    row(
        "metering",
        Choice(&["centre", "spot", "average", "matrix", "custom"]),
        "1.0",
    ),
    row(
        "awb",
        Choice(&[
            "auto",
            "normal",
            "incandescent",
            "tungsten",
            "fluorescent",
            "indoor",
            "daylight",
            "cloudy",
            "custom",
        ]),
        "1.0",
    ),
    row("awbgains", Gains, "1.0"),
    row("flicker-period", Microseconds, "1.3"),
    row(
        "denoise",
        Choice(&["auto", "off", "cdn_off", "cdn_fast", "cdn_hq"]),
        "1.0",
    ),
    row("sharpness", Number(0.0, MAX_FACTOR), "1.0"),
    row("contrast", Number(0.0, MAX_FACTOR), "1.0"),
    row("saturation", Number(0.0, MAX_FACTOR), "1.0"),
    row("brightness", Number(-1.0, 1.0), "1.0"),
    row("tuning-file", File, "1.0"),
    row("mode", SensorMode, "1.0"),
    row("buffer-count", Integer(1, 64), "1.1"),
    row("no-raw", Switch, "1.3"),
    row("post-process-file", File, "1.0"),
    row(PRESET, Choice(PRESETS), "1.5"),
    row(SLICES, Integer(1, 16), "1.5"),
    row(CODEC_OPTIONS, CodecOptions, "1.5"),
];

/// Option of rpicam-vid with its value.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RpicamOption {
    /// Name without the dashes.
    pub name: String,
    /// Value as the program reads it, if there is one.
    pub value: Option<String>,
    /// Place where the user wrote it, for errors.
    pub place: String,
}

/// Options of one camera, each name once.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct RpicamOptions(Vec<RpicamOption>);

/// Checks a line `name: value` of `camera.rpicam`. The spelling of the name may differ in case and dashes. Errors say what is
/// wrong and what is right.
///
/// ```
/// use berrymse::source::rpicam::options::setting;
///
/// let option = setting("autofocusMode", "continuous", "camera.rpicam.autofocusMode").unwrap();
/// assert_eq!((option.name.as_str(), option.value.as_deref()), ("autofocus-mode", Some("continuous")));
/// let why = setting("autofocus-mode", "contiuous", "x").unwrap_err();
/// assert_eq!(why, "'contiuous' is none of default, manual, auto, continuous; did you mean continuous?");
/// ```
pub fn setting(name: &str, value: &str, place: &str) -> Result<RpicamOption, String> {
    let plain = |text: &str| text.replace(['-', '_'], "").to_ascii_lowercase();
    let mut known = OPTIONS.iter();
    let Some(spec) = known.find(|spec| plain(spec.name) == plain(name)) else {
        return Err(unknown_setting(name));
    };
    Ok(RpicamOption {
        name: spec.name.to_owned(),
        value: spec.kind.check(value)?,
        place: place.to_owned(),
    })
}

fn unknown_setting(name: &str) -> String {
    if let Some(why) = reserved::reason(&name.to_ascii_lowercase()) {
        return why;
    }
    let names = OPTIONS.iter().map(|spec| spec.name);
    match closest_match(name, names.clone()) {
        Some(near) => format!("is unknown; did you mean {near}?"),
        None => format!(
            "is unknown; the keys are {} and arguments, a list for all other options of rpicam-vid",
            names.collect::<Vec<_>>().join(", ")
        ),
    }
}

/// Word of the list of arguments, with its place.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Argument {
    /// The word.
    pub text: String,
    /// Place where the user wrote it.
    pub place: String,
}

/// Checks further arguments for rpicam-vid. Returns the options that are right, and an error for each that is not, with the
/// index of its word.
pub fn arguments(words: &[Argument]) -> (Vec<RpicamOption>, Vec<(usize, String)>) {
    let (mut options, mut errors) = (Vec::new(), Vec::new());
    let mut rest = words.iter().enumerate().peekable();
    while let Some((index, word)) = rest.next() {
        let Some(text) = word.text.strip_prefix("--") else {
            errors.push((index, no_option(&word.text)));
            // The value of a short option.
            rest.next_if(|(_, next)| is_value(&next.text));
            continue;
        };
        let (name, attached) = match text.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (text, None),
        };
        // The program takes the value of some options only behind "=".
        let value = match attached {
            Some(value) => Some(value),
            None => rest
                .next_if(|(_, next)| is_value(&next.text))
                .map(|(_, next)| next.text.as_str()),
        };
        match argument(name, value) {
            Ok((name, value)) => options.push(RpicamOption {
                name,
                value,
                place: word.place.clone(),
            }),
            Err(why) => errors.push((index, why)),
        }
    }
    (options, errors)
}

/// Returns true for a word that is the value of the option before it. Negative numbers are.
fn is_value(word: &str) -> bool {
    !word.starts_with('-') || word == "-" || word.parse::<f64>().is_ok()
}

fn no_option(word: &str) -> String {
    if word.starts_with('-') {
        return format!("'{word}' is a short option; write the long one, such as --hdr");
    }
    format!("'{word}' is no option; options begin with --, as in --hdr=auto")
}

/// Checks one argument.
fn argument(name: &str, value: Option<&str>) -> Result<(String, Option<String>), String> {
    let is_name = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    if name.is_empty() || name.len() > 64 || !name.bytes().all(is_name) {
        return Err(format!("'--{name}' is no option of rpicam-vid"));
    }
    if let Some(why) = reserved::reason(name) {
        return Err(why);
    }
    if name == "metadata" && value == Some("-") {
        return Err("--metadata=- would write text into the video; name a file".to_owned());
    }
    let mut known = OPTIONS.iter();
    let Some(spec) = known.find(|spec| spec.name == name) else {
        return Ok((name.to_owned(), value.map(str::to_owned)));
    };
    if [PRESET, SLICES].contains(&name) {
        return Err(format!(
            "--{name} is no option of rpicam-vid; write camera.rpicam.{name} in the file"
        ));
    }
    let checked = match (value, spec.kind.alone()) {
        (Some(value), _) => spec.kind.check(value),
        (None, Some(meant)) => Ok(meant.map(str::to_owned)),
        (None, None) => Err("needs a value".to_owned()),
    };
    checked
        .map(|value| (name.to_owned(), value))
        .map_err(|why| format!("--{name}: {why}"))
}

impl RpicamOptions {
    /// Returns the options, or the place of one whose name is there before, and why.
    pub fn new(options: Vec<RpicamOption>) -> Result<Self, (String, String)> {
        for (index, option) in options.iter().enumerate() {
            let mut before = options.iter().take(index);
            if let Some(other) = before.find(|other| other.name == option.name) {
                let why = format!("--{} is given twice, also by {}", option.name, other.place);
                return Err((option.place.clone(), why));
            }
        }
        Ok(Self(options))
    }

    /// Returns true without options.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the options that rpicam-vid must know, with the first version that has them.
    pub(super) fn needed(
        &self,
    ) -> impl Iterator<Item = (&RpicamOption, &str, Option<&'static str>)> {
        self.0.iter().map(|option| {
            let spec = OPTIONS.iter().find(|spec| spec.name == option.name);
            let passed = match option.name.as_str() {
                PRESET | SLICES => CODEC_OPTIONS,
                name => name,
            };
            (option, passed, spec.map(|spec| spec.since))
        })
    }

    /// Returns the options whose value is the name of a file.
    pub(super) fn files(&self) -> impl Iterator<Item = &RpicamOption> {
        let is_file = |option: &&RpicamOption| {
            OPTIONS
                .iter()
                .any(|spec| spec.name == option.name && spec.kind == File)
        };
        self.0.iter().filter(is_file)
    }

    /// Returns the arguments, without those for x264.
    pub(super) fn arguments(&self) -> impl Iterator<Item = String> {
        self.0
            .iter()
            .filter(|option| !is_for_x264(option))
            .map(ToString::to_string)
    }

    /// Returns the options that only x264 has.
    pub(super) fn for_x264(&self) -> impl Iterator<Item = &RpicamOption> {
        self.0.iter().filter(|option| is_for_x264(option))
    }

    /// Returns the settings for x264 as `key=value;key=value`, after those of `base`; empty without any. Later ones count.
    pub(super) fn codec_options(&self, base: &str) -> String {
        let mut out = base.to_owned();
        let mut add = |key: &str, text: &str| {
            let separator = if out.is_empty() { "" } else { ";" };
            let _ = write!(out, "{separator}{key}{text}");
        };
        for (name, key) in [
            (PRESET, "preset="),
            (SLICES, "slices="),
            (CODEC_OPTIONS, ""),
        ] {
            let option = self.0.iter().find(|option| option.name == name);
            if let Some(value) = option.and_then(|option| option.value.as_deref()) {
                add(key, value);
            }
        }
        out
    }
}

fn is_for_x264(option: &RpicamOption) -> bool {
    [PRESET, SLICES, CODEC_OPTIONS].contains(&option.name.as_str())
}

impl fmt::Display for RpicamOption {
    /// Writes the option as the program reads it. The value is behind "=": some options take it only there.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            Some(value) => write!(f, "--{}={value}", self.name),
            None => write!(f, "--{}", self.name),
        }
    }
}

/// Returns the names of the keys, their values in words and the first version, for the documents.
pub fn documented() -> impl Iterator<Item = (&'static str, String, &'static str)> {
    OPTIONS
        .iter()
        .map(|spec| (spec.name, spec.kind.to_string(), spec.since))
}

#[cfg(test)]
mod tests;
