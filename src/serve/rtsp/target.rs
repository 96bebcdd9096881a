//! URLs of RTSP requests: `rtsp://HOST/live`, `/live/NAME`, each with or without a slash and `trackID=0` at its end.

/// First segment of the path.
const ROOT: &str = "live";

/// Last segment of the path of a track.
pub(crate) const TRACK: &str = "trackID=0";

/// The URL of a request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Target<'a> {
    /// Host and port; empty if the URL has none.
    pub(crate) host: &'a str,
    pub(crate) query: &'a str,
    pub(crate) resource: Resource<'a>,
    /// Scheme in lower case; empty if the URL has none.
    scheme: &'static str,
}

/// Resource that a URL names.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Resource<'a> {
    /// A camera; `None` is the first one.
    Camera(Option<&'a str>),
    /// The track, without a camera: some clients resolve `trackID=0` against the host.
    Track,
    /// The server: `*`, or no path.
    Server,
    /// Nothing.
    Unknown,
}

impl<'a> Target<'a> {
    /// Reads a URL; `None` if it is none of RTSP.
    pub(crate) fn parse(url: &'a str) -> Option<Self> {
        let (scheme, rest) = match url.split_once("://") {
            Some((scheme, rest)) => {
                let known = ["rtsp", "rtsps"];
                let is_it = |known: &&str| scheme.eq_ignore_ascii_case(known);
                (known.into_iter().find(is_it)?, rest)
            }
            None if url == "*" => ("", ""),
            None => ("", url.starts_with('/').then_some(url)?),
        };
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let host = authority.rsplit('@').next().unwrap_or_default();
        Some(Self {
            host,
            query,
            resource: resource(path),
            scheme,
        })
    }

    /// Returns the URL against which clients resolve `trackID=0`; without credentials.
    pub(crate) fn content_base(&self) -> Option<String> {
        let Resource::Camera(name) = self.resource else {
            return None;
        };
        let name = name.map_or_else(String::new, |name| format!("{name}/"));
        (!self.scheme.is_empty()).then(|| format!("{}://{}/{ROOT}/{name}", self.scheme, self.host))
    }

    /// Returns the same URL behind TLS.
    pub(crate) fn secure(&self) -> Option<String> {
        let base = self.content_base()?;
        let query = match self.query {
            "" => String::new(),
            query => format!("?{query}"),
        };
        let base = base
            .strip_prefix("rtsp://")?
            .trim_end_matches('/')
            .to_owned();
        Some(format!("rtsps://{base}{query}"))
    }
}

fn resource(path: &str) -> Resource<'_> {
    let mut segments = path.split('/').filter(|segment| !segment.is_empty());
    let next = segments.next_back();
    let has_track = next == Some(TRACK);
    let last = if has_track {
        segments.next_back()
    } else {
        next
    };
    match (segments.next(), last, segments.next()) {
        (None, None, _) if has_track => Resource::Track,
        (None, None, _) => Resource::Server,
        (None, Some(ROOT), _) => Resource::Camera(None),
        (Some(ROOT), Some(name), None) if !name.contains('=') => Resource::Camera(Some(name)),
        _ => Resource::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_name_cameras_with_and_without_slash_and_track() {
        let cam = Resource::Camera(Some("cam"));
        for (url, resource) in [
            ("rtsp://h/live", Resource::Camera(None)),
            ("rtsp://h:8554/live/", Resource::Camera(None)),
            ("RTSP://h/live/trackID=0", Resource::Camera(None)),
            ("rtsps://u:p@h/live/cam", cam),
            ("rtsp://h/live/cam/", cam),
            ("rtsp://h/live/cam/trackID=0", cam),
            ("rtsp://h/live/cam//trackID=0/", cam),
            ("rtsp://h/live/cam?token=a/b", cam),
            ("/live/cam", cam),
            ("rtsp://h/trackID=0", Resource::Track),
            ("rtsp://h/live/cam/trackID=1", Resource::Unknown),
            ("rtsp://h/live/trackID=1", Resource::Unknown),
            ("rtsp://h/other", Resource::Unknown),
            ("rtsp://h/live/a/b", Resource::Unknown),
            ("rtsp://h/", Resource::Server),
            ("rtsp://h", Resource::Server),
            ("*", Resource::Server),
        ] {
            assert_eq!(Target::parse(url).unwrap().resource, resource, "{url}");
        }
        for url in ["http://h/live", "live", "", "rtsp:/h/live"] {
            assert_eq!(Target::parse(url), None, "{url}");
        }
    }

    #[test]
    fn content_base_has_a_slash_and_no_secrets() {
        for (url, base, secure) in [
            (
                "rtsp://u:p@h:1/live/cam/trackID=0?token=t",
                Some("rtsp://h:1/live/cam/"),
                Some("rtsps://h:1/live/cam?token=t"),
            ),
            ("rtsps://h/live", Some("rtsps://h/live/"), None),
            ("/live", None, None),
            ("rtsp://h/", None, None),
        ] {
            let target = Target::parse(url).unwrap();
            assert_eq!(target.content_base().as_deref(), base, "{url}");
            assert_eq!(target.secure().as_deref(), secure, "{url}");
        }
        let target = Target::parse("rtsp://u:p@h:1/live?token=t").unwrap();
        assert_eq!((target.host, target.query), ("h:1", "token=t"));
    }
}
