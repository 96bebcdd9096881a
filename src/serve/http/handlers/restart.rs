//! `POST /api/cameras/NAME/restart`: the camera is closed and opened again.

use crate::serve::config::CameraHandle;
use crate::serve::http::handlers::change_guard::{HttpError, body, check_change, preflight};
use crate::serve::http::response::{ResponseBody, method_not_allowed, response, text_response};
use crate::serve::http::state::AppState;
use hyper::header::{self, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use serde_json::json;
use std::time::Instant;

/// The answer to any request for a restart of `camera`.
pub(crate) async fn respond(
    app: &AppState,
    camera: &CameraHandle,
    request: Request<hyper::body::Incoming>,
) -> Response<ResponseBody> {
    match *request.method() {
        Method::POST => restart(app, camera, request)
            .await
            .unwrap_or_else(|(status, words)| text_response(status, format!("{words}\n"))),
        Method::OPTIONS => preflight("POST, OPTIONS"),
        _ => method_not_allowed("POST, OPTIONS"),
    }
}

async fn restart(
    app: &AppState,
    camera: &CameraHandle,
    request: Request<hyper::body::Incoming>,
) -> Result<Response<ResponseBody>, HttpError> {
    check_change(app, request.headers())?;
    body(request).await?;
    if camera.source == "stdin" {
        let words = "Standard input cannot be opened again.";
        return Err((StatusCode::CONFLICT, words.into()));
    }
    if let Some(throttle) = app.restart_throttle(&camera.name)
        && let Err(left) = throttle.take(Instant::now())
    {
        let seconds = left.as_secs() + 1;
        let words = format!("This camera was restarted just now; try again in {seconds} s.\n");
        let mut response = text_response(StatusCode::TOO_MANY_REQUESTS, words);
        let retry_after = HeaderValue::from(seconds);
        response
            .headers_mut()
            .insert(header::RETRY_AFTER, retry_after);
        return Ok(response);
    }
    log::info!("{}: restart requested", camera.name);
    camera.hub.request_restart();
    let text = format!("{:#}\n", json!({"camera": &*camera.name}));
    let mut response = response("application/json", text);
    *response.status_mut() = StatusCode::ACCEPTED;
    Ok(response)
}
