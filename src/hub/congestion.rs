//! What the hub knows of its viewers' lines.

use std::time::Duration;

/// A line that carries less than the stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CongestedLink {
    /// What it carries, in bits per second.
    pub bandwidth_bps: u32,
    /// How long it is busy with what is on its way.
    pub queue_delay: Duration,
}

impl CongestedLink {
    /// How long it takes for so many bytes.
    pub(super) fn transmit_time(self, bytes: usize) -> Duration {
        let seconds = bytes as f64 * 8.0 / f64::from(self.bandwidth_bps.max(1));
        Duration::from_secs_f64(seconds.min(3600.0))
    }
}

/// The lines of a camera's viewers.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct LinkSummary {
    /// All who watch.
    pub viewers: usize,
    /// What the slow lines among theirs carry, in bits per second.
    pub congested_bps: Vec<u32>,
}
