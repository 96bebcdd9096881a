//! State that the handles of a client and its connection share: bytes to be sent, and the subscribers.

use super::connection::Connection;
use super::options::{Options, Server};
use super::protocol::Message;
use bytes::Bytes;
use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// Small messages are sent together up to this many bytes.
const BATCH_BYTES: usize = 64 << 10;

/// State of the connection.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum State {
    /// The first attempt.
    Connecting,
    /// Logged in.
    Connected,
    /// Not connected, and the reason of the last failure.
    Failed(String),
}

/// Receives the messages of a subscription on the client's thread. It must neither wait nor call the client.
pub type Sink = Box<dyn FnMut(Message) + Send>;

pub(super) struct Shared {
    pub(super) options: Options,
    pub(super) inner: Mutex<Inner>,
    /// Bytes wait to be sent, or the client must end.
    pub(super) changed: Notify,
    /// The connection must be given up.
    pub(super) reset: Notify,
    pub(super) is_ended: AtomicBool,
}

pub(super) struct Inner {
    pub(super) queue: VecDeque<Bytes>,
    pub(super) queued_bytes: usize,
    pub(super) subscribers: HashMap<u64, Subscriber>,
    pub(super) next_sid: u64,
    pub(super) state: State,
    pub(super) generation: u64,
    pub(super) max_payload: usize,
    pub(super) others: Vec<Server>,
}

pub(super) struct Subscriber {
    pub(super) subject: String,
    pub(super) sink: Sink,
}

impl Inner {
    pub(super) fn push(&mut self, message: Bytes) {
        self.queued_bytes += message.len();
        self.queue.push_back(message);
    }

    pub(super) fn push_first(&mut self, message: &'static [u8]) {
        self.queued_bytes += message.len();
        self.queue.push_front(Bytes::from_static(message));
    }

    /// Takes small messages together, or one large message.
    pub(super) fn take_batch(&mut self) -> Option<Bytes> {
        let first = self.queue.pop_front()?;
        let mut batch = first;
        if let Some(next) = self.queue.front()
            && batch.len() + next.len() <= BATCH_BYTES
        {
            let mut joined = batch.to_vec();
            while let Some(next) = self.queue.front()
                && joined.len() + next.len() <= BATCH_BYTES
            {
                joined.extend_from_slice(next);
                self.queue.pop_front();
            }
            batch = joined.into();
        }
        self.queued_bytes -= batch.len();
        Some(batch)
    }
}

impl Shared {
    /// Sinks do not panic while the lock is held; if one did, the state would still be whole.
    pub(super) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_ended(&self) -> bool {
        self.is_ended.load(Ordering::Acquire)
    }

    /// Notes a failure; returns true if it is another than the last.
    pub(super) fn fail(&self, text: &str) -> bool {
        let mut inner = self.lock();
        inner.queue.clear();
        inner.queued_bytes = 0;
        let failed = State::Failed(text.to_owned());
        let is_new = inner.state != failed;
        inner.state = failed;
        is_new
    }

    /// Begins to use a connection.
    pub(super) fn begin(&self, connection: &Connection) {
        let mut inner = self.lock();
        inner.queue.clear();
        inner.queued_bytes = 0;
        inner.max_payload = connection.info.max_payload;
        inner.learn(&connection.info.other_servers);
        inner.state = State::Connected;
        inner.generation += 1;
        let lines: Vec<Bytes> = (inner.subscribers.iter())
            .map(|(sid, subscriber)| format!("SUB {} {sid}\r\n", subscriber.subject).into())
            .collect();
        lines.into_iter().for_each(|line| inner.push(line));
    }

    /// Returns all servers: the configured ones, and those that a server named.
    pub(super) fn servers(&self) -> Vec<Server> {
        let mut all = self.options.servers.clone();
        let inner = self.lock();
        for server in &inner.others {
            if !all.contains(server) {
                all.push(server.clone());
            }
        }
        all
    }
}

impl Inner {
    pub(super) fn learn(&mut self, addresses: &[String]) {
        if !addresses.is_empty() {
            self.others = addresses
                .iter()
                .filter_map(|text| Server::parse(text))
                .collect();
        }
    }
}
