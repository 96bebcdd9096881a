//! Frames of a stream that is described: they are not parsed.

use crate::media::{Description, Recovery};
use crate::time::Timestamp;
use std::sync::Arc;

/// Times of a frame, as another server has them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ReadyTiming {
    /// Number of the fragment.
    pub sequence: u32,
    /// Decoding time in media ticks.
    pub decode_time: u64,
    /// Duration that the fragment signals, in ticks.
    pub duration: u32,
    /// Duration of frames at present, in ticks.
    pub nominal_duration: u32,
}

/// A frame that needs at most its media time.
#[derive(Clone, Copy, Debug)]
pub struct ReadyFrame<'a> {
    /// The stream that it belongs to.
    pub description: &'a Arc<Description>,
    /// When the camera took it.
    pub captured_at: Timestamp,
    /// It is an IDR frame.
    pub is_keyframe: bool,
    /// No other frame refers to it.
    pub is_disposable: bool,
    /// Presentation time minus decoding time in media ticks; `None` in streams in which they are the same.
    pub composition_offset: Option<i32>,
    /// Decoding can begin here in addition to keyframes.
    pub recovery: Option<Recovery>,
    /// Times that it keeps while they go on as they should; `None` makes them from its capture time.
    pub timing: Option<ReadyTiming>,
    /// NAL units with four bytes of length before each.
    pub nals: &'a [u8],
}
