//! One viewer on the fan-out thread, by WebSocket, RTSP or MJPEG: its queue, its link, its liveness.

mod closing;
mod link;
mod mse;
mod protocol;
mod rtsp;
mod subscription;

use crate::camera_handle::Link;
use crate::hub::Event;
use crate::message::{Opcode, frame};
use crate::serve::annexb_cache::AnnexB;
use crate::serve::fanout::congestion::LossResponse;
use crate::serve::fanout::congestion::estimator::CongestionEstimator;
use crate::serve::fanout::uring::UringBatch;
use crate::serve::latency_stats::ViewerLatency;
use crate::serve::limits::{Limit, MIN_WINDOW_BYTES};
use crate::serve::live_messages::{self, TimingOffset};
use crate::serve::rtsp::SESSION_TIMEOUT;
use crate::serve::rtsp::stream::RtspStream;
use crate::serve::viewers::Ticket;
use crate::serve::ws::reader::FrameReader;
use crate::serve::ws::stream::ViewerStream;
use crate::time::Timestamp;
use bytes::Bytes;
use closing::Closing;
use mio::net::TcpStream;
pub(crate) use mse::MseSession;
pub use mse::go2rtc_replies;
use std::collections::VecDeque;
use std::io;
use std::time::{Duration, Instant};
pub(crate) use subscription::ViewerSubscription;

/// Silence after which a connection gets a ping, which also keeps proxies from closing it (60 s at
/// nginx). Acknowledged frames show as much. With pings in addition to them a viewer costs some
/// hundredths more, as its kernel acknowledges otherwise.
const PING_AFTER: Duration = Duration::from_secs(8);

/// Time without a byte received or taken after which a viewer is gone.
const DEAD_PEER_TIMEOUT: Duration = Duration::from_secs(45);

/// Bytes that are more than the pings of [`DEAD_PEER_TIMEOUT`], also over TLS: frames.
const MIN_FRAME_BYTES: u64 = 1000;

/// Age after which a player's last report no longer counts; players report each second.
const REPORT_MAX_AGE: Duration = Duration::from_secs(5);

/// Viewer whose handshake is done.
pub(crate) struct NewViewer {
    pub(crate) stream: ViewerStream,
    pub(crate) ticket: Ticket,
    /// Bytes that came after the request.
    pub(crate) leftover: Bytes,
    pub(crate) subscription: ViewerSubscription,
    pub(crate) link: Link,
    /// The viewer gets Annex B instead of MP4.
    pub(crate) annexb: Option<AnnexB>,
    /// The viewer speaks `berrymse.v1` and receives text messages too.
    pub(crate) speaks_v1: bool,
    /// The viewer speaks go2rtc's `mse` messages.
    pub(crate) mse: Option<Box<MseSession>>,
    /// The viewer is an RTSP client that plays.
    pub(crate) rtsp: Option<Box<RtspStream>>,
    /// Its latency, as it reports it and as the server estimates it.
    pub(crate) latency: ViewerLatency,
    pub(crate) loss_response: LossResponse,
}

pub(crate) struct ViewerConnection {
    stream: ViewerStream,
    ticket: Ticket,
    subscription: ViewerSubscription,
    link: Link,
    annexb: Option<AnnexB>,
    speaks_v1: bool,
    mse: Option<Box<MseSession>>,
    rtsp: Option<Box<RtspStream>>,
    /// Message being sent, and how much of it the socket has taken.
    sending: Option<(Bytes, usize)>,
    /// Small messages to send before the next frame.
    control: VecDeque<Bytes>,
    /// The socket is full; an event follows when there is room.
    is_socket_full: bool,
    congestion: CongestionEstimator,
    loss_response: LossResponse,
    /// The link is congested and its window is full; no event follows when there is room.
    is_throttled: bool,
    /// A close frame was queued: nothing follows it.
    closing: Option<Box<Closing>>,
    reader: FrameReader,
    leftover: Bytes,
    incoming_since_tick: u32,
    heard_at: Instant,
    /// Bytes that the socket has taken. They are checked once a second, as reading the clock for
    /// each frame costs a hundredth of it.
    bytes_taken: u64,
    /// The same at the last tick.
    bytes_taken_at_tick: u64,
    progress_at: Instant,
    /// A message was taken to its end since the last tick.
    has_taken_message: bool,
    /// Time of the last complete message, or of an empty queue; and the bytes taken by then.
    message_at: (Instant, u64),
    pinged_at: Instant,
    /// Time of the first ping that was not answered, and the bytes taken by then.
    unanswered: Option<(Instant, u64)>,
    latency: ViewerLatency,
    reported_at: Instant,
    timing: TimingOffset,
}

