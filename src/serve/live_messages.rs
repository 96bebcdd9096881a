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
        let captured_us = (frame.captured_at.as_nanos() / 1000).cast_signed();
        let media_us = media_micros(frame.decode_time);
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

/// Returns media ticks in microseconds, rounded down. For each frame of each viewer, so without a
/// division of 128 bits.
fn media_micros(ticks: u64) -> i64 {
    let scale = u64::from(TIMESCALE);
    let (seconds, rest) = (ticks / scale, ticks % scale);
    let whole = seconds.saturating_mul(1_000_000);
    i64::try_from(whole.saturating_add(rest * 1_000_000 / scale)).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn media_micros_are_exact() {
        let scale = u128::from(TIMESCALE);
        for ticks in [
            0,
            1,
            8,
            9,
            2999,
            89_999,
            90_000,
            90_001,
            1 << 40,
            u64::MAX / 200,
        ] {
            let exact = u128::from(ticks) * 1_000_000 / scale;
            assert_eq!(u128::try_from(media_micros(ticks)), Ok(exact), "{ticks}");
        }
        assert_eq!(media_micros(u64::MAX), i64::MAX);
    }
}
