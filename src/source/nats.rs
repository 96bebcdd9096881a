//! A camera that another BerryMSE publishes over NATS. Its frames are ready: they enter the hub with the bytes, the times
//! and the numbers that they have there.
//!
//! The connection is kept by a client that all cameras of a server share. Opening subscribes, closing leaves.

use super::track::describe;
use super::{Cause, Error, Input, Item, ReadyFrame, ReadyTiming, SILENCE_LIMIT, SourceContext};
use crate::media::fmp4::Sample;
use crate::media::fmp4::read::{Reader, Segment};
use crate::media::{Description, LengthPrefixed};
use crate::nats::assembly::{Assembled, Assembly};
use crate::nats::options::Wanted;
use crate::nats::order::{Order, Request};
use crate::nats::protocol::NO_RESPONDERS;
use crate::nats::remote_clock::{Questions, RemoteClock};
use crate::nats::wire::{Ask, FrameHeader, FromCamera, Subjects};
use crate::nats::{Client, Message, State, Subscription, Url, client};
use crate::shutdown::ShutdownToken;
use crate::time::{TIMESCALE, Timestamp};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::Duration;

/// Timeout for the connection, and for the answer of the camera.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(6);
const WELCOME_TIMEOUT: Duration = Duration::from_secs(3);

/// Interval of questions that have no answer so far.
const ASK_INTERVAL: Duration = Duration::from_millis(500);

/// Longest wait in one [`Input::read`].
const READ_TIMEOUT: Duration = Duration::from_millis(100);

/// Lateness beyond which a frame is not shown.
const MAX_LATENESS: Duration = Duration::from_millis(750);

/// Time for which all frames are late after which the connection is given up, and the least time between two such.
const LATE_LIMIT: Duration = Duration::from_secs(2);
const RECONNECT_INTERVAL: Duration = Duration::from_secs(10);

/// Time without frames of one start of the camera's program after which another, older one counts.
const EPOCH_SILENCE: Duration = Duration::from_secs(1);

/// Intervals of clock rounds: the first few, and later.
const FIRST_ROUNDS: u32 = 5;
const FIRST_ROUND_INTERVAL: Duration = Duration::from_millis(500);
const ROUND_INTERVAL: Duration = Duration::from_secs(10);

/// Time without a connection after which the camera counts as lost.
const OUTAGE_LIMIT: Duration = Duration::from_secs(3);

/// Messages and bytes that may wait for the camera's thread. More are dropped: the gap is closed later.
const MAX_MESSAGES: usize = 1024;
const MAX_WAITING_BYTES: usize = 24 << 20;

/// Connects to the servers of `url` and keeps the connection, so that it is there when somebody watches.
pub(super) fn keep_connected(url: &Url) -> Option<Client> {
    Client::shared(url.options()).ok()
}

/// Subscribes to the camera at `url`.
pub(super) fn open(url: &Url, context: &SourceContext) -> Result<Box<dyn Input>, Error> {
    let Wanted::One(name) = url.wanted() else {
        let text = format!("{url} means many cameras");
        return Err(Error::Unavailable(text).because(Cause::NO_STREAM));
    };
    let client = Client::shared(url.options())
        .map_err(|error| Error::Unavailable(format!("cannot connect to {url}: {error}")))?;
    wait_for_connection(&client, url, &context.shutdown)?;
    let subjects = Subjects::new(&url.options().prefix, name);
    let (sender, receiver) = sync_channel::<Message>(MAX_MESSAGES);
    let waiting = Arc::new(AtomicUsize::new(0));
    let sink = || {
        let (sender, waiting) = (sender.clone(), waiting.clone());
        Box::new(move |message: Message| {
            let bytes = message.payload.len();
            if waiting.load(Ordering::Relaxed) + bytes <= MAX_WAITING_BYTES
                && sender.try_send(message).is_ok()
            {
                waiting.fetch_add(bytes, Ordering::Relaxed);
            }
        })
    };
    let inbox = client.new_inbox();
    // First the frames: what comes after the answer to the question must not be missed.
    let frames = client.subscribe(&subjects.frames, sink());
    let answers = client.subscribe(&inbox, sink());
    let mut input = NatsInput {
        url: url.clone(),
        shutdown: context.shutdown.clone(),
        connection: client.connection(),
        connected_at: Timestamp::now(),
        client,
        subjects,
        inbox,
        edge: client::random(),
        receiver,
        waiting,
        _subscriptions: [frames, answers],
        assembly: Assembly::default(),
        order: Order::default(),
        clock: RemoteClock::default(),
        epoch: None,
        last_frame_at: Timestamp::now(),
        epoch_silence: EPOCH_SILENCE,
        late_since: None,
        reconnected_at: None,
        asked_at: None,
        questions: Questions::default(),
        rounds: 0,
        round_at: Timestamp::default(),
        is_welcome: false,
        is_again: context.has_http_frames.swap(false, Ordering::Relaxed),
        was_lost: context.has_http_frames.clone(),
        is_live_there: true,
        has_frames: false,
        nobody: false,
        rejected: 0,
        reader: Reader::default(),
        description: None,
        silence_limit: match context.stall_after {
            Some(Duration::ZERO) => Duration::MAX,
            Some(limit) => limit,
            None => SILENCE_LIMIT,
        },
        keeps_silence_limit: context.stall_after.is_some(),
    };
    input.wait_for_welcome()?;
    Ok(Box::new(input))
}

