//! Silence limit of a V4L2 camera.

use crate::source::SourceContext;
use crate::source::silence::SilenceLimit;
use std::time::Duration;

/// Longest silence of a working camera …
const STALL_TIMEOUT: Duration = Duration::from_secs(2);
/// … unless this many frames take longer.
const STALL_FRAMES: f64 = 5.0;
/// Limit before the first frame: some USB cameras need two seconds and more to start their sensor.
const FIRST_FRAME_TIMEOUT: Duration = Duration::from_secs(5);

/// Returns the limit for a camera of `rate` frames per second. It applies to loopback nodes, too:
/// an ended feeder looks like a silent one, and only a closed node can be fed with another size.
pub(super) fn silence_limit(rate: f64, context: &SourceContext) -> SilenceLimit {
    let pictures = Duration::try_from_secs_f64(STALL_FRAMES / rate).unwrap_or(STALL_TIMEOUT);
    SilenceLimit::device(STALL_TIMEOUT.max(pictures), FIRST_FRAME_TIMEOUT, context)
}
