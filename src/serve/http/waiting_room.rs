//! Places for attempts to log in that wait for their turn.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

/// Most attempts that wait.
const MAX_WAITING: usize = 16;

/// Most of them from one network, so that one client does not keep others out.
const MAX_OF_NETWORK: usize = 2;

/// Attempts that wait, by network; `None` is everybody behind a proxy of this machine.
#[derive(Debug, Default)]
pub(crate) struct WaitingRoom(Mutex<BTreeMap<Option<IpAddr>, usize>>);

/// A place, left with its end.
#[derive(Debug)]
pub(crate) struct Place<'a> {
    room: &'a WaitingRoom,
    network: Option<IpAddr>,
}

impl WaitingRoom {
    /// Takes a place, if there is one for `network`.
    pub(crate) fn enter(&self, network: Option<IpAddr>) -> Option<Place<'_>> {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let all: usize = waiting.values().sum();
        let own = waiting.get(&network).copied().unwrap_or_default();
        let is_crowded = network.is_some() && own >= MAX_OF_NETWORK;
        if all >= MAX_WAITING || is_crowded {
            return None;
        }
        waiting.insert(network, own + 1);
        Some(Place {
            room: self,
            network,
        })
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut waiting = self.room.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = waiting.get_mut(&self.network) {
            *own -= 1;
            if *own == 0 {
                waiting.remove(&self.network);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn network_that_waits_leaves_places_to_others() {
        let room = WaitingRoom::default();
        let network = |last| Some(IpAddr::from([192, 0, 2, last]));
        let own: Vec<_> = (0..5).filter_map(|_| room.enter(network(1))).collect();
        assert_eq!(own.len(), MAX_OF_NETWORK);
        assert!(room.enter(network(2)).is_some());
        drop(own);
        assert!(room.enter(network(1)).is_some());
        let local: Vec<_> = (0..100).filter_map(|_| room.enter(None)).collect();
        assert_eq!(local.len(), MAX_WAITING);
        assert!(room.enter(network(3)).is_none());
        drop(local);
        assert!(room.enter(network(3)).is_some());
        assert!(room.0.lock().unwrap().is_empty());
    }
}
