//! Congestion of the viewers' links, as the hub knows it.

use std::time::Duration;

/// Link that carries less than the stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CongestedLink {
    /// Bandwidth in bits per second.
    pub bandwidth_bps: u32,
    /// Time that the bytes in flight still take.
    pub queue_delay: Duration,
}

impl CongestedLink {
    /// Returns the time that `bytes` take on the link.
    pub(super) fn transmit_time(self, bytes: usize) -> Duration {
        let seconds = bytes as f64 * 8.0 / f64::from(self.bandwidth_bps.max(1));
        Duration::from_secs_f64(seconds.min(3600.0))
    }
}

/// Summary of the links of a camera's viewers.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct LinkSummary {
    /// Number of viewers.
    pub viewers: usize,
    /// Bandwidths of the congested links, in bits per second.
    pub congested_bps: Vec<u32>,
}