impl ViewerConnection {
    pub(crate) fn new(new_viewer: NewViewer) -> Self {
        let now = Instant::now();
        let NewViewer {
            stream,
            ticket,
            leftover,
            subscription,
            link,
            annexb,
            speaks_v1,
            mse,
            rtsp,
            latency: report,
            loss_response,
        } = new_viewer;
        let mut connection = Self {
            stream,
            ticket,
            subscription,
            link,
            annexb,
            speaks_v1,
            reader: mse::reader(mse.as_deref()),
            mse,
            rtsp,
            sending: None,
            control: VecDeque::new(),
            is_socket_full: false,
            congestion: CongestionEstimator::new(Timestamp::now()),
            loss_response,
            is_throttled: false,
            closing: None,
            leftover,
            incoming_since_tick: 0,
            heard_at: now,
            bytes_taken: 0,
            bytes_taken_at_tick: 0,
            progress_at: now,
            has_taken_message: false,
            message_at: (now, 0),
            pinged_at: now,
            unanswered: None,
            latency: report,
            reported_at: now,
            timing: TimingOffset::default(),
        };
        let hello = live_messages::hello(&connection.ticket.viewer().camera);
        connection.queue_text(&hello);
        if !connection.takes_pictures() {
            connection.set_user_timeout(Timestamp::now());
        }
        connection
    }

    pub(crate) fn socket(&mut self) -> &mut TcpStream {
        self.stream.socket()
    }

    /// Logs that the viewer left.
    pub(crate) fn log_leave(&self, reason: &str) {
        self.ticket.set_bytes(self.bytes_taken);
        self.ticket.log_leave(reason);
    }

    /// Begins the close if the server ends the viewer.
    pub(crate) fn close_if_ended(&mut self) -> Result<(), String> {
        match self.ticket.end_reason() {
            Some(reason) if self.closing.is_none() => {
                let code = if self.speaks_v1 {
                    reason.close_code()
                } else {
                    // Policy violation: these codes are of berrymse.v1.
                    1008
                };
                self.close(code, reason.words());
                self.send_updates()
            }
            _ => Ok(()),
        }
    }

    /// Serves a new viewer for the first time.
    pub(crate) fn begin(&mut self) -> Result<(), String> {
        let leftover = std::mem::take(&mut self.leftover);
        self.on_bytes(&leftover)?;
        // With TLS, more may have been read from the socket already; no event will tell.
        self.receive()?;
        // It may have ended on its way here.
        self.close_if_ended()?;
        self.flush_queue()
    }

    /// Sends updates of the hub.
    pub(crate) fn send_updates(&mut self) -> Result<(), String> {
        if self.is_socket_full {
            Ok(())
        } else {
            self.flush_queue()
        }
    }

    /// Like `send_updates`, but queues the first write at `uring` if possible;
    /// [`Self::on_send_complete`] continues from there.
    pub(crate) fn queue_updates(
        &mut self,
        slot: usize,
        uring: &mut UringBatch,
    ) -> Result<(), String> {
        if self.is_socket_full {
            return Ok(());
        }
        if self.sending.is_none() {
            self.sending = self.next_message().map(|bytes| (bytes, 0));
        }
        if let (Some((bytes, sent)), Some(socket)) = (&self.sending, self.stream.plain_socket())
            && uring.queue(slot, socket, bytes.slice(*sent..))
        {
            return Ok(());
        }
        self.flush_queue()
    }

