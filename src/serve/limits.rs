//! Limits that HTTP clients and WebSocket viewers share.

use std::time::Duration;

/// Time over which the rate of a client is averaged.
pub(crate) const RATE_WINDOW: Duration = Duration::from_secs(45);

/// Fewest bytes that a client takes in a [`RATE_WINDOW`] in which something waits for it: 1 kB/s.
pub(crate) const MIN_WINDOW_BYTES: u64 = 45 * 1000;

/// Most bytes that are read and discarded from a connection that the server has closed.
pub(crate) const MAX_DRAIN_BYTES: usize = 256 << 10;
