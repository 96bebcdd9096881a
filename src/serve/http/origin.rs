//! Rules for `Origin`.
//!
//! A browser lets any page connect to any host, so a page that a user opens elsewhere could fetch
//! the video of a camera in their network (cross-site WebSocket hijacking). The `Origin` header,
//! which a page cannot change, must therefore name this server or be in the list of the
//! configuration.

use crate::serve::http::host::{is_address, without_port};
use hyper::header::{self, HeaderMap, HeaderValue};

/// The rule for `Origin`.
#[derive(Clone, Debug, Default)]
pub struct AllowedOrigins {
    allowed: Vec<String>,
    /// Origins in addition to them whose pages may only show the page in a frame.
    framing: Vec<String>,
}

impl AllowedOrigins {
    /// `allowed`: origins such as `https://example.org`, or `*` for all.
    pub fn new(allowed: Vec<String>) -> Self {
        Self {
            allowed,
            framing: Vec::new(),
        }
    }

    /// Lets pages of further origins show the page in a frame.
    pub(crate) fn with_frame_ancestors(self, framing: Vec<String>) -> Self {
        Self { framing, ..self }
    }

    /// Returns the origins whose pages may show the page in a frame.
    fn framing(&self) -> impl Iterator<Item = &String> {
        self.allowed.iter().chain(&self.framing)
    }

    /// True if a request with this `Origin` may see frames of the server that it calls `host`.
    /// Programs that are no browsers send no origin and may.
    pub fn allow(&self, origin: Option<&str>, host: Option<&str>) -> bool {
        let Some(origin) = origin else { return true };
        self.allow_listed(origin) || host.is_some_and(|host| is_same_host(origin, host))
    }

    /// Decides whether a client may have frames of the cameras.
    pub(crate) fn check<'a>(&self, client: &RequestOrigin<'a>) -> Access<'a> {
        let page = client.origin.or(client.referer);
        if self.allow_all() || page.is_some_and(|page| self.allow_listed(page)) {
            return Access::Listed;
        }
        if !self.allow(client.origin, client.host) {
            return Access::Refused(RefusedPage {
                origin: client.origin,
                lacks_port: lacks_port(client.origin, client.host),
            });
        }
        if client.is_cross_site && !client.is_user_navigation {
            return Access::Refused(RefusedPage {
                origin: page,
                lacks_port: false,
            });
        }
        Access::Allowed
    }

    /// The origins of the list, as configured.
    pub(crate) fn list(&self) -> &[String] {
        &self.allowed
    }

    /// True if the list has `*`.
    fn allow_all(&self) -> bool {
        self.allowed.iter().any(|allowed| allowed == "*")
    }

    /// True if the list names this origin.
    pub(crate) fn allow_listed(&self, origin: &str) -> bool {
        self.allowed.iter().any(|allowed| {
            allowed == "*"
                || allowed
                    .trim_end_matches('/')
                    .eq_ignore_ascii_case(origin.trim_end_matches('/'))
        })
    }
}

/// Verdict on a request for frames.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Access<'a> {
    /// From the server's own page, a page of the same site, a program, or a link that the user followed.
    Allowed,
    /// From a page that `server.allowedOrigins` names.
    Listed,
    /// From a page elsewhere.
    Refused(RefusedPage<'a>),
}

/// Page that may not have frames.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct RefusedPage<'a> {
    /// Its origin; `None` where the browser hides it.
    pub(crate) origin: Option<&'a str>,
    /// It has the server's host name, but `Host` has no port: a proxy passes that on without it.
    pub(crate) lacks_port: bool,
}

/// Sender of a request, as far as a browser tells. Sec-Fetch headers come to https and loopback
/// addresses only (W3C Fetch Metadata, 2).
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct RequestOrigin<'a> {
    pub(crate) origin: Option<&'a str>,
    /// Origin of the page in `Referer`.
    referer: Option<&'a str>,
    pub(crate) host: Option<&'a str>,
    is_cross_site: bool,
    /// The page is of the server's site, where the browser says so.
    is_same_site: bool,
    /// The user followed a link that fills the tab.
    is_user_navigation: bool,
}

impl<'a> RequestOrigin<'a> {
    pub(crate) fn new(headers: &'a HeaderMap) -> Self {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let is = |name, expected| text(name) == Some(expected);
        Self {
            origin: text(header::ORIGIN.as_str()),
            referer: text(header::REFERER.as_str()).and_then(origin_of),
            host: text(header::HOST.as_str()),
            is_cross_site: is("sec-fetch-site", "cross-site"),
            is_same_site: is("sec-fetch-site", "same-site"),
            is_user_navigation: is("sec-fetch-mode", "navigate")
                && is("sec-fetch-dest", "document")
                && is("sec-fetch-user", "?1"),
        }
    }