    /// Takes the result of a queued send.
    pub(crate) fn on_send_complete(&mut self, result: io::Result<usize>) -> Result<(), String> {
        if self.on_write_result(result)? {
            self.flush_queue()?;
        }
        Ok(())
    }

    /// Handles an event of the socket.
    pub(crate) fn on_event(&mut self, readable: bool, writable: bool) -> Result<(), String> {
        if readable {
            self.receive()?;
        }
        if self.is_closed() {
            return Ok(());
        }
        if writable {
            self.is_socket_full = false;
        }
        self.send_updates()
    }

    /// Ends a viewer that is gone, and pings a silent one. Called once a second.
    pub(crate) fn on_tick(&mut self, now: Instant) -> Result<(), String> {
        self.incoming_since_tick = 0;
        if self.bytes_taken != self.bytes_taken_at_tick {
            (self.bytes_taken_at_tick, self.progress_at) = (self.bytes_taken, now);
            self.ticket.set_bytes(self.bytes_taken);
            if self.takes_pictures() {
                self.react_to_loss();
            }
        }
        if let Some(closing) = &self.closing {
            return closing.check(now);
        }
        let alive_at = self.heard_at.max(self.progress_at);
        let silent = now.saturating_duration_since(alive_at);
        if silent > self.dead_peer_timeout() {
            return Err(format!("nothing heard of it for {} s", silent.as_secs()));
        }
        self.check_progress(now)?;
        self.check_pings(now)?;
        if self.rtsp.is_some() {
            self.queue_report();
        } else if self.speaks_websocket()
            && now.saturating_duration_since(alive_at.max(self.pinged_at)) >= PING_AFTER
        {
            self.pinged_at = now;
            self.unanswered.get_or_insert((now, self.bytes_taken));
            self.queue_control(frame(Opcode::Ping, b""));
        }
        if now.saturating_duration_since(self.reported_at) > REPORT_MAX_AGE {
            self.latency.set_reported(None);
        }
        self.latency.observe();
        self.send_updates()
    }

    /// Fails if the viewer answered no ping for [`DEAD_PEER_TIMEOUT`] and nothing but pings was sent:
    /// the kernel of a program that was stopped acknowledges them for hours.
    fn check_pings(&mut self, now: Instant) -> Result<(), String> {
        let (heard_at, bytes_taken) = (self.heard_at, self.bytes_taken);
        self.unanswered = self
            .unanswered
            .filter(|(since, taken)| heard_at < *since && bytes_taken - taken < MIN_FRAME_BYTES);
        match self.unanswered {
            Some((since, _)) if now.saturating_duration_since(since) > DEAD_PEER_TIMEOUT => Err(
                format!("it answered no ping for {} s", DEAD_PEER_TIMEOUT.as_secs()),
            ),
            _ => Ok(()),
        }
    }

    /// Returns the silence after which the viewer is gone. RTSP clients were told theirs. To clients of MJPEG nothing may
    /// be sent for minutes, which they do not answer. The kernel's keepalive finds out whether they are there.
    const fn dead_peer_timeout(&self) -> Duration {
        if self.rtsp.is_some() {
            SESSION_TIMEOUT
        } else if self.takes_pictures() {
            Duration::MAX
        } else {
            DEAD_PEER_TIMEOUT
        }
    }

    /// Fails if the viewer took neither a message nor 1 kB/s for [`DEAD_PEER_TIMEOUT`], although
    /// something waited all the time.
    fn check_progress(&mut self, now: Instant) -> Result<(), String> {
        let (since, taken) = self.message_at;
        if std::mem::take(&mut self.has_taken_message) || !self.is_waiting() {
            self.message_at = (now, self.bytes_taken);
        } else if now.saturating_duration_since(since) > DEAD_PEER_TIMEOUT {
            if self.bytes_taken - taken < MIN_WINDOW_BYTES {
                self.ticket.count(Limit::Slow);
                return Err(format!(
                    "it took no frame in {} s",
                    DEAD_PEER_TIMEOUT.as_secs()
                ));
            }
            self.message_at = (now, self.bytes_taken);
        }
        Ok(())
    }

