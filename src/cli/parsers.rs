//! Parses the text of each setting. Every error says what would be right.

use crate::access::MAX_LIFETIME;
use crate::controls::ControlValue;
use crate::encode;
use crate::frame_rate::{self, FrameRate};
use crate::serve::{Address, CongestionSetting, Network};
use crate::source::SourceSpec;
use log::LevelFilter;
use std::num::NonZeroU32;
use std::ops::RangeInclusive;
use std::time::Duration;
use v4l2::FourCc;

/// Range in pixels. H.264 (level 6.2) goes to 16384, MSE decoders to 8192, and a macroblock is 16.
const PIXELS: RangeInclusive<u32> = 16..=8192;
/// Range in bits per second. The Raspberry Pi's encoders begin at 25 kbit/s.
const BITRATE: RangeInclusive<u32> = 25_000..=200_000_000;
const KEYFRAME_INTERVAL: RangeInclusive<u32> = 1..=100_000;
const STALL_AFTER: RangeInclusive<u32> = 1..=86_400;
const VIEWERS: RangeInclusive<u32> = 1..=100_000;
const DECODE_MEMORY: RangeInclusive<u32> = 8..=4096;
const ROTATIONS: [u16; 4] = [0, 90, 180, 270];
/// First segments of the server's own paths. Whole paths, such as `login`, may be shared.
const RESERVED: [&str; 4] = ["api", "favicon.ico", "live", "robots.txt"];
/// Endings of the server's own files.
const RESERVED_ENDINGS: [&str; 8] = [
    ".css", ".html", ".jpg", ".js", ".json", ".mp4", ".png", ".svg",
];
/// Value that keeps the camera's own.
const KEEP_DEVICE_DEFAULT: &str = "-1";

pub(super) fn source(text: &str) -> Result<SourceSpec, String> {
    text.parse::<SourceSpec>().map_err(|e| e.to_string())
}

pub(super) fn pixels(text: &str) -> Result<u32, String> {
    number(text, PIXELS, "pixels")
}

pub(super) fn fps(text: &str) -> Result<FrameRate, String> {
    let range = format!("{} to {}", FrameRate::MIN, FrameRate::MAX);
    text.parse().map_err(|error| match error {
        frame_rate::ParseError::OutOfRange => {
            format!("{} is out of range: {range} frames per second", text.trim())
        }
        frame_rate::ParseError::NotANumber => {
            let with_point = text.replace(',', ".");
            let hint = match with_point.parse::<FrameRate>() {
                Ok(_) => format!("; did you mean {with_point}?"),
                Err(_) => String::new(),
            };
            format!("'{text}' is not a number of frames per second ({range}){hint}")
        }
    })
}

pub(super) fn keyframe_interval(text: &str) -> Result<NonZeroU32, String> {
    non_zero(number(text, KEYFRAME_INTERVAL, "pictures")?)
}

/// Parses a time without data; zero means never.
pub(super) fn stall_after(text: &str) -> Result<Duration, String> {
    if text.trim() == "0" {
        return Ok(Duration::ZERO);
    }
    let hint = "; 0 means never";
    number(text, STALL_AFTER, "seconds")
        .map(|seconds| Duration::from_secs(seconds.into()))
        .map_err(|why| why + hint)
}

pub(super) fn viewers(text: &str) -> Result<usize, String> {
    number(text, VIEWERS, "viewers").map(|n| n as usize)
}

/// Parses a size in megabytes.
pub(super) fn decode_memory(text: &str) -> Result<u32, String> {
    number(text, DECODE_MEMORY, "megabytes")
}

/// Parses a bit rate; `None` keeps the camera's own.
pub(super) fn bitrate(text: &str) -> Result<Option<u32>, String> {
    if text == KEEP_DEVICE_DEFAULT {
        return Ok(None);
    }
    let hint = match text.parse::<u32>().ok().and_then(|n| n.checked_mul(1000)) {
        Some(bits) if BITRATE.contains(&bits) => format!("; did you mean {bits}?"),
        _ => format!("; {KEEP_DEVICE_DEFAULT} leaves the camera's own"),
    };
    number(text, BITRATE, "bits per second")
        .map(Some)
        .map_err(|why| why + &hint)
}

pub(super) fn least_bitrate(text: &str) -> Result<u32, String> {
    number(text, BITRATE, "bits per second")
}

/// Parses a rotation; `None` keeps the camera's own.
pub(super) fn rotation(text: &str) -> Result<Option<u16>, String> {
    if text == KEEP_DEVICE_DEFAULT {
        return Ok(None);
    }
    let degrees = text
        .parse()
        .ok()
        .filter(|degrees| ROTATIONS.contains(degrees));
    degrees.map(Some).ok_or_else(|| {
        format!("'{text}' is not 0, 90, 180 or 270 degrees; {KEEP_DEVICE_DEFAULT} leaves the camera's own")
    })
}

pub(super) fn parse_bool(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "1" => Ok(true),
        "false" | "no" | "off" | "0" => Ok(false),
        _ => Err(format!("'{text}' is neither true nor false")),
    }
}