    /// True if the page and the server are at one IP address, whatever the ports. Pages such as OctoPrint's hide where
    /// they are.
    fn is_at_same_address(&self) -> bool {
        let page = self.origin.or(self.referer);
        let is_page_at = |host| match page {
            Some(origin) => origin
                .split_once("://")
                .is_some_and(|(_, authority)| without_port(authority) == host),
            None => self.is_same_site,
        };
        self.host
            .map(without_port)
            .is_some_and(|host| is_address(host) && is_page_at(host))
    }

    /// Takes the page in `Referer` for the origin, as browsers send none with GET to the page's own host.
    pub(crate) fn or_referer(self) -> Self {
        Self {
            origin: self.origin.or(self.referer),
            ..self
        }
    }
}

/// Returns the origin of a URL.
fn origin_of(url: &str) -> Option<&str> {
    let host = url.find("://")? + 3;
    let length = url.get(host..)?.find(['/', '?', '#']);
    length.map_or(Some(url), |length| url.get(..host + length))
}

/// True if the origin has the name in `Host`, and a port that `Host` has not.
fn lacks_port(origin: Option<&str>, host: Option<&str>) -> bool {
    let (Some(origin), Some(host)) = (origin, host) else {
        return false;
    };
    let authority = origin.split_once("://").map(|(_, authority)| authority);
    authority
        .and_then(|authority| authority.rsplit_once(':'))
        .is_some_and(|(name, port)| {
            port.bytes().all(|b| b.is_ascii_digit()) && name.eq_ignore_ascii_case(host)
        })
}

/// Value of `Content-Security-Policy: frame-ancestors`: the server itself, its host name on any port, and those of the
/// configuration.
pub(crate) fn frame_ancestors(host: Option<&str>, origins: &AllowedOrigins) -> String {
    let mut sources = vec!["'self'".to_owned()];
    if let Some(name) = host.map(without_port).filter(|name| is_csp_host(name)) {
        sources.extend(["http", "https"].map(|scheme| format!("{scheme}://{name}:*")));
    }
    // A sandboxed page has no origin that could be named.
    let listed = origins.framing().filter(|origin| *origin != "null");
    sources.extend(listed.map(|origin| origin.trim_end_matches('/').to_owned()));
    format!("frame-ancestors {}", sources.join(" "))
}

/// Tells a host name from text that would end the policy or begin another.
fn is_csp_host(name: &str) -> bool {
    let is_host_byte =
        |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b':' | b'[' | b']');
    !name.is_empty() && name.len() <= 255 && name.bytes().all(is_host_byte)
}