fn wait_for_connection(client: &Client, url: &Url, shutdown: &ShutdownToken) -> Result<(), Error> {
    const POLL_INTERVAL: Duration = Duration::from_millis(10);
    let end = Timestamp::now() + CONNECT_TIMEOUT;
    loop {
        let reason = match client.state() {
            State::Connected => return Ok(()),
            State::Connecting if Timestamp::now() < end => None,
            State::Connecting => Some("no answer".to_owned()),
            State::Failed(reason) => Some(reason),
        };
        if let Some(reason) = reason {
            let text = format!("{url}: {reason}. Does a nats-server run there?");
            return Err(Error::Unavailable(text).because(Cause::NO_SERVER));
        }
        if shutdown.sleep(POLL_INTERVAL) {
            return Err(Error::Stopped);
        }
    }
}

struct NatsInput {
    url: Url,
    shutdown: ShutdownToken,
    client: Client,
    connection: Option<u64>,
    /// Last time at which there was a connection.
    connected_at: Timestamp,
    subjects: Subjects,
    inbox: String,
    /// Number of this edge in its reports.
    edge: u64,
    receiver: Receiver<Message>,
    /// Bytes of the messages that wait.
    waiting: Arc<AtomicUsize>,
    _subscriptions: [Subscription; 2],
    assembly: Assembly,
    order: Order,
    clock: RemoteClock,
    epoch: Option<u64>,
    last_frame_at: Timestamp,
    /// Silence after which an earlier start counts.
    epoch_silence: Duration,
    late_since: Option<Timestamp>,
    reconnected_at: Option<Timestamp>,
    /// Last question that has no answer.
    asked_at: Option<Timestamp>,
    questions: Questions,
    rounds: u32,
    round_at: Timestamp,
    is_welcome: bool,
    /// Viewers have had frames, which were lost then.
    is_again: bool,
    was_lost: Arc<AtomicBool>,
    is_live_there: bool,
    has_frames: bool,
    /// The last question reached nobody.
    nobody: bool,
    rejected: u64,
    reader: Reader,
    description: Option<Arc<Description>>,
    silence_limit: Duration,
    keeps_silence_limit: bool,
}

impl Input for NatsInput {
    fn read(&mut self) -> Result<Option<Item<'_>>, Error> {
        let end = Timestamp::now() + READ_TIMEOUT;
        let (header, sample) = loop {
            let now = Timestamp::now();
            self.maintain(now)?;
            if self.clock.is_known()
                && let Some(frame) = self.order.pop(now)
            {
                match self.parse(&frame) {
                    Some(sample) => break (frame.header, sample),
                    None => {
                        self.rejected += 1;
                        self.order.restart();
                        continue;
                    }
                }
            }
            if !self.receive(end.since(now))? {
                return Ok(None);
            }
        };
        let now = Timestamp::now();
        let Some(description) = &self.description else {
            return Ok(None);
        };
        self.has_frames = true;
        Ok(Some(Item::Frame(ReadyFrame {
            description,
            captured_at: self.clock.local(header.captured_at, now),
            is_keyframe: sample.is_keyframe,
            is_disposable: !sample.is_reference,
            composition_offset: sample.composition_offset,
            recovery: sample.recovery,
            timing: Some(ReadyTiming {
                sequence: sample.sequence,
                decode_time: sample.decode_time,
                duration: sample.duration,
                nominal_duration: header.nominal_duration,
            }),
            nals: self.reader.data(),
        })))
    }

    fn request_keyframe(&mut self) {
        if self.order.keyframe_request(Timestamp::now()).is_some() {
            self.ask(&Ask::Keyframe);
        }
    }

    fn can_make_keyframes(&self) -> bool {
        true
    }

    fn dropped(&self) -> u64 {
        self.order.lost() + self.rejected
    }

    fn report_viewers(&mut self, viewers: u64, congested: &[(u32, u32)]) {
        self.ask(&Ask::report(self.edge, viewers, congested));
    }

    fn silence_limit(&self) -> Duration {
        self.silence_limit
    }
}

