//! One WebSocket viewer on the fan-out thread: what it is sent next, what it says, whether it is still there.

use super::congestion::LossResponse;
use super::delays::Report;
use super::inbound::{Inbound, Incoming};
use super::line::Line;
use super::ring::Ring;
use super::seats::Seat;
use super::socket;
use super::wire::Wire;
use crate::hub::{Event, Fragment, Viewer};
use crate::message::{Opcode, frame};
use crate::time::{TIMESCALE, Timestamp};
use bytes::Bytes;
use mio::net::TcpStream;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A connection on which nothing happened for so long gets a ping, which also keeps proxies from closing it (60 s at nginx). Pictures
/// that are taken say as much: with pings beside them one more viewer costs some hundredths more, as its kernel acknowledges otherwise.
const PING_AFTER: Duration = Duration::from_secs(8);

/// Nothing heard for so long, and nothing taken by the socket: the viewer is gone.
const SILENT: Duration = Duration::from_secs(45);

/// Most answers that wait for a viewer who asks but does not read.
const CONTROL_LIMIT: usize = 16;

/// Most reads and frames of a viewer between two ticks; more is an attack. With the limit of a frame's size it bounds
/// the time that one viewer can keep the thread from all others.
const INCOMING_LIMIT: u32 = 200;

/// A player reports each second; after this long without, what it said last is no longer true.
const REPORT_LIFE: Duration = Duration::from_secs(5);

/// The viewer is told anew how media and capture times belong together when that has changed by more.
const TIMING_TOLERANCE_US: u64 = 1000;

/// A viewer whose handshake is done.
pub(super) struct Joining {
    pub(super) wire: Wire,
    pub(super) peer: SocketAddr,
    /// What came behind the request.
    pub(super) leftover: Bytes,
    pub(super) camera: Arc<str>,
    pub(super) viewer: Viewer,
    /// The viewer speaks `berrymse.v1` and gets text messages too.
    pub(super) speaks_v1: bool,
    /// Where it reports the delay that it sees.
    pub(super) report: Report,
    pub(super) seat: Seat,
    pub(super) loss_response: LossResponse,
}

pub(super) struct Connection {
    wire: Wire,
    peer: SocketAddr,
    camera: Arc<str>,
    viewer: Viewer,
    speaks_v1: bool,
    /// The message that is on its way, and how much of it the socket has taken.
    sending: Option<(Bytes, usize)>,
    /// Small messages that go before the next picture.
    control: VecDeque<Bytes>,
    /// The socket is full; the kernel will tell when there is room.
    is_full: bool,
    line: Line,
    loss_response: LossResponse,
    /// The line is slow and has enough on its way; nobody will tell when there is room.
    is_held: bool,
    /// A close frame was queued: nothing follows it.
    is_closing: Option<String>,
    inbound: Inbound,
    leftover: Bytes,
    incoming_since_tick: u32,
    heard_at: Instant,
    /// The socket has taken something since the last tick: a mark, as a look at the clock for each picture costs a
    /// hundredth of it.
    has_progressed: bool,
    progress_at: Instant,
    pinged_at: Instant,
    report: Report,
    reported_at: Instant,
    /// Media time minus capture time as the viewer was last told, in microseconds.
    told_us: Option<i64>,
    _seat: Seat,
}

impl Connection {
    pub(super) fn new(joining: Joining) -> Self {
        let now = Instant::now();
        let Joining {
            wire,
            peer,
            leftover,
            camera,
            viewer,
            speaks_v1,
            report,
            seat,
            loss_response,
        } = joining;
        let mut connection = Self {
            wire,
            peer,
            camera,
            viewer,
            speaks_v1,
            sending: None,
            control: VecDeque::new(),
            is_full: false,
            line: Line::new(Timestamp::now()),
            loss_response,
            is_held: false,
            is_closing: None,
            inbound: Inbound::default(),
            leftover,
            incoming_since_tick: 0,
            heard_at: now,
            has_progressed: false,
            progress_at: now,
            pinged_at: now,
            report,
            reported_at: now,
            told_us: None,
            _seat: seat,
        };
        let hello = json!({"type": "hello", "version": env!("CARGO_PKG_VERSION"), "camera": &*connection.camera});
        connection.text(&hello);
        connection.set_user_timeout(Timestamp::now());
        connection
    }

