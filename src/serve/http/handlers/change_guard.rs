//! Guards requests that change a camera, and reads their bodies.
//!
//! The rules are stricter than for viewing: a page of another site cannot send JSON here without
//! the browser asking first (`OPTIONS`), and its `Origin` must be allowed as for frames.

use crate::serve::http::response::{ResponseBody, text_response};
use crate::serve::http::state::AppState;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Body;
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::{Request, Response, StatusCode};
use std::time::Duration;

/// Largest body: many times what all controls of a camera need.
const BODY_BYTES: usize = 16 << 10;

/// A body has to be there within this time.
const BODY_TIME: Duration = Duration::from_secs(5);

/// Status and reason of a request that failed.
pub(crate) type HttpError = (StatusCode, String);

/// Returns the refusal of a change that the client may not ask for.
pub(crate) fn check_change(app: &AppState, headers: &HeaderMap) -> Result<(), HttpError> {
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
        let words = "Changes are sent as JSON: ResponseBody-Type has to be application/json.";
        return Err((StatusCode::UNSUPPORTED_MEDIA_TYPE, words.into()));
    }
    Ok(())
}

/// `application/json`, with or without parameters.
fn is_json(kind: &str) -> bool {
    let essence = kind.split(';').next().unwrap_or_default();
    essence.trim().eq_ignore_ascii_case("application/json")
}

/// Returns the body, if it is small and comes in time.
pub(crate) async fn body(
    request: Request<hyper::body::Incoming>,
) -> Result<bytes::Bytes, HttpError> {
    let too_large = || {
        let words = format!("The body is larger than {BODY_BYTES} bytes.");
        Err((StatusCode::PAYLOAD_TOO_LARGE, words))
    };
    let body = request.into_body();
    if body.size_hint().lower() > BODY_BYTES as u64 {
        return too_large();
    }
    let collect = Limited::new(body, BODY_BYTES).collect();
    match tokio::time::timeout(BODY_TIME, collect).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => too_large(),
        Ok(Err(error)) => Err((
            StatusCode::BAD_REQUEST,
            format!("The body broke off: {error}"),
        )),
        Err(_) => Err((
            StatusCode::REQUEST_TIMEOUT,
            "The body did not come in time.".into(),
        )),
    }
}

/// Responds to the preflight of another site's request. The common headers say whether that site is
/// allowed.
pub(crate) fn preflight(allowed: &'static str) -> Response<ResponseBody> {
    let mut response = text_response(StatusCode::NO_CONTENT, "");
    let out = response.headers_mut();
    out.remove(header::CONTENT_TYPE);
    for (name, value) in [
        (header::ALLOW, allowed),
        (header::ACCESS_CONTROL_ALLOW_METHODS, allowed),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, "ResponseBody-Type"),
    ] {
        out.insert(name, HeaderValue::from_static(value));
    }
    response
}
