//! Checks every request before its handler: method, host, identity, camera, origin, cross-site rules, permission.
//!
//! A handler takes [`Admitted`], which only this module makes. So a handler cannot forget a check.

use crate::access::{Identity, Right};
use crate::serve::config::Camera;
use crate::serve::http::authenticator::CredentialRefusal;
use crate::serve::http::forwarded::Client;
use crate::serve::http::login_required::{Asker, login_required};
use crate::serve::http::message_sessions::accepts_messages;
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

/// Right that a client needs to be admitted. The guard checks it before the handler runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Permission {
    /// Open to every client. The answer says nothing of cameras.
    Public,
    /// Viewers. A browser without a login is sent to the form.
    Page,
    /// Viewers, by any page, which cannot read the answer. It has no frames.
    Data,
    /// As `Data`, for viewers of all cameras: not for holders of a link.
    Figures,
    /// Viewers, by the server's own pages, those of its list, and programs.
    Frames,
    /// As `Frames`. A camera that does not exist is reported first.
    Stream,
    /// As `Frames`. A page can read the refusal, and asks for it by GET.
    WebSocket,
    /// Viewers, who know the secret of a stream of messages. The handler checks it: a page elsewhere cannot have read
    /// it, and a proxy that drops `Host` makes the origin of the server's own page a foreign one.
    Session,
    /// Operators, by the server's own pages, those of its list, and programs. The body is JSON.
    Change,
    /// Open to every client that is no page elsewhere. The body is a form.
    Login,
}

impl Permission {
    /// Returns the right that a client needs.
    pub const fn right(self) -> Option<Right> {
        match self {
            Self::Public | Self::Login => None,
            Self::Page
            | Self::Data
            | Self::Figures
            | Self::Frames
            | Self::Stream
            | Self::WebSocket
            | Self::Session => Some(Right::Viewer),
            Self::Change => Some(Right::Operator),
        }
    }

    /// Returns true if pages of other origins ask by `OPTIONS` first, as they send a header of their own.
    pub(crate) const fn has_preflight(self) -> bool {
        self.right().is_some() && !matches!(self, Self::Page)
    }
}

/// Checks that the route of a request requires.
pub(crate) struct Requirements<'a> {
    /// Permission of the method; `None` if the path has no such method.
    pub(crate) permission: Option<Permission>,
    /// Camera of the path, if the path has one; the inner `None` is the first camera.
    pub(crate) camera: Option<Option<&'a str>>,
    /// The path has a method that pages of other origins ask for by `OPTIONS`.
    pub(crate) has_preflight: bool,
    /// The path is that of a WebSocket.
    pub(crate) has_websocket: bool,
    /// Value of `Allow`.
    pub(crate) allowed_methods: String,
}

/// A request that passed all checks.
pub(crate) struct Admitted {
    app: Arc<AppState>,
    client: Client,
    identity: Identity,
    request: Request<Option<Incoming>>,
    embedding_headers: HeaderMap,
}

impl Admitted {
    pub(crate) fn app(&self) -> &Arc<AppState> {
        &self.app
    }

