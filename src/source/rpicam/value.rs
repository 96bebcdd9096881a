//! Types of values of rpicam-vid's options.

use crate::suggest::closest_match;
use std::fmt;

/// Longest time in microseconds: an hour.
const MAX_MICROSECONDS: f64 = 3.6e9;
/// Nearest focus of a lens, in dioptres. Those of Raspberry Pi end at 15.
const MAX_DIOPTRES: f64 = 50.0;
/// Largest gain of a colour.
const MAX_COLOUR_GAIN: f64 = 32.0;
/// Largest side of a sensor, in pixels.
const MAX_SIDE: u32 = 65_535;

/// Type of a value.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum Kind {
    /// One of these words.
    Choice(&'static [&'static str]),
    /// A number in this range.
    Number(f64, f64),
    /// A whole number in this range.
    Integer(u32, u32),
    /// Left, top, width and height as parts of the frame.
    Rectangle,
    /// Gains of red and blue.
    Gains,
    /// A time.
    Microseconds,
    /// Dioptres, or `default`.
    LensPosition,
    /// Width, height, bits and packing of the sensor's mode.
    SensorMode,
    /// The name of a file.
    File,
    /// True or false.
    Switch,
    /// Settings of an encoder, as `key=value;key=value`.
    CodecOptions,
}

impl Kind {
    /// Returns the value as the program reads it, `None` for a switch that is on. A switch that is off is an error: the option
    /// is left out instead.
    pub(super) fn check(self, text: &str) -> Result<Option<String>, String> {
        let text = text.trim();
        let value = match self {
            Self::Choice(words) => choice(text, words)?.to_owned(),
            Self::Number(least, most) => number(text, least, most)?.to_string(),
            Self::Integer(least, most) => integer(text, least, most)?.to_string(),
            Self::Rectangle => rectangle(text)?,
            Self::Gains => gains(text)?,
            Self::Microseconds => microseconds(text)?.to_string(),
            Self::LensPosition if text == "default" => text.to_owned(),
            Self::LensPosition => number(text, 0.0, MAX_DIOPTRES)
                .map_err(|why| format!("{why}, or default; 0 is infinity, 2 is half a metre"))?
                .to_string(),
            Self::SensorMode => sensor_mode(text)?,
            Self::File => file(text)?,
            Self::CodecOptions => codec_options(text)?,
            Self::Switch => return switch(text),
        };
        Ok(Some(value))
    }

    /// Returns the value that an option without one means, `None` if it needs one.
    pub(super) fn alone(self) -> Option<Option<&'static str>> {
        match self {
            Self::Switch => Some(None),
            // --hdr is the only choice that may stand alone.
            Self::Choice(words) if words.contains(&"single-exp") => Some(Some("auto")),
            _ => None,
        }
    }
}

fn choice<'a>(text: &str, words: &[&'a str]) -> Result<&'a str, String> {
    let mut known = words.iter();
    if let Some(word) = known.find(|word| word.eq_ignore_ascii_case(text)) {
        return Ok(word);
    }
    let shown: String = text.chars().take(32).collect();
    let hint = closest_match(text, words.iter().copied())
        .map_or_else(String::new, |near| format!("; did you mean {near}?"));
    Err(format!("'{shown}' is none of {}{hint}", words.join(", ")))
}

fn number(text: &str, least: f64, most: f64) -> Result<f64, String> {
    let shown: String = text.chars().take(32).collect();
    match text.parse::<f64>() {
        Ok(value) if (least..=most).contains(&value) => Ok(value),
        Ok(value) if value.is_finite() => {
            Err(format!("{shown} is out of range: {least} to {most}"))
        }
        _ => Err(format!("'{shown}' is not a number, {least} to {most}")),
    }
}

fn integer(text: &str, least: u32, most: u32) -> Result<u32, String> {
    let shown: String = text.chars().take(32).collect();
    match text.parse::<u32>() {
        Ok(value) if (least..=most).contains(&value) => Ok(value),
        _ => Err(format!(
            "'{shown}' is not a whole number, {least} to {most}"
        )),
    }
}

/// Parses numbers between commas.
fn numbers<const N: usize>(text: &str) -> Option<[f64; N]> {
    let parsed: Result<Vec<f64>, _> = text.split(',').map(|part| part.trim().parse()).collect();
    parsed.ok()?.try_into().ok()
}

fn rectangle(text: &str) -> Result<String, String> {
    // 1 and a bit: 0.7 + 0.3 may be more than 1.
    const WHOLE: f64 = 1.000_001;
    let is_part = |value: &f64| (0.0..=1.0).contains(value);
    match numbers(text) {
        Some([x, y, width, height])
            if [x, y, width, height].iter().all(is_part)
                && width > 0.0
                && height > 0.0
                && x + width <= WHOLE
                && y + height <= WHOLE =>
        {
            Ok(format!("{x},{y},{width},{height}"))
        }
        _ => Err(
            "takes left, top, width and height as parts of the frame from 0 to 1, such as 0.25,0.25,0.5,0.5"
                .to_owned(),
        ),
    }
}

