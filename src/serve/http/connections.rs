//! Counts the connections that speak HTTP. At the limit, the one that was idle longest makes room.

use crate::serve::connection_limit::ConnectionLimit;
use crate::serve::http::activity::ConnectionActivity;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// Interval at which a waiting connection tries again.
const RETRY_INTERVAL: Duration = Duration::from_millis(50);

/// All connections that speak HTTP. Clones are the same connections.
#[derive(Clone, Debug)]
pub(crate) struct HttpConnections(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// Most connections, viewers of WebSockets included.
    limit: usize,
    open: Mutex<Open>,
    freed: Notify,
}

#[derive(Debug, Default)]
struct Open {
    next: u64,
    activities: BTreeMap<u64, Arc<ConnectionActivity>>,
}

/// Slot of one connection, held until it is dropped.
#[derive(Debug)]
pub(crate) struct ConnectionSlot {
    connections: HttpConnections,
    number: u64,
    activity: Arc<ConnectionActivity>,
}

impl HttpConnections {
    /// Allows `limit` connections, viewers included.
    pub(crate) fn new(limit: usize) -> Self {
        Self(Arc::new(Inner {
            limit,
            open: Mutex::default(),
            freed: Notify::new(),
        }))
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.0.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn len(&self) -> usize {
        self.open().activities.len()
    }

    /// Acquires a slot in addition to those of `viewers`; at the limit, waits until the connection
    /// that was idle longest is gone.
    pub(crate) async fn acquire(
        &self,
        viewers: &ConnectionLimit,
        is_full: impl FnOnce(usize),
    ) -> Arc<ConnectionSlot> {
        let mut is_full = Some(is_full);
        loop {
            if let Some(slot) = self.try_acquire(viewers) {
                return Arc::new(slot);
            }
            if let Some(is_full) = is_full.take() {
                is_full(self.0.limit);
            }
            self.evict(
                ConnectionActivity::idle_time,
                "it was idle and made room",
                Instant::now(),
            );
            let freed = self.0.freed.notified();
            let _ = tokio::time::timeout(RETRY_INTERVAL, freed).await;
        }
    }

    fn try_acquire(&self, viewers: &ConnectionLimit) -> Option<ConnectionSlot> {
        let mut open = self.open();
        let viewers = viewers.in_use();
        if open.activities.len() + viewers >= self.0.limit {
            // Readers of streams hold permits of viewers.
            let streams = open
                .activities
                .values()
                .filter(|activity| activity.is_stream())
                .count();
            if open.activities.len() - streams + viewers >= self.0.limit {
                return None;
            }
        }
        let activity = Arc::new(ConnectionActivity::new(Instant::now()));
        let number = open.next;
        open.next += 1;
        open.activities.insert(number, activity.clone());
        Some(ConnectionSlot {
            connections: self.clone(),
            number,
            activity,
        })
    }

    /// Ends the reader of a stream that has taken nothing longest. False if all take their frames.
    pub(crate) fn evict_stalled_stream(&self, now: Instant) -> bool {
        self.evict(
            ConnectionActivity::stalled_time,
            "it took no frame and made room for another viewer",
            now,
        )
    }

    fn evict(
        &self,
        age: impl Fn(&ConnectionActivity, Instant) -> Option<Duration>,
        reason: &'static str,
        now: Instant,
    ) -> bool {
        let open = self.open();
        let aged = open
            .activities
            .values()
            .filter_map(|activity| Some((age(activity, now)?, activity)));
        let Some((_, oldest)) = aged.max_by_key(|(age, _)| *age) else {
            return false;
        };
        oldest.close(reason);
        true
    }

    /// Ends connections whose clients are too slow. To be called once a second.
    pub(crate) fn close_slow_clients(&self, now: Instant) {
        self.open()
            .activities
            .values()
            .for_each(|activity| activity.close_if_slow(now));
    }
}

impl ConnectionSlot {
    pub(crate) fn activity(&self) -> &Arc<ConnectionActivity> {
        &self.activity
    }
}

impl Drop for ConnectionSlot {
    fn drop(&mut self) {
        self.connections.open().activities.remove(&self.number);
        self.connections.0.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn viewers_and_connections_share_the_limit() {
        let (connections, viewers) = (HttpConnections::new(2), ConnectionLimit::new(2));
        let permit = viewers.acquire().unwrap();
        let slot = connections.try_acquire(&viewers).unwrap();
        assert!(connections.try_acquire(&viewers).is_none());
        drop(permit);
        let second = connections.try_acquire(&viewers).unwrap();
        assert!(connections.try_acquire(&viewers).is_none());
        // A reader of a stream has the place of a viewer.
        let _seat = viewers.acquire().unwrap();
        second.activity().on_response(true, Instant::now());
        assert!(connections.try_acquire(&viewers).is_none());
        drop(slot);
        assert!(connections.try_acquire(&viewers).is_some());
    }

    #[test]
    fn connection_idle_longest_makes_room() {
        let (connections, viewers) = (HttpConnections::new(3), ConnectionLimit::new(0));
        let places: Vec<ConnectionSlot> = (0..3)
            .map(|_| connections.try_acquire(&viewers).unwrap())
            .collect();
        let now = Instant::now();
        places[0].activity().on_request(now);
        places[1].activity().on_response(false, now - SECOND * 5);
        places[2].activity().on_response(false, now - SECOND * 9);
        assert!(connections.evict(ConnectionActivity::idle_time, "old", now));
        let ended: Vec<bool> = places
            .iter()
            .map(|slot| slot.activity().close_reason().is_some())
            .collect();
        assert_eq!(ended, [false, false, true]);
        assert!(connections.evict(ConnectionActivity::idle_time, "old", now));
        assert!(
            !connections.evict(ConnectionActivity::idle_time, "old", now),
            "it is at work"
        );
    }
}
