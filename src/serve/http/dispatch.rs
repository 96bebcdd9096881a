//! Answers each request: the guard admits it, its handler answers, and listed origins may read the answer.

use crate::serve::http::forwarded::{Client, Connection};
use crate::serve::http::guard;
use crate::serve::http::handlers::snapshot;
use crate::serve::http::message_sessions::accepts_messages;
use crate::serve::http::refusal::Refusal;
use crate::serve::http::response::{ResponseBody, not_found, text_response};
use crate::serve::http::rewrite;
use crate::serve::http::router::{Handler, has_row, route};
use crate::serve::http::state::AppState;
use crate::serve::ws::handshake::is_handshake;
use hyper::header::{self, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use std::sync::Arc;

/// Returns the answer to any request.
pub(crate) async fn handle_request(
    app: &Arc<AppState>,
    connection: Connection,
    request: Request<hyper::body::Incoming>,
) -> Response<ResponseBody> {
    let is_head = request.method() == Method::HEAD;
    let client = Client::of(connection, &app.trusted_proxies, request.headers());
    if !app.admits_request(&client) {
        let refusal = Refusal::too_many_requests(app.limits.requests_per_second, client.peer);
        return refusal.log_throttled(app).json();
    }
    let path = match rewrite::path(request.uri()) {
        Ok(path) => path.into_owned(),
        Err(words) => return text_response(StatusCode::BAD_REQUEST, words),
    };
    // A name of an older configuration may be that of a newer URL, which then has all but the live stream.
    let headers = request.headers();
    let wants_stream =
        headers.contains_key(header::UPGRADE) || is_handshake(headers) || accepts_messages(headers);
    let websocket =
        if wants_stream || path.trim_start_matches('/') != app.websocket_name || !has_row(&path) {
            &app.websocket_name
        } else {
            ""
        };
    let resource = route(&path, websocket);
    let route = resource.route(request.method());
    let requirements = resource.requirements(request.method());
    let request = match guard::check_host(app, &client, &requirements, request) {
        Ok(request) => request,
        Err(refusal) => return *refusal,
    };
    let listed_origin = request.listed_origin(app);
    let mut response = match guard::admit(app, client, &requirements, request).await {
        Ok((admitted, camera)) => match (route.map(|route| route.handler), camera) {
            (Some(Handler::Server(handler)), _) => handler(admitted).await,
            (Some(Handler::Camera(handler)), Some(camera)) => handler(admitted, camera).await,
            _ => not_found(),
        },
        Err(refusal) => *refusal,
    };
    if let Some(origin) = listed_origin {
        let_read(&mut response, origin);
    }
    if is_head {
        *response.body_mut() = ResponseBody::Full(None);
    }
    response
}

/// Lets a page of `origin` read the response (CORS).
fn let_read(response: &mut Response<ResponseBody>, origin: HeaderValue) {
    let out = response.headers_mut();
    out.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    let varies = |value: &HeaderValue| value.to_str().is_ok_and(|value| value.contains("Origin"));
    if !out.get_all(header::VARY).iter().any(varies) {
        out.append(header::VARY, HeaderValue::from_static("Origin"));
    }
    out.insert(
        header::ACCESS_CONTROL_EXPOSE_HEADERS,
        HeaderValue::from_static(snapshot::AGE_HEADER),
    );
}