pub(super) fn encoder(text: &str) -> Result<encode::EncoderPreference, String> {
    use encode::EncoderPreference::{Auto, Hardware, Software};
    let choice = [Auto, Hardware, Software]
        .into_iter()
        .find(|choice| choice.to_string() == text.to_ascii_lowercase());
    choice.ok_or_else(|| format!("'{text}' is none of auto, hardware, software"))
}

pub(super) fn congestion(text: &str) -> Result<CongestionSetting, String> {
    CongestionSetting::ALL
        .into_iter()
        .find(|setting| setting.to_string() == text.to_ascii_lowercase())
        .ok_or_else(|| format!("'{text}' is none of auto, bbr, cubic, system"))
}

pub(super) fn log_level(text: &str) -> Result<LevelFilter, String> {
    text.parse()
        .map_err(|_| format!("'{text}' is none of off, error, warn, info, debug, trace"))
}

/// Parses a four-character code; `None` leaves the choice to the program.
pub(super) fn pixel_format(text: &str) -> Result<Option<FourCc>, String> {
    if text == "auto" {
        return Ok(None);
    }
    let mut code = [b' '; 4];
    let is_code = !text.is_empty() && text.len() <= 4 && text.bytes().all(|b| b.is_ascii_graphic());
    for (to, byte) in code.iter_mut().zip(text.bytes()) {
        *to = byte;
    }
    is_code.then(|| Some(FourCc::new(code))).ok_or_else(|| {
        format!("'{text}' is no four-character code, such as YUYV or MJPG (`berrymse cameras` lists the camera's), nor auto")
    })
}

/// Parses `name=value` of a control. Only the camera knows the values.
pub(super) fn control(text: &str) -> Result<(String, ControlValue), String> {
    let (name, value) = text.split_once('=').unwrap_or((text, ""));
    let is_name = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
    if name.is_empty() || !name.bytes().all(is_name) {
        return Err(format!(
            "'{name}' is no name of a control: those are made of small letters, digits and underscores, as in white_balance_automatic"
        ));
    }
    Ok((name.to_owned(), ControlValue::from(value)))
}

/// Parses a camera's name, which is a segment of paths and a part of file names.
pub(super) fn camera_name(text: &str) -> Result<String, String> {
    if text.len() > 64 {
        return Err("a name has at most 64 characters".to_owned());
    }
    if !text.is_empty() && text != "." && text != ".." && text.bytes().all(is_name_byte) {
        return Ok(text.to_owned());
    }
    Err(format!(
        "'{text}' is not a name; a name is made of letters, digits, '.', '-' and '_'"
    ))
}

/// Parses the name of a camera for people.
pub(super) fn title(text: &str) -> Result<String, String> {
    let title = text.trim();
    let length = title.chars().count();
    if length == 0 || length > 80 || title.chars().any(char::is_control) {
        return Err("a title has 1 to 80 characters, in one line".to_owned());
    }
    Ok(title.to_owned())
}

const fn is_name_byte(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_')
}

/// Parses the path of the live stream. A leading slash is dropped.
pub(super) fn websocket(text: &str) -> Result<String, String> {
    let name = text.strip_prefix('/').unwrap_or(text);
    let url_safe = |b: u8| is_name_byte(b) || b == b'~';
    if name.is_empty()
        || name == "."
        || name == ".."
        || name.len() > 64
        || !name.bytes().all(url_safe)
    {
        return Err(format!(
            "'{text}' is not one segment of a path, such as video_websocket (letters, digits, '.', '-', '_', '~')"
        ));
    }
    if RESERVED.contains(&name) || RESERVED_ENDINGS.iter().any(|ending| name.ends_with(ending)) {
        return Err(format!(
            "'/{name}' is taken by the server itself; choose another name"
        ));
    }
    Ok(name.to_owned())
}

/// Parses addresses, separated by commas.
pub(super) fn listen(text: &str) -> Result<Vec<Address>, String> {
    text.split(',').map(Address::parse).collect()
}

/// Parses addresses for RTSP, separated by commas. Unlike others they have the port of no other protocol.
pub(super) fn rtsp(text: &str) -> Result<Vec<Address>, String> {
    text.split(',').map(Address::parse_rtsp).collect()
}

/// Parses `auto` or a truth value.
pub(super) fn auto_or_bool(text: &str) -> Result<Option<bool>, String> {
    match text.trim() {
        auto if auto.eq_ignore_ascii_case("auto") => Ok(None),
        other => match parse_bool(other) {
            Ok(value) => Ok(Some(value)),
            Err(_) => Err(format!("'{other}' is none of auto, true, false")),
        },
    }
}

/// Parses origins, separated by commas, into the form in which browsers send them.
pub(super) fn origins(text: &str) -> Result<Vec<String>, String> {
    text.split(',').map(|one| origin(one.trim())).collect()
}

