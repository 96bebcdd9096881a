//! Reads the body of a request that changes something.

use crate::serve::http::guard::Admitted;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::StatusCode;
use hyper::body::Body;
use std::time::Duration;

/// Largest body: many times what all controls of a camera need.
const BODY_BYTES: usize = 16 << 10;

/// A body has to be there within this time.
const BODY_TIME: Duration = Duration::from_secs(5);

/// Status and text of a request that failed.
pub(crate) type HttpError = (StatusCode, String);

/// Returns the body, if it is small and comes in time.
pub(crate) async fn body(mut request: Admitted) -> Result<bytes::Bytes, HttpError> {
    read_body(&mut request).await
}

/// Takes the body out of the request, if it is small and comes in time.
pub(crate) async fn read_body(request: &mut Admitted) -> Result<bytes::Bytes, HttpError> {
    let too_large = || {
        let words = format!("The body is larger than {BODY_BYTES} bytes.");
        Err((StatusCode::PAYLOAD_TOO_LARGE, words))
    };
    let Some(body) = request.take_body() else {
        return Ok(bytes::Bytes::new());
    };
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
