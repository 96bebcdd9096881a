//! Reports of edges: their viewers, and the congested links among them.

use crate::camera_handle::{CongestedLink, Handle, Link};
use crate::time::Timestamp;
use std::collections::BTreeMap;
use std::time::Duration;

/// Time after which an edge that says nothing is gone.
const EDGE_TIMEOUT: Duration = Duration::from_secs(5);

/// Most edges that are remembered.
const MAX_EDGES: usize = 1024;

/// Most viewers of one edge that count: more than one can serve.
const MAX_VIEWERS: u32 = 100_000;

/// Most links of all edges: the bit rate follows a few of them.
const MAX_LINKS: usize = 256;

/// Least bandwidth that counts, in bits per second.
const MIN_BPS: u32 = 10_000;

/// Reports of all edges of a camera.
#[derive(Debug, Default)]
pub(super) struct Feedback {
    edges: BTreeMap<u64, Edge>,
}

#[derive(Debug)]
struct Edge {
    at: Timestamp,
    viewers: u32,
    links: Vec<Link>,
}

impl Feedback {
    /// Takes a report.
    pub(super) fn report(
        &mut self,
        edge: u64,
        viewers: u32,
        congested_bps: &[u32],
        camera: &Handle,
        now: Timestamp,
    ) {
        if !self.edges.contains_key(&edge) && self.edges.len() >= MAX_EDGES {
            // The one that is silent for the longest time gives way.
            let oldest = self.edges.iter().min_by_key(|(_, edge)| edge.at);
            if let Some(oldest) = oldest.map(|(id, _)| *id) {
                self.edges.remove(&oldest);
            }
        }
        let viewers = viewers.min(MAX_VIEWERS);
        let others: usize = (self.edges.iter())
            .filter(|(id, _)| **id != edge)
            .map(|(_, other)| other.links.len())
            .sum();
        let wanted = congested_bps.len().min(MAX_LINKS.saturating_sub(others));
        let entry = self.edges.entry(edge).or_insert_with(|| Edge {
            at: now,
            viewers,
            links: Vec::new(),
        });
        (entry.at, entry.viewers) = (now, viewers);
        entry.links.resize_with(wanted, || camera.add_link());
        for (link, bps) in entry.links.iter_mut().zip(congested_bps) {
            link.set_congested(Some(CongestedLink {
                bandwidth_bps: (*bps).max(MIN_BPS),
                queue_delay: Duration::ZERO,
            }));
        }
    }

    /// Forgets edges that say nothing; returns the viewers of the others.
    pub(super) fn viewers(&mut self, now: Timestamp) -> u64 {
        (self.edges).retain(|_, edge| now.since(edge.at) < EDGE_TIMEOUT);
        self.edges
            .values()
            .map(|edge| u64::from(edge.viewers))
            .sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::camera_handle;

    #[test]
    fn reports_of_many_edges_are_bounded() {
        let (_endpoint, camera) = camera_handle::channel([]);
        let mut feedback = Feedback::default();
        let at = |ms: u64| Timestamp::from_nanos(ms * 1_000_000);
        for edge in 0..2000 {
            feedback.report(edge, u32::MAX, &[1], &camera, at(edge));
        }
        assert_eq!(feedback.edges.len(), MAX_EDGES);
        let links: usize = feedback.edges.values().map(|edge| edge.links.len()).sum();
        assert_eq!(links, MAX_LINKS);
        // The newest are there, and one more takes the place of the oldest.
        let oldest = 2000 - MAX_EDGES as u64;
        assert_eq!(feedback.edges.keys().next(), Some(&oldest));
        feedback.report(7, 1, &[], &camera, at(2000));
        assert!(feedback.edges.contains_key(&7) && !feedback.edges.contains_key(&oldest));
        let expected = (MAX_EDGES as u64 - 1) * u64::from(MAX_VIEWERS) + 1;
        assert_eq!(feedback.viewers(at(2000)), expected);
    }
}
