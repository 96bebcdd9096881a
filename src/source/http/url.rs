//! The URL of another BerryMSE's endless MP4.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::Uri;
use std::fmt;

/// Port of plain HTTP.
const DEFAULT_PORT: u16 = 80;

/// URL such as `http://pi.local:2020/stream/front.mp4`, checked.
///
/// ```
/// use berrymse::source::http::Url;
///
/// assert!(Url::parse("http://pi.local:2020/stream.mp4").is_some());
/// assert!(Url::parse("http://pi.local:2020/film.mp4").is_none());
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Url {
    text: String,
    uri: Uri,
}

impl Url {
    /// Reads a URL; `None` if it is not plain HTTP or its path is not that of an endless MP4.
    pub fn parse(text: &str) -> Option<Self> {
        let uri: Uri = text.parse().ok()?;
        let is_http = uri
            .scheme_str()
            .is_some_and(|scheme| scheme.eq_ignore_ascii_case("http"));
        let mut parts = uri.path().rsplit('/');
        let file = parts.next().unwrap_or_default();
        let is_named = parts.next() == Some("stream") && file.len() > 4 && file.ends_with(".mp4");
        let is_stream = file == "stream.mp4" || is_named;
        let has_host = uri.host().is_some_and(|host| !host.is_empty());
        (is_http && is_stream && has_host).then(|| Self {
            text: text.to_owned(),
            uri,
        })
    }

    /// Returns the host to connect to: a name, or an IP address without brackets.
    pub(super) fn host(&self) -> &str {
        let host = self.uri.host().unwrap_or_default();
        host.trim_start_matches('[').trim_end_matches(']')
    }

    /// Returns the port to connect to.
    pub(super) fn port(&self) -> u16 {
        self.uri.port_u16().unwrap_or(DEFAULT_PORT)
    }

    /// Returns host and port for the `Host` header.
    pub(super) fn authority(&self) -> &str {
        let authority = self.uri.authority().map_or("", |all| all.as_str());
        authority.rsplit('@').next().unwrap_or_default()
    }

    /// Returns the target of the request, which begins at a keyframe made now if `is_next`.
    pub(super) fn target(&self, is_next: bool) -> String {
        let own = self.uri.query().unwrap_or_default();
        let and = if own.is_empty() { "" } else { "&" };
        let start = if is_next { "&start=next" } else { "" };
        format!("{}?{own}{and}clock=capture{start}", self.uri.path())
    }

    /// Returns the `Authorization` header for the URL's user and password (RFC 7617).
    pub(super) fn authorization(&self) -> Option<String> {
        let (user, _) = self.uri.authority()?.as_str().rsplit_once('@')?;
        Some(format!("Basic {}", STANDARD.encode(decode(user))))
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Percent-encoded bytes (RFC 3986, 2.1) as they are meant.
fn decode(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, behind)) = rest.split_first() {
        let digits = behind.get(..2).filter(|_| byte == b'%');
        let value = digits
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match value {
            Some(value) => {
                out.push(value);
                rest = &behind[2..];
            }
            None => {
                out.push(byte);
                rest = behind;
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn url_of_a_stream_is_taken_apart() {
        for (text, host, port, authority, target, authorization) in [
            (
                "http://pi.local:2020/stream.mp4",
                "pi.local",
                2020,
                "pi.local:2020",
                "/stream.mp4?clock=capture",
                None,
            ),
            (
                "http://[::1]/cam/stream/front.mp4?token=x",
                "::1",
                80,
                "[::1]",
                "/cam/stream/front.mp4?token=x&clock=capture",
                None,
            ),
            (
                "http://me:s%3Acret@h/stream.mp4",
                "h",
                80,
                "h",
                "/stream.mp4?clock=capture",
                Some("Basic bWU6czpjcmV0"),
            ),
        ] {
            let url = Url::parse(text).unwrap();
            assert_eq!((url.host(), url.port()), (host, port), "{text}");
            assert_eq!(url.authority(), authority, "{text}");
            assert_eq!(url.target(false), target, "{text}");
            assert_eq!(url.target(true), format!("{target}&start=next"), "{text}");
            assert_eq!(url.authorization().as_deref(), authorization, "{text}");
            assert_eq!(url.to_string(), text);
        }
    }

    #[test]
    fn other_urls_are_none() {
        for text in [
            "https://pi.local/stream.mp4",
            "http://pi.local/",
            "http://pi.local/live/front",
            "http://pi.local/stream/.mp4",
            "http:///stream.mp4",
            "rtsp://pi.local/stream.mp4",
            "http://pi.local/movie.mp4",
        ] {
            assert_eq!(Url::parse(text), None, "{text}");
        }
    }
}
