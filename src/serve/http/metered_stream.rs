//! The stream under hyper: measures activity, replaces hyper's own error responses, closes in
//! order.

use crate::serve::http::connections::ConnectionSlot;
use crate::serve::http::hand_over::{HandOver, HandOverSlot};
use crate::serve::http::loss_aware_stream::LossAwareStream;
use crate::serve::limits::MAX_DRAIN_BYTES;
use crate::serve::ws::stream::ViewerStream;
use bytes::{Buf, Bytes};
use hyper::StatusCode;
use rustls::ServerConnection;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant, SystemTime};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// Time in which the client's end of a connection that we have closed is waited for.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(2);

pub(crate) struct MeteredStream {
    /// `None` once it was taken out.
    stream: Option<LossAwareStream>,
    /// Bytes of the client that were read before.
    first: Bytes,
    slot: Arc<ConnectionSlot>,
    /// Gets the stream in place of its end.
    hand_over: HandOverSlot,
    /// Response sent in place of hyper's own error.
    replacement: Option<Bytes>,
    /// We have said that nothing more will come.
    is_write_closed: bool,
    /// The client has said so.
    is_read_closed: bool,
}

impl MeteredStream {
    /// Creates a stream on which `first` comes before what `transport` has.
    pub(crate) fn new(
        transport: LossAwareStream,
        first: Bytes,
        slot: Arc<ConnectionSlot>,
        hand_over: HandOverSlot,
    ) -> Self {
        Self {
            stream: Some(transport),
            first,
            slot,
            hand_over,
            replacement: None,
            is_write_closed: false,
            is_read_closed: false,
        }
    }

    /// The socket, and the TLS session on it.
    pub(crate) fn into_parts(mut self) -> io::Result<(TcpStream, Option<Box<ServerConnection>>)> {
        let transport = self.stream.take().ok_or_else(not_connected)?;
        Ok(transport.into_parts())
    }

    /// Hands the stream over in place of its end.
    fn leave_http(&mut self, hand_over: HandOver) -> io::Result<()> {
        let transport = self.stream.take().ok_or_else(not_connected)?;
        let (socket, session) = transport.into_parts();
        hand_over.call(ViewerStream::new(socket.into_std()?, session));
        Ok(())
    }

    fn stream(&mut self) -> io::Result<Pin<&mut LossAwareStream>> {
        self.stream.as_mut().map(Pin::new).ok_or_else(not_connected)
    }

    /// Takes the result of a write.
    fn on_write_result(&self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match &written {
            Poll::Ready(Ok(count)) => self.slot.activity().on_bytes_sent(*count, Instant::now()),
            Poll::Ready(Err(_)) => {}
            Poll::Pending => self.slot.activity().on_blocked(Instant::now()),
        }
        written
    }

    /// Sends the replacement of hyper's own error, if there is one.
    fn poll_replacement(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(bytes) = self.replacement.clone().filter(|bytes| !bytes.is_empty()) {
            let written = self.stream()?.poll_write(context, &bytes);
            let count = ready!(self.on_write_result(written))?;
            if let Some(refusal) = &mut self.replacement {
                refusal.advance(count.min(bytes.len()));
            }
        }
        Poll::Ready(Ok(()))
    }
}

fn not_connected() -> io::Error {
    io::ErrorKind::NotConnected.into()
}

/// Returns the whole response in place of `head`, if that is an error that hyper sends without
/// asking.
fn replacement_response(head: &[u8], now: SystemTime) -> Option<Bytes> {
    let code = head.strip_prefix(b"HTTP/1.1 4")?.get(..2)?;
    let code = std::str::from_utf8(code).ok()?;
    let status = StatusCode::from_bytes(format!("4{code}").as_bytes()).ok()?;
    let words = match status {
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => {
            "request: head too large; at most 64 header lines are taken, and server.limits.headBytes in all\n"
        }
        StatusCode::URI_TOO_LONG => "request: URL too long\n",
        _ => "request: not understood; HTTP/1.1 is spoken here (RFC 9112)\n",
    };
    let date = httpdate::fmt_http_date(now);
    let answer = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\n\
         X-Content-Type-Options: nosniff\r\nCache-Control: no-store\r\nConnection: close\r\nDate: {date}\r\n\r\n{words}",
        words.len()
    );
    Some(answer.into())
}

