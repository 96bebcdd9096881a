//! The table of all routes: method and path to permission and handler.

use crate::serve::config::Camera;
use crate::serve::http::guard::{Admitted, Permission, Requirements};
use crate::serve::http::handlers::{
    assets, controls, h264_stream, login, message_stream, metrics, mjpeg_stream, mp4_stream,
    restart, snapshot, status, streams, viewers, webrtc,
    websocket::{self, Messages},
};
use crate::serve::http::response::{ResponseBody, not_found, response, text_response};
use hyper::{Method, Response, StatusCode};
use std::pin::Pin;

/// Response of a handler.
pub(crate) type Answer = Pin<Box<dyn Future<Output = Response<ResponseBody>> + Send>>;

/// Handler of a route.
#[derive(Clone, Copy)]
pub(crate) enum Handler {
    /// Answers for the server.
    Server(fn(Admitted) -> Answer),
    /// Answers for the camera of the path, or the first one.
    Camera(fn(Admitted, Camera) -> Answer),
}

/// Row of the table.
pub struct Route {
    /// `GET` stands for `HEAD` too.
    pub method: Method,
    /// Path with at most one placeholder: `{camera}`, `{viewer}`, `{file}`, or `{websocket}` for the configured
    /// name.
    pub path: &'static str,
    /// Permission that a client needs.
    pub permission: Permission,
    pub(crate) handler: Handler,
}

/// Declares rows whose handlers are expressions of the request and the camera.
macro_rules! routes {
    ($($method:ident $path:literal $permission:ident
        |$request:ident $(, $camera:ident)?| $answer:expr;)*) => {
        &[$(Route {
            method: Method::$method,
            path: $path,
            permission: Permission::$permission,
            handler: routes!(@handler |$request $(, $camera)?| $answer),
        }),*]
    };
    (@handler |$request:ident| $answer:expr) => {
        Handler::Server(|$request| Box::pin(async move { $answer }))
    };
    (@handler |$request:ident, $camera:ident| $answer:expr) => {
        Handler::Camera(|$request, $camera| Box::pin(async move { $answer }))
    };
}

/// All routes. The first row whose path matches decides; rows of one path stand together.
pub static ROUTES: &[Route] = routes! {
    GET "/{websocket}" WebSocket |request, camera| message_stream::respond_or_upgrade(request, &camera);
    POST "/{websocket}" Session |request, camera| message_stream::receive(request, &camera).await;
    GET "/live" WebSocket |request, camera| message_stream::respond_or_upgrade(request, &camera);
    POST "/live" Session |request, camera| message_stream::receive(request, &camera).await;
    GET "/live/{camera}" WebSocket |request, camera| message_stream::respond_or_upgrade(request, &camera);
    POST "/live/{camera}" Session |request, camera| message_stream::receive(request, &camera).await;
    GET "/raw" WebSocket |request, camera| websocket::upgrade(request, &camera, Messages::AnnexB);
    GET "/raw/{camera}" WebSocket |request, camera| websocket::upgrade(request, &camera, Messages::AnnexB);
    GET "/api/ws" WebSocket |request, camera| websocket::upgrade(request, &camera, Messages::Go2rtc);
    GET "/api/ws/{camera}" WebSocket |request, camera| websocket::upgrade(request, &camera, Messages::Go2rtc);
    GET "/stream.mp4" Stream |request, camera| mp4_stream::respond(&request, &camera).await;
    GET "/stream/{camera}.mp4" Stream |request, camera| mp4_stream::respond(&request, &camera).await;
    GET "/stream.h264" Stream |request, camera| h264_stream::respond(&request, &camera).await;
    GET "/stream/{camera}.h264" Stream |request, camera| h264_stream::respond(&request, &camera).await;
    GET "/stream.mjpg" Stream |request, camera| mjpeg_stream::respond(&request, &camera).await;
    GET "/stream/{camera}.mjpg" Stream |request, camera| mjpeg_stream::respond(&request, &camera).await;
    GET "/snapshot.jpg" Frames |request, camera| snapshot::respond(request, &camera).await;
    GET "/snapshot/{camera}.jpg" Frames |request, camera| snapshot::respond(request, &camera).await;
    GET "/api/status" Data |request| response("application/json", status::status(&request));
    GET "/api/streams" Data |request| response("application/json", streams::all(&request));
    GET "/api/streams/{camera}" Data |_request, camera| response("application/json", streams::one(&camera));
    GET "/api/cameras/{camera}/controls" Data |request, camera| controls::show(&request, &camera).await;
    POST "/api/cameras/{camera}/controls" Change |request, camera| controls::set(request, &camera).await;
    POST "/api/cameras/{camera}/restart" Change |request, camera| restart::respond(request, &camera).await;
    POST "/api/viewers/{viewer}/end" Change |request| viewers::end(&request);
    GET "/metrics" Figures |request| response(metrics::CONTENT_TYPE, metrics::metrics(request.app()));
    GET "/healthz" Public |_request| text_response(StatusCode::OK, "ok\n");
    GET "/stream" Stream |request, camera| mjpeg_stream::respond(&request, &camera).await;
    GET "/snapshot" Frames |request, camera| snapshot::respond(request, &camera).await;
    GET "/video" Stream |request, camera| mp4_stream::respond(&request, &camera).await;
    GET "/video.mp4" Stream |request, camera| mp4_stream::respond(&request, &camera).await;
    GET "/video.h264" Stream |request, camera| h264_stream::respond(&request, &camera).await;
    GET "/webrtc" Public |_request| webrtc::respond();
    POST "/webrtc" Public |_request| webrtc::respond();
    GET "/login" Public |request| login::show(&request);
    POST "/login" Login |request| login::log_in(request).await;
    POST "/logout" Login |request| login::log_out(&request).await;
    GET "/" Page |request| assets::respond(&request, "index.html");
    GET "/{file}" Public |request| assets::respond(&request, request.path().trim_start_matches('/'));
};