/// Keeps pages of other sites from embedding a snapshot or video that they request without an
/// origin.
pub(crate) fn set_embedding_headers(
    access: Access<'_>,
    client: &RequestOrigin<'_>,
    origins: &AllowedOrigins,
    out: &mut HeaderMap,
) {
    let policy = match access {
        Access::Listed => "cross-origin",
        // In Chromium (156) two ports of an address are not of one site, as it has no registrable domain.
        _ if client.is_at_same_address() => "cross-origin",
        _ => "same-site",
    };
    out.insert(
        "Cross-Origin-Resource-Policy",
        HeaderValue::from_static(policy),
    );
    out.insert(header::VARY, HeaderValue::from_static("Origin, Referer"));
    if let Ok(policy) = HeaderValue::from_str(&frame_ancestors(client.host, origins)) {
        out.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
}

/// Compares host and port; the scheme may differ, since a proxy may add TLS.
fn is_same_host(origin: &str, host: &str) -> bool {
    let (authority, default_port) = match (
        origin.strip_prefix("http://"),
        origin.strip_prefix("https://"),
    ) {
        (Some(authority), _) => (authority, ":80"),
        (_, Some(authority)) => (authority, ":443"),
        _ => return false,
    };
    let plain = |authority: &str| {
        authority
            .strip_suffix(default_port)
            .unwrap_or(authority)
            .to_ascii_lowercase()
    };
    plain(authority) == plain(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_own_page_may_and_others_may_not() {
        let origins = AllowedOrigins::default();
        for (origin, host, may) in [
            ("http://pi:2020", "pi:2020", true),
            ("http://PI:2020", "pi:2020", true),
            ("https://cam.example.org", "cam.example.org", true),
            ("https://cam.example.org", "cam.example.org:443", true),
            ("http://cam.example.org", "cam.example.org:80", true),
            ("http://[::1]:2020", "[::1]:2020", true),
            ("http://pi:8080", "pi:2020", false),
            ("http://evil.example", "pi:2020", false),
            ("http://pi:2020.evil.example", "pi:2020", false),
            ("http://pi", "pi:2020", false),
            ("null", "pi:2020", false),
            ("", "", false),
            ("file://", "", false),
        ] {
            assert_eq!(
                origins.allow(Some(origin), Some(host)),
                may,
                "{origin} at {host}"
            );
        }
        assert!(!origins.allow(Some("http://pi"), None));
    }

    #[test]
    fn programs_without_an_origin_may() {
        assert!(AllowedOrigins::default().allow(None, Some("pi")));
    }

    #[test]
    fn allowed_origins_accept_only_listed() {
        let origins = AllowedOrigins::new(vec!["https://shop.example/".into()]);
        assert!(origins.allow(Some("https://shop.example"), Some("pi")));
        assert!(!origins.allow(Some("https://shop.example.evil"), Some("pi")));
        assert!(AllowedOrigins::new(vec!["*".into()]).allow(Some("null"), Some("pi")));
    }

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut out = HeaderMap::new();
        for (name, value) in lines {
            out.insert(*name, HeaderValue::from_static(value));
        }
        out
    }

    #[test]
    fn frames_go_to_the_site_and_the_list() {
        let origins = AllowedOrigins::new(vec!["http://shop.example".into()]);
        let cross = ("sec-fetch-site", "cross-site");
        for (lines, policy) in [
            (&[("host", "pi:2020")][..], Some("same-site")),
            (
                &[("host", "pi:2020"), ("referer", "http://pi/a")],
                Some("same-site"),
            ),
            (
                &[
                    ("host", "10.0.0.5:2020"),
                    ("referer", "http://10.0.0.5/a?b"),
                ],
                Some("cross-origin"),
            ),
            (
                &[
                    ("host", "[fd00::5]:2020"),
                    ("referer", "http://[fd00::5]:80/"),
                ],
                Some("cross-origin"),
            ),
            (
                &[("host", "10.0.0.5:2020"), ("referer", "http://10.0.0.55/")],
                Some("same-site"),
            ),
            (
                &[("host", "10.0.0.5:2020"), ("sec-fetch-site", "same-site")],
                Some("cross-origin"),
            ),
            (
                &[("host", "pi:2020"), ("sec-fetch-site", "same-site")],
                Some("same-site"),
            ),
            (&[("host", "10.0.0.5:2020")], Some("same-site")),
            (
                &[("host", "pi"), cross, ("referer", "http://shop.example/x")],
                Some("cross-origin"),
            ),
            (
                &[
                    ("host", "pi"),
                    cross,
                    ("referer", "http://shop.example.evil/x"),
                ],
                None,
            ),
            (&[("host", "pi"), cross], None),
            (&[("host", "pi"), ("origin", "http://evil.example")], None),
            (
                &[
                    ("host", "pi"),
                    ("origin", "http://evil.example"),
                    ("referer", "http://shop.example/"),
                ],
                None,
            ),
        ] {
            let headers = headers(lines);
            let client = RequestOrigin::new(&headers);
            let access = origins.check(&client);
            let mut out = HeaderMap::new();
            set_embedding_headers(access, &client, &origins, &mut out);
            let told = (!matches!(access, Access::Refused(_)))
                .then(|| out["Cross-Origin-Resource-Policy"].to_str().unwrap());
            assert_eq!(told, policy, "{lines:?}");
        }
    }

    #[test]
    fn origin_is_scheme_host_and_port_of_url() {
        for (url, origin) in [
            ("http://pi:8080/a?b", Some("http://pi:8080")),
            ("http://pi?b", Some("http://pi")),
            ("https://pi", Some("https://pi")),
            ("about:blank", None),
            ("", None),
        ] {
            assert_eq!(origin_of(url), origin, "{url}");
        }
        assert!(lacks_port(Some("http://Pi.local:8080"), Some("pi.local")));
        assert!(!lacks_port(Some("http://pi.local"), Some("pi.local")));
        assert!(!lacks_port(
            Some("http://pi.local.evil:80"),
            Some("pi.local")
        ));
    }
}
