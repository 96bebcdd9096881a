//! Parses SOURCE into a [`SourceSpec`] and writes it back. Looks at the file system only to suggest
//! what an unknown word may mean.

use super::SourceSpec;
use super::http::Url;
use std::fmt;
use std::path::Path;
use std::str::FromStr;

/// Reason why a text is no source, with a suggestion.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0}")]
pub struct ParseError(String);

impl FromStr for SourceSpec {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        if text.contains('\0') {
            return Err(ParseError("a source has no NUL character".to_owned()));
        }
        match text {
            "auto" => return Ok(Self::Auto),
            "test" => return Ok(Self::Test),
            "-" => return Ok(Self::Stdin),
            "rpicam" => return Ok(Self::Rpicam(0)),
            "/dev/stdin" => return Err(ParseError("for standard input write -".to_owned())),
            _ => {}
        }
        match text.split_once(':') {
            _ if text.starts_with("/dev/") => Ok(Self::V4l2(text.into())),
            Some(("http" | "https", _)) => Url::parse(text)
                .map(Self::Http)
                .ok_or_else(|| unknown_source(text)),
            Some(("nats" | "nats+tls" | "tls", _)) => nats(text),
            Some(("v4l2", path)) => {
                non_empty(path, "v4l2:PATH").map(|path| Self::V4l2(path.into()))
            }
            Some(("file", path)) => {
                non_empty(path, "file:PATH").map(|path| Self::File(path.into()))
            }
            Some(("exec", command)) => split_command(command).map(Self::Exec),
            Some(("rpicam", number)) => number.parse().map(Self::Rpicam).map_err(|_| {
                ParseError(format!(
                    "'{number}' is not a camera's number; write rpicam:0, rpicam:1, …"
                ))
            }),
            _ => Err(unknown_source(text)),
        }
    }
}

impl fmt::Display for SourceSpec {
    /// Writes the text that parses to this source again; a URL has no password then.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::V4l2(path) if path.starts_with("/dev") => write!(f, "{}", path.display()),
            Self::V4l2(path) => write!(f, "v4l2:{}", path.display()),
            Self::Rpicam(0) => f.write_str("rpicam"),
            Self::Rpicam(number) => write!(f, "rpicam:{number}"),
            Self::Exec(argv) => {
                let words = argv.iter().map(String::as_str);
                let command = shlex::Quoter::new()
                    .allow_nul(true)
                    .join(words)
                    .unwrap_or_else(|_| argv.join(" "));
                write!(f, "exec:{command}")
            }
            Self::File(path) => write!(f, "file:{}", path.display()),
            Self::Http(url) => url.fmt(f),
            #[cfg(feature = "nats")]
            Self::Nats(url) => url.fmt(f),
            Self::Stdin => f.write_str("-"),
            Self::Test => f.write_str("test"),
        }
    }
}

impl SourceSpec {
    /// Returns true for a source that stands for all cameras elsewhere, none or many.
    #[cfg(feature = "nats")]
    pub fn is_fleet(&self) -> bool {
        matches!(self, Self::Nats(url) if *url.wanted() == crate::nats::options::Wanted::All)
    }

    /// Returns true for a source elsewhere that sends only while somebody watches.
    pub const fn is_remote_on_demand(&self) -> bool {
        #[cfg(feature = "nats")]
        if matches!(self, Self::Nats(_)) {
            return true;
        }
        false
    }

    /// Returns the kind of source as one word that reveals nothing else.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::V4l2(_) => "v4l2",
            Self::Rpicam(_) => "rpicam",
            Self::Exec(_) => "exec",
            Self::File(_) => "file",
            Self::Http(_) => "http",
            #[cfg(feature = "nats")]
            Self::Nats(_) => "nats",
            Self::Stdin => "stdin",
            Self::Test => "test",
        }
    }
}

/// The text of the error has no part of the URL, which may have a password.
#[cfg(feature = "nats")]
fn nats(text: &str) -> Result<SourceSpec, ParseError> {
    let url = crate::nats::Url::parse(text);
    url.map(SourceSpec::Nats)
        .map_err(|why| ParseError(format!("a camera over NATS: {why}")))
}

#[cfg(not(feature = "nats"))]
fn nats(_: &str) -> Result<SourceSpec, ParseError> {
    Err(ParseError(
        "this berrymse was built without NATS (cargo feature nats)".to_owned(),
    ))
}

fn non_empty<'a>(path: &'a str, form: &str) -> Result<&'a str, ParseError> {
    if path.is_empty() {
        Err(ParseError(format!("the path is missing; write {form}")))
    } else {
        Ok(path)
    }
}

