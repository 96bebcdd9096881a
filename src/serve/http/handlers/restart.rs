//! `POST /api/cameras/NAME/restart`: the camera is closed and opened again.

use crate::serve::config::Camera;
use crate::serve::http::guard::Admitted;
use crate::serve::http::handlers::request_body::{HttpError, body};
use crate::serve::http::response::{ResponseBody, response, text_response};
use hyper::header::{self, HeaderValue};
use hyper::{Response, StatusCode};
use serde_json::json;

/// Restarts `camera`.
pub(crate) async fn respond(request: Admitted, camera: &Camera) -> Response<ResponseBody> {
    restart(request, camera)
        .await
        .unwrap_or_else(|(status, words)| text_response(status, format!("{words}\n")))
}

async fn restart(request: Admitted, camera: &Camera) -> Result<Response<ResponseBody>, HttpError> {
    body(request).await?;
    if camera.source == "stdin" {
        let words = "Standard input cannot be opened again.";
        return Err((StatusCode::CONFLICT, words.into()));
    }
    if let Err(left) = camera.handle.request_restart() {
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
    let text = format!("{:#}\n", json!({"camera": &*camera.name}));
    let mut response = response("application/json", text);
    *response.status_mut() = StatusCode::ACCEPTED;
    Ok(response)
}
