//! The hot path: one thread that gives every WebSocket viewer the same bytes.
//!
//! Per picture and viewer it makes one `send()` of shared bytes on a non-blocking socket and nothing else, for many viewers
//! all in one system call (`ring`); a task per viewer costs 1.17 to 1.26 times as much, and memory (docs/decisions/0002). A
//! viewer whose socket is full costs no system call until the kernel says that there is room again, and its next pictures
//! wait in the hub's ring, not here. How far behind viewers are is looked at four times a second, which costs a thirtieth as many
//! system calls as the pictures; only for those on slow lines, before each picture (`line`).

use super::ring::Ring;
use super::viewer::{Connection, Joining};
use crate::hub::Audience;
use mio::{Events, Interest, Poll, Token};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::task::{Wake, Waker};
use std::time::{Duration, Instant};

/// Viewers have the numbers from here on.
const WAKE: Token = Token(usize::MAX);

/// How often silent viewers are looked after.
const TICK: Duration = Duration::from_secs(1);

/// How often all lines are looked at: what goes into a hole before it is seen has to come out of it again.
const LOOK: Duration = Duration::from_millis(250);

/// How often slow lines that have enough on their way are looked at, where there are no pictures to do it with.
const LOOK_AT_HELD: Duration = Duration::from_millis(10);

/// How often lines are looked at on which the kernel tries again and again: it is told to go on doing so ten times a second.
const LOOK_AT_RETRYING: Duration = Duration::from_millis(50);

/// From so many viewers on one system call for all is used. With 10 it costs more than one for each, with 100 it does not.
const MANY: usize = 50;

/// Hands viewers to the thread. Clones are the same thread's.
#[derive(Clone, Debug)]
pub struct Fanout {
    commands: Sender<Command>,
    bell: Arc<Bell>,
}

enum Command {
    Add(Joining),
    Stop,
}

/// Wakes the thread.
#[derive(Debug)]
struct Bell {
    waker: mio::Waker,
    viewers: AtomicUsize,
    /// A camera has published something.
    news: AtomicBool,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    /// Called by the cameras' threads. With nobody there it costs one load; while the thread has not yet
    /// looked, it costs one exchange.
    fn wake_by_ref(self: &Arc<Self>) {
        if self.viewers.load(Ordering::Acquire) > 0 && !self.news.swap(true, Ordering::AcqRel) {
            // Fails only if the thread is gone.
            let _ = self.waker.wake();
        }
    }
}

impl Fanout {
    /// Starts the thread, which then follows all `audiences`.
    ///
    /// With `may_use_ring`, many viewers cost one system call together where the system has io_uring.
    pub fn start<'a>(
        audiences: impl Iterator<Item = &'a Audience>,
        may_use_ring: bool,
    ) -> io::Result<(Self, std::thread::JoinHandle<()>)> {
        let poll = Poll::new()?;
        let bell = Arc::new(Bell {
            waker: mio::Waker::new(poll.registry(), WAKE)?,
            viewers: AtomicUsize::new(0),
            news: AtomicBool::new(false),
        });
        for audience in audiences {
            audience.follow(Waker::from(bell.clone()));
        }
        let (commands, inbox) = channel();
        let thread = Thread {
            poll,
            inbox,
            bell: bell.clone(),
            connections: Vec::new(),
            free: Vec::new(),
            ring: None,
            look_at_held: None,
        };
        let handle = std::thread::Builder::new()
            .name("fan-out".into())
            .spawn(move || thread.run(may_use_ring))?;
        Ok((Self { commands, bell }, handle))
    }

    /// Serves this viewer from now on.
    pub(super) fn add(&self, joining: Joining) {
        self.bell.viewers.fetch_add(1, Ordering::AcqRel);
        self.tell(Command::Add(joining));
    }

    /// Says goodbye to all viewers and ends the thread.
    pub fn stop(&self) {
        self.tell(Command::Stop);
    }

    fn tell(&self, command: Command) {
        if self.commands.send(command).is_ok() {
            let _ = self.bell.waker.wake();
        }
    }
}

struct Thread {
    poll: Poll,
    inbox: Receiver<Command>,
    bell: Arc<Bell>,
    connections: Vec<Option<Connection>>,
    /// Empty places in `connections`.
    free: Vec<usize>,
    /// For many viewers, if the system has it.
    ring: Option<Ring>,
    /// When those that are held are looked at, if there are any.
    look_at_held: Option<Instant>,
}

