//! Everybody who watches, by whichever output: the list for operators, and the ends that the server decides on.

use crate::access::{Identity, network};
use crate::logger::CLIENT_TARGET;
use crate::serve::connection_limit::{ConnectionLimit, Permit};
use crate::serve::limits::{Limit, LimitCounters, Limits};
use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

/// Reason for which the server ends a viewer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum EndReason {
    /// The session or the link of the viewer has ended.
    SessionEnded = 1,
    /// An operator ended the viewer.
    Operator = 2,
}

impl EndReason {
    /// Returns the close code for clients that speak `berrymse.v1`.
    pub(crate) const fn close_code(self) -> u16 {
        match self {
            Self::SessionEnded => 4401,
            Self::Operator => 4403,
        }
    }

    /// Returns the words for the log.
    pub(crate) const fn words(self) -> &'static str {
        match self {
            Self::SessionEnded => "its session or link has ended",
            Self::Operator => "an operator ended it",
        }
    }
}

/// All viewers. Clones are the same viewers.
#[derive(Clone, Debug)]
pub(crate) struct Viewers(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    next: AtomicU64,
    all: Mutex<BTreeMap<u64, Arc<Viewer>>>,
    /// Number of viewers by network; those of loopback addresses are not counted.
    networks: Mutex<BTreeMap<IpAddr, usize>>,
    per_network: usize,
    messages_per_second: u32,
    counters: LimitCounters,
}

/// Place that is kept for a viewer until it joins.
#[derive(Debug)]
pub(crate) struct Reservation {
    viewers: Viewers,
    network: Option<IpAddr>,
    _permit: Permit,
}

/// Reason for which there is no place for a viewer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum NoPlace {
    /// The server has all viewers that it may have.
    Server,
    /// The address has.
    Address,
}

/// One viewer.
#[derive(Debug)]
pub(crate) struct Viewer {
    pub(crate) id: u64,
    /// Identity of the viewer: a user, a token, a link or nobody known.
    pub(crate) identity: Identity,
    pub(crate) peer: SocketAddr,
    pub(crate) camera: Arc<str>,
    /// Kind of output, such as `mp4`.
    pub(crate) output: &'static str,
    pub(crate) begun_at: Instant,
    /// Bytes sent.
    bytes: AtomicU64,
    /// An [`EndReason`] as a number, or 0.
    end: AtomicU8,
    /// Waits for the end, if a task does.
    waker: Mutex<Option<Waker>>,
    /// Called at the end, if the waker is not enough.
    on_end: OnceLock<Callback>,
}

/// Work to do at the end of a viewer.
struct Callback(Box<dyn Fn() + Send + Sync>);

/// Place of a viewer, held until it leaves.
#[derive(Debug)]
pub(crate) struct Ticket {
    viewer: Arc<Viewer>,
    place: Reservation,
}

impl Viewers {
    /// Creates an empty set within these limits.
    pub(crate) fn new(limits: &Limits, counters: LimitCounters) -> Self {
        Self(Arc::new(Inner {
            next: AtomicU64::new(0),
            all: Mutex::default(),
            networks: Mutex::default(),
            per_network: limits.viewers_per_address,
            messages_per_second: limits.messages_per_second,
            counters,
        }))
    }

    /// Keeps a place for a viewer at `address`; `None` is everybody behind a proxy of this machine.
    pub(crate) fn reserve(
        &self,
        limit: &ConnectionLimit,
        address: Option<IpAddr>,
    ) -> Result<Reservation, NoPlace> {
        let network = address.map(network);
        if let Some(network) = network {
            let mut networks = self.networks();
            let count = networks.get(&network).copied().unwrap_or_default();
            if count >= self.0.per_network {
                self.0.counters.count(Limit::ViewersPerAddress);
                return Err(NoPlace::Address);
            }
            networks.insert(network, count + 1);
        }
        let Some(permit) = limit.acquire() else {
            self.leave(network);
            self.0.counters.count(Limit::Viewers);
            return Err(NoPlace::Server);
        };
        Ok(Reservation {
            viewers: self.clone(),
            network,
            _permit: permit,
        })
    }

    fn leave(&self, network: Option<IpAddr>) {
        let Some(network) = network else { return };
        let mut networks = self.networks();
        if let Some(count) = networks.get_mut(&network) {
            *count -= 1;
            if *count == 0 {
                networks.remove(&network);
            }
        }
    }

