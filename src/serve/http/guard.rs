//! Checks every request before its handler: method, host, camera, origin, cross-site rules, permission.
//!
//! A handler takes [`Admitted`], which only this module makes. So a handler cannot forget a check.

use crate::serve::config::Camera;
use crate::serve::http::origin::{Access, RequestOrigin, set_embedding_headers};
use crate::serve::http::refusal::Refusal;
use crate::serve::http::response::{ResponseBody, method_not_allowed, text_response};
use crate::serve::http::state::AppState;
use crate::serve::ws::handshake::is_handshake;
use hyper::body::Incoming;
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::{Method, Request, Response, StatusCode, Version};
use std::net::SocketAddr;
use std::sync::Arc;

/// What a client needs to be admitted. The guard checks it before the handler runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Permission {
    /// Open to every page. The answer has no frames.
    Public,
    /// The server's own pages, those of its list, and programs.
    Frames,
    /// As `Frames`. A camera that does not exist is reported first.
    Stream,
    /// As `Frames`. A page can read the refusal, and asks for it by GET.
    WebSocket,
    /// As `Frames`, and only while `server.controls` permits changes. The body is JSON.
    Change,
}

/// What the route of a request asks for.
pub(crate) struct Requirements<'a> {
    /// Permission of the method; `None` if the path has no such method.
    pub(crate) permission: Option<Permission>,
    /// Camera of the path, if the path has one; the inner `None` is the first camera.
    pub(crate) camera: Option<Option<&'a str>>,
    /// The path has a method that needs [`Permission::Change`].
    pub(crate) has_changes: bool,
    /// The path is that of a WebSocket.
    pub(crate) has_websocket: bool,
    /// Value of `Allow`.
    pub(crate) allowed_methods: String,
}

/// A request that passed all checks.
pub(crate) struct Admitted {
    app: Arc<AppState>,
    peer: SocketAddr,
    request: Request<Incoming>,
    embedding_headers: HeaderMap,
}

impl Admitted {
    pub(crate) fn app(&self) -> &Arc<AppState> {
        &self.app
    }

    pub(crate) fn peer(&self) -> SocketAddr {
        self.peer
    }

    pub(crate) fn method(&self) -> &Method {
        self.request.method()
    }

    pub(crate) fn version(&self) -> Version {
        self.request.version()
    }

    pub(crate) fn headers(&self) -> &HeaderMap {
        self.request.headers()
    }

    pub(crate) fn path(&self) -> &str {
        self.request.uri().path()
    }

    pub(crate) fn query(&self) -> &str {
        self.request.uri().query().unwrap_or_default()
    }

    /// Returns the headers that keep other sites from embedding the answer; empty for other permissions than
    /// [`Permission::Frames`] and [`Permission::Stream`].
    pub(crate) fn embedding_headers(&self) -> HeaderMap {
        self.embedding_headers.clone()
    }

    pub(crate) fn into_body(self) -> Incoming {
        self.request.into_body()
    }

    pub(crate) fn upgrade(&mut self) -> hyper::upgrade::OnUpgrade {
        hyper::upgrade::on(&mut self.request)
    }
}

/// A request that the server may answer: with a method that is read here, and by a name of its own.
pub(crate) struct Addressed(Request<Incoming>);

impl Addressed {
    /// Returns the request's origin if the list names it.
    pub(crate) fn listed_origin(&self, app: &AppState) -> Option<HeaderValue> {
        let origin = self.0.headers().get(header::ORIGIN)?;
        let is_listed = |origin| app.origins.allow_listed(origin);
        origin.to_str().is_ok_and(is_listed).then(|| origin.clone())
    }
}

/// Checks method and host, or returns the refusal. A page of another site cannot read it.
pub(crate) fn check_host(
    app: &AppState,
    peer: SocketAddr,
    requirements: &Requirements<'_>,
    mut request: Request<Incoming>,
) -> Result<Addressed, Box<Response<ResponseBody>>> {
    // A resource that takes changes says its methods later, so that a page of the list can read them.
    if requirements.permission.is_none() && !requirements.has_changes {
        return Err(Box::new(method_not_allowed(&requirements.allowed_methods)));
    }
    if !has_unambiguous_host_and_origin(&request) {
        return Err(Box::new(text_response(
            StatusCode::BAD_REQUEST,
            "Host is needed, and Host and Origin may be there only once.\n",
        )));
    }
    use_target_host(&mut request);
    if let Some(refusal) = reject_unknown_host(app, peer, request.headers()) {
        return Err(Box::new(if requirements.has_websocket {
            refusal.json()
        } else {
            refusal.text()
        }));
    }
    Ok(Addressed(request))
}