/// Parses host names, separated by commas, into lower case.
pub(super) fn hosts(text: &str) -> Result<Vec<String>, String> {
    text.split(',').map(|one| host(one.trim())).collect()
}

/// Parses addresses and networks, separated by commas.
pub(super) fn networks(text: &str) -> Result<Vec<Network>, String> {
    text.split(',')
        .map(|one| Network::parse(one.trim()))
        .collect()
}

/// Parses a life such as `12h`, `7d` or `4w`.
pub(super) fn lifetime(text: &str) -> Result<Duration, String> {
    let wrong =
        || format!("'{text}' is not a time; write a number and s, m, h, d or w, such as 7d");
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit: u64 = match text.get(digits.len()..) {
        Some("s") => 1,
        Some("m") => 60,
        Some("h") => 3600,
        Some("d") => 86_400,
        Some("w") => 7 * 86_400,
        _ => return Err(wrong()),
    };
    let number: u64 = digits.parse().map_err(|_| wrong())?;
    let lifetime = number.checked_mul(unit).map(Duration::from_secs);
    let in_range = lifetime.filter(|time| !time.is_zero() && *time <= MAX_LIFETIME);
    in_range.ok_or_else(|| format!("'{text}' is out of range: 1s to 520w"))
}

/// Parses the time that `cameras --try` gives each camera.
pub(super) fn try_seconds(text: &str) -> Result<Duration, String> {
    let seconds = text
        .parse()
        .ok()
        .filter(|seconds| (1..=600).contains(seconds));
    let wrong = || format!("'{text}' is not a number of seconds from 1 to 600");
    seconds.map(Duration::from_secs).ok_or_else(wrong)
}

/// Parses a name without a port, which is the proxy's.
fn host(text: &str) -> Result<String, String> {
    if !text.is_empty() && text.bytes().all(is_name_byte) {
        return Ok(text.to_ascii_lowercase());
    }
    Err(format!(
        "'{text}' is not a host name; write it without scheme and port, such as camera.example.com"
    ))
}

/// Parses an origin as browsers serialise it (RFC 6454, 6.2): lower case, without path and without the scheme's own port.
/// Pages opened from a file send `null`.
fn origin(text: &str) -> Result<String, String> {
    if text == "*" || text == "null" {
        return Ok(text.to_owned());
    }
    let no_origin = |try_this: &str| Err(format!("'{text}' is not an origin; write {try_this}"));
    let Some((scheme, rest)) = text.split_once("://") else {
        return no_origin(&format!(
            "it with its scheme: https://{}",
            if text.is_empty() { "example.com" } else { text }
        ));
    };
    let host = rest.strip_suffix('/').unwrap_or(rest);
    let scheme_ok = scheme
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'));
    let host_ok = host
        .bytes()
        .all(|b| is_name_byte(b) || matches!(b, b':' | b'[' | b']'));
    if scheme.is_empty() || host.is_empty() || !scheme_ok || !host_ok {
        return no_origin(
            "scheme, host and port only, such as https://example.com:8443, or * for all",
        );
    }
    let (scheme, host) = (scheme.to_ascii_lowercase(), host.to_ascii_lowercase());
    let own_port = match scheme.as_str() {
        "http" => ":80",
        "https" => ":443",
        _ => "",
    };
    let host = if own_port.is_empty() {
        &host
    } else {
        host.strip_suffix(own_port).unwrap_or(&host)
    };
    Ok(format!("{scheme}://{host}"))
}

pub(super) fn number(text: &str, range: RangeInclusive<u32>, unit: &str) -> Result<u32, String> {
    let (low, high) = (range.start(), range.end());
    let n: i64 = text
        .trim()
        .parse()
        .map_err(|_| format!("'{text}' is not a whole number of {unit} ({low} to {high})"))?;
    u32::try_from(n)
        .ok()
        .filter(|n| range.contains(n))
        .ok_or_else(|| format!("{n} is out of range: {low} to {high} {unit}"))
}

fn non_zero(n: u32) -> Result<NonZeroU32, String> {
    NonZeroU32::new(n).ok_or_else(|| "0 is out of range".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_kept_as_browsers_send_them() {
        for (text, kept) in [
            ("*", "*"),
            ("null", "null"),
            ("https://Example.com/", "https://example.com"),
            ("https://example.com:443", "https://example.com"),
            ("http://example.com:443", "http://example.com:443"),
            ("http://[::1]:80", "http://[::1]"),
        ] {
            assert_eq!(origins(text), Ok(vec![kept.to_owned()]), "{text}");
        }
        for text in [
            "example.com",
            "",
            "https://",
            "https://a/b",
            "https://a b",
            "://a",
        ] {
            assert!(origins(text).is_err(), "{text}");
        }
    }

    #[test]
    fn kilobits_are_recognised() {
        assert_eq!(
            bitrate("1500").unwrap_err(),
            "1500 is out of range: 25000 to 200000000 bits per second; did you mean 1500000?"
        );
        assert!(bitrate("4294967295").is_err());
        assert!(bitrate("-2").is_err());
    }
}