    fn networks(&self) -> MutexGuard<'_, BTreeMap<IpAddr, usize>> {
        self.0
            .networks
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a viewer with the right of `identity`.
    pub(crate) fn join(
        &self,
        place: Reservation,
        identity: &Identity,
        peer: SocketAddr,
        camera: Arc<str>,
        output: &'static str,
    ) -> Ticket {
        let viewer = Arc::new(Viewer {
            id: self.0.next.fetch_add(1, Ordering::Relaxed) + 1,
            identity: identity.clone(),
            peer,
            camera,
            output,
            begun_at: Instant::now(),
            bytes: AtomicU64::new(0),
            end: AtomicU8::new(0),
            waker: Mutex::default(),
            on_end: OnceLock::new(),
        });
        self.all().insert(viewer.id, viewer.clone());
        Ticket { viewer, place }
    }

    /// Returns the viewers, those who came last at the end.
    pub(crate) fn list(&self) -> Vec<Arc<Viewer>> {
        self.all().values().cloned().collect()
    }

    /// Ends the viewers that `is_meant` names; returns how many. Those of the fan-out are closed by
    /// [`crate::serve::fanout::Fanout::close_ended`].
    pub(crate) fn end(&self, reason: EndReason, is_meant: impl Fn(&Viewer) -> bool) -> usize {
        let mut all = self.list();
        all.retain(|viewer| is_meant(viewer));
        all.iter().filter(|viewer| viewer.end(reason)).count()
    }

