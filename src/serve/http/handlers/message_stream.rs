//! The messages of `berrymse.v1` as an endless HTTP response, for pages behind proxies that pass no upgrade on. The
//! viewer's own messages come by POST to the same URL.

mod pace;

use crate::camera_handle::Link;
use crate::hub::{Delivery, Event, Subscription};
use crate::serve::config::Camera;
use crate::serve::http::guard::Admitted;
use crate::serve::http::handlers::endless;
use crate::serve::http::handlers::request_body::{HttpError, body};
use crate::serve::http::handlers::websocket::{self, Messages};
use crate::serve::http::message_sessions::{MEDIA_TYPE, SessionGuard, accepts_messages};
use crate::serve::http::refusal::Refusal;
use crate::serve::http::response::{Pieces, PollBytes, ResponseBody, text_response};
use crate::serve::live_messages::{self, TimingOffset};
use crate::serve::viewers::EndReason;
use crate::time::Timestamp;
use bytes::{Buf, Bytes};
use hyper::{Method, Response, StatusCode};
use pace::Pace;
use serde_json::{Value, json};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};
use tokio::time::{Interval, MissedTickBehavior};

/// Silence after which a message keeps proxies from ending the response (60 s at nginx), as pings do on a WebSocket.
const PING_AFTER: Duration = Duration::from_secs(8);

/// Bytes of messages that go out together where several wait, such as those since the newest keyframe for a new viewer.
const BATCH_BYTES: usize = 32 << 10;

const TICK_INTERVAL: Duration = Duration::from_secs(1);

/// Type byte of a message.
#[derive(Clone, Copy)]
enum Kind {
    Text = 1,
    Binary = 2,
}

/// Answers at the URL of a live stream: by a WebSocket, or by the messages alone.
pub(crate) fn respond_or_upgrade(request: Admitted, camera: &Camera) -> Response<ResponseBody> {
    if accepts_messages(request.headers()) {
        respond(&request, camera)
    } else {
        websocket::upgrade(request, camera, Messages::Mp4)
    }
}

/// The body of one viewer.
struct MessageStream {
    subscription: Subscription,
    link: Link,
    pace: Pace,
    timing: TimingOffset,
    session: SessionGuard,
    /// Message that follows another one at once.
    next: Option<(Kind, Bytes)>,
    ticks: Interval,
    sent_at: Instant,
    has_ended: bool,
}

