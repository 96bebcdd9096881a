//! Text messages of `berrymse.v1` (docs/reference/websocket.md), the same for each transport.

use crate::hub::CameraStatus;
use crate::media::Frame;
use crate::time::{TIMESCALE, Timestamp};
use serde_json::{Value, json};

/// Change of the offset between media and capture times that is reported to the viewer.
const TIMING_TOLERANCE_US: u64 = 1000;

/// Returns the first message.
pub(crate) fn hello(camera: &str) -> Value {
    json!({"type": "hello", "version": env!("CARGO_PKG_VERSION"), "camera": camera})
}

pub(crate) fn state(status: &CameraStatus) -> Value {
    json!({"type": "state", "state": status.state.as_str(), "reason": status.reason})
}

pub(crate) fn skipped(count: u64) -> Value {
    json!({"type": "skipped", "count": count})
}

/// Returns the answer to a viewer's question for the time, which was `received` then.
pub(crate) fn clock(sent: &Value, received: Timestamp) -> Value {
    json!({
        "type": "clock",
        "sent": sent,
        "received_us": received.as_nanos() / 1000,
        "now_us": Timestamp::now().as_nanos() / 1000,
    })
}

/// Media time minus capture time as sent last to one viewer, in microseconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct TimingOffset(Option<i64>);

impl TimingOffset {
    /// Returns the message that tells the offset of `frame`, if it changed.
    pub(crate) fn message(&mut self, frame: &Frame) -> Option<Value> {
        let micros = |nanos: u64| i64::try_from(nanos / 1000).unwrap_or(i64::MAX);
        let captured_us = micros(frame.captured_at.as_nanos());
        let media_nanos = u128::from(frame.decode_time) * 1_000_000_000 / u128::from(TIMESCALE);
        let media_us = micros(u64::try_from(media_nanos).unwrap_or(u64::MAX));
        let now_us = media_us.saturating_sub(captured_us);
        let is_known = self
            .0
            .is_some_and(|told| told.abs_diff(now_us) <= TIMING_TOLERANCE_US);
        if is_known {
            return None;
        }
        self.0 = Some(now_us);
        Some(json!({
            "type": "timing",
            "media": frame.decode_time,
            "captured_us": captured_us,
        }))
    }
}
