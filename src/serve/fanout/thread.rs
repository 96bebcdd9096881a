//! Hot path: every viewer by WebSocket, RTSP or MJPEG receives the same bytes as others of its kind.
//!
//! Per frame and viewer there is one `send()` of shared bytes on a non-blocking socket and nothing
//! else, for many viewers all in one system call (`uring`). A task per viewer costs 1.17 to 1.26
//! times as much, and memory (docs/design/decisions/0002). A viewer whose socket is full costs no
//! system call until the kernel reports room again, and its next frames wait in the hub's buffer,
//! not here. Links are polled four times a second. Three of these polls mostly ask the cheapest
//! question, whether everything is acknowledged. Congested links are sampled before each frame
//! (`congestion`).
//!
//! One thread waits for the viewers' sockets and for the time. While it sleeps, which is nearly
//! always, a camera's thread sends its own frame, if the viewers are not too many. Waking another
//! thread costs 15 to 30 µs, as much as some viewers do, and 20 µs of delay. The sender holds the
//! lock on the connections; a camera's thread never waits for it.

use crate::heartbeat::Heartbeat;
use crate::hub::Hub;
use crate::os::heap;
use crate::serve::fanout::connection::{NewViewer, ViewerConnection};
use crate::serve::fanout::connections::{Connections, INLINE_SEND_MAX_VIEWERS};
use crate::serve::heap_trim::TrimPolicy;
use mio::{Events, Poll, Registry, Token};
use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::task::{Wake, Waker};
use std::time::{Duration, Instant};

/// Token of the waker; viewers have the numbers from 0 on.
const WAKE_TOKEN: Token = Token(usize::MAX);

/// Interval at which silent viewers are checked.
const TICK_INTERVAL: Duration = Duration::from_secs(1);

/// Interval at which all links are polled: bytes sent into an outage before it is seen have to come
/// out of it again.
const LINK_POLL_INTERVAL: Duration = Duration::from_millis(250);

/// Time for viewers to end their side when the program stops.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_millis(250);

/// Time without progress after which a viewer makes room for another one: longer than most outages
/// of a network.
const EVICT_AFTER: Duration = Duration::from_secs(10);

/// Hands viewers to the thread. Clones are the same thread's.
#[derive(Clone)]
pub struct Fanout {
    commands: Sender<Command>,
    shared: Arc<FanoutShared>,
}

enum Command {
    AddViewer(Box<NewViewer>),
    Stop,
}

/// State that the thread shares with publishers and with `Fanout`.
struct FanoutShared {
    waker: mio::Waker,
    viewers: Arc<AtomicUsize>,
    /// A camera has published something, and no thread has begun to send it.
    has_updates: AtomicBool,
    /// Rounds of the thread.
    heartbeat: Heartbeat,
    connections: Mutex<Connections>,
}

impl Wake for FanoutShared {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    /// Called by the cameras' threads. Without viewers it costs one load; while a sender has not
    /// yet looked, one exchange.
    fn wake_by_ref(self: &Arc<Self>) {
        let viewers = self.viewers.load(Ordering::Acquire);
        if viewers == 0 || self.has_updates.swap(true, Ordering::AcqRel) {
            return;
        }
        let is_done = viewers <= INLINE_SEND_MAX_VIEWERS && self.try_send_inline();
        if !is_done {
            // Fails only if the thread is gone.
            let _ = self.waker.wake();
        }
    }
}

impl FanoutShared {
    fn new(registry: &Registry, may_use_ring: bool) -> io::Result<Arc<Self>> {
        let viewers = Arc::new(AtomicUsize::new(0));
        let connections = Connections::new(registry.try_clone()?, viewers.clone(), may_use_ring);
        Ok(Arc::new(Self {
            waker: mio::Waker::new(registry, WAKE_TOKEN)?,
            viewers,
            has_updates: AtomicBool::new(false),
            heartbeat: Heartbeat::default(),
            connections: Mutex::new(connections),
        }))
    }

    /// Nothing panics while the lock is held; if it did, the state would still be whole.
    fn connections(&self) -> MutexGuard<'_, Connections> {
        self.connections
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends updates on the calling thread. Returns false if the fan-out's thread must wake up:
    /// another thread sends just now and may have looked for updates already, or a viewer is due
    /// for a poll earlier than that thread would wake up.
    fn try_send_inline(&self) -> bool {
        let mut connections = match self.connections.try_lock() {
            Ok(connections) => connections,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return false,
        };
        self.send_updates(&mut connections);
        connections.next_poll_at().is_none()
    }

    /// Needs the lock on the connections. Updates that arrive meanwhile set the flag again.
    fn send_updates(&self, connections: &mut Connections) {
        if self.has_updates.swap(false, Ordering::AcqRel) {
            connections.send_updates();
        }
    }
}

impl std::fmt::Debug for Fanout {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Fanout").finish_non_exhaustive()
    }
}

