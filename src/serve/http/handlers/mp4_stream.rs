//! The endless MP4 over plain HTTP, for programs: VLC, ffmpeg, curl, recorders.

use crate::hub::{ClientClock, ClientTimeline, Event, StartPosition, Subscription};
use crate::serve::config::CameraHandle;
use crate::serve::connection_limit::Permit;
use crate::serve::http::origin::set_embedding_headers;
use crate::serve::http::refusal::{Refusal, admit};
use crate::serve::http::response::text_response;
use crate::serve::http::response::{PollBytes, ResponseBody};
use crate::serve::http::state::AppState;
use crate::time::Timestamp;
use bytes::Bytes;
use hyper::header::{self, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};
use tokio::time::Sleep;

/// A client of `?start=next` begins at an older keyframe when the camera has made none within this time.
const NEXT_KEYFRAME_TIMEOUT: Duration = Duration::from_secs(3);

/// One client of the endless MP4.
pub(crate) struct Mp4Stream {
    subscription: Subscription,
    timeline: ClientTimeline,
    /// The rest of the fragment whose head was sent last.
    rest: Option<Bytes>,
    /// When the client begins at an older keyframe; `None` once it has begun.
    start_deadline: Option<Pin<Box<Sleep>>>,
    _seat: Permit,
}

/// What the query asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Mp4Query {
    start: StartPosition,
    is_capture_clock: bool,
}

/// The endless MP4. A page elsewhere may show it only if the WebSocket would be open to it, too.
pub(crate) fn respond<T>(
    app: &AppState,
    camera: &CameraHandle,
    peer: SocketAddr,
    request: &Request<T>,
) -> Response<ResponseBody> {
    let (access, client) = match admit(app, peer, request.headers()) {
        Ok(admitted) => admitted,
        Err(refusal) => return *refusal,
    };
    let wanted = match parse_query(request.uri().query().unwrap_or_default()) {
        Ok(wanted) => wanted,
        Err(words) => return text_response(StatusCode::BAD_REQUEST, words),
    };
    let content = if request.method() == Method::HEAD {
        ResponseBody::Full(None)
    } else {
        match app.viewer_limit.acquire() {
            Some(permit) => ResponseBody::Stream(Box::new(Mp4Stream::new(camera, wanted, permit))),
            None => {
                return Refusal::full(app.viewer_limit.limit(), peer)
                    .log_throttled(app)
                    .text();
            }
        }
    };
    let mut response = Response::new(content);
    let out = response.headers_mut();
    out.insert(header::CONTENT_TYPE, HeaderValue::from_static("video/mp4"));
    out.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    set_embedding_headers(access, &client, &app.origins, out);
    // nginx would collect before it passes on.
    out.insert("X-Accel-Buffering", HeaderValue::from_static("no"));
    response
}

/// Reads `start` and `clock` from a query; other keys are passed over.
fn parse_query(query: &str) -> Result<Mp4Query, String> {
    let mut wanted = Mp4Query {
        start: StartPosition::Now,
        is_capture_clock: false,
    };
    for (key, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
        match (key, value) {
            ("start", "next") => wanted.start = StartPosition::NextKeyframe,
            ("clock", "capture") => wanted.is_capture_clock = true,
            ("start", _) => {
                return Err(format!("start={value}: unknown; the only value is next\n"));
            }
            ("clock", _) => {
                return Err(format!(
                    "clock={value}: unknown; the only value is capture\n"
                ));
            }
            _ => {}
        }
    }
    Ok(wanted)
}

/// The Unix time at the zero of the program's clock.
fn unix_at_zero() -> Duration {
    let unix = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let since_zero = Duration::from_nanos(Timestamp::now().as_nanos());
    unix.unwrap_or_default().saturating_sub(since_zero)
}

impl Mp4Stream {
    fn new(camera: &CameraHandle, wanted: Mp4Query, permit: Permit) -> Self {
        let clock = if wanted.is_capture_clock {
            let at_zero = unix_at_zero();
            ClientClock::Unix { at_zero }
        } else {
            ClientClock::Zero
        };
        let is_next = wanted.start == StartPosition::NextKeyframe;
        Self {
            subscription: camera.hub.subscribe_at(wanted.start),
            timeline: ClientTimeline::new(clock),
            rest: None,
            start_deadline: is_next.then(|| Box::pin(tokio::time::sleep(NEXT_KEYFRAME_TIMEOUT))),
            _seat: permit,
        }
    }
}

impl PollBytes for Mp4Stream {
    fn poll_bytes(&mut self, context: &mut Context<'_>) -> Poll<Bytes> {
        if let Some(rest) = self.rest.take() {
            return Poll::Ready(rest);
        }
        let is_due = |sleep: &mut Pin<Box<Sleep>>| sleep.as_mut().poll(context).is_ready();
        if self.start_deadline.as_mut().is_some_and(is_due) {
            self.start_deadline = None;
            self.subscription.start_now();
        }
        loop {
            match std::task::ready!(self.subscription.poll_next(context)) {
                Event::Init(init) => return Poll::Ready(init.message.payload()),
                Event::Fragment(fragment) => {
                    self.start_deadline = None;
                    let (head, rest) = self.timeline.retime(&fragment);
                    self.rest = Some(rest);
                    return Poll::Ready(head);
                }
                // There is no place for words in an MP4.
                Event::Status(_) | Event::Skipped(_) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mp4_query_rejects_unknown_values() {
        let of = |start, is_capture_clock| {
            Ok(Mp4Query {
                start,
                is_capture_clock,
            })
        };
        assert_eq!(parse_query(""), of(StartPosition::Now, false));
        assert_eq!(parse_query("t=1&wait=5"), of(StartPosition::Now, false));
        assert_eq!(
            parse_query("start=next"),
            of(StartPosition::NextKeyframe, false)
        );
        assert_eq!(
            parse_query("clock=capture&start=next"),
            of(StartPosition::NextKeyframe, true)
        );
        assert!(parse_query("start=now").is_err_and(|words| words.contains("next")));
        assert!(parse_query("clock=x").is_err_and(|words| words.contains("capture")));
    }
}