    pub(super) fn socket(&mut self) -> &mut TcpStream {
        self.wire.socket()
    }

    pub(super) fn camera(&self) -> &str {
        &self.camera
    }

    pub(super) fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// The first work for a new viewer.
    pub(super) fn begin(&mut self) -> Result<(), String> {
        let leftover = std::mem::take(&mut self.leftover);
        self.take(&leftover)?;
        // With TLS, more may have been read from the socket already; no event will tell.
        self.receive()?;
        self.pump()
    }

    /// There is something new at the hub.
    pub(super) fn send_news(&mut self) -> Result<(), String> {
        if self.is_full { Ok(()) } else { self.pump() }
    }

    /// The same, but what would be written first is queued at `ring` if it can be, and [`Self::on_sent`] goes on from there.
    pub(super) fn queue_news(&mut self, place: usize, ring: &mut Ring) -> Result<(), String> {
        if self.is_full {
            return Ok(());
        }
        if self.sending.is_none() {
            self.sending = self.next_message().map(|bytes| (bytes, 0));
        }
        if let (Some((bytes, sent)), Some(socket)) = (&self.sending, self.wire.bare())
            && ring.queue(place, socket, bytes.slice(*sent..))
        {
            return Ok(());
        }
        self.pump()
    }

    /// What was queued has been sent, or not.
    pub(super) fn on_sent(&mut self, result: io::Result<usize>) -> Result<(), String> {
        if self.written(result)? {
            self.pump()?;
        }
        Ok(())
    }

    /// Nothing more is sent before somebody looks again.
    pub(super) fn is_held(&self) -> bool {
        self.is_held
    }

    /// The line has to be looked at soon.
    pub(super) fn is_critical(&self) -> bool {
        self.line.is_critical()
    }

    /// Looks again, if that is waited for.
    pub(super) fn send_if_held(&mut self) -> Result<(), String> {
        if self.line.is_critical() {
            self.look_at_line();
        }
        if self.is_held {
            self.send_news()
        } else {
            Ok(())
        }
    }

    fn set_user_timeout(&mut self, now: Timestamp) {
        if let Some(allowed) = self.line.allow(now) {
            let socket = socket2::SockRef::from(&*self.wire.socket());
            // A socket that refuses an option still works.
            let _ = socket.set_tcp_user_timeout(Some(allowed));
        }
    }

    /// Some times a second: finds out whether pictures arrive in time. Mostly all have arrived, and that is cheaply known.
    pub(super) fn watch_line(&mut self) -> Result<(), String> {
        let now = Timestamp::now();
        if self.line.may_rest(now) && socket::has_arrived(self.wire.socket()) {
            self.line.rest(now);
        } else {
            self.look_at_line();
        }
        Ok(())
    }

    /// Asks the kernel for all it knows. A system call, which a viewer whose line is slow costs before each picture, too.
    fn look_at_line(&mut self) {
        let Some(mut reading) = socket::look(self.wire.socket()) else {
            return; // an old kernel: the socket being full is all that is known
        };
        let now = Timestamp::now();
        self.loss_response
            .react(self.wire.socket(), reading.lost, now);
        let unsent = self
            .sending
            .as_ref()
            .map_or(0, |(bytes, sent)| bytes.len().saturating_sub(*sent));
        reading.unsent += unsent as u64;
        let standing = self.viewer.standing(reading.outstanding + unsent as u64);
        let was_slow = self.line.is_slow();
        if was_slow && let Some(round_trip) = socket::bbr_round_trip(self.wire.socket()) {
            reading.round_trip = reading.round_trip.max(round_trip);
        }
        let missing = standing.filter(|picture| !picture.is_received);
        let waiting_since = missing.map(|picture| picture.published_at);
        self.line.learn(reading, waiting_since, now);
        if was_slow || self.line.is_slow() {
            self.viewer.set_slow(self.line.as_slow());
        }
        self.set_user_timeout(now);
        self.is_held = self.line.is_full(now);
        let delay = standing
            .filter(|picture| now.since(picture.published_at) < REPORT_LIFE || !picture.is_received)
            .map(|picture| picture.delay(self.line.one_way(), now));
        self.report.judge(delay, self.line.is_slow());
    }

