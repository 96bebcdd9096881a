//! `/snapshot.jpg`: the newest frame as JPEG, and the HTTP status of each error.

use crate::serve::http::origin::set_embedding_headers;
use crate::serve::http::refusal::{Refusal as Refused, admit};
use crate::serve::http::response::{ResponseBody, response, text_response};
use crate::serve::http::state::AppState;
use crate::snapshot::{Snapshot, SnapshotError};
use crate::time::Timestamp;
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::{Request, Response, StatusCode};
use std::net::SocketAddr;
use std::time::SystemTime;

/// Header with the milliseconds from capture to response.
pub(crate) const AGE_HEADER: &str = "X-Picture-Age-Ms";

/// Widths that can be asked for, in pixels.
const WIDTH_RANGE: std::ops::RangeInclusive<u32> = 16..=8192;

/// Reply to a request for a snapshot.
pub(crate) enum SnapshotReply<F> {
    /// Response without a snapshot.
    Immediate(Response<ResponseBody>),
    /// Snapshot in progress, and its headers.
    Pending(F, HeaderMap),
}

/// Requests a snapshot of the camera `name`.
pub(crate) fn request<T>(
    app: &AppState,
    name: Option<&str>,
    peer: SocketAddr,
    request: &Request<T>,
) -> SnapshotReply<impl Future<Output = Result<Snapshot, SnapshotError>> + use<T>> {
    let (access, client) = match admit(app, peer, request.headers()) {
        Ok(admitted) => admitted,
        Err(refusal) => return SnapshotReply::Immediate(*refusal),
    };
    let Some(snapshot_service) = app.snapshot_service(name) else {
        return SnapshotReply::Immediate(Refused::camera(app).text());
    };
    match parse_width(request.uri().query().unwrap_or_default()) {
        Ok(width) => {
            let mut headers = HeaderMap::new();
            set_embedding_headers(access, &client, &app.origins, &mut headers);
            SnapshotReply::Pending(snapshot_service.request(width), headers)
        }
        Err(words) => SnapshotReply::Immediate(text_response(StatusCode::BAD_REQUEST, words)),
    }
}

/// Returns the response, when it is ready.
pub(crate) async fn respond(
    asked: SnapshotReply<impl Future<Output = Result<Snapshot, SnapshotError>>>,
) -> Response<ResponseBody> {
    match asked {
        SnapshotReply::Immediate(answer) => answer,
        SnapshotReply::Pending(picture, headers) => match picture.await {
            Ok(snapshot) => snapshot_response(snapshot, headers),
            Err(refusal) => error_response(&refusal),
        },
    }
}

fn snapshot_response(snapshot: Snapshot, headers: HeaderMap) -> Response<ResponseBody> {
    let age = Timestamp::now().since(snapshot.captured_at);
    let taken = SystemTime::now().checked_sub(age);
    let bytes = snapshot.jpeg.len();
    let mut response = response("image/jpeg", snapshot.jpeg);
    let out = response.headers_mut();
    out.extend(headers);
    // For HEAD, which is answered without the bytes.
    out.insert(header::CONTENT_LENGTH, bytes.into());
    out.insert(header::AGE, age.as_secs().into());
    out.insert(AGE_HEADER, (age.as_millis() as u64).into());
    let taken = taken.map(|taken| HeaderValue::from_str(&httpdate::fmt_http_date(taken)));
    if let Some(Ok(taken)) = taken {
        out.insert(header::LAST_MODIFIED, taken);
    }
    response
}

fn error_response(refusal: &SnapshotError) -> Response<ResponseBody> {
    let status = match refusal {
        SnapshotError::NoFrame(_) | SnapshotError::Busy => StatusCode::SERVICE_UNAVAILABLE,
        SnapshotError::Unsupported(_) | SnapshotError::TooLarge { .. } => {
            StatusCode::NOT_IMPLEMENTED
        }
    };
    let mut response = text_response(status, format!("No snapshot: {refusal}.\n"));
    if status == StatusCode::SERVICE_UNAVAILABLE {
        let out = response.headers_mut();
        out.insert(header::RETRY_AFTER, HeaderValue::from_static("2"));
    }
    response
}

/// The `width` in a query; other keys are passed over, as pages add some to get past caches.
fn parse_width(query: &str) -> Result<Option<u32>, String> {
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let Some((_, text)) = pairs.find(|(key, _)| *key == "width") else {
        return Ok(None);
    };
    let width = text
        .parse()
        .ok()
        .filter(|width| WIDTH_RANGE.contains(width));
    width.map(Some).ok_or_else(|| {
        let (least, most) = WIDTH_RANGE.into_inner();
        format!(
            "width is a number of pixels from {least} to {most}, such as /snapshot.jpg?width=640\n"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn snapshot_width_query_is_validated() {
        for (query, expected) in [
            ("", Some(None)),
            ("t=1732300000", Some(None)),
            ("width=640", Some(Some(640))),
            ("t=1&width=16", Some(Some(16))),
            ("width", Some(None)),
            ("width=", None),
            ("width=15", None),
            ("width=8193", None),
            ("width=-1", None),
            ("width=99999999999", None),
            ("width=640px", None),
        ] {
            assert_eq!(parse_width(query).ok(), expected, "{query}");
        }
    }
}
