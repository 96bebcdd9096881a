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
pub(crate) enum Content {
    /// All at once.
    Whole(Option<Bytes>),
    /// Init segment and fragments, as long as the client takes them.
    Live(Box<dyn PollBytes>),
}

impl Content {
    pub(crate) fn whole(bytes: impl Into<Bytes>) -> Self {
        Self::Whole(Some(bytes.into()))
    }
}

impl Body for Content {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match &mut *self {
            Self::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Live(live) => live
                .poll_bytes(context)
                .map(|bytes| Some(Ok(Frame::data(bytes)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(None))
    }

    fn size_hint(&self) -> hyper::body::SizeHint {
        match self {
            Self::Whole(bytes) => {
                hyper::body::SizeHint::with_exact(bytes.as_ref().map_or(0, Bytes::len) as u64)
            }
            Self::Live(_) => hyper::body::SizeHint::default(),
        }
    }
}

pub(crate) fn wrong_method(allowed: &'static str) -> Response<Content> {
    let words = format!("Only {allowed} are served here.\n");
    let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, words);
    response
        .headers_mut()
        .insert(header::ALLOW, HeaderValue::from_static(allowed));
    response
}

pub(crate) fn not_found() -> Response<Content> {
    plain(StatusCode::NOT_FOUND, "Nothing is here. The page is at /\n")
}

pub(crate) fn typed(kind: &'static str, content: impl Into<Bytes>) -> Response<Content> {
    let mut response = Response::new(Content::whole(content));
    let out = response.headers_mut();
    out.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    out.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// A few words in answer to a request.
pub(crate) fn plain(status: StatusCode, words: impl Into<Bytes>) -> Response<Content> {
    let mut response = typed("text/plain; charset=utf-8", words);
    *response.status_mut() = status;
    response
}