impl Drop for NatsInput {
    /// Says that nobody watches here any more.
    fn drop(&mut self) {
        self.report_viewers(0, &[]);
    }
}

impl NatsInput {
    /// Asks the camera until it answers.
    fn wait_for_welcome(&mut self) -> Result<(), Error> {
        let end = Timestamp::now() + WELCOME_TIMEOUT;
        while !self.is_welcome {
            let now = Timestamp::now();
            self.maintain(now)?;
            if self.nobody || now >= end {
                let text = format!(
                    "{}: no camera of this name is published there now",
                    self.url
                );
                return Err(Error::Unavailable(text).because(Cause::NO_STREAM));
            }
            self.receive(READ_TIMEOUT)?;
        }
        Ok(())
    }

    /// Does what is due: questions, rounds, requests.
    fn maintain(&mut self, now: Timestamp) -> Result<(), Error> {
        if self.shutdown.is_triggered() {
            return Err(Error::Stopped);
        }
        let connection = self.client.connection();
        if connection.is_some() {
            self.connected_at = now;
            if connection != self.connection {
                // What was sent meanwhile is lost: begin again, with what is newest.
                self.connection = connection;
                self.order.restart();
                self.is_welcome = false;
                self.is_again |= self.has_frames;
                self.asked_at = None;
            }
        } else if now.since(self.connected_at) > OUTAGE_LIMIT {
            let State::Failed(reason) = self.client.state() else {
                return Ok(());
            };
            self.was_lost.store(self.has_frames, Ordering::Relaxed);
            let text = format!("{}: {reason}", self.url);
            return Err(Error::Lost(text).because(Cause::SERVER_LOST));
        } else {
            return Ok(());
        }
        let is_due = |at: Timestamp| now.since(at) >= ASK_INTERVAL;
        if !self.is_welcome {
            if self.asked_at.is_none_or(is_due) {
                self.asked_at = Some(now);
                self.questions.ask(now);
                // After a loss the viewers have the GOP so far. They must not see it again.
                self.ask(&match self.is_again {
                    true => Ask::Clock(now),
                    false => Ask::Join(now),
                });
            }
            return Ok(());
        }
        let interval = match self.rounds < FIRST_ROUNDS {
            true => FIRST_ROUND_INTERVAL,
            false => ROUND_INTERVAL,
        };
        if now.since(self.round_at) >= interval {
            self.round_at = now;
            self.rounds += 1;
            self.questions.ask(now);
            self.ask(&Ask::Clock(now));
        }
        match self.order.request(now) {
            Some(Request::Resend(first, last)) => self.ask(&Ask::Resend(first, last)),
            Some(Request::Keyframe) if self.is_live_there => self.ask(&Ask::Keyframe),
            _ => {}
        }
        Ok(())
    }

    /// Asks the camera. What is lost is asked again later.
    fn ask(&self, ask: &Ask) {
        let subject = &self.subjects.ask;
        let _ = (self.client).publish(subject, &self.inbox, &[&ask.encode()]);
    }

