//! All viewers by WebSocket, RTSP and MJPEG, and the passes over them. One thread at a time makes them, which `thread`
//! decides.

use crate::logger::CLIENT_TARGET;
use crate::serve::fanout::connection::{NewViewer, ViewerConnection};
use crate::serve::fanout::uring::UringBatch;
use mio::{Interest, Registry, Token};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Poll interval of congested links whose window is full, where there are no frames to poll with.
const THROTTLED_POLL_INTERVAL: Duration = Duration::from_millis(10);

/// Poll interval of links that need frequent polls. In a retransmission backoff the user timeout is
/// renewed ten times a second, and a suspected congestion must not wait for the next poll of all
/// links.
const FREQUENT_POLL_INTERVAL: Duration = Duration::from_millis(50);

/// Lateness of a poll that shows a stall of this thread itself.
const SELF_STALL: Duration = Duration::from_millis(250);

/// Most viewers that a camera's thread sends to itself, with a system call for each: that takes 1
/// to 2 ms. With more, the saving is a fiftieth and less, and the thread would lack the time for
/// the camera. Only with more does io_uring gain anything.
pub(crate) const INLINE_SEND_MAX_VIEWERS: usize = 200;

/// Connections of all viewers, each in a slot that is its number.
pub(crate) struct Connections {
    registry: Registry,
    /// Number of viewers here and on their way here.
    count: Arc<AtomicUsize>,
    connections: Vec<Option<ViewerConnection>>,
    /// Empty slots in `connections`.
    free: Vec<usize>,
    /// Batch for many viewers, if the system has io_uring.
    uring: Option<UringBatch>,
    /// Time of the next poll of throttled or suspected links, if there are any.
    next_poll_at: Option<Instant>,
}

impl Connections {
    /// Creates an empty set. Sockets are registered at `registry`; leaving viewers are subtracted
    /// from `count`.
    pub(crate) fn new(registry: Registry, count: Arc<AtomicUsize>, may_use_ring: bool) -> Self {
        Self {
            registry,
            count,
            connections: Vec::new(),
            free: Vec::new(),
            uring: may_use_ring.then(open_uring).flatten(),
            next_poll_at: None,
        }
    }

    /// True while there is no viewer.
    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn len(&self) -> usize {
        self.connections.len() - self.free.len()
    }

    /// Returns the time of the next [`Connections::poll_throttled`], if one is due.
    pub(crate) fn next_poll_at(&self) -> Option<Instant> {
        self.next_poll_at
    }

    /// Sends updates to all viewers.
    pub(crate) fn send_updates(&mut self) {
        let viewers = self.len();
        let Some(mut uring) = self.uring.take_if(|_| viewers > INLINE_SEND_MAX_VIEWERS) else {
            self.for_each(ViewerConnection::send_updates);
            return;
        };
        for slot in 0..self.connections.len() {
            self.with_connection(slot, |connection| {
                connection.queue_updates(slot, &mut uring)
            });
            let is_last = slot + 1 == self.connections.len();
            if !uring.is_full() && !is_last {
                continue;
            }
            let submitted = uring.submit(|slot, result| {
                self.with_connection(slot, |connection| connection.on_send_complete(result));
            });
            if let Err(error) = submitted {
                log::warn!(
                    "io_uring: disabled ({error}); each frame costs one system call per viewer"
                );
                self.for_each(ViewerConnection::send_updates);
                return;
            }
        }
        self.uring = Some(uring);
    }

    /// Polls throttled links, if it is time to.
    pub(crate) fn poll_throttled(&mut self, now: Instant) {
        let Some(held) = self.next_poll_at.take_if(|held| now >= *held) else {
            return;
        };
        if now - held > SELF_STALL {
            // No viewer had the time to acknowledge what was sent just now.
            self.next_poll_at = Some(now + FREQUENT_POLL_INTERVAL);
        } else {
            self.for_each(ViewerConnection::retry_throttled);
        }
    }

    /// Serves a new viewer from now on.
    pub(crate) fn add(&mut self, new_viewer: NewViewer) {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.connections.push(None);
            self.connections.len() - 1
        });
        let mut connection = ViewerConnection::new(new_viewer);
        let interest = Interest::READABLE | Interest::WRITABLE;
        match self
            .registry
            .register(connection.socket(), Token(slot), interest)
        {
            Ok(()) => {
                self.connections[slot] = Some(connection);
                // Data that came with the request, then the present frames.
                self.with_connection(slot, ViewerConnection::begin);
            }
            Err(error) => {
                log::warn!(target: CLIENT_TARGET, "viewer: not served ({error})");
                self.free.push(slot);
                self.count.fetch_sub(1, Ordering::AcqRel);
            }
        }
    }

    /// Begins the close of all viewers, which then end their side.
    pub(crate) fn close_all(&mut self) {
        self.for_each(ViewerConnection::close_going_away);
    }

    /// Ends the viewer that has made no progress for longest, at least since `before`. Returns
    /// false if there is none.
    pub(crate) fn evict_stalled(&mut self, before: Instant) -> bool {
        let stalled = self
            .connections
            .iter()
            .enumerate()
            .filter_map(|(slot, entry)| Some((entry.as_ref()?.stalled_since()?, slot)));
        let Some((since, slot)) = stalled.min() else {
            return false;
        };
        if since > before {
            return false;
        }
        let reason = "it took no frame and made room for another viewer";
        self.with_connection(slot, |_| Err(reason.to_owned()));
        true
    }

    /// Does `work` for each viewer.
    pub(crate) fn for_each(
        &mut self,
        mut work: impl FnMut(&mut ViewerConnection) -> Result<(), String>,
    ) {
        for slot in 0..self.connections.len() {
            self.with_connection(slot, &mut work);
        }
    }

    /// Does `work` for the viewer in `slot`; an error ends the viewer.
    pub(crate) fn with_connection(
        &mut self,
        slot: usize,
        work: impl FnOnce(&mut ViewerConnection) -> Result<(), String>,
    ) {
        let Some(entry) = self.connections.get_mut(slot) else {
            return;
        };
        let Some(connection) = entry else { return };
        let done = work(connection);
        let poll_in = if connection.is_throttled() {
            Some(THROTTLED_POLL_INTERVAL)
        } else {
            connection
                .needs_frequent_poll()
                .then_some(FREQUENT_POLL_INTERVAL)
        };
        if let Some(poll_in) = poll_in {
            let at = Instant::now() + poll_in;
            self.next_poll_at = Some(self.next_poll_at.map_or(at, |known| known.min(at)));
        }
        if let Err(reason) = done {
            connection.log_leave(&reason);
            let _ = self.registry.deregister(connection.socket());
            *entry = None;
            self.free.push(slot);
            self.count.fetch_sub(1, Ordering::AcqRel);
            if self.is_empty() {
                // After thousands of viewers these are some megabytes.
                (self.connections, self.free) = (Vec::new(), Vec::new());
            }
        }
    }
}

/// Opens io_uring, if the system has what it takes.
fn open_uring() -> Option<UringBatch> {
    UringBatch::open()
        .inspect_err(|error| {
            log::debug!(
                "io_uring: not available ({error}); each frame costs one system call per viewer"
            );
        })
        .ok()
}
