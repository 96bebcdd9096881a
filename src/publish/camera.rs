//! One camera as it is published: probes, frames while somebody watches, answers to edges.

use super::feedback::Feedback;
use super::rival::Rival;
use super::window::Window;
use crate::camera_handle::Handle;
use crate::hub::{CameraState, Delivery, Event, OtherPublisher, Subscription};
use crate::media::Frame;
use crate::nats::protocol::NO_RESPONDERS;
use crate::nats::wire::{
    Announcement, Ask, FrameHeader, FromCamera, HEADER_BYTES, Subjects, Welcome,
};
use crate::nats::{Client, Message, PublishError};
use crate::time::Timestamp;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::time::{Duration, UNIX_EPOCH};
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};

/// Interval of echoes while frames are sent, and of everything else that is checked.
const TICK: Duration = Duration::from_millis(100);

/// Ticks between two tests whether anybody subscribes: with and without frames.
const WATCHED_PROBE_TICKS: u32 = 4;
const IDLE_PROBE_TICKS: u32 = 10;

/// Ticks between two signs of life.
const ANNOUNCE_TICKS: u32 = 30;

/// Largest age of a frame when it is handed over.
const MAX_FRAME_AGE: Duration = Duration::from_millis(900);

/// Bytes of frames that may wait in the hub for this subscriber.
const MAX_WAITING_BYTES: usize = 16 << 20;

/// Frames that can be sent again, and their age and bytes at most.
const RESEND_FRAMES: usize = 64;
const RESEND_AGE: Duration = Duration::from_millis(600);
const RESEND_BYTES: usize = 12 << 20;

/// Largest GOP that is sent to an edge that joins; a keyframe costs less than a larger one.
const MAX_JOIN_BYTES: usize = 1 << 20;

/// GOPs and repetitions per second, over all edges. Others wait for the next keyframe.
const MAX_ANSWERS_PER_SECOND: u32 = 50;

/// Least time between two lines of the log about another server with the same name.
const OTHER_LOG_INTERVAL: Duration = Duration::from_secs(60);

/// Messages of edges that wait.
const INBOX_MESSAGES: usize = 256;

/// One published camera.
pub(super) struct Camera {
    client: Client,
    handle: Handle,
    subjects: Subjects,
    inbox: String,
    epoch: u64,
    name: String,
    window: Window,
    /// The connection that the window belongs to.
    connection: Option<u64>,
    hub: Option<Subscription>,
    /// Frames are skipped up to the next at which decoding can begin.
    needs_entry: bool,
    /// Number of the last frame that was published.
    last: Option<u32>,
    recent: VecDeque<Frame>,
    answers_left: u32,
    feedback: Feedback,
    rival: Rival,
    other_logged_at: Option<Timestamp>,
    ticks: u32,
}

impl Camera {
    pub(super) fn new(
        client: Client,
        handle: Handle,
        subjects: Subjects,
        epoch: u64,
        name: &str,
    ) -> Self {
        Self {
            inbox: client.new_inbox(),
            client,
            handle,
            subjects,
            epoch,
            name: name.to_owned(),
            window: Window::default(),
            connection: None,
            hub: None,
            needs_entry: false,
            last: None,
            recent: VecDeque::new(),
            answers_left: MAX_ANSWERS_PER_SECOND,
            feedback: Feedback::default(),
            rival: Rival::new(epoch),
            other_logged_at: None,
            ticks: 0,
        }
    }

