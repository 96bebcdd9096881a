//! Networks from which a right password came.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// Time for which a network is remembered.
const LIFETIME: Duration = Duration::from_secs(30 * 86_400);

/// Most networks that are remembered: those that came last.
const MAX_ENTRIES: usize = 256;

/// Networks from which a right password came, with the time of the last one.
#[derive(Debug, Default)]
pub struct KnownNetworks(BTreeMap<IpAddr, Instant>);

impl KnownNetworks {
    /// Returns true if a right password came from the network.
    pub fn has(&self, network: IpAddr, now: Instant) -> bool {
        let seen = self.0.get(&network);
        seen.is_some_and(|at| now.saturating_duration_since(*at) < LIFETIME)
    }

    /// Notes a right password.
    pub fn add(&mut self, network: IpAddr, now: Instant) {
        self.0.insert(network, now);
        if self.0.len() > MAX_ENTRIES {
            let oldest = self.0.iter().min_by_key(|(_, at)| **at);
            if let Some(network) = oldest.map(|(network, _)| *network) {
                self.0.remove(&network);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_network_is_forgotten_after_a_month() {
        let mut known = KnownNetworks::default();
        let now = Instant::now();
        let network = |number: u32| IpAddr::from(number.to_be_bytes());
        known.add(network(1), now);
        assert!(known.has(network(1), now + LIFETIME / 2));
        assert!(!known.has(network(1), now + LIFETIME));
        assert!(!known.has(network(2), now));
        for number in 2..1000 {
            known.add(network(number), now + Duration::from_secs(1));
        }
        assert!(!known.has(network(1), now), "pushed out");
        assert_eq!(known.0.len(), MAX_ENTRIES);
    }
}
