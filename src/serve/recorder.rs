//! Clients that get every frame, however late: `delivery=lossless` in their URL.

use crate::access::network;
use crate::hub::{Delivery, Hub, Subscription, ViewerGuard};
use crate::logger::{self, LogThrottle};
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Bytes of frames that wait for all recorders, which share them evenly.
const TOTAL_WAITING_BYTES: usize = 64 << 20;

/// Least and most bytes of frames that wait for one.
const MIN_WAITING_BYTES: usize = 1 << 20;
const MAX_WAITING_BYTES: usize = 8 << 20;

/// Number of recorders by network; `None` is this machine, and who comes by a proxy on it.
type Taken = BTreeMap<Option<IpAddr>, usize>;

/// Limit of recorders at the same time. Clones share it.
///
/// One network has half of the places at most, so that a stranger who may watch cannot take them from the owner's recorder.
#[derive(Clone, Debug)]
pub(crate) struct RecorderLimit {
    limit: usize,
    taken: Arc<Mutex<Taken>>,
}

/// Permit for one recorder, held until it is dropped.
#[derive(Debug)]
pub(crate) struct RecorderPermit {
    network: Option<IpAddr>,
    waiting_bytes: usize,
    taken: Arc<Mutex<Taken>>,
}

impl RecorderLimit {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            limit,
            taken: Arc::default(),
        }
    }

    /// Returns a permit for a recorder at `address`, if one is free; `None` is everybody behind a proxy of this machine.
    pub(crate) fn acquire(&self, address: Option<IpAddr>) -> Option<RecorderPermit> {
        let network = address.map(network);
        let mut taken = lock(&self.taken);
        let own = taken.get(&network).copied().unwrap_or_default();
        let is_full = taken.values().sum::<usize>() >= self.limit
            || (network.is_some() && own >= self.limit.div_ceil(2));
        if is_full {
            return None;
        }
        taken.insert(network, own + 1);
        drop(taken);
        let share = TOTAL_WAITING_BYTES / self.limit.max(1);
        Some(RecorderPermit {
            network,
            waiting_bytes: share.clamp(MIN_WAITING_BYTES, MAX_WAITING_BYTES),
            taken: self.taken.clone(),
        })
    }
}

impl Drop for RecorderPermit {
    fn drop(&mut self) {
        let mut taken = lock(&self.taken);
        if let Some(own) = taken.get_mut(&self.network) {
            *own -= 1;
            if *own == 0 {
                taken.remove(&self.network);
            }
        }
    }
}

/// Nothing panics while the lock is held; if it did, the numbers would still be right.
fn lock(taken: &Mutex<Taken>) -> MutexGuard<'_, Taken> {
    taken.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Place of a recorder, held until it leaves.
#[derive(Debug)]
pub(crate) struct Recorder {
    camera: Arc<str>,
    hub: Hub,
    peer: SocketAddr,
    log_throttle: Arc<Mutex<LogThrottle>>,
    _viewer: ViewerGuard,
    permit: RecorderPermit,
}

impl Recorder {
    /// Creates a recorder of the `camera` with this `hub`.
    pub(crate) fn new(
        camera: Arc<str>,
        hub: &Hub,
        peer: SocketAddr,
        log_throttle: Arc<Mutex<LogThrottle>>,
        permit: RecorderPermit,
    ) -> Self {
        Self {
            camera,
            hub: hub.clone(),
            peer,
            log_throttle,
            _viewer: hub.count_viewer(),
            permit,
        }
    }

    /// Subscribes to every frame from the newest keyframe on.
    pub(crate) fn subscribe(&self) -> Subscription {
        let max_bytes = self.permit.waiting_bytes;
        self.hub.subscribe(Delivery::Lossless { max_bytes })
    }

    /// Logs that the recorder did not read for too long.
    pub(crate) fn warn(&self, lost: u64) {
        let (camera, peer) = (&self.camera, self.peer);
        let mb = self.permit.waiting_bytes >> 20;
        let words = format!(
            "{camera}: recorder {peer} lost {lost} frames: it did not read while {mb} MB of them came"
        );
        logger::warn_throttled(&self.log_throttle, &words);
    }
}

/// Reads `delivery` from a query: whether the client wants every frame.
///
/// # Errors
///
/// Words for the client, where the value is unknown.
pub(crate) fn wants_every_frame(query: &str) -> Result<bool, String> {
    let mut values = (query.split('&')).filter_map(|pair| pair.strip_prefix("delivery="));
    match values.next() {
        None => Ok(false),
        Some("lossless") => Ok(true),
        Some(value) => Err(format!(
            "delivery={value}: unknown; the only value is lossless\n"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn network_has_half_of_the_places() {
        let address = |text: &str| Some(text.parse().unwrap());
        let limit = RecorderLimit::new(3);
        let one = limit.acquire(address("2001:db8::1")).unwrap();
        assert_eq!(one.waiting_bytes, MAX_WAITING_BYTES);
        let two = limit.acquire(address("2001:db8::2"));
        assert!(two.is_some() && limit.acquire(address("2001:db8::3")).is_none());
        let other = limit.acquire(address("192.0.2.1"));
        assert!(other.is_some() && limit.acquire(address("192.0.2.2")).is_none());
        drop((one, two, other));
        assert!(lock(&limit.taken).is_empty());
        let all: Vec<_> = (0..4).map(|_| limit.acquire(None)).collect();
        assert_eq!(all.iter().flatten().count(), 3, "a proxy of this machine");
        assert!(RecorderLimit::new(0).acquire(None).is_none());
        let many = RecorderLimit::new(1000).acquire(None);
        assert_eq!(many.unwrap().waiting_bytes, MIN_WAITING_BYTES);
    }

    #[test]
    fn delivery_is_lossless_or_refused() {
        assert_eq!(wants_every_frame("wait=5"), Ok(false));
        assert_eq!(wants_every_frame("wait=5&delivery=lossless"), Ok(true));
        for query in ["delivery=all", "delivery="] {
            assert!(wants_every_frame(query).is_err_and(|words| words.contains("lossless")));
        }
    }
}