    /// Takes in a message; false if there is none for this time.
    fn receive(&mut self, time: Duration) -> Result<bool, Error> {
        let message = match self.receiver.recv_timeout(time) {
            Ok(message) => message,
            Err(RecvTimeoutError::Timeout) => return Ok(false),
            Err(RecvTimeoutError::Disconnected) => return Err(Error::Stopped),
        };
        (self.waiting).fetch_sub(message.payload.len(), Ordering::Relaxed);
        let now = Timestamp::now();
        let is_answer = message.subject == self.inbox.as_bytes();
        if message.status != 0 {
            self.nobody = message.status == NO_RESPONDERS;
            if self.nobody && self.has_frames && now.since(self.last_frame_at) > EPOCH_SILENCE {
                self.was_lost.store(true, Ordering::Relaxed);
                let text = format!("{}: the camera is no longer published", self.url);
                return Err(Error::Lost(text).because(Cause::NO_STREAM));
            }
            return Ok(true);
        }
        match FromCamera::decode(&message.payload) {
            // Others may send to the inbox, too.
            Some(FromCamera::Welcome(welcome))
                if is_answer && (self.questions).take(welcome.asked_at, welcome.epoch, now) =>
            {
                self.enter_epoch(welcome.epoch, now);
                if self.epoch == Some(welcome.epoch) {
                    self.clock.round(welcome.asked_at, welcome.now, now);
                    (self.is_welcome, self.nobody) = (true, false);
                    self.is_live_there = welcome.is_live;
                }
            }
            Some(FromCamera::Frame(header, bytes)) => {
                // Among answers, only the one to a question begins an epoch: it comes first.
                if !is_answer {
                    self.enter_epoch(header.epoch, now);
                }
                if self.epoch == Some(header.epoch) && self.is_in_time(header, now) {
                    self.last_frame_at = now;
                    if let Some(frame) = self.assembly.push(header, bytes) {
                        self.order.push(frame);
                    }
                }
            }
            Some(FromCamera::Welcome(_) | FromCamera::Probe | FromCamera::Announce(_)) | None => {}
        }
        Ok(true)
    }

    /// Begins again with another start of the camera's program. A later start wins at once, an earlier one (a machine
    /// without a clock) only where the present one is silent.
    fn enter_epoch(&mut self, epoch: u64, now: Timestamp) {
        let is_better = match self.epoch {
            None => true,
            Some(known) => {
                epoch > known
                    || (epoch != known && now.since(self.last_frame_at) > self.epoch_silence)
            }
        };
        if !is_better {
            return;
        }
        let is_first = self.epoch.is_none();
        self.epoch = Some(epoch);
        self.clock = RemoteClock::default();
        self.assembly = Assembly::default();
        self.order.restart();
        self.rounds = 0;
        if !is_first {
            self.is_welcome = false;
            self.is_again |= self.has_frames;
            self.asked_at = None;
        }
    }

    /// Returns false for a frame that comes too late. Where all do, the connection is given up: what waits in it is old.
    fn is_in_time(&mut self, header: FrameHeader, now: Timestamp) -> bool {
        if self.clock.lateness(header.sent_at, now) <= MAX_LATENESS {
            self.late_since = None;
            return true;
        }
        let since = *self.late_since.get_or_insert(now);
        let is_due = |at: Timestamp| now.since(at) > RECONNECT_INTERVAL;
        if now.since(since) > LATE_LIMIT && self.reconnected_at.is_none_or(is_due) {
            self.reconnected_at = Some(now);
            self.late_since = None;
            self.client.reconnect();
        }
        false
    }

    /// Reads a frame into the reader; `None` if it is no frame as a BerryMSE sends it.
    fn parse(&mut self, frame: &Assembled) -> Option<Sample> {
        self.reader = Reader::default();
        self.reader.push(&frame.bytes);
        let mut timescale = TIMESCALE;
        let sample = loop {
            match self.reader.next_segment().ok()?? {
                Segment::Init(track) => {
                    let description = describe(&track)?;
                    timescale = track.timescale;
                    if self.description.as_deref() != Some(&description) {
                        self.description = Some(Arc::new(description));
                    }
                }
                Segment::Fragment(sample) => break sample,
            }
        };
        let is_entry = sample.is_keyframe || sample.recovery.is_some();
        if timescale != TIMESCALE || is_entry != frame.header.is_entry {
            return None;
        }
        let data = self.reader.data();
        let nals = LengthPrefixed(data);
        let whole: usize = nals.clone().map(|nal| nal.len() + 4).sum();
        let has_empty = nals.clone().any(<[u8]>::is_empty);
        if whole != data.len() || has_empty || data.is_empty() {
            return None;
        }
        let ticks = frame.header.nominal_duration.min(TIMESCALE * 3600);
        let interval = Duration::from_secs(u64::from(ticks)) / TIMESCALE;
        if !self.keeps_silence_limit {
            self.silence_limit = SILENCE_LIMIT.max(interval * 3);
        }
        self.epoch_silence = EPOCH_SILENCE.max(interval * 3);
        Some(sample)
    }
}