/// Routes of all paths that are not in the table.
static NO_ROUTE: &[Route] = routes! {
    GET "" Public |_request| not_found();
};

/// Routes of one path.
#[derive(Clone, Copy)]
pub struct Resource<'a> {
    rows: &'static [Route],
    /// Camera in the path; `None` is the first one.
    pub camera: Option<&'a str>,
}

impl Resource<'_> {
    /// Returns the path's pattern; empty if the path is not in the table.
    pub fn pattern(&self) -> &'static str {
        self.rows.first().map_or("", |row| row.path)
    }

    /// Returns the row of a method.
    pub(crate) fn route(&self, method: &Method) -> Option<&'static Route> {
        let method = if *method == Method::HEAD {
            &Method::GET
        } else {
            method
        };
        self.rows.iter().find(|row| row.method == *method)
    }

    fn has_preflight(&self) -> bool {
        self.rows.iter().any(|row| row.permission.has_preflight())
    }

    fn permits(&self, permission: Permission) -> bool {
        self.rows.iter().any(|row| row.permission == permission)
    }

    /// Returns what the guard checks of a request by `method`.
    pub(crate) fn requirements(&self, method: &Method) -> Requirements<'_> {
        Requirements {
            permission: self.route(method).map(|row| row.permission),
            camera: self.is_of_camera().then_some(self.camera),
            has_preflight: self.has_preflight(),
            has_websocket: self.permits(Permission::WebSocket),
            allowed_methods: self.allowed_methods(),
        }
    }

    fn is_of_camera(&self) -> bool {
        let is_of_camera = |row: &Route| matches!(row.handler, Handler::Camera(_));
        self.rows.iter().any(is_of_camera)
    }

    /// Returns the value of `Allow`. Requests with headers of their own are preflighted by `OPTIONS`.
    fn allowed_methods(&self) -> String {
        let mut methods = Vec::new();
        for row in self.rows {
            methods.push(row.method.as_str());
            if row.method == Method::GET {
                methods.push("HEAD");
            }
        }
        if self.has_preflight() {
            methods.push("OPTIONS");
        }
        methods.join(", ")
    }
}

/// Returns the routes of `path`. `websocket` is the name of the first camera's WebSocket.
pub fn route<'a>(path: &'a str, websocket: &str) -> Resource<'a> {
    let mut rows = ROUTES.chunk_by(|a, b| a.path == b.path);
    let found = rows.find_map(|rows| {
        let camera = match_path(rows.first()?.path, path, websocket)?;
        Some(Resource { rows, camera })
    });
    found.unwrap_or(Resource {
        rows: NO_ROUTE,
        camera: None,
    })
}

