//! All WebSocket viewers, and the passes over them. One thread at a time makes them; which one decides `fanout`.

use crate::logger::CLIENTS;
use crate::serve::fanout::connection::{Connection, Joining};
use crate::serve::fanout::uring::Ring;
use mio::{Interest, Registry, Token};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// How often slow lines that have enough on their way are looked at, where there are no pictures to do it with.
const LOOK_AT_HELD: Duration = Duration::from_millis(10);

/// How often lines are looked at that are critical: where the kernel tries again and again it is told to go on doing so ten times a
/// second, and what may be late is not to wait until all lines are looked at.
const LOOK_AT_CRITICAL: Duration = Duration::from_millis(50);

/// So late, the thread itself has stood still.
const STANDSTILL: Duration = Duration::from_millis(250);

/// To so many viewers a camera's thread sends itself, a system call for each: they take it 1 to 2 ms. With more, what it saves is a
/// fiftieth and less, and the thread would lack the time for the camera; and only with more does one system call for all gain
/// anything.
pub(crate) const FEW: usize = 200;

/// The viewers, each at a place that is its number.
pub(crate) struct Crowd {
    registry: Registry,
    /// Those who are here and those who are on their way here.
    count: Arc<AtomicUsize>,
    connections: Vec<Option<Connection>>,
    /// Empty places in `connections`.
    free: Vec<usize>,
    /// For many viewers, if the system has it.
    ring: Option<Ring>,
    /// When those that are held or critical are looked at, if there are any.
    look_at_held: Option<Instant>,
}

impl Crowd {
    /// Nobody, so far. Sockets are registered at `registry`; who leaves is taken off `count`.
    pub(crate) fn new(registry: Registry, count: Arc<AtomicUsize>, may_use_ring: bool) -> Self {
        Self {
            registry,
            count,
            connections: Vec::new(),
            free: Vec::new(),
            ring: may_use_ring.then(open_ring).flatten(),
            look_at_held: None,
        }
    }

    /// True while there is nobody.
    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn len(&self) -> usize {
        self.connections.len() - self.free.len()
    }

    /// When [`Crowd::look_at_held`] is to be called, if it is.
    pub(crate) fn next_look(&self) -> Option<Instant> {
        self.look_at_held
    }

    /// There may be something new for everybody.
    pub(crate) fn send_news(&mut self) {
        let viewers = self.len();
        let Some(mut ring) = self.ring.take_if(|_| viewers > FEW) else {
            self.each(Connection::send_news);
            return;
        };
        for place in 0..self.connections.len() {
            self.with(place, |connection| connection.queue_news(place, &mut ring));
            let is_last = place + 1 == self.connections.len();
            if !ring.is_full() && !is_last {
                continue;
            }
            let submitted = ring.submit(|place, result| {
                self.with(place, |connection| connection.on_sent(result));
            });
            if let Err(error) = submitted {
                log::warn!("io_uring fails, going on without: {error}");
                self.each(Connection::send_news);
                return;
            }
        }
        self.ring = Some(ring);
    }

    /// Looks at those that are held, if it is time to.
    pub(crate) fn look_at_held(&mut self, now: Instant) {
        let Some(held) = self.look_at_held.take_if(|held| now >= *held) else {
            return;
        };
        if now - held > STANDSTILL {
            // Nobody has had the time to get what was sent just now.
            self.look_at_held = Some(now + LOOK_AT_CRITICAL);
        } else {
            self.each(Connection::send_if_held);
        }
    }

    /// Serves a new viewer from now on.
    pub(crate) fn add(&mut self, joining: Joining) {
        let place = self.free.pop().unwrap_or_else(|| {
            self.connections.push(None);
            self.connections.len() - 1
        });
        let mut connection = Connection::new(joining);
        let interest = Interest::READABLE | Interest::WRITABLE;
        match self
            .registry
            .register(connection.socket(), Token(place), interest)
        {
            Ok(()) => {
                self.connections[place] = Some(connection);
                // What the viewer sent together with its request, then what is there to be seen.
                self.with(place, Connection::begin);
            }
            Err(error) => {
                log::warn!(target: CLIENTS, "cannot serve a viewer: {error}");
                self.free.push(place);
                self.count.fetch_sub(1, Ordering::AcqRel);
            }
        }
    }

    /// Says goodbye to all, who then have to end their side.
    pub(crate) fn say_goodbye(&mut self) {
        self.each(Connection::say_goodbye);
    }

    /// Ends the viewer who has taken nothing longest, at least since `before`. False if there is none.
    pub(crate) fn evict_stalled(&mut self, before: Instant) -> bool {
        let stalled = self
            .connections
            .iter()
            .enumerate()
            .filter_map(|(place, slot)| Some((slot.as_ref()?.stalled_since()?, place)));
        let Some((since, place)) = stalled.min() else {
            return false;
        };
        if since > before {
            return false;
        }
        let reason = "it took no frame and made room for another viewer";
        self.with(place, |_| Err(reason.to_owned()));
        true
    }

    /// Does `work` for each viewer.
    pub(crate) fn each(&mut self, mut work: impl FnMut(&mut Connection) -> Result<(), String>) {
        for place in 0..self.connections.len() {
            self.with(place, &mut work);
        }
    }

    /// Does `work` for the viewer at `place`; an error ends the viewer.
    pub(crate) fn with(
        &mut self,
        place: usize,
        work: impl FnOnce(&mut Connection) -> Result<(), String>,
    ) {
        let Some(slot) = self.connections.get_mut(place) else {
            return;
        };
        let Some(connection) = slot else { return };
        let done = work(connection);
        let look_in = if connection.is_held() {
            Some(LOOK_AT_HELD)
        } else {
            connection.is_critical().then_some(LOOK_AT_CRITICAL)
        };
        if let Some(look_in) = look_in {
            let at = Instant::now() + look_in;
            self.look_at_held = Some(self.look_at_held.map_or(at, |known| known.min(at)));
        }
        if let Err(reason) = done {
            log::info!(
                target: CLIENTS,
                "{}: viewer {} left: {reason}",
                connection.camera(),
                connection.peer()
            );
            let _ = self.registry.deregister(connection.socket());
            *slot = None;
            self.free.push(place);
            self.count.fetch_sub(1, Ordering::AcqRel);
            if self.is_empty() {
                // After thousands of viewers these are some megabytes.
                (self.connections, self.free) = (Vec::new(), Vec::new());
            }
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
