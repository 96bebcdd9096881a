//! Common part of all endless responses: start position, headers.

use crate::hub::{Delivery, Event, StartPosition, Subscription};
use crate::serve::config::Camera;
use crate::serve::http::guard::Admitted;
use crate::serve::http::handlers::live_wait::wait_until_live;
use crate::serve::http::refusal::Refusal;
use crate::serve::http::response::{PollBytes, ResponseBody, text_response};
use crate::serve::recorder::{Recorder, wants_every_frame};
use crate::serve::viewers::Reservation;
use hyper::header::{self, HeaderValue};
use hyper::{Method, Response, StatusCode};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::Sleep;

/// A client of `?start=next` begins at an older keyframe when the camera has made none within this time.
const NEXT_KEYFRAME_TIMEOUT: Duration = Duration::from_secs(3);

/// Parameters of the query.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Query {
    pub(crate) start: StartPosition,
    pub(crate) is_capture_clock: bool,
    /// The client gets every frame, however late.
    pub(crate) is_lossless: bool,
}

/// Client of an endless response.
pub(crate) struct Client {
    viewer: Subscription,
    /// Deadline for starting at an older keyframe; `None` once it has started.
    begins_at: Option<Pin<Box<Sleep>>>,
    recorder: Option<Recorder>,
}

impl Client {
    /// Creates a client of `camera` as its query wants it, or returns the answer that refuses it.
    fn new(
        request: &Admitted,
        camera: &Camera,
        query: Query,
    ) -> Result<Self, Box<Response<ResponseBody>>> {
        if query.is_lossless {
            let recorder = reserve_recorder(request, camera)?;
            return Ok(Self {
                viewer: recorder.subscribe(),
                begins_at: None,
                recorder: Some(recorder),
            });
        }
        let is_next = query.start == StartPosition::NextKeyframe;
        Ok(Self {
            viewer: camera.handle.hub().subscribe(Delivery::Live(query.start)),
            begins_at: is_next.then(|| Box::pin(tokio::time::sleep(NEXT_KEYFRAME_TIMEOUT))),
            recorder: None,
        })
    }

    /// Returns the next event; frames from a keyframe on.
    pub(crate) fn poll_event(&mut self, context: &mut Context<'_>) -> Poll<Event> {
        let is_due = |sleep: &mut Pin<Box<Sleep>>| sleep.as_mut().poll(context).is_ready();
        if self.begins_at.as_mut().is_some_and(is_due) {
            self.begins_at = None;
            self.viewer.start_now();
        }
        let event = std::task::ready!(self.viewer.poll_next(context));
        match (&event, &self.recorder) {
            (Event::Frame(_), _) => self.begins_at = None,
            (Event::Skipped(lost), Some(recorder)) => recorder.warn(*lost),
            _ => {}
        }
        Poll::Ready(event)
    }
}

/// Returns the answer whose body `body` makes of the client, as soon as the camera has frames.
pub(crate) async fn respond(
    request: &Admitted,
    camera: &Camera,
    output: &'static str,
    media_type: &'static str,
    body: impl FnOnce(Client, Query) -> Result<Box<dyn PollBytes>, String>,
) -> Response<ResponseBody> {
    let app = request.app();
    // Held open until the client has joined.
    let _hold = match wait_until_live(camera, request.query()).await {
        Ok(hold) => hold,
        Err(answer) => return *answer,
    };
    let query = match parse_query(request.query()) {
        Ok(query) => query,
        Err(words) => return text_response(StatusCode::BAD_REQUEST, words),
    };
    let content = if request.method() == Method::HEAD {
        ResponseBody::Full(None)
    } else {
        let place = match reserve(request) {
            Ok(place) => place,
            Err(answer) => return *answer,
        };
        let client = match Client::new(request, camera, query) {
            Ok(client) => client,
            Err(answer) => return *answer,
        };
        match body(client, query) {
            Ok(body) => {
                let (identity, peer) = (request.identity(), request.peer());
                let ticket = app.join(place, identity, peer, camera, output);
                ResponseBody::of_viewer(body, ticket)
            }
            Err(words) => return text_response(StatusCode::BAD_REQUEST, words),
        }
    };
    response(request, media_type, content)
}

/// Returns a place for the client, or the answer that refuses it.
pub(crate) fn reserve(request: &Admitted) -> Result<Reservation, Box<Response<ResponseBody>>> {
    let app = request.app();
    app.reserve_viewer(request.client()).map_err(|why| {
        let refusal = Refusal::no_place(app, why, request.peer());
        Box::new(refusal.log_throttled(app).text())
    })
}

/// Returns a place for a recorder, or the answer that refuses it.
fn reserve_recorder(
    request: &Admitted,
    camera: &Camera,
) -> Result<Recorder, Box<Response<ResponseBody>>> {
    let app = request.app();
    app.reserve_recorder(camera, request.client())
        .ok_or_else(|| {
            let refusal = Refusal::too_many_recorders(app.limits.recorders, request.peer());
            Box::new(refusal.log_throttled(app).text())
        })
}

/// Returns the answer with an endless `content`.
pub(crate) fn response(
    request: &Admitted,
    media_type: &'static str,
    content: ResponseBody,
) -> Response<ResponseBody> {
    let mut response = Response::new(content);
    let out = response.headers_mut();
    out.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    out.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    out.extend(request.embedding_headers());
    // nginx would collect before it passes on.
    out.insert("X-Accel-Buffering", HeaderValue::from_static("no"));
    response
}

/// Reads `start`, `clock` and `delivery` from a query; other keys are passed over.
fn parse_query(query: &str) -> Result<Query, String> {
    let mut wanted = Query {
        start: StartPosition::Now,
        is_capture_clock: false,
        is_lossless: wants_every_frame(query)?,
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
    if wanted.is_lossless && wanted.start == StartPosition::NextKeyframe {
        let words = "start=next: not with delivery=lossless, which begins at once\n";
        return Err(words.to_owned());
    }
    Ok(wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endless_query_rejects_unknown_values() {
        let of = |start, is_capture_clock| {
            Ok(Query {
                start,
                is_capture_clock,
                is_lossless: false,
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
        assert!(parse_query("delivery=lossless").is_ok_and(|query| query.is_lossless));
        assert!(parse_query("delivery=all").is_err_and(|words| words.contains("lossless")));
        assert!(parse_query("delivery=lossless&start=next").is_err());
        assert!(parse_query("start=now").is_err_and(|words| words.contains("next")));
        assert!(parse_query("clock=x").is_err_and(|words| words.contains("capture")));
    }
}
