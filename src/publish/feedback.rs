//! Reports of edges: their viewers, and the congested links among them.
//!
//! Anybody who may ask may claim anything. So an edge says nothing of more links than it has viewers, new edges are taken in
//! slowly, those that are there keep their places, and all are forgotten when they say nothing. The bit rate stays above the
//! camera's own limit whatever they say.

use crate::time::Timestamp;
use std::collections::BTreeMap;
use std::time::Duration;

/// Time after which an edge that says nothing is gone.
const EDGE_TIMEOUT: Duration = Duration::from_secs(5);

/// Most edges that are remembered.
const MAX_EDGES: usize = 1024;

/// Most new edges in one second: all of a large fleet of edges within a few.
const MAX_NEW_PER_SECOND: u32 = 32;

/// Most viewers of one edge that count: more than one can serve.
const MAX_VIEWERS: u32 = 100_000;

/// Least bandwidth that counts, in bits per second.
const MIN_BPS: u32 = 10_000;

/// Reports of all edges of a camera.
#[derive(Debug, Default)]
pub(super) struct Feedback {
    edges: BTreeMap<u64, Edge>,
    new_edges: u32,
}

#[derive(Debug)]
struct Edge {
    at: Timestamp,
    viewers: u32,
    /// Bandwidths of congested links, and how many have about each.
    congested: Vec<(u32, u32)>,
}

impl Feedback {
    /// Takes a report.
    pub(super) fn report(
        &mut self,
        edge: u64,
        viewers: u32,
        congested: &[(u32, u32)],
        now: Timestamp,
    ) {
        if !self.edges.contains_key(&edge) {
            if viewers == 0 || self.edges.len() >= MAX_EDGES || self.new_edges >= MAX_NEW_PER_SECOND
            {
                return;
            }
            self.new_edges += 1;
        }
        let viewers = viewers.min(MAX_VIEWERS);
        let mut left = viewers;
        let congested = congested.iter().map(|(bps, count)| {
            let count = left.min(*count);
            left -= count;
            ((*bps).max(MIN_BPS), count)
        });
        let congested = congested.filter(|(_, count)| *count > 0).collect();
        let report = Edge {
            at: now,
            viewers,
            congested,
        };
        self.edges.insert(edge, report);
    }

    /// Begins another second: forgets edges that say nothing. Returns the viewers of the others and their congested links.
    pub(super) fn begin_second(&mut self, now: Timestamp) -> (u64, Vec<(u32, u32)>) {
        self.new_edges = 0;
        (self.edges).retain(|_, edge| edge.viewers > 0 && now.since(edge.at) < EDGE_TIMEOUT);
        let edges = self.edges.values();
        let viewers = edges.clone().map(|edge| u64::from(edge.viewers)).sum();
        let congested = edges.flat_map(|edge| edge.congested.iter().copied());
        (viewers, congested.collect())
    }
}

/// Congested links: bandwidths in bits per second, and how many have about each.
type CongestedLinks = Vec<(u32, u32)>;

/// Returns the viewers and the congested links by some reports (edge, viewers, links) of one second. For tests of any reports.
pub fn reported_viewers(reports: &[(u64, u32, CongestedLinks)]) -> (u64, CongestedLinks) {
    let mut feedback = Feedback::default();
    for (edge, viewers, congested) in reports {
        feedback.report(*edge, *viewers, congested, Timestamp::default());
    }
    feedback.begin_second(Timestamp::default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Timestamp {
        Timestamp::from_nanos(ms * 1_000_000)
    }

    #[test]
    fn made_up_edges_do_not_displace_real_ones() {
        let mut feedback = Feedback::default();
        for ms in 0..100_000 {
            if ms % 1000 == 0 {
                feedback.report(u64::MAX, 7, &[(500_000, 1)], at(ms));
                let (_, congested) = feedback.begin_second(at(ms));
                assert!(congested.contains(&(500_000, 1)));
                assert!(feedback.edges.len() <= MAX_EDGES);
            }
            feedback.report(ms, u32::MAX, &[(1, 9)], at(ms));
        }
        // Those that say nothing more are gone, and how many come at once is limited.
        let (viewers, _) = feedback.begin_second(at(100_000));
        let limit = u64::from(MAX_NEW_PER_SECOND) * EDGE_TIMEOUT.as_secs();
        assert!(viewers <= limit * u64::from(MAX_VIEWERS) + 7);
        assert_eq!(feedback.begin_second(at(110_000)), (0, Vec::new()));
    }

    #[test]
    fn edge_counts_for_no_more_links_than_it_has_viewers() {
        let mut feedback = Feedback::default();
        let links = [(1, 2), (600_000, 5), (700_000, 5)];
        feedback.report(1, 4, &links, at(0));
        feedback.report(2, 0, &links, at(0));
        let expected = vec![(MIN_BPS, 2), (600_000, 2)];
        assert_eq!(feedback.begin_second(at(1)), (4, expected));
        // The last viewer has gone.
        feedback.report(1, 0, &[], at(2));
        assert_eq!(feedback.begin_second(at(3)), (0, Vec::new()));
    }
}