impl Fanout {
    /// Starts the thread, which then follows all `hubs`.
    ///
    /// With `may_use_ring`, many viewers cost one system call together where the system has
    /// io_uring.
    pub fn start<'a>(
        hubs: impl Iterator<Item = &'a Hub>,
        may_use_ring: bool,
    ) -> io::Result<(Self, std::thread::JoinHandle<()>)> {
        let poll = Poll::new()?;
        let shared = FanoutShared::new(poll.registry(), may_use_ring)?;
        for hub in hubs {
            hub.subscribe_wakeups(Waker::from(shared.clone()));
        }
        let (commands, inbox) = channel();
        let thread = FanoutThread {
            poll,
            inbox,
            shared: shared.clone(),
        };
        let handle = std::thread::Builder::new()
            .name("fan-out".into())
            .spawn(move || thread.run())?;
        Ok((Self { commands, shared }, handle))
    }

    /// Serves the viewers of another camera, too.
    pub(crate) fn watch(&self, hub: &Hub) {
        hub.subscribe_wakeups(Waker::from(self.shared.clone()));
    }

    /// Returns what sends whatever is new for viewers, on the calling thread or the fan-out's.
    pub(crate) fn waker(&self) -> Waker {
        Waker::from(self.shared.clone())
    }

    /// Returns the heartbeat of the thread.
    pub fn heartbeat(&self) -> Heartbeat {
        self.shared.heartbeat.clone()
    }

    /// Has the thread come round, which may be asleep for ever.
    pub fn request_heartbeat(&self) {
        let _ = self.shared.waker.wake();
    }

    /// Serves this viewer from now on.
    pub(crate) fn add(&self, new_viewer: NewViewer) {
        self.shared.viewers.fetch_add(1, Ordering::AcqRel);
        self.send_command(Command::AddViewer(Box::new(new_viewer)));
    }

    /// Ends a viewer that makes no progress, to make room for another one. Returns false if there
    /// is none.
    pub(crate) fn evict_stalled(&self) -> bool {
        let before = Instant::now().checked_sub(EVICT_AFTER);
        before.is_some_and(|before| self.shared.connections().evict_stalled(before))
    }

    /// Closes the viewers that the server ends. It takes the lock that a pass over all viewers holds.
    pub(crate) fn close_ended(&self) {
        let mut connections = self.shared.connections();
        connections.for_each(ViewerConnection::close_if_ended);
        drop(connections);
        // Its next poll may be due earlier.
        let _ = self.shared.waker.wake();
    }

    /// Closes all viewers and ends the thread.
    pub fn stop(&self) {
        self.send_command(Command::Stop);
    }

    fn send_command(&self, command: Command) {
        if self.commands.send(command).is_ok() {
            let _ = self.shared.waker.wake();
        }
    }
}

struct FanoutThread {
    poll: Poll,
    inbox: Receiver<Command>,
    shared: Arc<FanoutShared>,
}

impl FanoutThread {
    fn run(mut self) {
        let shared = self.shared.clone();
        let mut events = Events::with_capacity(1024);
        let mut next_tick = Instant::now() + TICK_INTERVAL;
        let mut next_look = Instant::now() + LINK_POLL_INTERVAL;
        let mut wait = None;
        let mut trim_policy = TrimPolicy::default();
        loop {
            if let Err(error) = self.poll.poll(&mut events, wait)
                && error.kind() != io::ErrorKind::Interrupted
            {
                log::error!("fan-out: cannot wait for sockets ({error})");
                std::thread::sleep(TICK_INTERVAL);
            }
            shared.heartbeat.beat();
            let mut connections = shared.connections();
            for event in events.iter().filter(|event| event.token() != WAKE_TOKEN) {
                let (readable, writable) = (event.is_readable(), event.is_writable());
                connections.with_connection(event.token().0, |connection| {
                    connection.on_event(readable, writable)
                });
            }
            if !self.process_commands(&mut connections) {
                return;
            }
            shared.send_updates(&mut connections);
            let now = Instant::now();
            connections.poll_throttled(now);
            if now >= next_look {
                // After a stall of this thread no viewer had the time to acknowledge what was sent
                // just now.
                let is_late = now - next_look > LINK_POLL_INTERVAL;
                next_look = now + LINK_POLL_INTERVAL;
                if !is_late {
                    connections.for_each(ViewerConnection::poll_link);
                }
            }
            if now >= next_tick {
                next_tick = now + TICK_INTERVAL;
                connections.for_each(|connection| connection.on_tick(now));
                if trim_policy.should_trim(connections.len()) {
                    drop(connections);
                    heap::trim();
                    connections = shared.connections();
                }
            }
            wait = if connections.is_empty() && !trim_policy.is_armed() {
                None // nobody there: sleep until somebody comes
            } else {
                let next = next_tick.min(next_look);
                let next = connections
                    .next_poll_at()
                    .map_or(next, |held| next.min(held));
                Some(next.saturating_duration_since(Instant::now()))
            };
        }
    }

    /// Returns false when the thread is to end.
    fn process_commands(&mut self, connections: &mut Connections) -> bool {
        while let Ok(command) = self.inbox.try_recv() {
            match command {
                Command::AddViewer(new_viewer) => connections.add(*new_viewer),
                Command::Stop => {
                    connections.close_all();
                    self.wait_for_closes(connections);
                    return false;
                }
            }
        }
        true
    }