    /// Returns the true address of the client.
    pub(crate) fn peer(&self) -> SocketAddr {
        self.client.peer
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// Returns who asks.
    pub(crate) fn identity(&self) -> &Identity {
        &self.identity
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

    pub(crate) fn take_body(&mut self) -> Option<Incoming> {
        self.request.body_mut().take()
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
    client: &Client,
    requirements: &Requirements<'_>,
    mut request: Request<Incoming>,
) -> Result<Addressed, Box<Response<ResponseBody>>> {
    // A resource that takes changes says its methods later, so that a page of the list can read them.
    if requirements.permission.is_none() && !requirements.has_preflight {
        return Err(Box::new(method_not_allowed(&requirements.allowed_methods)));
    }
    if !has_unambiguous_host_and_origin(&request) {
        return Err(Box::new(text_response(
            StatusCode::BAD_REQUEST,
            "Host is needed, and Host and Origin may be there only once.\n",
        )));
    }
    use_target_host(&mut request);
    if let Some(host) = &client.host {
        request.headers_mut().insert(header::HOST, host.clone());
    }
    if let Some(refusal) = reject_unknown_host(app, client.peer, request.headers()) {
        return Err(Box::new(if requirements.has_websocket {
            refusal.json()
        } else {
            refusal.text()
        }));
    }
    Ok(Addressed(request))
}

/// Checks identity, camera and permission. Returns the request and the camera of its path, or the refusal.
pub(crate) async fn admit(
    app: &Arc<AppState>,
    client: Client,
    requirements: &Requirements<'_>,
    Addressed(request): Addressed,
) -> Result<(Admitted, Option<Camera>), Box<Response<ResponseBody>>> {
    let Some(permission) = requirements.permission else {
        // Whether the camera of the path exists is nobody's business here.
        let allowed = &requirements.allowed_methods;
        return Err(Box::new(if *request.method() == Method::OPTIONS {
            preflight(allowed)
        } else {
            method_not_allowed(allowed)
        }));
    };
    let headers = request.headers();
    let identified = identify(app, &client, permission, &request).await;
    let identity = identified
        .as_ref()
        .map_or_else(|_| Identity::nobody(None), Identity::clone);
    let is_viewer = identity.may(Right::Viewer);
    let mut embedding_headers = HeaderMap::new();
    match permission {
        Permission::Public
        | Permission::Page
        | Permission::Data
        | Permission::Figures
        | Permission::Session => {}
        Permission::Frames => embedding_headers = check_frames(app, client.peer, headers, false)?,
        Permission::Stream => {
            if is_viewer {
                find_camera(app, &identity, requirements)?;
            }
            embedding_headers = check_frames(app, client.peer, headers, false)?;
        }
        Permission::WebSocket if accepts_messages(headers) => {
            embedding_headers = check_frames(app, client.peer, headers, true)?;
        }
        Permission::WebSocket => check_websocket(app, client.peer, headers)?,
        Permission::Change => {
            if is_viewer {
                find_camera(app, &identity, requirements)?;
            }
            check_change(app, headers)?;
        }
        Permission::Login => check_form(app, headers)?,
    }
    check_right(app, permission, requirements, &request, &identified)?;
    let camera = find_camera(app, &identity, requirements)?;
    let admitted = Admitted {
        app: app.clone(),
        client,
        identity,
        request: request.map(Some),
        embedding_headers,
    };
    Ok((admitted, camera))
}

/// Returns who asks. Where no right is needed, nobody has to be known.
async fn identify(
    app: &AppState,
    client: &Client,
    permission: Permission,
    request: &Request<Incoming>,
) -> Result<Identity, CredentialRefusal> {
    if permission.right().is_none() {
        return Ok(app.access.nobody());
    }
    let query = request.uri().query().unwrap_or_default();
    let headers = request.headers();
    app.access
        .identify(client, headers, query, &app.hosts)
        .await
}

/// Refuses a client without the right: a known one for good, others until they log in.
fn check_right(
    app: &AppState,
    permission: Permission,
    requirements: &Requirements<'_>,
    request: &Request<Incoming>,
    identified: &Result<Identity, CredentialRefusal>,
) -> Result<(), Box<Response<ResponseBody>>> {
    let Some(right) = permission.right() else {
        return Ok(());
    };
    let why = match identified {
        Ok(identity) if identity.may(right) => {
            if permission == Permission::Figures && identity.camera.is_some() {
                let words = "This link shows one camera only.\n";
                return Err(Box::new(text_response(StatusCode::FORBIDDEN, words)));
            }
            return Ok(());
        }
        Ok(identity) if identity.name.is_some() => {
            let words = "This needs the right of an operator, which this login does not have.\n";
            return Err(Box::new(text_response(StatusCode::FORBIDDEN, words)));
        }
        Ok(_) if right == Right::Operator && !app.access.has_operators() => {
            return Err(Box::new(text_response(StatusCode::FORBIDDEN, NO_OPERATOR)));
        }
        Ok(_) => None,
        Err(why) => Some(*why),
    };
    let target = request.uri().path_and_query();
    let asker = Asker {
        method: request.method(),
        target: target.map_or("/", |target| target.as_str()),
        headers: request.headers(),
        is_websocket: requirements.has_websocket,
    };
    Err(Box::new(login_required(&asker, &app.access, why)))
}

/// Returns the camera of the path as `identity` may see it. The first camera of a link's holder is that of the link.
fn find_camera(
    app: &AppState,
    identity: &Identity,
    requirements: &Requirements<'_>,
) -> Result<Option<Camera>, Box<Response<ResponseBody>>> {
    let Some(name) = requirements.camera else {
        return Ok(None);
    };
    let found = app.camera(name.or(identity.camera.as_deref()));
    match found.filter(|camera| identity.may_see(&camera.name)) {
        Some(camera) => Ok(Some(camera)),
        None if requirements.has_websocket => Err(Box::new(Refusal::camera(app, identity).json())),
        None => Err(Box::new(Refusal::camera(app, identity).text())),
    }
}

/// Returns the headers that keep other sites from embedding the frames, or the refusal of a page elsewhere.
fn check_frames(
    app: &AppState,
    peer: SocketAddr,
    headers: &HeaderMap,
    reads_json: bool,
) -> Result<HeaderMap, Box<Response<ResponseBody>>> {
    let client = RequestOrigin::new(headers);
    let access = app.origins.check(&client);
    if let Access::Refused(foreign) = access {
        let refusal =
            Refusal::origin(foreign, &client, app.origins.list(), peer).log_throttled(app);
        return Err(Box::new(match reads_json {
            true => refusal.json(),
            false => refusal.text(),
        }));
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

/// Text for changes where nobody can prove to be an operator.
const NO_OPERATOR: &str = "Cameras can be changed on the machine itself (http://localhost:PORT/) until somebody can log in: \
     add access.users with the right operator to config.yml, or allow everybody with server.controls: true.\n";

/// Refuses a change that no client may ask for in this way.
fn check_change(app: &AppState, headers: &HeaderMap) -> Result<(), Box<Response<ResponseBody>>> {
    let refuse = |status, words: String| Err(Box::new(text_response(status, format!("{words}\n"))));
    if app.access.forbids_changes() {
        let words =
            "Cameras cannot be changed here: server.controls is false in the configuration.";
        return refuse(StatusCode::FORBIDDEN, words.into());
    }
    check_own_page(app, headers)?;
    let content_type = headers.get(header::CONTENT_TYPE);
    if !content_type
        .and_then(|value| value.to_str().ok())
        .is_some_and(is_json)
    {
        let words = "Changes are sent as JSON: Content-Type has to be application/json.";
        return refuse(StatusCode::UNSUPPORTED_MEDIA_TYPE, words.into());
    }
    Ok(())
}

/// Refuses a form of a page elsewhere.
fn check_form(app: &AppState, headers: &HeaderMap) -> Result<(), Box<Response<ResponseBody>>> {
    check_own_page(app, headers)?;
    let is_cross_site = headers
        .get("sec-fetch-site")
        .is_some_and(|site| site == "cross-site");
    if is_cross_site {
        let words = "This form is for the server's own page.\n";
        return Err(Box::new(text_response(StatusCode::FORBIDDEN, words)));
    }
    Ok(())
}

/// Refuses pages elsewhere, and names that anybody could lead here (DNS rebinding).
fn check_own_page(app: &AppState, headers: &HeaderMap) -> Result<(), Box<Response<ResponseBody>>> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    if !app.origins.allow(text(header::ORIGIN), text(header::HOST)) {
        let words = "Pages of other hosts have to be named in server.allowedOrigins.\n";
        return Err(Box::new(text_response(StatusCode::FORBIDDEN, words)));
    }
    let host = text(header::HOST).unwrap_or_default();
    if !app.hosts.knows(host) {
        return Err(Box::new(Refusal::unknown_name(host).text()));
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
        HeaderValue::from_static("Authorization, Content-Type"),
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
pub(crate) fn reject_unknown_host(
    app: &AppState,
    peer: SocketAddr,
    headers: &HeaderMap,
) -> Option<Refusal> {
    let host = headers.get(header::HOST)?.to_str().unwrap_or_default();
    (!app.hosts.allow(host)).then(|| Refusal::host(host, app.hosts.list(), peer).log_throttled(app))
}