    /// True if something waits that the viewer has no room for.
    fn is_waiting(&self) -> bool {
        self.sending.is_some() || self.is_throttled
    }

    /// Returns the time of the viewer's last progress, if more waits.
    pub(crate) fn stalled_since(&self) -> Option<Instant> {
        let is_stalled = self.is_waiting() && !self.has_taken_message;
        is_stalled.then_some(self.message_at.0.max(self.progress_at))
    }

    /// True if the close frame is out.
    fn is_closed(&self) -> bool {
        self.closing.as_ref().is_some_and(|closing| closing.is_sent)
    }

    /// Begins the close because the server stops.
    pub(crate) fn close_going_away(&mut self) -> Result<(), String> {
        self.queue_last_report();
        self.close(1001, "the server stops");
        self.flush_queue()
    }

    /// Sends until everything is sent or the socket is full.
    fn flush_queue(&mut self) -> Result<(), String> {
        loop {
            while let Some((bytes, sent)) = &self.sending {
                let result = self.stream.write(bytes.get(*sent..).unwrap_or_default());
                if !self.on_write_result(result)? {
                    return Ok(());
                }
            }
            match self.next_message() {
                Some(bytes) => self.sending = Some((bytes, 0)),
                None => return self.finish_flush(),
            }
        }
    }

    /// Takes the result of a write; returns false if the socket is full.
    fn on_write_result(&mut self, result: io::Result<usize>) -> Result<bool, String> {
        match result {
            Ok(count) => {
                self.bytes_taken += count as u64;
                if let Some((bytes, sent)) = &mut self.sending {
                    *sent += count;
                    if *sent >= bytes.len() {
                        self.sending = None;
                        self.has_taken_message = true;
                    }
                }
                Ok(true)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.is_socket_full = true;
                Ok(false)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(true),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Flushes TLS records when the queue is empty, and finishes a close.
    fn finish_flush(&mut self) -> Result<(), String> {
        match self.stream.flush() {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.is_socket_full = true;
                return Ok(());
            }
            Err(error) => return Err(error.to_string()),
        }
        if let Some(closing) = &mut self.closing
            && !closing.is_sent
        {
            (closing.is_sent, closing.since) = (true, Instant::now());
            if !closing.awaits_reply {
                self.stream.close_write();
            }
            // No update is sent any more.
            (self.is_socket_full, self.is_throttled) = (true, false);
            return self.receive();
        }
        Ok(())
    }

    fn next_message(&mut self) -> Option<Bytes> {
        loop {
            if let Some(bytes) = self.control.pop_front() {
                return Some(bytes);
            }
            if self.closing.is_some() || self.awaits_request() {
                return None;
            }
            if self.congestion.is_congested() {
                self.sample_tcp_info();
                if self.is_throttled {
                    return None;
                }
            }
            let frames = match &mut self.subscription {
                ViewerSubscription::Frames(frames) => frames,
                ViewerSubscription::Pictures(pictures) => return pictures.try_next(),
            };
            let event = frames.try_next_on(self.link.policy());
            if frames.take_skipped_flag() {
                self.congestion.on_frame_skipped(Timestamp::now());
            }
            match event? {
                Event::Frame(frame) => {
                    let is_told = self.send_timing_if_changed(&frame);
                    let picture = self.frame_message(frame);
                    if !is_told {
                        return Some(picture);
                    }
                    // No control message waits here, so the two go out in this order.
                    self.queue_control(picture);
                }
                Event::Parameters(parameters) => {
                    let message = self.parameters_message(&parameters);
                    if message.is_some() {
                        return message;
                    }
                }
                Event::Status(status) => {
                    self.queue_text(&live_messages::state(&status));
                }
                Event::Skipped(count) => {
                    if let Some(rtsp) = &self.rtsp {
                        rtsp.on_skipped(count);
                    }
                    self.queue_text(&live_messages::skipped(count));
                }
            }
        }
    }
}