    /// Waits for the viewers to end their side, so that none sees a reset instead of the close
    /// code.
    fn wait_for_closes(&mut self, connections: &mut Connections) {
        let end = Instant::now() + SHUTDOWN_TIMEOUT;
        let mut events = Events::with_capacity(1024);
        while !connections.is_empty() {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() || self.poll.poll(&mut events, Some(left)).is_err() {
                return;
            }
            for event in events.iter().filter(|event| event.token() != WAKE_TOKEN) {
                let (readable, writable) = (event.is_readable(), event.is_writable());
                connections.with_connection(event.token().0, |connection| {
                    connection.on_event(readable, writable)
                });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::Identity;
    use crate::camera_handle::{self, Endpoint};
    use crate::hub::{CameraState, Delivery};
    use crate::serve::connection_limit::ConnectionLimit;
    use crate::serve::fanout::congestion::LossResponse;
    use crate::serve::latency_stats::LatencyStats;
    use crate::serve::limits::{LimitCounters, Limits};
    use crate::serve::viewers::Viewers;
    use crate::serve::ws::stream::ViewerStream;
    use std::io::Read;
    use std::net::{TcpListener, TcpStream};

    /// A viewer, and no thread that would send to it: what arrives, the camera's thread has sent.
    struct Scene {
        camera: Endpoint,
        shared: Arc<FanoutShared>,
        poll: Poll,
        peer: TcpStream,
    }

    impl Scene {
        fn new() -> Self {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let (ours, address) = listener.accept().unwrap();
            ours.set_nonblocking(true).unwrap();
            let poll = Poll::new().unwrap();
            let shared = FanoutShared::new(poll.registry(), true).unwrap();
            let (camera, handle) = camera_handle::channel([]);
            let hub = handle.hub();
            hub.subscribe_wakeups(Waker::from(shared.clone()));
            shared.viewers.fetch_add(1, Ordering::AcqRel);
            let viewers = Viewers::new(&Limits::unlimited(), LimitCounters::default());
            shared.connections().add(NewViewer {
                stream: ViewerStream::new(ours, None),
                ticket: viewers.join(
                    viewers.reserve(&ConnectionLimit::new(1), None).unwrap(),
                    &Identity::nobody(None),
                    address,
                    "camera".into(),
                    "websocket",
                ),
                leftover: bytes::Bytes::new(),
                subscription: hub.subscribe(Delivery::LIVE).into(),
                link: handle.add_link(),
                annexb: None,
                speaks_v1: true,
                mse: None,
                rtsp: None,
                latency: LatencyStats::default().join("camera".into()),
                loss_response: LossResponse::default(),
            });
            let mut scene = Self {
                camera,
                shared,
                poll,
                peer,
            };
            scene.expect("starting");
            scene
        }

        fn publish(&self, words: &str) {
            assert!(self.camera.publisher.set_status(CameraState::Lost, words));
        }

        /// The viewer gets `words`.
        fn expect(&mut self, words: &str) {
            let patience = Some(Duration::from_secs(10));
            self.peer.set_nonblocking(false).unwrap();
            self.peer.set_read_timeout(patience).unwrap();
            let mut all = Vec::new();
            while !String::from_utf8_lossy(&all).contains(words) {
                let mut bytes = [0; 4096];
                let count = self.peer.read(&mut bytes).unwrap();
                all.extend_from_slice(&bytes[..count]);
            }
        }

        /// Nothing was sent.
        fn expect_nothing(&mut self) {
            self.peer.set_nonblocking(true).unwrap();
            assert!(self.peer.read(&mut [0]).is_err());
        }

        fn is_thread_woken(&mut self) -> bool {
            let mut events = Events::with_capacity(8);
            let wait = Some(Duration::ZERO);
            self.poll.poll(&mut events, wait).unwrap();
            events.iter().any(|event| event.token() == WAKE_TOKEN)
        }
    }

    #[test]
    fn publisher_sends_inline_without_wakeup() {
        let mut scene = Scene::new();
        scene.publish("one");
        scene.expect("one");
        assert!(!scene.is_thread_woken());
    }

    #[test]
    fn contended_publish_wakes_thread_without_blocking() {
        let mut scene = Scene::new();
        let shared = scene.shared.clone();
        let sending = shared.connections();
        scene.publish("one");
        scene.expect_nothing();
        assert!(scene.is_thread_woken());
        scene.publish("two");
        assert!(!scene.is_thread_woken(), "it has been woken already");
        drop(sending);
        shared.send_updates(&mut shared.connections());
        scene.expect("two");
        scene.publish("three");
        scene.expect("three");
    }

    #[test]
    fn many_viewers_are_left_to_the_thread() {
        let mut scene = Scene::new();
        scene
            .shared
            .viewers
            .fetch_add(INLINE_SEND_MAX_VIEWERS, Ordering::AcqRel);
        scene.publish("one");
        scene.expect_nothing();
        assert!(scene.is_thread_woken());
    }
}