    /// The kernel has news of the socket.
    pub(super) fn on_event(&mut self, readable: bool, writable: bool) -> Result<(), String> {
        if readable {
            self.receive()?;
        }
        if writable {
            self.is_full = false;
        }
        self.send_news()
    }

    /// Once a second: find out who is gone, and ping who may be.
    pub(super) fn on_tick(&mut self, now: Instant) -> Result<(), String> {
        self.incoming_since_tick = 0;
        if std::mem::take(&mut self.has_progressed) {
            self.progress_at = now;
        }
        let alive_at = self.heard_at.max(self.progress_at);
        let silent = now.saturating_duration_since(alive_at);
        if silent > SILENT {
            return Err(format!("nothing heard of it for {} s", silent.as_secs()));
        }
        if now.saturating_duration_since(alive_at.max(self.pinged_at)) >= PING_AFTER {
            self.pinged_at = now;
            self.control(frame(Opcode::Ping, b""));
        }
        if now.saturating_duration_since(self.reported_at) > REPORT_LIFE {
            self.report.set(None);
        }
        self.report.count();
        self.send_news()
    }

    /// The server stops. The socket gets what it takes at once.
    pub(super) fn say_goodbye(&mut self) {
        self.close(1001, "the server stops");
        let _ = self.pump();
    }

    /// Sends until everything is sent or the socket is full.
    fn pump(&mut self) -> Result<(), String> {
        loop {
            while let Some((bytes, sent)) = &self.sending {
                let result = self.wire.write(bytes.get(*sent..).unwrap_or_default());
                if !self.written(result)? {
                    return Ok(());
                }
            }
            match self.next_message() {
                Some(bytes) => self.sending = Some((bytes, 0)),
                None => return self.pause(),
            }
        }
    }

