//! Reads the body of a request that changes something.

use crate::serve::http::guard::Admitted;
use crate::serve::limits::Limit;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::StatusCode;
use hyper::body::Body;

/// Status and text of a request that failed.
pub(crate) type HttpError = (StatusCode, String);

/// Returns the body, if it is small and comes in time.
pub(crate) async fn body(mut request: Admitted) -> Result<bytes::Bytes, HttpError> {
    read_body(&mut request).await
}

/// Takes the body out of the request, if it is small and comes in time.
pub(crate) async fn read_body(request: &mut Admitted) -> Result<bytes::Bytes, HttpError> {
    let app = request.app().clone();
    let limit = app.limits.body_bytes;
    let too_large = || {
        app.limit_counters.count(Limit::Body);
        let words = format!("The body is larger than {limit} bytes.");
        Err((StatusCode::PAYLOAD_TOO_LARGE, words))
    };
    let Some(body) = request.take_body() else {
        return Ok(bytes::Bytes::new());
    };
    if body.size_hint().lower() > limit as u64 {
        return too_large();
    }
    let collect = Limited::new(body, limit).collect();
    match tokio::time::timeout(app.limits.request_timeout, collect).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => too_large(),
        Ok(Err(error)) => Err((
            StatusCode::BAD_REQUEST,
            format!("The body broke off: {error}"),
        )),
        Err(_) => {
            app.limit_counters.count(Limit::Body);
            let words = "The body did not come in time.";
            Err((StatusCode::REQUEST_TIMEOUT, words.into()))
        }
    }
}