/// Answers with messages, as long as the viewer takes them.
fn respond(request: &Admitted, camera: &Camera) -> Response<ResponseBody> {
    let (app, peer) = (request.app(), request.peer());
    let content = if request.method() == Method::HEAD {
        ResponseBody::Full(None)
    } else {
        let place = match app.reserve_viewer(request.client()) {
            Ok(place) => place,
            Err(why) => return Refusal::no_place(app, why, peer).log_throttled(app).json(),
        };
        let name = camera.name.clone();
        let latency = app.latency_stats.join(name.clone());
        let Some(session) = app.message_sessions.open(name.clone(), latency) else {
            let words = "The system has no random numbers.\n";
            return text_response(StatusCode::INTERNAL_SERVER_ERROR, words);
        };
        let mut hello = live_messages::hello(&name);
        hello["session"] = json!(session.secret());
        let mut ticks = tokio::time::interval(TICK_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let body = MessageStream {
            subscription: camera.handle.hub().subscribe(Delivery::LIVE),
            link: camera.handle.add_link(),
            pace: Pace::default(),
            timing: TimingOffset::default(),
            session,
            next: Some((Kind::Text, hello.to_string().into())),
            ticks,
            sent_at: Instant::now(),
            has_ended: false,
        };
        let ticket = app.join(place, request.identity(), peer, camera, "http");
        ResponseBody::of_viewer(Box::new(body), ticket)
    };
    endless::response(request, MEDIA_TYPE, content)
}

impl MessageStream {
    /// Returns the next message.
    fn poll_message(&mut self, context: &mut Context<'_>) -> Poll<(Kind, Bytes)> {
        let text = |message: Value| (Kind::Text, Bytes::from(message.to_string()));
        if let Some(next) = self.next.take() {
            return Poll::Ready(next);
        }
        while self.ticks.poll_tick(context).is_ready() {
            self.session.expire_report();
            self.session.latency().observe();
            if self.sent_at.elapsed() >= PING_AFTER {
                return Poll::Ready(text(json!({"type": "ping"})));
            }
        }
        if let Some(reply) = self.session.poll_reply(context) {
            return Poll::Ready((Kind::Text, reply));
        }
        let event = ready!(self.subscription.poll_next_on(self.link.policy(), context));
        // The link's pace is known by time alone.
        self.subscription.take_skipped_flag();
        Poll::Ready(match event {
            Event::Frame(frame) => {
                let delay = Timestamp::now().since(frame.captured_at);
                let is_congested = self.pace.congestion().is_some();
                self.session
                    .latency()
                    .set_estimated(Some(delay), is_congested);
                let timing = self.timing.message(&frame);
                let frame = (Kind::Binary, frame.fmp4());
                match timing {
                    Some(timing) => {
                        self.next = Some(frame);
                        text(timing)
                    }
                    None => frame,
                }
            }
            Event::Parameters(parameters) => (Kind::Binary, parameters.init().payload()),
            Event::Status(status) => text(live_messages::state(&status)),
            Event::Skipped(count) => text(live_messages::skipped(count)),
        })
    }
}

/// Returns what precedes a message.
fn header(kind: Kind, payload: &Bytes) -> Bytes {
    let length = u32::try_from(payload.len()).unwrap_or(u32::MAX);
    let [a, b, c, d] = length.to_be_bytes();
    Bytes::copy_from_slice(&[a, b, c, d, kind as u8])
}

impl PollBytes for MessageStream {
    fn poll_bytes(&mut self, context: &mut Context<'_>) -> Poll<Pieces> {
        self.pace.on_all_taken(Instant::now());
        self.link.set_congested(self.pace.congestion());
        let (kind, payload) = ready!(self.poll_message(context));
        let mut pieces = Pieces([header(kind, &payload), payload, Bytes::new()]);
        let mut more = Vec::new();
        while pieces.remaining() + more.len() < BATCH_BYTES
            && let Poll::Ready((kind, payload)) = self.poll_message(context)
        {
            more.extend_from_slice(&header(kind, &payload));
            more.extend_from_slice(&payload);
        }
        pieces.0[2] = more.into();
        self.sent_at = Instant::now();
        self.pace.on_message(pieces.remaining(), self.sent_at);
        Poll::Ready(pieces)
    }

    fn last_bytes(&mut self, reason: EndReason) -> Option<Pieces> {
        let has_ended = std::mem::replace(&mut self.has_ended, true);
        let message = json!({"type": "close", "code": reason.close_code()}).to_string();
        let message = Bytes::from(message);
        (!has_ended).then(|| Pieces([header(Kind::Text, &message), message, Bytes::new()]))
    }

    /// Messages that the socket has not taken wait in the hub, where it may be skipped.
    fn is_newest_only(&self) -> bool {
        true
    }
}

/// Takes a message of a viewer, which names its stream by `session`.
pub(crate) async fn receive(request: Admitted, camera: &Camera) -> Response<ResponseBody> {
    match take(request, camera).await {
        Ok(()) => text_response(StatusCode::NO_CONTENT, ""),
        Err((status, words)) => text_response(status, format!("{words}\n")),
    }
}

async fn take(request: Admitted, camera: &Camera) -> Result<(), HttpError> {
    let received = Timestamp::now();
    let app = request.app().clone();
    let body = body(request).await?;
    let Ok(message) = serde_json::from_slice::<Value>(&body) else {
        let words = "The body is one JSON object: a message with type and session.";
        return Err((StatusCode::BAD_REQUEST, words.into()));
    };
    let secret = message["session"].as_str().unwrap_or_default();
    match app.message_sessions.find(secret, &camera.name) {
        Some(session) => {
            session.receive(&message, received);
            Ok(())
        }
        None => {
            let words = "There is no such stream, or it has ended: take the session of its hello.";
            Err((StatusCode::NOT_FOUND, words.into()))
        }
    }
}