    /// Publishes until the client ends.
    pub(super) async fn run(mut self) {
        let (sender, mut messages) = mpsc::channel::<Message>(INBOX_MESSAGES);
        let sink = || {
            let sender = sender.clone();
            // Without room a question is lost: edges ask again.
            Box::new(move |message| drop(sender.try_send(message)))
        };
        let _asks = self.client.subscribe(&self.subjects.ask, sink());
        let _announcements = self.client.subscribe(&self.subjects.announce, sink());
        let echoes = format!("{}.*", self.inbox);
        let _echoes = self.client.subscribe(&echoes, sink());
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let event = poll_fn(|context| match &mut self.hub {
                Some(hub) => hub.poll_next(context),
                None => std::task::Poll::Pending,
            });
            tokio::select! {
                event = event => self.on_event(event),
                message = messages.recv() => match message {
                    Some(message) => self.on_message(&message),
                    None => return,
                },
                _ = ticks.tick() => self.on_tick(),
            }
        }
    }

    fn on_tick(&mut self) {
        let now = Timestamp::now();
        if !self.is_connected() {
            return;
        }
        let is_watched = self.hub.is_some();
        let probe_ticks = match is_watched {
            true => WATCHED_PROBE_TICKS,
            false => IDLE_PROBE_TICKS,
        };
        let is_probe = self.ticks.is_multiple_of(probe_ticks);
        if is_watched || is_probe {
            self.send_round(is_probe, now);
        }
        if self.ticks.is_multiple_of(ANNOUNCE_TICKS) {
            let announcement = Announcement {
                is_gone: false,
                epoch: self.epoch,
            };
            let _ = (self.client).publish(&self.subjects.announce, "", &[&announcement.encode()]);
        }
        if self.ticks.is_multiple_of(10) {
            self.answers_left = MAX_ANSWERS_PER_SECOND;
            let (viewers, congested) = self.feedback.begin_second(now);
            self.handle.set_remote_viewers(viewers, congested);
            let other = self.rival.check(now);
            self.note_other(other, now);
        }
        self.ticks = self.ticks.wrapping_add(1);
        match (self.window.is_watched(), is_watched) {
            (true, false) => self.start(),
            (false, true) => self.stop(),
            _ => {}
        }
    }

    /// Returns true with a connection. On another one all begins again.
    fn is_connected(&mut self) -> bool {
        let connection = self.client.connection();
        if connection != self.connection {
            self.connection = connection;
            self.window = Window::default();
            self.stop();
            self.ticks = 0;
        }
        connection.is_some()
    }

    fn send_round(&mut self, is_probe: bool, now: Timestamp) {
        let Some(number) = self.window.begin(is_probe, now) else {
            return;
        };
        if is_probe {
            let reply = format!("{}.{number}", self.inbox);
            let probe = FromCamera::probe();
            let _ = (self.client).publish(&self.subjects.frames, &reply, &[&probe]);
        }
        let echo = format!("{}.echo", self.inbox);
        let _ = (self.client).publish(&echo, "", &[&number.to_be_bytes()]);
    }

    /// Begins to publish: an edge watches.
    fn start(&mut self) {
        log::info!("{}: watched over NATS", self.name);
        let max_bytes = MAX_WAITING_BYTES;
        self.hub = Some(
            self.handle
                .hub()
                .subscribe(Delivery::Lossless { max_bytes }),
        );
        self.needs_entry = true;
    }

    fn stop(&mut self) {
        if self.hub.take().is_some() {
            log::info!("{}: no longer watched over NATS", self.name);
        }
        self.recent.clear();
    }

    fn on_event(&mut self, event: Event) {
        match event {
            Event::Frame(frame) => self.on_frame(frame),
            // The queue overflowed: it goes on where decoding can begin.
            Event::Skipped(_) => self.needs_entry = true,
            Event::Status(_) | Event::Parameters(_) => {}
        }
    }

    fn on_frame(&mut self, frame: Frame) {
        let now = Timestamp::now();
        // An answer to an edge had it already.
        let is_known = |last: u32| frame.sequence.wrapping_sub(last).cast_signed() <= 0;
        if self.last.is_some_and(is_known) {
            return;
        }
        let is_old = now.since(frame.captured_at) > MAX_FRAME_AGE;
        let can_begin = frame.is_keyframe || frame.recovery.is_some();
        if is_old || self.window.is_late(now) || (self.needs_entry && !can_begin) {
            if !self.needs_entry || (is_old && can_begin) {
                self.needs_entry = true;
                self.handle.request_keyframe();
            }
            return;
        }
        if self.send(&self.subjects.frames, &frame).is_err() {
            self.needs_entry = true;
            self.handle.request_keyframe();
            return;
        }
        self.needs_entry = false;
        self.last = Some(frame.sequence);
        self.keep(frame, now);
    }

    fn keep(&mut self, frame: Frame, now: Timestamp) {
        self.recent.push_back(frame);
        let mut bytes: usize = self.recent.iter().map(Frame::len).sum();
        while let Some(oldest) = self.recent.front()
            && (self.recent.len() > RESEND_FRAMES
                || bytes > RESEND_BYTES
                || now.since(oldest.captured_at) > RESEND_AGE + MAX_FRAME_AGE)
        {
            bytes -= oldest.len();
            self.recent.pop_front();
        }
    }

    /// Sends a frame, in chunks if the server takes no message of its size.
    fn send(&self, subject: &str, frame: &Frame) -> Result<(), PublishError> {
        let is_entry = frame.is_keyframe || frame.recovery.is_some();
        let init = match is_entry {
            true => frame.parameters.init().payload(),
            false => bytes::Bytes::new(),
        };
        let fragment = frame.fmp4();
        let room = self
            .client
            .max_payload()
            .saturating_sub(HEADER_BYTES)
            .max(1);
        let size = init.len() + fragment.len();
        let mut header = FrameHeader {
            is_entry,
            chunk: 0,
            chunks: u16::try_from(size.div_ceil(room)).unwrap_or(u16::MAX),
            epoch: self.epoch,
            number: frame.sequence,
            nominal_duration: frame.nominal_duration,
            captured_at: frame.captured_at,
            sent_at: Timestamp::now(),
        };
        let part = |from: usize, to: usize| -> [&[u8]; 2] {
            let cut = |bytes: &'_ bytes::Bytes, begin: usize| {
                let length = bytes.len();
                let clamp = |at: usize| at.saturating_sub(begin).min(length);
                clamp(from)..clamp(to)
            };
            [&init[cut(&init, 0)], &fragment[cut(&fragment, init.len())]]
        };
        for chunk in 0..header.chunks {
            header.chunk = chunk;
            let from = usize::from(chunk) * room;
            let [a, b] = part(from, (from + room).min(size));
            self.client
                .publish(subject, "", &[&header.encode(), a, b])?;
        }
        Ok(())
    }

    fn on_message(&mut self, message: &Message) {
        if !self.is_connected() {
            return;
        }
        if message.subject.starts_with(self.inbox.as_bytes()) {
            return self.on_echo(message);
        }
        let now = Timestamp::now();
        if message.subject == self.subjects.announce.as_bytes() {
            if let Some(FromCamera::Announce(heard)) = FromCamera::decode(&message.payload) {
                let other = self.rival.hear(heard, now);
                self.note_other(other, now);
            }
            return;
        }
        let Some(ask) = Ask::decode(&message.payload) else {
            return;
        };
        // Whoever asks may name any subject, such as the frames of another camera.
        let reply = std::str::from_utf8(&message.reply).unwrap_or_default();
        let reply = match self.client.is_inbox(reply) {
            true => reply,
            false => "",
        };
        match ask {
            Ask::Join(asked_at) => {
                self.window.on_demand();
                self.welcome(reply, asked_at);
                self.send_gop(reply, now);
            }
            Ask::Clock(asked_at) => {
                self.window.on_demand();
                self.welcome(reply, asked_at);
            }
            Ask::Presence(asked_at) => self.welcome(reply, asked_at),
            Ask::Resend(first, last) => self.resend(reply, first, last, now),
            Ask::Keyframe => self.handle.request_keyframe(),
            Ask::Report {
                edge,
                viewers,
                congested,
            } => (self.feedback).report(edge, viewers, &congested, now),
        }
    }

    /// Notes whether another server publishes a camera under this name, if that has changed.
    fn note_other(&mut self, change: Option<Option<OtherPublisher>>, now: Timestamp) {
        let Some(other) = change else {
            return;
        };
        self.handle.hub().set_other_publisher(other);
        // Whoever may announce cameras could fill the log.
        let is_due = |at: Timestamp| now.since(at) > OTHER_LOG_INTERVAL;
        if !self.other_logged_at.is_none_or(is_due) {
            return;
        }
        self.other_logged_at = Some(now);
        let name = &self.name;
        match other {
            Some(other) => {
                let (when, whose) = match other.is_newer {
                    true => ("later", "its camera"),
                    false => ("earlier", "this camera"),
                };
                let started = UNIX_EPOCH + Duration::from_nanos(other.epoch);
                let started = httpdate::fmt_http_date(started);
                log::warn!(
                    "{name}: another server publishes a camera under this name, too ({}, started {when}: {started}); \
                     edges show {whose}; give one of them another publish.name",
                    self.subjects.frames
                );
            }
            None => log::info!("{name}: no other server publishes under this name any more"),
        }
    }

    fn on_echo(&mut self, message: &Message) {
        if message.status == NO_RESPONDERS {
            let digits = message.subject.rsplit(|b| *b == b'.').next();
            let number = digits.and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
            if let Some(number) = number {
                self.window.on_no_responders(number);
            }
            return;
        }
        if let Some(number) = message.payload.first_chunk() {
            self.window.on_echo(u64::from_be_bytes(*number));
        }
        match (self.window.is_watched(), self.hub.is_some()) {
            (true, false) => self.start(),
            (false, true) => self.stop(),
            _ => {}
        }
    }

    fn welcome(&self, reply: &str, asked_at: Timestamp) {
        let welcome = Welcome {
            epoch: self.epoch,
            asked_at,
            now: Timestamp::now(),
            is_live: self.handle.hub().stats().status.state == CameraState::Live,
        };
        if !reply.is_empty() {
            let _ = self.client.publish(reply, "", &[&welcome.encode()]);
        }
    }

    /// Sends what a decoder needs for the newest picture, or has a keyframe made where that is less.
    fn send_gop(&mut self, reply: &str, now: Timestamp) {
        let is_begin = self.hub.is_none();
        if is_begin {
            self.start();
        }
        let hub = self.handle.hub();
        let replay = hub.replay_frames(None).frames;
        let bytes: usize = replay.iter().map(Frame::len).sum();
        let is_fresh = |frame: &Frame| now.since(frame.captured_at) <= MAX_FRAME_AGE;
        let is_useful = bytes <= MAX_JOIN_BYTES && replay.last().is_some_and(is_fresh);
        if !is_useful || self.answers_left == 0 || reply.is_empty() {
            self.handle.request_keyframe();
            return;
        }
        self.answers_left -= 1;
        if replay.iter().any(|frame| self.send(reply, frame).is_err()) {
            self.handle.request_keyframe();
            return;
        }
        if is_begin {
            // The frames after these go to everybody: this edge is the first.
            self.last = replay.last().map(|frame| frame.sequence);
            self.needs_entry = false;
        }
    }

    fn resend(&mut self, reply: &str, first: u32, last: u32, now: Timestamp) {
        let is_wanted = |frame: &&Frame| {
            let number = frame.sequence;
            number.wrapping_sub(first) <= last.wrapping_sub(first)
                && now.since(frame.captured_at) <= RESEND_AGE
        };
        let wanted: Vec<Frame> = self.recent.iter().filter(is_wanted).cloned().collect();
        let count = last.wrapping_sub(first).wrapping_add(1);
        let has_all = u32::try_from(wanted.len()) == Ok(count);
        if !has_all || self.answers_left == 0 || reply.is_empty() {
            return self.handle.request_keyframe();
        }
        self.answers_left -= 1;
        if wanted.iter().any(|frame| self.send(reply, frame).is_err()) {
            self.handle.request_keyframe();
        }
    }
}
