//! The time that a V4L2 camera may give no picture.

use crate::source::SourceContext;
use crate::source::silence::SilenceLimit;
use std::time::Duration;

/// No camera that works is silent for longer …
const STALL_TIMEOUT: Duration = Duration::from_secs(2);
/// … unless it is slower than that many pictures.
const STALL_FRAMES: f64 = 5.0;
/// Limit before the first picture: some USB cameras need two seconds and more to start their sensor.
const FIRST_FRAME_TIMEOUT: Duration = Duration::from_secs(5);

/// Returns the limit for a camera of `rate` pictures per second. It holds for loopback nodes, too: a feeder that has ended looks like one
/// that is silent, and only a closed node can be fed with another size.
pub(super) fn silence_limit(rate: f64, context: &SourceContext) -> SilenceLimit {
    let pictures = Duration::try_from_secs_f64(STALL_FRAMES / rate).unwrap_or(STALL_TIMEOUT);
    SilenceLimit::device(STALL_TIMEOUT.max(pictures), FIRST_FRAME_TIMEOUT, context)
}
