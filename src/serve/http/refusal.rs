//! Refusals that a page or the server's owner can act on: a code for programs, a message with the
//! remedy.
//!
//! A browser tells a page only that a WebSocket failed. The page then asks the same URL by GET and
//! reads the reason.

use crate::access::{Identity, Right};
use crate::serve::http::origin::{RefusedPage, RequestOrigin};
use crate::serve::http::response::{ResponseBody, response, text_response};
use crate::serve::http::state::AppState;
use crate::serve::viewers::NoPlace;
use hyper::header::{self, HeaderValue};
use hyper::{Response, StatusCode};
use serde_json::json;
use std::net::SocketAddr;

/// Longest name of a host or origin that is repeated, in characters: strangers choose it.
const MAX_SHOWN_CHARS: usize = 80;

/// Seconds after which to try again at the limit of viewers.
const RETRY_AFTER: &str = "5";

/// Reason for which a request is refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum RefusalCode {
    /// The page is of another site.
    Origin,
    /// The server is called by a name that is none of its own.
    Host,
    /// There is no such camera.
    Camera,
    /// The limit of viewers is reached.
    Full,
    /// A limit of the client's address is reached.
    Limit,
    /// The client has not the right, or showed a wrong credential.
    LoginRequired,
    /// The upgrade to a WebSocket is missing: a proxy did not pass it on, or it was not asked for.
    NoUpgrade,
}

impl RefusalCode {
    const fn word(self) -> &'static str {
        match self {
            Self::Origin => "origin",
            Self::Host => "host",
            Self::Camera => "camera",
            Self::Full => "full",
            Self::Limit => "limit",
            Self::LoginRequired => "login_required",
            Self::NoUpgrade => "no_upgrade",
        }
    }

    const fn status(self) -> StatusCode {
        match self {
            Self::Origin => StatusCode::FORBIDDEN,
            // RFC 9110, 15.5.20
            Self::Host => StatusCode::MISDIRECTED_REQUEST,
            Self::Camera => StatusCode::NOT_FOUND,
            Self::Full => StatusCode::SERVICE_UNAVAILABLE,
            Self::Limit => StatusCode::TOO_MANY_REQUESTS,
            Self::LoginRequired => StatusCode::UNAUTHORIZED,
            Self::NoUpgrade => StatusCode::UPGRADE_REQUIRED,
        }
    }
}

/// Refusal of a request, with its remedy.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Refusal {
    pub(crate) code: RefusalCode,
    /// For whoever sees the page.
    pub(crate) message: String,
    /// Log text for the owner of the server, with the line to add.
    pub(crate) log: Option<String>,
}

impl Refusal {
    /// Returns the refusal of a page elsewhere.
    pub(crate) fn origin(
        foreign: RefusedPage<'_>,
        client: &RequestOrigin<'_>,
        listed: &[String],
        peer: SocketAddr,
    ) -> Self {
        let host = truncated(client.host.unwrap_or_default());
        let origin = foreign.origin.map(truncated);
        let origin = origin.as_deref();
        let Some(origin) = origin.filter(|origin| is_origin(origin)) else {
            let page = origin.map_or("of another site".to_owned(), |origin| format!("({origin})"));
            return Self {
                code: RefusalCode::Origin,
                message: format!(
                    "This page {page} may not show the cameras of {host}, and does not say whence it is. Open it by \
                     http or https, not from a file or in a sandboxed frame, and without Referrer-Policy: no-referrer."
                ),
                log: Some(format!(
                    "page refused (it hides its origin, peer {peer}); open it by http or https"
                )),
            };
        };
        let line = allowed_origins(listed, origin);
        let (message, log) = if foreign.lacks_port {
            (
                format!(
                    "The proxy before the server passes on the Host header without its port ({host}; this page is of \
                     {origin}). In nginx: proxy_set_header Host $http_host; or add \"{origin}\" to \
                     server.allowedOrigins in config.yml."
                ),
                format!(
                    "page refused (Host lacks the port, peer {peer}); in nginx write proxy_set_header Host $http_host; or \
                     below server: {line}"
                ),
            )
        } else {
            (
                format!(
                    "A page of {origin} may not show the cameras of {host}. If it should, add \"{origin}\" to \
                     server.allowedOrigins in config.yml. If this is the server's own page behind a proxy, let the \
                     proxy pass on the Host header; in nginx: proxy_set_header Host $http_host;"
                ),
                format!(
                    "page refused (origin not allowed, peer {peer}); to allow it, write in config.yml below server: {line}"
                ),
            )
        };
        Self {
            code: RefusalCode::Origin,
            message,
            log: Some(log),
        }
    }