/// Splits a command as a shell does, without expansion.
fn split_command(command: &str) -> Result<Vec<String>, ParseError> {
    let argv = shlex::split(command).ok_or_else(|| {
        ParseError(format!(
            "'exec:{command}' has an open quotation mark or a backslash at its end"
        ))
    })?;
    match argv.first() {
        Some(program) if !program.is_empty() => Ok(argv),
        _ => Err(ParseError(
            "the command is missing; write exec:COMMAND ARGS…".to_owned(),
        )),
    }
}

fn unknown_source(text: &str) -> ParseError {
    const FORMS: &str = "a source is auto, /dev/videoN, v4l2:PATH, rpicam, rpicam:N, exec:COMMAND, file:PATH, http://HOST/stream.mp4 or https://HOST/stream.mp4 of another BerryMSE, nats://HOST/NAME, - or test";
    let lower = text.to_ascii_lowercase();
    let number = text.strip_prefix("video").unwrap_or(text);
    let hint = if text.is_empty() {
        String::new()
    } else if ["auto", "test", "rpicam"].contains(&lower.as_str()) {
        format!("; did you mean {lower}?")
    } else if !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()) {
        format!("; did you mean /dev/video{number}?")
    } else if ["rtsp://", "rtmp://", "http://", "https://"]
        .iter()
        .any(|scheme| lower.starts_with(scheme))
    {
        format!(
            "; a stream from elsewhere comes through a program: 'exec:ffmpeg -i {text} -c:v copy -an -f h264 -'"
        )
    } else if text.contains('/') || Path::new(text).exists() {
        format!("; for a file write file:{text}")
    } else {
        String::new()
    };
    ParseError(format!("'{text}' is not a source{hint} ({FORMS})"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exec(words: &[&str]) -> SourceSpec {
        SourceSpec::Exec(words.iter().map(|&word| word.to_owned()).collect())
    }

    #[test]
    fn every_form_is_parsed_and_written_back() {
        for (text, spec, written) in [
            ("auto", SourceSpec::Auto, "auto"),
            ("test", SourceSpec::Test, "test"),
            ("-", SourceSpec::Stdin, "-"),
            (
                "/dev/video0",
                SourceSpec::V4l2("/dev/video0".into()),
                "/dev/video0",
            ),
            (
                "/dev/v4l/by-id/usb-a:b",
                SourceSpec::V4l2("/dev/v4l/by-id/usb-a:b".into()),
                "/dev/v4l/by-id/usb-a:b",
            ),
            (
                "v4l2:/run/cam",
                SourceSpec::V4l2("/run/cam".into()),
                "v4l2:/run/cam",
            ),
            ("rpicam", SourceSpec::Rpicam(0), "rpicam"),
            ("rpicam:1", SourceSpec::Rpicam(1), "rpicam:1"),
            (
                "file:a b.h264",
                SourceSpec::File("a b.h264".into()),
                "file:a b.h264",
            ),
            (
                "exec:cat 'a b' \"c\"",
                exec(&["cat", "a b", "c"]),
                "exec:cat 'a b' c",
            ),
            ("exec:a: b:c", exec(&["a:", "b:c"]), "exec:a: b:c"),
            (
                "http://pi.local:2020/stream/front.mp4",
                SourceSpec::Http(Url::parse("http://pi.local:2020/stream/front.mp4").unwrap()),
                "http://pi.local:2020/stream/front.mp4",
            ),
        ] {
            assert_eq!(text.parse::<SourceSpec>(), Ok(spec.clone()), "{text}");
            assert_eq!(spec.to_string(), written, "{text}");
            assert_eq!(written.parse::<SourceSpec>(), Ok(spec), "{written}");
        }
    }

    #[test]
    fn parse_error_suggests_what_to_write() {
        for (text, hint) in [
            ("exec:", "the command is missing"),
            ("exec:   ", "the command is missing"),
            ("exec:''", "the command is missing"),
            ("exec:echo 'a", "open quotation mark"),
            ("file:", "write file:PATH"),
            ("v4l2:", "write v4l2:PATH"),
            ("rpicam:x", "'x' is not a camera's number"),
            ("rpicam:-1", "'-1' is not a camera's number"),
            ("Auto", "did you mean auto?"),
            ("2", "did you mean /dev/video2?"),
            ("video1", "did you mean /dev/video1?"),
            ("./x.h264", "for a file write file:./x.h264"),
            ("Cargo.toml", "for a file write file:Cargo.toml"),
            (
                "rtsp://h/s",
                "'exec:ffmpeg -i rtsp://h/s -c:v copy -an -f h264 -'",
            ),
            (
                "http://h/video.ts",
                "'exec:ffmpeg -i http://h/video.ts -c:v copy -an -f h264 -'",
            ),
            ("/dev/stdin", "write -"),
            ("webcam", "(a source is auto,"),
            ("", "'' is not a source ("),
            ("file:a\0b", "NUL"),
        ] {
            let error = text.parse::<SourceSpec>().unwrap_err().to_string();
            assert!(error.contains(hint), "{text}: {error}");
        }
    }
}
