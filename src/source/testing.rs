//! Settings and contexts for the tests of sources.

use super::{Flips, Settings, SourceContext};
use crate::frame_rate::FrameRate;
use crate::shutdown::ShutdownToken;
use std::num::NonZeroU32;

/// Returns settings of 1280x720 at `fps`, with nothing else asked for.
pub(super) fn settings(fps: FrameRate) -> Settings {
    Settings {
        width: 1280,
        height: 720,
        fps,
        bitrate: None,
        rotation: None,
        flips: Flips::default(),
        keyframe_interval: NonZeroU32::new(60).unwrap_or(NonZeroU32::MIN),
    }
}

/// Returns the context of a camera `test` with [`settings`].
pub(super) fn context(fps: FrameRate) -> SourceContext {
    #[allow(clippy::unwrap_used, reason = "for tests only")]
    SourceContext::new("test", settings(fps), ShutdownToken::new().unwrap())
}
