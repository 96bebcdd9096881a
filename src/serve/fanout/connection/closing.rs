//! The end of a viewer's connection: close frame, then the viewer's own end.

use std::time::{Duration, Instant};

/// Time in which the close frame gets out.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(10);

/// Time that the viewer then has to end its side.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(2);

/// State of a connection that the server or the viewer closes.
pub(super) struct Closing {
    pub(super) reason: String,
    pub(super) since: Instant,
    /// The close frame is out: later bytes are discarded.
    pub(super) is_sent: bool,
    /// The viewer has not sent a close frame of its own. The connection then stays open for it, as some clients (aiohttp) lose
    /// the code when the end of the connection comes with the frame.
    pub(super) awaits_reply: bool,
    /// Bytes that came after that.
    pub(super) drained: usize,
}

impl Closing {
    /// Fails if the end takes too long.
    pub(super) fn check(&self, now: Instant) -> Result<(), String> {
        let allowed = if self.is_sent {
            DRAIN_TIMEOUT
        } else {
            CLOSE_TIMEOUT
        };
        if now.saturating_duration_since(self.since) >= allowed {
            return Err(self.reason.clone());
        }
        Ok(())
    }
}
