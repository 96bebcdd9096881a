//! Everything that is seen from outside: HTTP/1.1, WebSocket, the page, the status.
//!
//! One thread runs HTTP; a WebSocket viewer's socket goes to the fan-out thread. Serving knows nothing of
//! cameras and MP4: it gives out what the hubs have.

mod access;
mod address;
mod api;
mod assets;
mod coding;
mod congestion;
mod connection;
mod connections;
mod controls;
mod crowd;
mod delays;
mod descriptors;
mod fanout;
mod inbound;
mod line;
pub mod listen;
mod memory;
mod metered;
mod metrics;
mod pace;
mod ready;
mod refusal;
mod ring;
mod route;
mod seats;
mod snapshot;
mod socket;
mod stream;
mod tls;
mod transport;
mod upgrade;
mod viewer;
mod wire;

pub use access::{Hosts, Origins};
pub use address::Address;
pub use congestion::{CongestionControl, CongestionSetting};
pub use connection::{run, tend};
pub use controls::wishes;
pub use descriptors::{PLAIN_CONNECTIONS, Room, make_room};
pub use fanout::Fanout;
pub use inbound::{Inbound, Incoming, MESSAGE_LIMIT, Violation};
pub use listen::Listening;
pub use route::{Route, route};
pub use tls::{Tls, TlsFiles};

use crate::hub::Hub;
use crate::logger::{self, Repeated};
use crate::panel::Remote;
use crate::snapshot::{Budget, SnapshotService};
use crate::time::Timestamp;
use access::frame_ancestors;
use assets::Asset;
use bytes::Bytes;
use connections::Connections;
use delays::Delays;
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::{Method, Request, Response, StatusCode, Version};
use refusal::Refusal;
use seats::Seats;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use stream::Content;

/// What the page may load: only from this server, nothing inline. Who may frame it follows.
const CONTENT_SECURITY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; \
     media-src blob:; worker-src 'self'; connect-src 'self' ws: wss:; base-uri 'none'; form-action 'none'";

/// One camera as it is served.
#[derive(Clone, Debug)]
pub struct Camera {
    /// Its name in URLs.
    pub name: Arc<str>,
    /// The kind of its source.
    pub source: &'static str,
    /// Its source as the user typed it, masked: for operators, not for viewers.
    pub source_text: String,
    /// Its pictures.
    pub hub: Hub,
    /// Its controls.
    pub remote: Remote,
}

/// Settings of the server.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Name of the first camera's WebSocket, without a slash.
    pub websocket: String,
    /// Origins that may show the cameras, beside the server's own.
    pub allowed_origins: Vec<String>,
    /// The only names that the server answers to, beside `localhost` and IP addresses; all if there are none.
    pub hosts: Vec<String>,
    /// Most viewers at once, of all cameras together.
    pub max_viewers: usize,
    /// Most connections beside those of viewers.
    pub plain_connections: usize,
    /// Viewers may set controls of the cameras.
    pub controls: bool,
    /// Memory for the decoders of snapshots, of all cameras together, in megabytes.
    pub decode_memory: u32,
    /// TCP congestion control of all connections.
    pub congestion: CongestionControl,
}

/// Everything that requests are answered from.
pub struct Site {
    cameras: Vec<Camera>,
    /// Where snapshots of the cameras are to be had, in the same order.
    snapshot_services: Vec<SnapshotService>,
    websocket: String,
    origins: Origins,
    hosts: Hosts,
    /// Controls may be set.
    controls: bool,
    congestion: CongestionControl,
    seats: Seats,
    connections: Connections,
    fanout: Fanout,
    delays: Delays,
    assets: Vec<Asset>,
    started: Instant,
    complaints: Mutex<Repeated>,
}

impl Site {
    /// A site that shows `cameras`, the first of which is the default.
    pub fn new(cameras: Vec<Camera>, settings: Settings, fanout: Fanout) -> Self {
        let budget = Budget::new(settings.decode_memory);
        let snapshot_service = |camera: &Camera| {
            SnapshotService::new(camera.name.clone(), camera.hub.clone(), budget.clone())
        };
        let connections = Connections::new(settings.max_viewers + settings.plain_connections);
        let make_room = room_maker(connections.clone(), fanout.clone());
        Self {
            snapshot_services: cameras.iter().map(snapshot_service).collect(),
            cameras,
            websocket: settings.websocket,
            origins: Origins::new(settings.allowed_origins),
            hosts: Hosts::new(settings.hosts),
            controls: settings.controls,
            congestion: settings.congestion,
            seats: Seats::with_room(settings.max_viewers, make_room),
            connections,
            fanout,
            delays: Delays::default(),
            assets: assets::assets(),
            started: Instant::now(),
            complaints: Mutex::default(),
        }
    }

