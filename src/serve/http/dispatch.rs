//! Dispatches each request to its handler, after the checks that all of them need.

use crate::serve::http::handlers::{
    assets, controls, h264_stream, live_wait, metrics, mp4_stream, restart, snapshot, status,
    websocket,
};
use crate::serve::http::refusal::Refusal;
use crate::serve::http::response::{
    ResponseBody, method_not_allowed, not_found, response, text_response,
};
use crate::serve::http::router::{Route, route};
use crate::serve::http::state::AppState;
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::{Method, Request, Response, StatusCode, Version};
use std::net::SocketAddr;
use std::sync::Arc;

/// Checks a request and passes it to its handler.
pub(crate) async fn handle_request(
    app: &Arc<AppState>,
    peer: SocketAddr,
    mut request: Request<hyper::body::Incoming>,
) -> Response<ResponseBody> {
    let is_head = request.method() == Method::HEAD;
    let path = request.uri().path().to_owned();
    let route = route(&path, &app.websocket_name);
    let is_to_be_read = request.method() == Method::GET || is_head;
    if !is_to_be_read && !matches!(route, Some(Route::Controls(_) | Route::Restart(_))) {
        return method_not_allowed("GET, HEAD");
    }
    if !has_unambiguous_host_and_origin(&request) {
        return text_response(
            StatusCode::BAD_REQUEST,
            "Host is needed, and Host and Origin may be there only once.\n",
        );
    }
    use_target_host(&mut request);
    if let Some(refusal) = reject_unknown_host(app, peer, request.headers()) {
        return match route {
            Some(Route::Live(_) | Route::Raw(_)) => refusal.json(),
            _ => refusal.text(),
        };
    }
    let listed_origin = request
        .headers()
        .get(header::ORIGIN)
        .filter(|origin| {
            origin
                .to_str()
                .is_ok_and(|origin| app.origins.allow_listed(origin))
        })
        .cloned();
    let mut response = match route {
        Some(Route::Asset(name)) => assets::respond(app, name, request.headers()),
        Some(Route::Live(name)) => websocket::upgrade(app, name, false, peer, &mut request),
        Some(Route::Raw(name)) => websocket::upgrade(app, name, true, peer, &mut request),
        Some(Route::Stream(name) | Route::StreamH264(name)) => match app.camera(name) {
            Some(camera) => match live_wait::wait_until_live(app, camera, peer, &request).await {
                // Held open until the client has joined.
                Ok(_hold) => match route {
                    Some(Route::StreamH264(_)) => h264_stream::respond(app, camera, peer, &request),
                    _ => mp4_stream::respond(app, camera, peer, &request),
                },
                Err(answer) => *answer,
            },
            None => Refusal::camera(app).text(),
        },
        Some(Route::Snapshot(name)) => {
            let asked = snapshot::request(app, name, peer, &request);
            drop(request);
            snapshot::respond(asked).await
        }
        Some(Route::Controls(name)) => match app.camera(Some(name)) {
            Some(camera) => controls::respond(app, camera, request).await,
            None => Refusal::camera(app).text(),
        },
        Some(Route::Restart(name)) => match app.camera(Some(name)) {
            Some(camera) => restart::respond(app, camera, request).await,
            None => Refusal::camera(app).text(),
        },
        Some(Route::Status) => response("application/json", status::status(app)),
        Some(Route::Metrics) => response(metrics::CONTENT_TYPE, metrics::metrics(app)),
        Some(Route::Health) => text_response(StatusCode::OK, "ok\n"),
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
            HeaderValue::from_static(snapshot::AGE_HEADER),
        );
    }
    if is_head {
        *response.body_mut() = ResponseBody::Full(None);
    }
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
