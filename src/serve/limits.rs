//! Limits that HTTP clients and WebSocket viewers share, and how often they were reached.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Time over which the rate of a client is averaged.
pub(crate) const RATE_WINDOW: Duration = Duration::from_secs(45);

/// Fewest bytes that a client takes in a [`RATE_WINDOW`] in which something waits for it: 1 kB/s.
pub(crate) const MIN_WINDOW_BYTES: u64 = 45 * 1000;

/// Most bytes that are read and discarded from a connection that the server has closed.
pub(crate) const MAX_DRAIN_BYTES: usize = 256 << 10;

/// Limits as configured in `server.limits`. An address of IPv6 is a /64.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Viewers of one address.
    pub viewers_per_address: usize,
    /// Connections in addition to those of viewers.
    pub connections: usize,
    /// The same of one address.
    pub connections_per_address: usize,
    /// Requests per second of one address; for a short time twice as many.
    pub requests_per_second: u32,
    /// Recorders at the same time, over all cameras; half of them of one address. The frames that wait share 64 MB.
    pub recorders: usize,
    /// Messages per second of one viewer.
    pub messages_per_second: u32,
    /// Bytes of the head of a request.
    pub head_bytes: usize,
    /// Bytes of the body of a request.
    pub body_bytes: usize,
    /// Time for a TLS handshake, for the head of a request, and for its body.
    pub request_timeout: Duration,
}

impl Limits {
    /// Returns limits that nothing reaches but the size and the time of requests.
    pub const fn unlimited() -> Self {
        Self {
            viewers_per_address: usize::MAX,
            connections: usize::MAX,
            connections_per_address: usize::MAX,
            requests_per_second: u32::MAX,
            recorders: usize::MAX,
            messages_per_second: u32::MAX,
            head_bytes: 32 << 10,
            body_bytes: 16 << 10,
            request_timeout: Duration::from_secs(10),
        }
    }
}

/// A limit that can be reached.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Limit {
    Viewers,
    ViewersPerAddress,
    Connections,
    ConnectionsPerAddress,
    Recorders,
    Requests,
    Messages,
    Head,
    Body,
    Slow,
    Passwords,
}

impl Limit {
    /// All limits, with their names in the metrics.
    pub(crate) const ALL: [(Self, &str); 11] = [
        (Self::Viewers, "viewers"),
        (Self::ViewersPerAddress, "viewers_per_address"),
        (Self::Connections, "connections"),
        (Self::ConnectionsPerAddress, "connections_per_address"),
        (Self::Recorders, "recorders"),
        (Self::Requests, "requests_per_second"),
        (Self::Messages, "messages_per_second"),
        (Self::Head, "head"),
        (Self::Body, "body"),
        (Self::Slow, "slow_client"),
        (Self::Passwords, "passwords"),
    ];
}

/// Counts how often limits were reached. Clones are the same counts.
#[derive(Clone, Debug, Default)]
pub(crate) struct LimitCounters(Arc<[AtomicU64; Limit::ALL.len()]>);

impl LimitCounters {
    pub(crate) fn count(&self, limit: Limit) {
        if let Some(counter) = self.0.get(limit as usize) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn get(&self, limit: Limit) -> u64 {
        let counter = self.0.get(limit as usize);
        counter.map_or(0, |counter| counter.load(Ordering::Relaxed))
    }
}
