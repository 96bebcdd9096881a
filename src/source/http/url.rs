//! The URL of another BerryMSE's endless MP4.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::Uri;
use hyper::http::uri::Authority;
use percent_encoding::percent_decode_str;
use std::fmt;

/// Ports of plain HTTP and of HTTP over TLS.
const HTTP_PORT: u16 = 80;
const HTTPS_PORT: u16 = 443;

/// URL such as `http://pi.local:2020/stream/front.mp4`, checked. Its texts have no password.
///
/// ```
/// use berrymse::source::http::Url;
///
/// let url = Url::parse("https://me:secret@pi.local:2020/stream.mp4").unwrap();
/// assert_eq!(url.to_string(), "https://pi.local:2020/stream.mp4");
/// assert!(Url::parse("http://pi.local:2020/film.mp4").is_none());
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Url {
    text: String,
    uri: Uri,
    is_secure: bool,
}

impl Url {
    /// Reads a URL; `None` if it is not HTTP or its path is not that of an endless MP4.
    pub fn parse(text: &str) -> Option<Self> {
        let uri: Uri = text.parse().ok()?;
        let is_secure = match uri.scheme_str()?.to_ascii_lowercase().as_str() {
            "http" => false,
            "https" => true,
            _ => return None,
        };
        let mut parts = uri.path().rsplit('/');
        let file = parts.next().unwrap_or_default();
        let is_named = parts.next() == Some("stream") && file.len() > 4 && file.ends_with(".mp4");
        let is_stream = file == "stream.mp4" || is_named;
        let has_host = uri.host().is_some_and(|host| !host.is_empty());
        // A bracket before the `@` closes one after it for `Uri`.
        let host = uri.authority()?.as_str().rsplit('@').next()?;
        let is_host = host.parse::<Authority>().is_ok();
        (is_stream && has_host && is_host).then(|| Self {
            text: text.to_owned(),
            uri,
            is_secure,
        })
    }

    /// Returns the host to connect to: a name, or an IP address without brackets.
    pub(super) fn host(&self) -> &str {
        let host = self.uri.host().unwrap_or_default();
        host.trim_start_matches('[').trim_end_matches(']')
    }

    /// Returns the port to connect to.
    pub(super) fn port(&self) -> u16 {
        let default = if self.is_secure {
            HTTPS_PORT
        } else {
            HTTP_PORT
        };
        self.uri.port_u16().unwrap_or(default)
    }

    /// Returns true if the connection is by TLS.
    pub(super) fn is_secure(&self) -> bool {
        self.is_secure
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
        let user: Vec<u8> = percent_decode_str(user).collect();
        Some(format!("Basic {}", STANDARD.encode(user)))
    }
}

impl fmt::Display for Url {
    /// Writes the URL as it was read, but for user and password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let authority = self.uri.authority().map_or("", |all| all.as_str());
        match authority.rsplit_once('@') {
            Some((user, host)) => {
                let shown = self.text.replacen(&format!("{user}@{host}"), host, 1);
                f.write_str(&shown)
            }
            None => f.write_str(&self.text),
        }
    }
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
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
                "https://pi.local/stream.mp4",
                "pi.local",
                443,
                "pi.local",
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
            // A sign is no digit.
            (
                "http://me:a%+9@h/stream.mp4",
                "h",
                80,
                "h",
                "/stream.mp4?clock=capture",
                Some("Basic bWU6YSUrOQ=="),
            ),
        ] {
            let url = Url::parse(text).unwrap();
            assert_eq!((url.host(), url.port()), (host, port), "{text}");
            assert_eq!(url.authority(), authority, "{text}");
            assert_eq!(url.target(false), target, "{text}");
            assert_eq!(url.target(true), format!("{target}&start=next"), "{text}");
            assert_eq!(url.authorization().as_deref(), authorization, "{text}");
            assert_eq!(url.is_secure(), text.starts_with("https"), "{text}");
            assert_eq!(
                url.to_string(),
                text.replace("me:s%3Acret@", "").replace("me:a%+9@", "")
            );
            assert_eq!(format!("{url:?}"), url.to_string());
        }
    }

    #[test]
    fn other_urls_are_none() {
        for text in [
            "https://pi.local/",
            "http://pi.local/",
            "http://pi.local/live/front",
            "http://pi.local/stream/.mp4",
            "http:///stream.mp4",
            "rtsp://pi.local/stream.mp4",
            "http://pi.local/movie.mp4",
            "http://[me@pi]/stream.mp4",
        ] {
            assert_eq!(Url::parse(text), None, "{text}");
        }
    }
}
