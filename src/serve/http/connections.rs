//! Counts the connections that speak HTTP. At the limit, the one that was idle longest makes room.

use crate::serve::connection_limit::ConnectionLimit;
use crate::serve::http::activity::ConnectionActivity;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
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
    /// Most of one network, without viewers.
    per_network: usize,
    open: Mutex<Open>,
    freed: Notify,
}

#[derive(Debug, Default)]
struct Open {
    next: u64,
    activities: BTreeMap<u64, Arc<ConnectionActivity>>,
    /// Connections by network; those without one are not counted.
    networks: BTreeMap<IpAddr, BTreeSet<u64>>,
}

/// Slot of one connection, held until it is dropped.
#[derive(Debug)]
pub(crate) struct ConnectionSlot {
    connections: HttpConnections,
    number: u64,
    network: Option<IpAddr>,
    activity: Arc<ConnectionActivity>,
}

impl HttpConnections {
    /// Allows `limit` connections, viewers included, and `per_network` of one network, without viewers.
    pub(crate) fn new(limit: usize, per_network: usize) -> Self {
        Self(Arc::new(Inner {
            limit,
            per_network,
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
    /// that was idle longest is gone. Returns `None` if all connections that `network` may have are at work.
    pub(crate) async fn acquire(
        &self,
        network: Option<IpAddr>,
        viewers: &ConnectionLimit,
        is_full: impl FnOnce(usize),
    ) -> Option<Arc<ConnectionSlot>> {
        if !network.is_none_or(|network| self.has_room_for(network, Instant::now())) {
            return None;
        }
        let mut is_full = Some(is_full);
        loop {
            if let Some(slot) = self.try_acquire(network, viewers) {
                return Some(Arc::new(slot));
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

    /// Returns true if a network may have one more connection. At the limit, its connection that was idle longest makes room.
    fn has_room_for(&self, network: IpAddr, now: Instant) -> bool {
        let open = self.open();
        let Some(own) = open.networks.get(&network) else {
            return true;
        };
        if own.len() < self.0.per_network {
            return true;
        }
        let own = own.iter().filter_map(|number| open.activities.get(number));
        let plain: Vec<_> = own
            .filter(|activity| !activity.is_stream() && activity.close_reason().is_none())
            .collect();
        if plain.len() < self.0.per_network {
            return true;
        }
        let idle = (plain.iter()).filter_map(|activity| Some((activity.idle_time(now)?, activity)));
        let oldest = idle.max_by_key(|(age, _)| *age);
        if let Some((_, activity)) = oldest {
            activity.close("it was idle and made room");
        }
        oldest.is_some()
    }

    fn try_acquire(
        &self,
        network: Option<IpAddr>,
        viewers: &ConnectionLimit,
    ) -> Option<ConnectionSlot> {
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
        if let Some(network) = network {
            open.networks.entry(network).or_default().insert(number);
        }
        Some(ConnectionSlot {
            connections: self.clone(),
            number,
            network,
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
        let mut open = self.connections.open();
        open.activities.remove(&self.number);
        if let Some(network) = self.network
            && let Some(own) = open.networks.get_mut(&network)
        {
            own.remove(&self.number);
            if own.is_empty() {
                open.networks.remove(&network);
            }
        }
        drop(open);
        self.connections.0.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn network_at_its_limit_gives_up_what_is_idle() {
        let (connections, viewers) = (HttpConnections::new(9, 2), ConnectionLimit::new(1));
        let network = "192.0.2.1".parse().unwrap();
        let acquire = || connections.try_acquire(Some(network), &viewers).unwrap();
        let now = Instant::now();
        let (first, second) = (acquire(), acquire());
        assert!(!connections.has_room_for(network, now), "all at work");
        assert!(connections.has_room_for("192.0.2.2".parse().unwrap(), now));
        assert!(connections.has_room_for(network, now + 2 * SECOND));
        assert!(first.activity().close_reason().is_some());
        assert_eq!(second.activity().close_reason(), None);
        // Readers of streams count as viewers.
        second.activity().on_response(true, now);
        assert!(connections.has_room_for(network, now));
        drop((first, second));
        assert!(connections.open().networks.is_empty());
    }

    #[test]
    fn viewers_and_connections_share_the_limit() {
        let (connections, viewers) = (HttpConnections::new(2, 9), ConnectionLimit::new(2));
        let permit = viewers.acquire().unwrap();
        let slot = connections.try_acquire(None, &viewers).unwrap();
        assert!(connections.try_acquire(None, &viewers).is_none());
        drop(permit);
        let second = connections.try_acquire(None, &viewers).unwrap();
        assert!(connections.try_acquire(None, &viewers).is_none());
        // A reader of a stream has the place of a viewer.
        let _seat = viewers.acquire().unwrap();
        second.activity().on_response(true, Instant::now());
        assert!(connections.try_acquire(None, &viewers).is_none());
        drop(slot);
        assert!(connections.try_acquire(None, &viewers).is_some());
    }

    #[test]
    fn connection_idle_longest_makes_room() {
        let (connections, viewers) = (HttpConnections::new(3, 9), ConnectionLimit::new(0));
        let places: Vec<ConnectionSlot> = (0..3)
            .map(|_| connections.try_acquire(None, &viewers).unwrap())
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
