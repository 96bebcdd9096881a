//! Settings of the encoder.

use std::fmt;
use std::num::NonZeroU32;

/// Settings of the encoder.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Settings {
    /// Width in pixels; an odd one is rounded down.
    pub width: u32,
    /// Height in pixels; an odd one is rounded down.
    pub height: u32,
    /// Frame rate: frames, and the seconds that they take, such as (30000, 1001). 0.001 to 240
    /// frames per second.
    pub frame_rate: (u32, u32),
    /// Bits per second to keep by showing less detail; `None` shows all.
    pub bitrate: Option<u32>,
    /// Frames from one keyframe to the next.
    pub keyframe_interval: NonZeroU32,
}

impl Default for Settings {
    /// Returns 1280x720 at 30 frames/s with a keyframe every two seconds.
    fn default() -> Self {
        Self {
            width: 1280,
            height: 720,
            frame_rate: (30, 1),
            bitrate: None,
            keyframe_interval: NonZeroU32::MIN.saturating_add(59),
        }
    }
}

/// Reason why settings cannot be used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Error {
    /// Width or height is out of range: see [`Encoder::MIN_SIDE`](crate::Encoder::MIN_SIDE) and
    /// [`Encoder::MAX_SIZE`](crate::Encoder::MAX_SIZE).
    Size,
    /// The frame rate is out of range.
    FrameRate,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Size => "the test pattern cannot have this size",
            Self::FrameRate => "the test pattern cannot have this frame rate",
        })
    }
}

impl std::error::Error for Error {}