impl AsyncRead for MeteredStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.first.is_empty() {
            let count = self.first.len().min(buffer.remaining());
            let first = self.first.split_to(count);
            buffer.put_slice(&first);
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        let result = self.stream()?.poll_read(context, buffer);
        let is_nothing = buffer.filled().len() == before && buffer.remaining() > 0;
        if matches!(result, Poll::Ready(Ok(()))) && is_nothing {
            self.is_read_closed = true;
        }
        result
    }
}

impl AsyncWrite for MeteredStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.as_mut()
            .poll_write_vectored(context, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        // hyper rejects malformed requests without asking, and has no place for additional headers.
        if self.replacement.is_none() && self.slot.activity().is_reading() {
            let head = slices.iter().find(|slice| !slice.is_empty());
            self.replacement = head.and_then(|head| replacement_response(head, SystemTime::now()));
        }
        if self.replacement.is_some() {
            let count = slices.iter().map(|slice| slice.len()).sum();
            return Poll::Ready(Ok(count));
        }
        let written = self.stream()?.poll_write_vectored(context, slices);
        self.on_write_result(written)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_replacement(context))?;
        let flushed = self.stream()?.poll_flush(context);
        match &flushed {
            Poll::Ready(Ok(())) => self.slot.activity().on_flushed(Instant::now()),
            Poll::Ready(Err(_)) => {}
            Poll::Pending => self.slot.activity().on_blocked(Instant::now()),
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_replacement(context))?;
        // hyper has sent the head, and takes the empty body for the end.
        if let Some(hand_over) = self.hand_over.take() {
            return Poll::Ready(self.leave_http(hand_over));
        }
        let shut = self.stream()?.poll_shutdown(context);
        self.is_write_closed |= matches!(shut, Poll::Ready(Ok(())));
        shut
    }
}

impl Drop for MeteredStream {
    /// Drains the socket after the response is out: a close with unread bytes is a reset, and hides
    /// the response.
    fn drop(&mut self) {
        let Some(transport) = self.stream.take() else {
            return;
        };
        let (socket, _) = transport.into_parts();
        let activity = self.slot.activity();
        if activity.close_reason().is_some() && activity.is_waiting() {
            // Data for a client that does not read is discarded.
            let _ = socket2::SockRef::from(&socket).set_linger(Some(Duration::ZERO));
            return;
        }
        if !self.is_write_closed || self.is_read_closed {
            return;
        }
        let slot = self.slot.clone();
        // There is no runtime any more when the program ends.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        runtime.spawn(async move {
            let drain = async {
                let (mut buffer, mut total) = ([0; 4096], 0);
                while total < MAX_DRAIN_BYTES && socket.readable().await.is_ok() {
                    match socket.try_read(&mut buffer) {
                        Ok(0) => break,
                        Ok(count) => total += count,
                        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                        Err(_) => break,
                    }
                }
            };
            let _ = tokio::time::timeout(DRAIN_TIMEOUT, drain).await;
            drop((socket, slot));
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_of_the_library_get_our_headers() {
        let head = b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\n\r\n";
        let answer = replacement_response(head, SystemTime::UNIX_EPOCH).unwrap();
        let text = std::str::from_utf8(&answer).unwrap();
        assert!(text.starts_with("HTTP/1.1 431 Request Header"), "{text}");
        assert!(text.contains("\r\nX-Content-Type-Options: nosniff\r\n"));
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("Content-Length: {}\r\n", body.len())));
        for other in [&b"HTTP/1.1 200 OK\r\n"[..], b"HTTP/1.1 4", b"", b"400"] {
            assert_eq!(replacement_response(other, SystemTime::UNIX_EPOCH), None);
        }
    }
}
