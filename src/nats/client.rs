//! Client with a thread of its own, which keeps one connection: handles publish and subscribe from other threads.
//!
//! Nothing waits for a broken connection: what could not be sent is thrown away, and publishing fails until there is
//! another. Subscriptions are made again. A server that says nothing for 1.1 s is left for the next.

pub use super::protocol::Message;
pub use super::shared::{Sink, State};

use super::options::Options;
use super::protocol;
use super::session::{self, CLOSE_TIMEOUT};
use super::shared::{Inner, Shared, Subscriber};
use crate::time::Timestamp;
use ring::rand::{SecureRandom, SystemRandom};
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;
use tokio::runtime::{Builder, Handle};
use tokio::sync::Notify;

/// Most bytes that wait to be sent: the largest frame fits.
const MAX_QUEUED_BYTES: usize = 12 << 20;

/// Reason why a message was not taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PublishError {
    /// There is no connection.
    #[error("not connected")]
    NotConnected,
    /// Too much waits already.
    #[error("the connection is too slow")]
    QueueFull,
}

/// Handle of a client, which ends with the last one.
#[derive(Clone)]
pub struct Client(Arc<Owner>);

/// Ends the client when the last handle is dropped.
struct Owner {
    shared: Arc<Shared>,
    runtime: Handle,
    thread: Mutex<Option<std::thread::JoinHandle<()>>>,
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.shared.is_ended.store(true, Ordering::Release);
        self.shared.changed.notify_one();
    }
}

/// Subscription, until it is dropped.
pub struct Subscription {
    shared: Weak<Shared>,
    sid: u64,
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Subscription({})", self.sid)
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Client({})", self.0.shared.options.shown())
    }
}

/// Clients of sources, one for each set of servers and login.
static POOL: Mutex<Vec<Weak<Owner>>> = Mutex::new(Vec::new());

impl Client {
    /// Starts the thread, which connects.
    pub fn start(options: Options) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let shared = Arc::new(Shared {
            options,
            inner: Mutex::new(Inner {
                queue: VecDeque::new(),
                queued_bytes: 0,
                subscribers: HashMap::new(),
                next_sid: 1,
                state: State::Connecting,
                generation: 0,
                max_payload: 0,
                others: Vec::new(),
            }),
            changed: Notify::new(),
            reset: Notify::new(),
            is_ended: AtomicBool::new(false),
        });
        let handle = runtime.handle().clone();
        let own = shared.clone();
        let thread = std::thread::Builder::new()
            .name("nats".to_owned())
            .spawn(move || {
                runtime.block_on(session::run(&own));
                // A name that is being looked up would be waited for.
                runtime.shutdown_background();
            })?;
        Ok(Self(Arc::new(Owner {
            shared,
            runtime: handle,
            thread: Mutex::new(Some(thread)),
        })))
    }

    /// Returns the client of these servers and this login, which is started if there is none.
    pub fn shared(options: &Options) -> io::Result<Self> {
        let mut pool = POOL.lock().unwrap_or_else(PoisonError::into_inner);
        pool.retain(|client| client.strong_count() > 0);
        let mut living = pool.iter().filter_map(Weak::upgrade);
        if let Some(owner) = living.find(|owner| owner.shared.options == *options) {
            return Ok(Self(owner));
        }
        let client = Self::start(options.clone())?;
        pool.push(Arc::downgrade(&client.0));
        Ok(client)
    }

    /// Runs a task on the client's thread. It ends with the client.
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.0.runtime.spawn(task);
    }

    /// Returns the servers, without the login.
    pub fn shown(&self) -> String {
        self.0.shared.options.shown()
    }

    /// Returns a subject for answers to this user that nobody can guess.
    pub fn new_inbox(&self) -> String {
        let prefix = self.0.shared.options.inbox_prefix();
        format!("{prefix}.{:016x}{:016x}", random(), random())
    }

    /// Returns true for a subject that may be answered to.
    pub fn is_inbox(&self, subject: &str) -> bool {
        self.0.shared.options.is_inbox(subject)
    }

    /// Publishes the concatenation of `parts`; an empty `reply` means that no answer is wanted.
    pub fn publish(&self, subject: &str, reply: &str, parts: &[&[u8]]) -> Result<(), PublishError> {
        let mut inner = self.0.shared.lock();
        if inner.state != State::Connected {
            return Err(PublishError::NotConnected);
        }
        let message = protocol::publish(subject, reply, parts);
        if inner.queued_bytes + message.len() > MAX_QUEUED_BYTES {
            return Err(PublishError::QueueFull);
        }
        inner.push(message);
        drop(inner);
        self.0.shared.changed.notify_one();
        Ok(())
    }

    /// Subscribes to a subject, now and after each connection.
    pub fn subscribe(&self, subject: &str, sink: Sink) -> Subscription {
        let shared = &self.0.shared;
        let mut inner = shared.lock();
        let sid = inner.next_sid;
        inner.next_sid += 1;
        if inner.state == State::Connected {
            inner.push(format!("SUB {subject} {sid}\r\n").into());
        }
        let subject = subject.to_owned();
        inner.subscribers.insert(sid, Subscriber { subject, sink });
        drop(inner);
        shared.changed.notify_one();
        Subscription {
            shared: Arc::downgrade(shared),
            sid,
        }
    }

    /// Returns the state of the connection.
    pub fn state(&self) -> State {
        self.0.shared.lock().state.clone()
    }

    /// Returns the number of the connection if there is one: another number means that messages may be lost.
    pub fn connection(&self) -> Option<u64> {
        let inner = self.0.shared.lock();
        (inner.state == State::Connected).then_some(inner.generation)
    }

    /// Returns the largest payload that the server takes, in bytes.
    pub fn max_payload(&self) -> usize {
        self.0.shared.lock().max_payload
    }

    /// Gives up the connection for another, as what comes over it is late.
    pub fn reconnect(&self) {
        self.0.shared.reset.notify_one();
    }

    /// Ends the client and waits shortly for what is still to be sent.
    pub fn close(self) {
        let thread = self.0.thread.lock();
        let thread = thread.unwrap_or_else(PoisonError::into_inner).take();
        self.0.shared.is_ended.store(true, Ordering::Release);
        self.0.shared.changed.notify_one();
        let end = Timestamp::now() + CLOSE_TIMEOUT;
        while thread.as_ref().is_some_and(|thread| !thread.is_finished()) && Timestamp::now() < end
        {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// Returns a random number.
pub fn random() -> u64 {
    let mut bytes = [0; 8];
    // The system's generator does not fail once it has worked, and it made the keys of TLS before.
    let _ = SystemRandom::new().fill(&mut bytes);
    u64::from_le_bytes(bytes)
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let Some(shared) = self.shared.upgrade() else {
            return;
        };
        let mut inner = shared.lock();
        let dropped = inner.subscribers.remove(&self.sid);
        if inner.state == State::Connected {
            inner.push(format!("UNSUB {}\r\n", self.sid).into());
        }
        drop(inner);
        drop(dropped);
        shared.changed.notify_one();
    }
}
