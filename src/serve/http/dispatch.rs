//! Dispatches each request to its handler, after the checks that all of them need.

use crate::serve::http::handlers::{
    assets, controls, live_wait, metrics, mp4_stream, snapshot, status, websocket,
};
use crate::serve::http::refusal::Refusal;
use crate::serve::http::response::{Content, not_found, plain, typed, wrong_method};
use crate::serve::http::router::{Route, route};
use crate::serve::http::state::Site;
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::{Method, Request, Response, StatusCode, Version};
use std::net::SocketAddr;
use std::sync::Arc;

/// The answer to any request.
pub(crate) async fn answer(
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
        Some(Route::Asset(name)) => assets::asset(site, name, request.headers()),
        Some(Route::Live(name)) => websocket::live(site, name, peer, &mut request),
        Some(Route::Stream(name)) => match site.camera(name) {
            Some(camera) => match live_wait::live(site, camera, peer, &request).await {
                // Held open until the client has joined.
                Ok(_hold) => mp4_stream::mp4(site, camera, peer, &request),
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
        Some(Route::Status) => typed("application/json", status::status(site)),
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