    /// Notes what became of a write; returns false if the socket is full.
    fn written(&mut self, result: io::Result<usize>) -> Result<bool, String> {
        match result {
            Ok(count) => {
                self.has_progressed = true;
                if let Some((bytes, sent)) = &mut self.sending {
                    *sent += count;
                    if *sent >= bytes.len() {
                        self.sending = None;
                    }
                }
                Ok(true)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.is_full = true;
                Ok(false)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(true),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Nothing is left to be sent, or nothing more is to be.
    fn pause(&mut self) -> Result<(), String> {
        match self.wire.flush() {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.is_full = true;
                return Ok(());
            }
            Err(error) => return Err(error.to_string()),
        }
        let Some(reason) = self.is_closing.take() else {
            return Ok(());
        };
        self.wire.finish();
        Err(reason)
    }

    fn next_message(&mut self) -> Option<Bytes> {
        loop {
            if let Some(bytes) = self.control.pop_front() {
                return Some(bytes);
            }
            if self.is_closing.is_some() {
                return None;
            }
            if self.line.is_slow() {
                self.look_at_line();
                if self.is_held {
                    return None;
                }
            }
            let event = self.viewer.try_next();
            if self.viewer.take_left_out() {
                self.line.leave_out(Timestamp::now());
            }
            match event? {
                Event::Fragment(fragment) => {
                    let is_told = self.tell_timing(&fragment);
                    let picture = fragment.message.into_framed();
                    if !is_told {
                        return Some(picture);
                    }
                    // No control message waits here, so the two go out in this order.
                    self.control(picture);
                }
                Event::Init(init) => return Some(init.message.framed().clone()),
                Event::Condition(condition) => {
                    let state = condition.state.word();
                    self.text(
                        &json!({"type": "state", "state": state, "reason": condition.reason}),
                    );
                }
                Event::Skipped(count) => self.text(&json!({"type": "skipped", "count": count})),
            }
        }
    }

    /// Says when pictures were taken, where the viewer cannot know it from what it was told before.
    fn tell_timing(&mut self, fragment: &Fragment) -> bool {
        if !self.speaks_v1 {
            return false;
        }
        let micros = |nanos: u64| i64::try_from(nanos / 1000).unwrap_or(i64::MAX);
        let captured_us = micros(fragment.captured_at.as_nanos());
        let media_nanos = u128::from(fragment.decode_time) * 1_000_000_000 / u128::from(TIMESCALE);
        let media_us = micros(u64::try_from(media_nanos).unwrap_or(u64::MAX));
        let now_us = media_us.saturating_sub(captured_us);
        let is_known = self
            .told_us
            .is_some_and(|told| told.abs_diff(now_us) <= TIMING_TOLERANCE_US);
        if is_known {
            return false;
        }
        self.told_us = Some(now_us);
        self.text(&json!({
            "type": "timing",
            "media": fragment.decode_time,
            "captured_us": captured_us,
        }));
        true
    }

    /// Reads until the socket is empty; nothing more from a viewer that is being closed, who may send for ever.
    fn receive(&mut self) -> Result<(), String> {
        let mut buffer = [0; 4096];
        while self.is_closing.is_none() {
            match self.wire.read(&mut buffer) {
                Ok(0) => return Err("it closed the connection".into()),
                Ok(count) => {
                    self.heard_at = Instant::now();
                    self.incoming_since_tick += 1;
                    self.take(buffer.get(..count).unwrap_or_default())?;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.to_string()),
            }
        }
        Ok(())
    }

    fn take(&mut self, bytes: &[u8]) -> Result<(), String> {
        let received = Timestamp::now();
        let mut incoming = Vec::new();
        let result = self.inbound.push(bytes, |whole| incoming.push(whole));
        for whole in incoming {
            self.incoming_since_tick += 1;
            if self.incoming_since_tick > INCOMING_LIMIT {
                self.close(1008, "it sends too much");
                break;
            }
            self.answer(whole, received);
        }
        if let Err(violation) = result {
            self.close(violation.code(), &violation.to_string());
        }
        Ok(())
    }

    fn answer(&mut self, incoming: Incoming, received: Timestamp) {
        match incoming {
            Incoming::Ping(payload) => self.control(frame(Opcode::Pong, &payload)),
            Incoming::Close => self.close(1000, "it said goodbye"),
            Incoming::Text(text) if self.speaks_v1 => self.answer_text(&text, received),
            Incoming::Text(_) | Incoming::Binary | Incoming::Pong | Incoming::Part => {}
        }
    }

    fn answer_text(&mut self, text: &[u8], received: Timestamp) {
        let Ok(message) = serde_json::from_slice::<Value>(text) else {
            return;
        };
        match message["type"].as_str() {
            Some("clock") if message["sent"].is_number() => {
                let micros = |at: Timestamp| at.as_nanos() / 1000;
                self.text(&json!({
                    "type": "clock",
                    "sent": message["sent"],
                    "received_us": micros(received),
                    "now_us": micros(Timestamp::now()),
                }));
            }
            Some("report") => {
                self.reported_at = Instant::now();
                self.report.set(message["delay_ms"].as_f64());
            }
            // Types that this server does not know are those of a newer player.
            _ => {}
        }
    }

    fn text(&mut self, message: &Value) {
        if self.speaks_v1 {
            self.control(frame(Opcode::Text, message.to_string().as_bytes()));
        }
    }

    fn control(&mut self, bytes: Bytes) {
        if self.control.len() < CONTROL_LIMIT {
            self.control.push_back(bytes);
        }
    }

    fn close(&mut self, code: u16, reason: &str) {
        if self.is_closing.is_none() {
            // It goes before what else waits, so that it is seen.
            self.control.clear();
            self.control(frame(Opcode::Close, &code.to_be_bytes()));
            self.is_closing = Some(reason.to_owned());
        }
    }
}