/// Checks camera and permission. Returns the request and the camera of its path, or the refusal.
pub(crate) fn admit(
    app: &Arc<AppState>,
    peer: SocketAddr,
    requirements: &Requirements<'_>,
    Addressed(request): Addressed,
) -> Result<(Admitted, Option<Camera>), Box<Response<ResponseBody>>> {
    let find_camera = || match requirements.camera {
        None => Ok(None),
        Some(name) => match app.camera(name) {
            Some(camera) => Ok(Some(camera.clone())),
            None if requirements.has_websocket => Err(Box::new(Refusal::camera(app).json())),
            None => Err(Box::new(Refusal::camera(app).text())),
        },
    };
    let Some(permission) = requirements.permission else {
        find_camera()?;
        let allowed = &requirements.allowed_methods;
        return Err(Box::new(if *request.method() == Method::OPTIONS {
            preflight(allowed)
        } else {
            method_not_allowed(allowed)
        }));
    };
    let headers = request.headers();
    let mut embedding_headers = HeaderMap::new();
    match permission {
        Permission::Public => {}
        Permission::Frames => embedding_headers = check_frames(app, peer, headers)?,
        Permission::Stream => {
            find_camera()?;
            embedding_headers = check_frames(app, peer, headers)?;
        }
        Permission::WebSocket => check_websocket(app, peer, headers)?,
        Permission::Change => {
            find_camera()?;
            check_change(app, headers)
                .map_err(|(status, words)| Box::new(text_response(status, format!("{words}\n"))))?;
        }
    }
    let camera = find_camera()?;
    let admitted = Admitted {
        app: app.clone(),
        peer,
        request,
        embedding_headers,
    };
    Ok((admitted, camera))
}

/// Returns the headers that keep other sites from embedding the frames, or the refusal of a page elsewhere.
fn check_frames(
    app: &AppState,
    peer: SocketAddr,
    headers: &HeaderMap,
) -> Result<HeaderMap, Box<Response<ResponseBody>>> {
    let client = RequestOrigin::new(headers);
    let access = app.origins.check(&client);
    if let Access::Refused(foreign) = access {
        let refusal = Refusal::origin(foreign, &client, app.origins.list(), peer);
        return Err(Box::new(refusal.log_throttled(app).text()));
    }
    let mut out = HeaderMap::new();
    set_embedding_headers(access, &client, &app.origins, &mut out);
    Ok(out)
}

/// Refuses a page elsewhere. A page whose handshake failed asks by GET and is told what would keep it out.
fn check_websocket(
    app: &AppState,
    peer: SocketAddr,
    headers: &HeaderMap,
) -> Result<(), Box<Response<ResponseBody>>> {
    let is_handshake = is_handshake(headers);
    let mut client = RequestOrigin::new(headers);
    if !is_handshake {
        client = client.or_referer();
    }
    let Access::Refused(foreign) = app.origins.check(&client) else {
        return Ok(());
    };
    let mut refusal = Refusal::origin(foreign, &client, app.origins.list(), peer);
    // The handshake before the GET has been logged.
    if is_handshake {
        refusal = refusal.log_throttled(app);
    }
    Err(Box::new(refusal.json()))
}

/// Returns the refusal of a change that the client may not ask for.
fn check_change(app: &AppState, headers: &HeaderMap) -> Result<(), (StatusCode, String)> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    if !app.allow_control_changes {
        let words =
            "Cameras cannot be changed here: server.controls is false in the configuration.";
        return Err((StatusCode::FORBIDDEN, words.into()));
    }
    if !app.origins.allow(text(header::ORIGIN), text(header::HOST)) {
        let words = "Pages of other hosts have to be named in server.allowedOrigins.";
        return Err((StatusCode::FORBIDDEN, words.into()));
    }
    if !text(header::CONTENT_TYPE).is_some_and(is_json) {
        let words = "Changes are sent as JSON: Content-Type has to be application/json.";
        return Err((StatusCode::UNSUPPORTED_MEDIA_TYPE, words.into()));
    }
    Ok(())
}

/// `application/json`, with or without parameters.
fn is_json(kind: &str) -> bool {
    let essence = kind.split(';').next().unwrap_or_default();
    essence.trim().eq_ignore_ascii_case("application/json")
}

/// Answers the question of a browser before a change by a page of another origin. Listed origins get CORS headers later.
fn preflight(allowed: &str) -> Response<ResponseBody> {
    let mut response = text_response(StatusCode::NO_CONTENT, "");
    let out = response.headers_mut();
    out.remove(header::CONTENT_TYPE);
    if let Ok(allowed) = HeaderValue::from_str(allowed) {
        out.insert(header::ALLOW, allowed.clone());
        out.insert(header::ACCESS_CONTROL_ALLOW_METHODS, allowed);
    }
    out.insert(
        header::ACCESS_CONTROL_ALLOW_HEADERS,
        HeaderValue::from_static("Content-Type"),
    );
    response
}

/// True if `Host` and `Origin`, on which access depends, are readable and there once; HTTP/1.1 has
/// a `Host` (RFC 9112, 3.2).
fn has_unambiguous_host_and_origin<T>(request: &Request<T>) -> bool {
    let is_clear = |name| {
        let mut values = request.headers().get_all(name).iter();
        values.next().is_none_or(|value| value.to_str().is_ok()) && values.next().is_none()
    };
    is_clear(header::HOST)
        && is_clear(header::ORIGIN)
        && (request.version() < Version::HTTP_11 || request.headers().contains_key(header::HOST))
}

/// Replaces `Host` by the host of an absolute target, which takes precedence (RFC 9112, 3.2.2).
fn use_target_host<T>(request: &mut Request<T>) {
    let Some(authority) = request.uri().authority() else {
        return;
    };
    let host = authority.as_str().rsplit('@').next().unwrap_or_default();
    if let Ok(host) = HeaderValue::from_str(host) {
        request.headers_mut().insert(header::HOST, host);
    }
}

/// Refuses a request whose `Host` is none of the server's names.
fn reject_unknown_host(app: &AppState, peer: SocketAddr, headers: &HeaderMap) -> Option<Refusal> {
    let host = headers.get(header::HOST)?.to_str().unwrap_or_default();
    (!app.hosts.allow(host)).then(|| Refusal::host(host, app.hosts.list(), peer).log_throttled(app))
}