    /// Returns the refusal of a request by a name that is not in `server.hosts`.
    pub(crate) fn host(host: &str, names: &[String], peer: SocketAddr) -> Self {
        let host = truncated(host);
        let name = crate::serve::http::host::without_port(&host);
        let line = match is_host_name(name) {
            true => list("hosts", names, name),
            // It must not write into a configuration that somebody copies it to.
            false => "hosts: [\"NAME\"]".to_owned(),
        };
        Self {
            code: RefusalCode::Host,
            message: format!(
                "This server does not answer to the name {name}. If it should, add it to server.hosts in config.yml."
            ),
            log: Some(format!(
                "request refused (name not in server.hosts, peer {peer}); to answer to it, write in config.yml below \
                 server: {line}"
            )),
        }
    }

    /// Returns the refusal of a change, or of a login, by a name that anybody could lead to this server.
    pub(crate) fn unknown_name(host: &str) -> Self {
        let host = truncated(host);
        let name = crate::serve::http::host::without_port(&host);
        let line = match is_host_name(name) {
            true => list("hosts", &[], name),
            false => "hosts: [\"NAME\"]".to_owned(),
        };
        Self {
            code: RefusalCode::Origin,
            message: format!(
                "Nobody can log in or change cameras by the name {name}, as another site could lead it here. If it is \
                 this server's, write in config.yml below server: {line}"
            ),
            log: None,
        }
    }

    /// Returns the refusal of a camera that does not exist, with those that `identity` may see.
    pub(crate) fn camera(app: &AppState, identity: &Identity) -> Self {
        let all = app.cameras.all();
        let cameras = all.iter().map(|camera| &*camera.name);
        let names: Vec<&str> = cameras
            .filter(|name| identity.may(Right::Viewer) && identity.may_see(name))
            .collect();
        let hint = match names.is_empty() {
            true => String::new(),
            false => format!(" There are: {}", names.join(", ")),
        };
        Self {
            code: RefusalCode::Camera,
            message: format!("There is no such camera.{hint}"),
            log: None,
        }
    }

    /// Returns the refusal of a viewer for whom there is no place.
    pub(crate) fn no_place(app: &AppState, why: NoPlace, peer: SocketAddr) -> Self {
        match why {
            NoPlace::Server => Self::full(app.viewer_limit.limit(), peer),
            NoPlace::Address => Self::too_many_viewers(app.limits.viewers_per_address, peer),
        }
    }

    /// Returns the refusal of one viewer too many.
    fn full(limit: usize, peer: SocketAddr) -> Self {
        Self {
            code: RefusalCode::Full,
            message: "Too many viewers are connected. Try again later, or raise server.maxViewers in config.yml."
                .to_owned(),
            log: Some(format!(
                "viewer refused ({limit} are connected, peer {peer}); to allow more, write in config.yml below server: \
                 maxViewers: {}",
                limit.saturating_mul(2)
            )),
        }
    }

    /// Returns the refusal of one recorder too many.
    pub(crate) fn too_many_recorders(limit: usize, peer: SocketAddr) -> Self {
        Self {
            code: RefusalCode::Full,
            message: "Too many recorders are connected. Try again later, or raise recorders in server.limits in config.yml; \
                      without delivery=lossless there is room."
                .to_owned(),
            log: Some(format!(
                "recorder refused ({limit} may be connected, half of them from one address, peer {peer}); to allow more, write in config.yml below server: \
                 limits: {{recorders: {}}}",
                limit.saturating_mul(2).max(1)
            )),
        }
    }

    /// Returns the refusal of one viewer too many of an address.
    fn too_many_viewers(limit: usize, peer: SocketAddr) -> Self {
        Self {
            code: RefusalCode::Limit,
            message: "Too many viewers are connected from your address. Close other pages with cameras, then try again."
                .to_owned(),
            log: Some(format!(
                "viewer refused ({limit} of one address are connected, peer {peer}); if it is a proxy, name it in \
                 server.trustedProxies; to allow more, write below server: limits: {{viewersPerAddress: {}}}",
                limit.saturating_mul(2)
            )),
        }
    }