    /// Logs what clients can bring about as often as they like, as seldom as that allows.
    fn complain(&self, words: &str) {
        // Clients choose how long their Origin is.
        let words = logger::cut(words, logger::CLIENT_LINE_BYTES);
        let mut complaints = self
            .complaints
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(line) = complaints.note(words, Timestamp::now()) {
            log::warn!(target: logger::CLIENTS, "{line}");
        }
    }

    fn snapshot_service(&self, name: Option<&str>) -> Option<&SnapshotService> {
        let of = |camera: &Camera| name.is_none_or(|name| *camera.name == *name);
        self.snapshot_services
            .get(self.cameras.iter().position(of)?)
    }

    fn camera(&self, name: Option<&str>) -> Option<&Camera> {
        match name {
            None => self.cameras.first(),
            Some(name) => self.cameras.iter().find(|camera| &*camera.name == name),
        }
    }
}

/// Makes room for a viewer: ends one who takes nothing. Looks for one four times a second at most.
fn room_maker(streams: Connections, viewers: Fanout) -> impl Fn() -> bool + Send + Sync {
    const PAUSE: Duration = Duration::from_millis(250);
    let failed_at = Mutex::new(None::<Instant>);
    move || {
        let mut failed_at = failed_at.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if failed_at.is_some_and(|at| now.saturating_duration_since(at) < PAUSE) {
            return false;
        }
        let is_made = streams.evict_stalled_stream(now) || viewers.evict_stalled();
        *failed_at = (!is_made).then_some(now);
        is_made
    }
}

/// The answer to any request.
async fn answer(
    site: &Arc<Site>,
    peer: SocketAddr,
    mut request: Request<hyper::body::Incoming>,
) -> Response<Content> {
    let is_head = request.method() == Method::HEAD;
    let path = request.uri().path().to_owned();
    let route = route(&path, &site.websocket);
    let is_to_be_read = request.method() == Method::GET || is_head;
    if !is_to_be_read && !matches!(route, Some(Route::Controls(_))) {
        return wrong_method("GET, HEAD");
    }
    if !says_clearly_for_whom(&request) {
        return plain(
            StatusCode::BAD_REQUEST,
            "Host is needed, and Host and Origin may be there only once.\n",
        );
    }
    take_host_of_target(&mut request);
    if let Some(refusal) = misdirected(site, peer, request.headers()) {
        return match route {
            Some(Route::Live(_)) => refusal.json(),
            _ => refusal.text(),
        };
    }
    let listed_origin = request
        .headers()
        .get(header::ORIGIN)
        .filter(|origin| {
            origin
                .to_str()
                .is_ok_and(|origin| site.origins.allow_listed(origin))
        })
        .cloned();
    let mut response = match route {
        Some(Route::Asset(name)) => asset(site, name, request.headers()),
        Some(Route::Live(name)) => upgrade::live(site, name, peer, &mut request),
        Some(Route::Stream(name)) => match site.camera(name) {
            Some(camera) => match ready::live(site, camera, peer, &request).await {
                // Held open until the client has joined.
                Ok(_hold) => stream::mp4(site, camera, peer, &request),
                Err(answer) => *answer,
            },
            None => Refusal::camera(site).text(),
        },
        Some(Route::Snapshot(name)) => {
            let asked = snapshot::ask(site, name, peer, &request);
            drop(request);
            snapshot::answer(asked).await
        }
        Some(Route::Controls(name)) => match site.camera(Some(name)) {
            Some(camera) => controls::answer(site, camera, request).await,
            None => Refusal::camera(site).text(),
        },
        Some(Route::Status) => typed("application/json", api::status(site)),
        Some(Route::Metrics) => typed(metrics::CONTENT_TYPE, metrics::metrics(site)),
        Some(Route::Health) => plain(StatusCode::OK, "ok\n"),
        None => not_found(),
    };
    if let Some(origin) = listed_origin {
        response
            .headers_mut()
            .insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        let varies =
            |value: &HeaderValue| value.to_str().is_ok_and(|value| value.contains("Origin"));
        if !response.headers().get_all(header::VARY).iter().any(varies) {
            response
                .headers_mut()
                .append(header::VARY, HeaderValue::from_static("Origin"));
        }
        response.headers_mut().insert(
            header::ACCESS_CONTROL_EXPOSE_HEADERS,
            HeaderValue::from_static(snapshot::AGE),
        );
    }
    if is_head {
        *response.body_mut() = Content::Whole(None);
    }
    response
}

