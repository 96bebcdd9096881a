//! The endless MP4 over plain HTTP, for programs: VLC, ffmpeg, curl, recorders.

use super::seats::Seat;
use crate::hub::{Event, Viewer};
use bytes::Bytes;
use hyper::body::{Body, Frame};
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

/// The body of any response.
pub(super) enum Content {
    /// All at once.
    Whole(Option<Bytes>),
    /// Init segment and fragments, as long as the client takes them.
    Live { viewer: Box<Viewer>, _seat: Seat },
}

impl Content {
    pub(super) fn whole(bytes: impl Into<Bytes>) -> Self {
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
            Self::Live { viewer, .. } => loop {
                let bytes = match std::task::ready!(viewer.poll_next(context)) {
                    Event::Init(init) => init.message.payload(),
                    Event::Fragment(fragment) => fragment.message.payload(),
                    // There is no place for words in an MP4.
                    Event::Condition(_) | Event::Skipped(_) => continue,
                };
                return Poll::Ready(Some(Ok(Frame::data(bytes))));
            },
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
            Self::Live { .. } => hyper::body::SizeHint::default(),
        }
    }
}
