//! The time that a V4L2 camera may give no picture.

use crate::source::Context;
use crate::source::silence::SilenceLimit;
use crate::v4l2::Identity;
use std::time::Duration;

/// No camera that works is silent for longer …
const STALL: Duration = Duration::from_secs(2);
/// … unless it is slower than that many pictures.
const STALL_PICTURES: f64 = 5.0;
/// Limit before the first picture: some USB cameras need two seconds and more to start their sensor.
const FIRST_PICTURE: Duration = Duration::from_secs(5);
/// Limits of a loopback node. A program feeds it, which may send only when something changes.
const LOOPBACK_STALL: Duration = Duration::from_secs(60);
const LOOPBACK_FIRST_PICTURE: Duration = Duration::from_secs(10);

/// Returns the limit for a camera of `rate` pictures per second.
pub(super) fn silence_limit(identity: &Identity, rate: f64, context: &Context) -> SilenceLimit {
    if identity.is_loopback() {
        return SilenceLimit::program(LOOPBACK_STALL, LOOPBACK_FIRST_PICTURE, context);
    }
    let pictures = Duration::try_from_secs_f64(STALL_PICTURES / rate).unwrap_or(STALL);
    SilenceLimit::device(STALL.max(pictures), FIRST_PICTURE, context)
}
