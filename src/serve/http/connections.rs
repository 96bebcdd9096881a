//! Counts the connections that speak HTTP. When all places are taken, the one that was idle longest makes room.

use crate::serve::connection_limit::Seats;
use crate::serve::http::activity::Pace;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// Interval at which a connection that waits for a place tries again.
const RETRY_INTERVAL: Duration = Duration::from_millis(50);

/// All connections that speak HTTP. Clones are the same connections.
#[derive(Clone, Debug)]
pub(crate) struct Connections(Arc<Inner>);

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
    paces: BTreeMap<u64, Arc<Pace>>,
}

/// The place of one connection, until it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    connections: Connections,
    number: u64,
    pace: Arc<Pace>,
}

impl Connections {
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
        self.open().paces.len()
    }

    /// Takes a place beside those of `viewers`; when all are taken, waits until the connection that was idle longest is gone.
    pub(crate) async fn enter(&self, viewers: &Seats, is_full: impl FnOnce(usize)) -> Arc<Place> {
        let mut is_full = Some(is_full);
        loop {
            if let Some(place) = self.try_enter(viewers) {
                return Arc::new(place);
            }
            if let Some(is_full) = is_full.take() {
                is_full(self.0.limit);
            }
            self.evict(Pace::idle, "it was idle and made room", Instant::now());
            let freed = self.0.freed.notified();
            let _ = tokio::time::timeout(RETRY_INTERVAL, freed).await;
        }
    }

    fn try_enter(&self, viewers: &Seats) -> Option<Place> {
        let mut open = self.open();
        let viewers = viewers.taken();
        if open.paces.len() + viewers >= self.0.limit {
            // Readers of streams have places of viewers.
            let streams = open.paces.values().filter(|pace| pace.is_stream()).count();
            if open.paces.len() - streams + viewers >= self.0.limit {
                return None;
            }
        }
        let pace = Arc::new(Pace::new(Instant::now()));
        let number = open.next;
        open.next += 1;
        open.paces.insert(number, pace.clone());
        Some(Place {
            connections: self.clone(),
            number,
            pace,
        })
    }

    /// Ends the reader of a stream that has taken nothing longest. False if all take their frames.
    pub(crate) fn evict_stalled_stream(&self, now: Instant) -> bool {
        self.evict(
            Pace::stalled,
            "it took no frame and made room for another viewer",
            now,
        )
    }

    fn evict(
        &self,
        age: impl Fn(&Pace, Instant) -> Option<Duration>,
        reason: &'static str,
        now: Instant,
    ) -> bool {
        let open = self.open();
        let aged = open
            .paces
            .values()
            .filter_map(|pace| Some((age(pace, now)?, pace)));
        let Some((_, oldest)) = aged.max_by_key(|(age, _)| *age) else {
            return false;
        };
        oldest.end(reason);
        true
    }

    /// Ends connections whose clients are too slow. To be called once a second.
    pub(crate) fn judge(&self, now: Instant) {
        self.open().paces.values().for_each(|pace| pace.judge(now));
    }
}

impl Place {
    pub(crate) fn pace(&self) -> &Arc<Pace> {
        &self.pace
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.connections.open().paces.remove(&self.number);
        self.connections.0.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn viewers_and_connections_share_the_limit() {
        let (connections, viewers) = (Connections::new(2), Seats::new(2));
        let seat = viewers.take().unwrap();
        let place = connections.try_enter(&viewers).unwrap();
        assert!(connections.try_enter(&viewers).is_none());
        drop(seat);
        let second = connections.try_enter(&viewers).unwrap();
        assert!(connections.try_enter(&viewers).is_none());
        // A reader of a stream has the place of a viewer.
        let _seat = viewers.take().unwrap();
        second.pace().begin_answer(true, Instant::now());
        assert!(connections.try_enter(&viewers).is_none());
        drop(place);
        assert!(connections.try_enter(&viewers).is_some());
    }

    #[test]
    fn connection_idle_longest_makes_room() {
        let (connections, viewers) = (Connections::new(3), Seats::new(0));
        let places: Vec<Place> = (0..3)
            .map(|_| connections.try_enter(&viewers).unwrap())
            .collect();
        let now = Instant::now();
        places[0].pace().begin_request(now);
        places[1].pace().begin_answer(false, now - SECOND * 5);
        places[2].pace().begin_answer(false, now - SECOND * 9);
        assert!(connections.evict(Pace::idle, "old", now));
        let ended: Vec<bool> = places
            .iter()
            .map(|place| place.pace().ended().is_some())
            .collect();
        assert_eq!(ended, [false, false, true]);
        assert!(connections.evict(Pace::idle, "old", now));
        assert!(!connections.evict(Pace::idle, "old", now), "it is at work");
    }
}