/// `Host` and `Origin`, which decide who may see the cameras, are readable and there once; HTTP/1.1 has a `Host` (RFC
/// 9112, 3.2).
fn says_clearly_for_whom<T>(request: &Request<T>) -> bool {
    let is_clear = |name| {
        let mut values = request.headers().get_all(name).iter();
        values.next().is_none_or(|value| value.to_str().is_ok()) && values.next().is_none()
    };
    is_clear(header::HOST)
        && is_clear(header::ORIGIN)
        && (request.version() < Version::HTTP_11 || request.headers().contains_key(header::HOST))
}

/// Puts the host of an absolute target in place of `Host`, which does not count then (RFC 9112, 3.2.2).
fn take_host_of_target<T>(request: &mut Request<T>) {
    let Some(authority) = request.uri().authority() else {
        return;
    };
    let host = authority.as_str().rsplit('@').next().unwrap_or_default();
    if let Ok(host) = HeaderValue::from_str(host) {
        request.headers_mut().insert(header::HOST, host);
    }
}

/// The refusal of a request that calls the server by a name that is none of its own.
fn misdirected(site: &Site, peer: SocketAddr, headers: &HeaderMap) -> Option<Refusal> {
    let host = headers.get(header::HOST)?.to_str().unwrap_or_default();
    (!site.hosts.allow(host)).then(|| Refusal::host(host, site.hosts.list(), peer).logged(site))
}

fn asset(site: &Site, name: &str, headers: &HeaderMap) -> Response<Content> {
    let Some(asset) = site.assets.iter().find(|asset| asset.name == name) else {
        return not_found();
    };
    let sent = asset.representation(headers);
    let is_known = headers
        .get_all(header::IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .any(|tags| {
            tags.split(',')
                .map(|tag| tag.trim().trim_start_matches("W/"))
                .any(|tag| tag == sent.etag || tag == "*")
        });
    let mut response = if is_known {
        let mut response = Response::new(Content::Whole(None));
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        response
    } else {
        let mut response = typed(asset.kind, sent.content.clone());
        if let Some(coding) = sent.coding.name() {
            response
                .headers_mut()
                .insert(header::CONTENT_ENCODING, HeaderValue::from_static(coding));
        }
        response
    };
    let out = response.headers_mut();
    if let Ok(etag) = HeaderValue::from_str(&sent.etag) {
        out.insert(header::ETAG, etag);
    }
    out.insert(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    // The next version of the program has other files under the same names.
    out.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    let ancestors = frame_ancestors(host, site.origins.list());
    out.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::try_from(format!("{CONTENT_SECURITY}; {ancestors}"))
            .unwrap_or(HeaderValue::from_static(CONTENT_SECURITY)),
    );
    // Pages elsewhere may use the script; it holds no secret, and the pictures have their own rule.
    out.insert(
        header::ACCESS_CONTROL_ALLOW_ORIGIN,
        HeaderValue::from_static("*"),
    );
    response
}

fn wrong_method(allowed: &'static str) -> Response<Content> {
    let words = format!("Only {allowed} are served here.\n");
    let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, words);
    response
        .headers_mut()
        .insert(header::ALLOW, HeaderValue::from_static(allowed));
    response
}

fn not_found() -> Response<Content> {
    plain(StatusCode::NOT_FOUND, "Nothing is here. The page is at /\n")
}

fn typed(kind: &'static str, content: impl Into<Bytes>) -> Response<Content> {
    let mut response = Response::new(Content::whole(content));
    let out = response.headers_mut();
    out.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    out.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// A few words in answer to a request.
fn plain(status: StatusCode, words: impl Into<Bytes>) -> Response<Content> {
    let mut response = typed("text/plain; charset=utf-8", words);
    *response.status_mut() = status;
    response
}