/// Returns true if a row of the table has `path`, those for any file and for the configured name aside.
pub(crate) fn has_row(path: &str) -> bool {
    let is_general = |row: &Route| ["/{websocket}", "/{file}"].contains(&row.path);
    let mut rows = ROUTES.iter().filter(|row| !is_general(row));
    rows.any(|row| match_path(row.path, path, "").is_some())
}

/// Returns the camera in `path` if the path matches the pattern.
fn match_path<'a>(pattern: &str, path: &'a str, websocket: &str) -> Option<Option<&'a str>> {
    let Some((prefix, (placeholder, suffix))) = pattern
        .split_once('{')
        .and_then(|(prefix, rest)| Some((prefix, rest.split_once('}')?)))
    else {
        return (pattern == path).then_some(None);
    };
    let segment = path.strip_prefix(prefix)?.strip_suffix(suffix)?;
    if segment.is_empty() || segment.contains('/') {
        return None;
    }
    match placeholder {
        "websocket" => (segment == websocket).then_some(None),
        "camera" => Some(Some(segment)),
        _ => Some(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn router_maps_every_interface_path() {
        for (path, pattern, camera) in [
            ("/", "/", None),
            ("/berrymse.js", "/{file}", None),
            ("/berryMSE.js", "/{file}", None),
            ("/video_websocket", "/{websocket}", None),
            ("/live", "/live", None),
            ("/live/front", "/live/{camera}", Some("front")),
            ("/stream.mp4", "/stream.mp4", None),
            ("/stream/front.mp4", "/stream/{camera}.mp4", Some("front")),
            ("/stream.mjpg", "/stream.mjpg", None),
            ("/stream/a.mjpg", "/stream/{camera}.mjpg", Some("a")),
            ("/stream", "/stream", None),
            ("/snapshot", "/snapshot", None),
            ("/video", "/video", None),
            ("/webrtc", "/webrtc", None),
            ("/stream.h264", "/stream.h264", None),
            ("/stream/a.b.h264", "/stream/{camera}.h264", Some("a.b")),
            ("/stream/.h264", "", None),
            ("/stream/front.ts", "", None),
            ("/raw", "/raw", None),
            ("/raw/front", "/raw/{camera}", Some("front")),
            ("/raw/", "", None),
            ("/snapshot.jpg", "/snapshot.jpg", None),
            (
                "/snapshot/front.jpg",
                "/snapshot/{camera}.jpg",
                Some("front"),
            ),
            ("/snapshot/front.png", "", None),
            ("/snapshot/.jpg", "", None),
            ("/api/status", "/api/status", None),
            (
                "/api/cameras/front/controls",
                "/api/cameras/{camera}/controls",
                Some("front"),
            ),
            (
                "/api/cameras/front/restart",
                "/api/cameras/{camera}/restart",
                Some("front"),
            ),
            ("/api/viewers/7/end", "/api/viewers/{viewer}/end", None),
            ("/api/viewers//end", "", None),
            ("/api/cameras//restart", "", None),
            ("/api/cameras//controls", "", None),
            ("/api/cameras/controls", "", None),
            ("/api/cameras/a/b/controls", "", None),
            ("/api/cameras/a/controls/b", "", None),
            ("/healthz", "/healthz", None),
            ("/metrics", "/metrics", None),
            ("/live/", "", None),
            ("/live/a/b", "", None),
            ("/stream/.mp4", "", None),
            ("/stream/front", "", None),
            ("/api/other", "", None),
            ("*", "", None),
            ("", "", None),
        ] {
            let found = route(path, "video_websocket");
            assert_eq!((found.pattern(), found.camera), (pattern, camera), "{path}");
        }
    }

    #[test]
    fn router_uses_configured_websocket_name() {
        for name in ["websocket", "stream.mp4"] {
            let path = format!("/{name}");
            assert_eq!(route(&path, name).pattern(), "/{websocket}");
        }
        assert_eq!(route("/video_websocket", "websocket").pattern(), "/{file}");
    }
}
