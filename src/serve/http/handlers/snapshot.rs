//! `/snapshot.jpg`: the newest frame as JPEG, and the HTTP status of each error.

use crate::serve::config::Camera;
use crate::serve::http::guard::Admitted;
use crate::serve::http::refusal::Refusal;
use crate::serve::http::response::{ResponseBody, response, text_response};
use crate::snapshot::{JpegOptions, Snapshot, SnapshotError};
use crate::time::Timestamp;
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::{Response, StatusCode};
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::SystemTime;

/// Header with the milliseconds from capture to response.
pub(crate) const AGE_HEADER: &str = "X-Picture-Age-Ms";

/// Widths that can be asked for, in pixels.
const WIDTH_RANGE: RangeInclusive<u32> = 16..=8192;

/// Qualities that can be asked for.
const QUALITY_RANGE: RangeInclusive<u8> = 1..=100;

/// Returns the newest frame of `camera` as JPEG, as soon as there is one.
pub(crate) async fn respond(request: Admitted, camera: &Camera) -> Response<ResponseBody> {
    let Some(snapshot_service) = request.app().snapshot_service(&camera.name) else {
        return Refusal::camera(request.app(), request.identity()).text();
    };
    let options = match parse_jpeg_options(request.query()) {
        Ok(options) => options,
        Err(words) => return text_response(StatusCode::BAD_REQUEST, words),
    };
    let headers = request.embedding_headers();
    let snapshot = snapshot_service.request(options);
    drop(request);
    match snapshot.await {
        Ok(snapshot) => snapshot_response(snapshot, headers),
        Err(refusal) => error_response(&refusal),
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

/// Returns the answer where there is no picture.
pub(crate) fn error_response(refusal: &SnapshotError) -> Response<ResponseBody> {
    let status = match refusal {
        SnapshotError::NoFrame(_) | SnapshotError::DecoderFailed(_) | SnapshotError::Busy => {
            StatusCode::SERVICE_UNAVAILABLE
        }
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

/// Reads `width` and `quality` from a query; other keys are passed over, as pages add some to get past caches.
pub(crate) fn parse_jpeg_options(query: &str) -> Result<JpegOptions, String> {
    let mut options = JpegOptions::default();
    for (key, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
        match key {
            "width" => {
                let width = number_in(value, &WIDTH_RANGE);
                options.width = Some(width.ok_or_else(|| {
                    let (least, most) = WIDTH_RANGE.into_inner();
                    format!(
                        "width is a number of pixels from {least} to {most}, such as /snapshot.jpg?width=640\n"
                    )
                })?);
            }
            "quality" => {
                let quality = number_in(value, &QUALITY_RANGE);
                options.quality = Some(quality.ok_or_else(|| {
                    let (least, most) = QUALITY_RANGE.into_inner();
                    format!("quality is a whole number from {least} to {most}, such as /snapshot.jpg?quality=85\n")
                })?);
            }
            _ => {}
        }
    }
    Ok(options)
}

/// Returns the number in `text` if it is in `range`.
fn number_in<T: FromStr + PartialOrd>(text: &str, range: &RangeInclusive<T>) -> Option<T> {
    text.parse().ok().filter(|number| range.contains(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jpeg_options_are_validated() {
        for (query, expected) in [
            ("", Some((None, None))),
            ("t=1732300000", Some((None, None))),
            ("width=640", Some((Some(640), None))),
            ("t=1&width=16&quality=1", Some((Some(16), Some(1)))),
            ("quality=100", Some((None, Some(100)))),
            ("width", Some((None, None))),
            ("width=", None),
            ("width=15", None),
            ("width=8193", None),
            ("width=-1", None),
            ("width=99999999999", None),
            ("width=640px", None),
            ("quality=0", None),
            ("quality=101", None),
            ("quality=300", None),
        ] {
            let options = parse_jpeg_options(query).ok();
            let found = options.map(|options| (options.width, options.quality));
            assert_eq!(found, expected, "{query}");
        }
    }
}