    /// Returns the refusal of one request too many of an address.
    pub(crate) fn too_many_requests(limit: u32, peer: SocketAddr) -> Self {
        Self {
            code: RefusalCode::Limit,
            message: "Too many requests come from your address. Wait some seconds, then try again."
                .to_owned(),
            log: Some(format!(
                "request refused (more than {limit} per second, peer {}); if it is a proxy, name it in \
                 server.trustedProxies; to allow more, write below server: limits: {{requestsPerSecond: {}}}",
                peer.ip(),
                limit.saturating_mul(2)
            )),
        }
    }

    /// Returns the refusal of a GET without upgrade; `is_handshake` if a browser began a WebSocket.
    pub(crate) fn no_upgrade(is_handshake: bool, peer: SocketAddr) -> Self {
        const NGINX: &str = "proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; \
                             proxy_set_header Connection \"upgrade\";";
        let message = if is_handshake {
            format!(
                "A proxy before the server does not pass on the upgrade to a WebSocket. In nginx: {NGINX}"
            )
        } else {
            format!(
                "This is the URL of a WebSocket; the page at / shows its video. If WebSockets fail here, a proxy before \
                 the server does not pass on the upgrade; in nginx: {NGINX}"
            )
        };
        let log = is_handshake.then(|| {
            format!(
                "WebSocket refused: no Upgrade header (lost in the proxy {}); in nginx write {NGINX}",
                peer.ip()
            )
        });
        Self {
            code: RefusalCode::NoUpgrade,
            message,
            log,
        }
    }

    /// Logs the remedy for the owner, if there is one.
    pub(crate) fn log_throttled(self, app: &AppState) -> Self {
        if let Some(log) = &self.log {
            app.warn_throttled(log);
        }
        self
    }

    /// The answer at the URL of a WebSocket. A page of any origin may read it, as it holds nothing else.
    pub(crate) fn json(self) -> Response<ResponseBody> {
        let body = json!({"code": self.code.word(), "message": self.message});
        let mut response = response("application/json", format!("{body}\n"));
        self.dress(&mut response);
        response.headers_mut().insert(
            header::ACCESS_CONTROL_ALLOW_ORIGIN,
            HeaderValue::from_static("*"),
        );
        response
    }

    /// The answer at any other URL.
    pub(crate) fn text(self) -> Response<ResponseBody> {
        let mut response = text_response(StatusCode::OK, format!("{}\n", self.message));
        self.dress(&mut response);
        response
    }

    fn dress(&self, response: &mut Response<ResponseBody>) {
        *response.status_mut() = self.code.status();
        let out = response.headers_mut();
        match self.code {
            RefusalCode::Full | RefusalCode::Limit => {
                out.insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER));
            }
            RefusalCode::NoUpgrade => {
                out.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
            }
            RefusalCode::Origin
            | RefusalCode::Host
            | RefusalCode::Camera
            | RefusalCode::LoginRequired => {}
        }
        out.insert(
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        );
    }
}

/// Cuts a text that a stranger chose.
fn truncated(text: &str) -> String {
    text.chars().take(MAX_SHOWN_CHARS).collect()
}

/// True if a name or address can be written into the list.
fn is_host_name(text: &str) -> bool {
    let is_host_byte =
        |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b':' | b'[' | b']');
    !text.is_empty() && text.len() < MAX_SHOWN_CHARS && text.bytes().all(is_host_byte)
}

/// True if an origin can be written into the list.
fn is_origin(text: &str) -> bool {
    text.chars().count() < MAX_SHOWN_CHARS
        && text.split_once("://").is_some_and(|(scheme, host)| {
            !scheme.is_empty()
                && scheme
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'))
                && is_host_name(host)
        })
}

/// Returns the line of config.yml that also allows `origin`.
fn allowed_origins(listed: &[String], origin: &str) -> String {
    list("allowedOrigins", listed, origin)
}

/// Returns a line of config.yml: the list with one entry more; a long one is not repeated.
fn list(key: &str, listed: &[String], more: &str) -> String {
    let entry = |text: &str| format!("\"{text}\"");
    let before: Vec<String> = listed.iter().map(|text| entry(text)).collect();
    let mut line = match before.join(", ") {
        text if text.is_empty() => format!("{key}: ["),
        text if text.len() > MAX_SHOWN_CHARS => format!("{key}: [..., "),
        text => format!("{key}: [{text}, "),
    };
    line.push_str(&entry(more));
    line.push(']');
    line
}
