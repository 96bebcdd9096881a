//! Responses: their body, and the forms that several handlers send.

use bytes::Bytes;
use hyper::body::{Body, Frame};
use hyper::header::{self, HeaderValue};
use hyper::{Response, StatusCode};
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Produces the bytes of an endless body.
pub(crate) trait PollBytes: Send {
    /// The next bytes; the task is woken when there are some.
    fn poll_bytes(&mut self, context: &mut Context<'_>) -> Poll<Bytes>;
}

/// The body of any response.
pub(crate) enum ResponseBody {
    /// All at once.
    Full(Option<Bytes>),
    /// Without an end, as long as the client takes it.
    Stream(Box<dyn PollBytes>),
}

impl ResponseBody {
    pub(crate) fn full(bytes: impl Into<Bytes>) -> Self {
        Self::Full(Some(bytes.into()))
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match &mut *self {
            Self::Full(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Stream(live) => live
                .poll_bytes(context)
                .map(|bytes| Some(Ok(Frame::data(bytes)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Full(None))
    }

    fn size_hint(&self) -> hyper::body::SizeHint {
        match self {
            Self::Full(bytes) => {
                hyper::body::SizeHint::with_exact(bytes.as_ref().map_or(0, Bytes::len) as u64)
            }
            Self::Stream(_) => hyper::body::SizeHint::default(),
        }
    }
}

pub(crate) fn method_not_allowed(allowed: &str) -> Response<ResponseBody> {
    let words = format!("Only {allowed} are served here.\n");
    let mut response = text_response(StatusCode::METHOD_NOT_ALLOWED, words);
    if let Ok(allowed) = HeaderValue::from_str(allowed) {
        response.headers_mut().insert(header::ALLOW, allowed);
    }
    response
}

pub(crate) fn not_found() -> Response<ResponseBody> {
    text_response(StatusCode::NOT_FOUND, "Nothing is here. The page is at /\n")
}

pub(crate) fn response(kind: &'static str, content: impl Into<Bytes>) -> Response<ResponseBody> {
    let mut response = Response::new(ResponseBody::full(content));
    let out = response.headers_mut();
    out.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    out.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// A few words in answer to a request.
pub(crate) fn text_response(status: StatusCode, words: impl Into<Bytes>) -> Response<ResponseBody> {
    let mut response = response("text/plain; charset=utf-8", words);
    *response.status_mut() = status;
    response
}
