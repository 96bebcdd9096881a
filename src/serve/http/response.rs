//! Responses: their body, and the forms that several handlers send.

use crate::serve::http::hand_over::HandOver;
use crate::serve::viewers::{EndReason, Ticket};
use bytes::{Buf, Bytes};
use hyper::body::{Body, Frame};
use hyper::header::{self, HeaderValue};
use hyper::{Response, StatusCode};
use std::convert::Infallible;
use std::io::IoSlice;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Produces the bytes of an endless body.
pub(crate) trait PollBytes: Send {
    /// The next bytes; the task is woken when there are some.
    fn poll_bytes(&mut self, context: &mut Context<'_>) -> Poll<Pieces>;

    /// Returns what tells the client why the server ends the body; `None` the second time.
    fn last_bytes(&mut self, _reason: EndReason) -> Option<Pieces> {
        None
    }

    /// True if the body is asked for more only when the socket has taken all before: it has the newest then.
    fn is_newest_only(&self) -> bool {
        false
    }
}

/// Bytes of a body in up to three pieces, which one system call sends without joining them.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Pieces(pub(crate) [Bytes; 3]);

impl From<Bytes> for Pieces {
    fn from(bytes: Bytes) -> Self {
        Self([bytes, Bytes::new(), Bytes::new()])
    }
}

impl Buf for Pieces {
    fn remaining(&self) -> usize {
        self.0.iter().map(Bytes::len).sum()
    }

    fn chunk(&self) -> &[u8] {
        let piece = self.0.iter().find(|piece| !piece.is_empty());
        piece.map_or(&[], |piece| &piece[..])
    }

    fn advance(&mut self, mut count: usize) {
        for piece in &mut self.0 {
            let part = count.min(piece.len());
            piece.advance(part);
            count -= part;
        }
    }

    fn chunks_vectored<'a>(&'a self, out: &mut [IoSlice<'a>]) -> usize {
        let pieces = self.0.iter().filter(|piece| !piece.is_empty());
        let filled = out.iter_mut().zip(pieces);
        filled
            .map(|(slice, piece)| *slice = IoSlice::new(piece))
            .count()
    }
}

/// The body of any response.
pub(crate) enum ResponseBody {
    /// All at once.
    Full(Option<Bytes>),
    /// Without an end, as long as the client takes it and the server does not end the viewer.
    Stream(ViewerBody),
    /// Without an end, and by what takes the connection when the head is out.
    HandedOver(Option<HandOver>),
}

/// The body of a viewer. Dropped when the viewer leaves.
pub(crate) struct ViewerBody {
    content: Box<dyn PollBytes>,
    ticket: Ticket,
}

impl Drop for ViewerBody {
    fn drop(&mut self) {
        let reason = self.ticket.end_reason();
        let words = reason.map_or("its connection ended", EndReason::words);
        self.ticket.log_leave(words);
    }
}

impl ResponseBody {
    /// Returns the place of the viewer who reads the body.
    pub(crate) fn ticket(&self) -> Option<&Ticket> {
        match self {
            Self::Stream(body) => Some(&body.ticket),
            Self::Full(_) | Self::HandedOver(_) => None,
        }
    }

    /// Takes out what gets the connection, if there is something.
    pub(crate) fn take_hand_over(&mut self) -> Option<HandOver> {
        match self {
            Self::HandedOver(hand_over) => hand_over.take(),
            Self::Full(_) | Self::Stream(_) => None,
        }
    }

    /// Makes the body of a viewer.
    pub(crate) fn of_viewer(content: Box<dyn PollBytes>, ticket: Ticket) -> Self {
        Self::Stream(ViewerBody { content, ticket })
    }

    pub(crate) fn full(bytes: impl Into<Bytes>) -> Self {
        Self::Full(Some(bytes.into()))
    }
}

impl ResponseBody {
    /// True if the body is asked for more only when the socket has taken all before.
    pub(crate) fn is_newest_only(&self) -> bool {
        matches!(self, Self::Stream(body) if body.content.is_newest_only())
    }
}

impl Body for ResponseBody {
    type Data = Pieces;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Pieces>, Infallible>>> {
        match &mut *self {
            Self::Full(bytes) => {
                Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes.into()))))
            }
            Self::HandedOver(_) => Poll::Ready(None),
            Self::Stream(viewer) => {
                if let Poll::Ready(reason) = viewer.ticket.poll_end(context) {
                    let last = viewer.content.last_bytes(reason);
                    return Poll::Ready(last.map(|bytes| Ok(Frame::data(bytes))));
                }
                viewer.content.poll_bytes(context).map(|bytes| {
                    viewer.ticket.add_bytes(bytes.remaining() as u64);
                    Some(Ok(Frame::data(bytes)))
                })
            }
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
            Self::Stream(_) | Self::HandedOver(_) => hyper::body::SizeHint::default(),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_one_sequence_of_bytes() {
        let whole = Pieces([b"ab", &b""[..], b"cde"].map(Bytes::from_static));
        for count in 0..=5 {
            let mut rest = whole.clone();
            rest.advance(count);
            assert_eq!(rest.remaining(), 5 - count);
            let mut slices = [IoSlice::new(&[]); 4];
            let filled = rest.chunks_vectored(&mut slices);
            let all: Vec<u8> = slices[..filled]
                .iter()
                .flat_map(|slice| slice.to_vec())
                .collect();
            assert_eq!(all, b"abcde"[count..]);
            assert_eq!(rest.copy_to_bytes(5 - count), b"abcde"[count..]);
        }
    }
}