fn gains(text: &str) -> Result<String, String> {
    let is_gain = |value: &f64| (0.0..=MAX_COLOUR_GAIN).contains(value);
    match numbers(text) {
        Some([red, blue]) if [red, blue].iter().all(is_gain) => Ok(format!("{red},{blue}")),
        _ => Err(format!(
            "takes the gains of red and blue, 0 to {MAX_COLOUR_GAIN}, such as 1.5,2.1"
        )),
    }
}

/// Parses a time with or without a unit. Old versions take whole microseconds alone.
fn microseconds(text: &str) -> Result<u64, String> {
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (digits, unit) = text.split_at(end);
    let factor = match unit.trim() {
        "" | "us" => Some(1.0),
        "ms" => Some(1e3),
        "s" | "sec" => Some(1e6),
        _ => None,
    };
    let time = digits.parse::<f64>().ok().zip(factor);
    match time.map(|(number, factor)| (number * factor).round()) {
        Some(time) if (0.0..=MAX_MICROSECONDS).contains(&time) => Ok(time as u64),
        _ => Err(
            "takes a time in microseconds, or with us, ms or s, such as 10ms; 0 is automatic"
                .to_owned(),
        ),
    }
}

fn sensor_mode(text: &str) -> Result<String, String> {
    let parts: Vec<&str> = text.split(':').collect();
    let side = |text: &str| {
        text.parse()
            .is_ok_and(|side: u32| (1..=MAX_SIDE).contains(&side))
    };
    let is_bits = |text: &str| text.parse().is_ok_and(|bits: u32| (8..=16).contains(&bits));
    let is_right = match parts[..] {
        [width, height] => side(width) && side(height),
        [width, height, bits] => side(width) && side(height) && is_bits(bits),
        [width, height, bits, packing] => {
            let is_packing = ["P", "U", "p", "u"].contains(&packing);
            side(width) && side(height) && is_bits(bits) && is_packing
        }
        _ => false,
    };
    if is_right {
        return Ok(text.to_owned());
    }
    Err("takes WIDTH:HEIGHT, WIDTH:HEIGHT:BITS or WIDTH:HEIGHT:BITS:P (packed) or U (unpacked), such as 2304:1296:10:P; \
         \"rpicam-vid --list-cameras\" lists the modes"
        .to_owned())
}

fn file(text: &str) -> Result<String, String> {
    match text.is_empty() || text.len() > 4096 || text.chars().any(char::is_control) {
        true => Err("takes the name of a file".to_owned()),
        false => Ok(text.to_owned()),
    }
}

fn switch(text: &str) -> Result<Option<String>, String> {
    let words = ["true", "1", "yes", "on"];
    match words.iter().any(|word| word.eq_ignore_ascii_case(text)) {
        true => Ok(None),
        false => Err("is either true or not there".to_owned()),
    }
}

fn codec_options(text: &str) -> Result<String, String> {
    let is_key = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    let is_setting = |part: &str| {
        part.split_once('=').is_some_and(|(key, value)| {
            !key.is_empty()
                && key.bytes().all(is_key)
                && !value.is_empty()
                && !value.chars().any(char::is_control)
        })
    };
    let text = text.trim_matches(';');
    match text.len() <= 1024 && text.split(';').all(is_setting) {
        true => Ok(text.to_owned()),
        false => Err(
            "takes settings of the encoder between semicolons, such as preset=superfast;slices=2"
                .to_owned(),
        ),
    }
}

impl fmt::Display for Kind {
    /// Describes the values, for the documents.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Choice(words) => f.write_str(&words.join(", ")),
            Self::Number(least, most) => write!(f, "{least} to {most}"),
            Self::Integer(least, most) => write!(f, "{least} to {most}, whole"),
            Self::Rectangle => f.write_str("left,top,width,height from 0 to 1"),
            Self::Gains => write!(f, "red,blue from 0 to {MAX_COLOUR_GAIN}"),
            Self::Microseconds => f.write_str("microseconds, or with us, ms, s"),
            Self::LensPosition => write!(f, "dioptres, 0 (infinity) to {MAX_DIOPTRES}; default"),
            Self::SensorMode => f.write_str("WIDTH:HEIGHT:BITS:P or U"),
            Self::File => f.write_str("file"),
            Self::Switch => f.write_str("true"),
            Self::CodecOptions => f.write_str("key=value;key=value"),
        }
    }
}
