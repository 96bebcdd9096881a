//! Clients that get every frame, however late: `delivery=lossless` in their URL.

use crate::hub::{Delivery, Hub, Subscription, ViewerGuard};
use crate::logger::{self, LogThrottle};
use crate::serve::connection_limit::Permit;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

/// Most bytes of frames that wait for a recorder: at 4 Mbit/s those of 16 s.
const MAX_WAITING_BYTES: usize = 8 << 20;

/// Place of a recorder, held until it leaves.
#[derive(Debug)]
pub(crate) struct Recorder {
    camera: Arc<str>,
    hub: Hub,
    peer: SocketAddr,
    log_throttle: Arc<Mutex<LogThrottle>>,
    _viewer: ViewerGuard,
    _permit: Permit,
}

impl Recorder {
    /// Creates a recorder of the `camera` with this `hub`.
    pub(crate) fn new(
        camera: Arc<str>,
        hub: &Hub,
        peer: SocketAddr,
        log_throttle: Arc<Mutex<LogThrottle>>,
        permit: Permit,
    ) -> Self {
        Self {
            camera,
            hub: hub.clone(),
            peer,
            log_throttle,
            _viewer: hub.count_viewer(),
            _permit: permit,
        }
    }

    /// Subscribes to every frame from the newest keyframe on.
    pub(crate) fn subscribe(&self) -> Subscription {
        let max_bytes = MAX_WAITING_BYTES;
        self.hub.subscribe(Delivery::Lossless { max_bytes })
    }

    /// Logs that the recorder did not read for too long.
    pub(crate) fn warn(&self, lost: u64) {
        let (camera, peer) = (&self.camera, self.peer);
        let mb = MAX_WAITING_BYTES >> 20;
        let words = format!(
            "{camera}: recorder {peer} lost {lost} frames: it did not read while {mb} MB of them came"
        );
        logger::warn_throttled(&self.log_throttle, &words);
    }
}

/// Reads `delivery` from a query: whether the client wants every frame.
///
/// # Errors
///
/// Words for the client, where the value is unknown.
pub(crate) fn wants_every_frame(query: &str) -> Result<bool, String> {
    let mut values = (query.split('&')).filter_map(|pair| pair.strip_prefix("delivery="));
    match values.next() {
        None => Ok(false),
        Some("lossless") => Ok(true),
        Some(value) => Err(format!(
            "delivery={value}: unknown; the only value is lossless\n"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delivery_is_lossless_or_refused() {
        assert_eq!(wants_every_frame("wait=5"), Ok(false));
        assert_eq!(wants_every_frame("wait=5&delivery=lossless"), Ok(true));
        for query in ["delivery=all", "delivery="] {
            assert!(wants_every_frame(query).is_err_and(|words| words.contains("lossless")));
        }
    }
}