    fn all(&self) -> MutexGuard<'_, BTreeMap<u64, Arc<Viewer>>> {
        self.0.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Viewer {
    /// Returns true if the viewer watches by this session.
    pub(crate) fn is_of_session(&self, id: &str) -> bool {
        self.identity.session.as_deref() == Some(id)
    }

    /// Returns true if the viewer watches by a link that has ended.
    pub(crate) fn is_expired(&self, unix_seconds: u64) -> bool {
        (self.identity.expires_at).is_some_and(|end| end <= unix_seconds)
    }

    /// Returns the bytes sent so far.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Describes the session for the log: name, time, bytes.
    fn session_text(&self) -> String {
        let name = self.identity.name.as_deref();
        let name = name.map_or_else(String::new, |name| format!("{name}, "));
        let seconds = self.begun_at.elapsed().as_secs();
        format!("{name}{seconds} s, {} bytes", self.bytes())
    }

    /// Ends the viewer; returns false if it has ended already.
    fn end(&self, reason: EndReason) -> bool {
        let is_first = self
            .end
            .compare_exchange(0, reason as u8, Ordering::AcqRel, Ordering::Acquire)
            .is_ok();
        if let Some(waker) = self.waker().take() {
            waker.wake();
        }
        if let Some(Callback(work)) = self.on_end.get() {
            work();
        }
        is_first
    }

    fn waker(&self) -> MutexGuard<'_, Option<Waker>> {
        self.waker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ticket {
    pub(crate) fn viewer(&self) -> &Viewer {
        &self.viewer
    }

    /// Returns the most messages of the viewer in a second.
    pub(crate) fn messages_per_second(&self) -> u32 {
        self.place.viewers.0.messages_per_second
    }

    /// Counts a limit that the viewer reached.
    pub(crate) fn count(&self, limit: Limit) {
        self.place.viewers.0.counters.count(limit);
    }

    /// Sets the bytes sent so far.
    pub(crate) fn set_bytes(&self, bytes: u64) {
        self.viewer.bytes.store(bytes, Ordering::Relaxed);
    }

    /// Counts bytes sent.
    pub(crate) fn add_bytes(&self, bytes: u64) {
        self.viewer.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Returns the reason for which the server ends the viewer, if it does.
    pub(crate) fn end_reason(&self) -> Option<EndReason> {
        match self.viewer.end.load(Ordering::Acquire) {
            1 => Some(EndReason::SessionEnded),
            2 => Some(EndReason::Operator),
            _ => None,
        }
    }

    /// Ends the viewer.
    pub(crate) fn end(&self, reason: EndReason) {
        self.viewer.end(reason);
    }

    /// Has `work` done when the server ends the viewer. Once only.
    pub(crate) fn on_end(&self, work: impl Fn() + Send + Sync + 'static) {
        // Nothing sets it twice.
        let _ = self.viewer.on_end.set(Callback(Box::new(work)));
    }

    /// Waits until the server ends the viewer.
    pub(crate) fn poll_end(&self, context: &Context<'_>) -> Poll<EndReason> {
        if let Some(reason) = self.end_reason() {
            return Poll::Ready(reason);
        }
        let mut waker = self.viewer.waker();
        if waker
            .as_ref()
            .is_none_or(|known| !known.will_wake(context.waker()))
        {
            *waker = Some(context.waker().clone());
        }
        drop(waker);
        self.end_reason().map_or(Poll::Pending, Poll::Ready)
    }

    /// Logs that the viewer left, with name, address, camera, time and bytes.
    pub(crate) fn log_leave(&self, reason: &str) {
        let viewer = &self.viewer;
        let (camera, peer, session) = (&viewer.camera, viewer.peer, viewer.session_text());
        log::info!(target: CLIENT_TARGET, "{camera}: viewer {peer} left: {reason} ({session})");
    }
}

impl fmt::Debug for Callback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Callback")
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.place.viewers.all().remove(&self.viewer.id);
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.viewers.leave(self.network);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::Right;
    use std::task::Wake;

    struct Count(AtomicU64);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::AcqRel);
        }
    }

    fn join(viewers: &Viewers, session: Option<&str>, expires_at: Option<u64>) -> Ticket {
        let place = viewers.reserve(&ConnectionLimit::new(1), None).unwrap();
        let identity = Identity {
            session: session.map(Into::into),
            expires_at,
            ..Identity::nobody(Some(Right::Viewer))
        };
        let peer = "192.0.2.1:5".parse().unwrap();
        viewers.join(place, &identity, peer, "front".into(), "mp4")
    }

    fn viewers() -> Viewers {
        let limits = Limits {
            viewers_per_address: 2,
            ..Limits::unlimited()
        };
        Viewers::new(&limits, LimitCounters::default())
    }

    #[test]
    fn address_has_no_more_viewers_than_allowed() {
        let (viewers, limit) = (viewers(), ConnectionLimit::new(6));
        let at = |text: &str| Some(text.parse().unwrap());
        let held: Vec<_> = ["2001:db8::1", "2001:db8::2", "192.0.2.1"]
            .map(|address| viewers.reserve(&limit, at(address)).unwrap())
            .into();
        let full = viewers.reserve(&limit, at("2001:db8::3"));
        assert_eq!(full.err(), Some(NoPlace::Address), "one /64");
        let local: Vec<_> = (0..3)
            .map(|_| viewers.reserve(&limit, None).unwrap())
            .collect();
        let full = viewers.reserve(&limit, at("192.0.2.1"));
        assert_eq!(full.err(), Some(NoPlace::Server));
        let counters = &viewers.0.counters;
        assert_eq!(counters.get(Limit::ViewersPerAddress), 1);
        assert_eq!(counters.get(Limit::Viewers), 1);
        drop((held, local));
        assert!(viewers.networks().is_empty());
    }

    #[test]
    fn logout_ends_viewers_of_its_session_only() {
        let viewers = viewers();
        let (one, other) = (
            join(&viewers, Some("a"), None),
            join(&viewers, Some("b"), None),
        );
        let woken = Arc::new(Count(AtomicU64::new(0)));
        let waker = Waker::from(woken.clone());
        let context = Context::from_waker(&waker);
        assert_eq!(one.poll_end(&context), Poll::Pending);
        assert_eq!(other.poll_end(&context), Poll::Pending);
        let of_a = |viewer: &Viewer| viewer.is_of_session("a");
        assert_eq!(viewers.end(EndReason::SessionEnded, of_a), 1);
        assert_eq!(viewers.end(EndReason::SessionEnded, of_a), 0, "twice");
        assert_eq!(woken.0.load(Ordering::Acquire), 1);
        assert_eq!(one.poll_end(&context), Poll::Ready(EndReason::SessionEnded));
        assert_eq!(other.end_reason(), None);
        drop(one);
        assert_eq!(viewers.list().len(), 1);
    }

    #[test]
    fn link_ends_its_viewers_with_its_time() {
        let viewers = viewers();
        let (link, open) = (join(&viewers, None, Some(100)), join(&viewers, None, None));
        let expired = |now| viewers.end(EndReason::SessionEnded, |viewer| viewer.is_expired(now));
        assert_eq!((expired(99), expired(100)), (0, 1));
        assert_eq!(link.end_reason(), Some(EndReason::SessionEnded));
        assert_eq!(open.end_reason(), None);
    }
}