impl Thread {
    fn run(mut self, may_use_ring: bool) {
        self.ring = may_use_ring.then(open_ring).flatten();
        let mut events = Events::with_capacity(1024);
        let mut next_tick = Instant::now() + TICK;
        let mut next_look = Instant::now() + LOOK;
        loop {
            let wait = if self.connections.len() == self.free.len() {
                None // nobody there: sleep until somebody comes
            } else {
                let next = next_tick.min(next_look);
                let next = self.look_at_held.map_or(next, |held| next.min(held));
                Some(next.saturating_duration_since(Instant::now()))
            };
            if let Err(error) = self.poll.poll(&mut events, wait)
                && error.kind() != io::ErrorKind::Interrupted
            {
                log::error!("the fan-out cannot wait for its sockets: {error}");
                std::thread::sleep(TICK);
            }
            for event in events.iter().filter(|event| event.token() != WAKE) {
                let (readable, writable) = (event.is_readable(), event.is_writable());
                self.with(event.token().0, |connection| {
                    connection.on_event(readable, writable)
                });
            }
            if !self.take_commands() {
                return;
            }
            if self.bell.news.swap(false, Ordering::AcqRel) {
                self.send_news();
            }
            let now = Instant::now();
            if self.look_at_held.is_some_and(|held| now >= held) {
                self.look_at_held = None;
                self.each(Connection::send_if_held);
            }
            if now >= next_look {
                // After a standstill of our own nobody has had the time to get what was sent just now.
                let is_late = now - next_look > LOOK;
                next_look = now + LOOK;
                if !is_late {
                    self.each(Connection::look_at_line);
                }
            }
            if now >= next_tick {
                next_tick = now + TICK;
                self.each(|connection| connection.on_tick(now));
            }
        }
    }

    /// There may be something new for everybody.
    fn send_news(&mut self) {
        let viewers = self.connections.len() - self.free.len();
        let Some(mut ring) = self.ring.take_if(|_| viewers >= MANY) else {
            return self.each(Connection::send_news);
        };
        for place in 0..self.connections.len() {
            self.with(place, |connection| connection.queue_news(place, &mut ring));
            let is_last = place + 1 == self.connections.len();
            if !ring.is_full() && !is_last {
                continue;
            }
            let now = Instant::now();
            let submitted = ring.submit(|place, result| {
                self.with(place, |connection| connection.on_sent(result, now));
            });
            if let Err(error) = submitted {
                log::warn!("io_uring fails, going on without: {error}");
                return self.each(Connection::send_news);
            }
        }
        self.ring = Some(ring);
    }

    /// Returns false when the thread is to end.
    fn take_commands(&mut self) -> bool {
        while let Ok(command) = self.inbox.try_recv() {
            match command {
                Command::Add(joining) => self.add(joining),
                Command::Stop => {
                    self.connections
                        .iter_mut()
                        .flatten()
                        .for_each(Connection::say_goodbye);
                    return false;
                }
            }
        }
        true
    }

    fn add(&mut self, joining: Joining) {
        let place = self.free.pop().unwrap_or_else(|| {
            self.connections.push(None);
            self.connections.len() - 1
        });
        let mut connection = Connection::new(joining);
        let interest = Interest::READABLE | Interest::WRITABLE;
        match self
            .poll
            .registry()
            .register(connection.socket(), Token(place), interest)
        {
            Ok(()) => {
                self.connections[place] = Some(connection);
                // What the viewer sent together with its request, then what is there to be seen.
                self.with(place, Connection::begin);
            }
            Err(error) => {
                log::warn!("cannot serve a viewer: {error}");
                self.free.push(place);
                self.bell.viewers.fetch_sub(1, Ordering::AcqRel);
            }
        }
    }

    fn each(&mut self, mut work: impl FnMut(&mut Connection) -> Result<(), String>) {
        for place in 0..self.connections.len() {
            self.with(place, &mut work);
        }
    }

    /// Does `work` for the viewer at `place`; an error ends the viewer.
    fn with(&mut self, place: usize, work: impl FnOnce(&mut Connection) -> Result<(), String>) {
        let Some(slot) = self.connections.get_mut(place) else {
            return;
        };
        let Some(connection) = slot else { return };
        let done = work(connection);
        let look_in = if connection.is_held() {
            Some(LOOK_AT_HELD)
        } else {
            connection.is_retrying().then_some(LOOK_AT_RETRYING)
        };
        if let Some(look_in) = look_in {
            let at = Instant::now() + look_in;
            self.look_at_held = Some(self.look_at_held.map_or(at, |known| known.min(at)));
        }
        if let Err(reason) = done {
            log::info!(
                "{}: viewer {} left: {reason}",
                connection.camera(),
                connection.peer()
            );
            let _ = self.poll.registry().deregister(connection.socket());
            *slot = None;
            self.free.push(place);
            self.bell.viewers.fetch_sub(1, Ordering::AcqRel);
        }
    }
}

/// The ring, if the system has what it takes.
fn open_ring() -> Option<Ring> {
    Ring::open()
        .inspect_err(|error| {
            log::debug!("each picture costs a system call for each viewer, as io_uring is not to be had: {error}");
        })
        .ok()
}
