//! Published data: frames, and the init segment that they need.

use crate::media::orientation::Orientation;
use crate::message::Message;
use crate::time::Timestamp;
use std::sync::Arc;

/// Description of a stream, made again when the video changes. The pointer is its identity: another
/// `Arc` means "the video changed, send it first".
#[derive(Debug)]
pub struct Init {
    /// The init segment.
    pub message: Message,
    /// Codec string, such as `avc1.64001f` (RFC 6381).
    pub codec: String,
    /// Width as shown, in pixels.
    pub width: u32,
    /// Height as shown, in pixels.
    pub height: u32,
    /// Orientation that displays apply.
    pub orientation: Orientation,
    /// Columns at the left and rows at the top that are decoded and not shown, in pixels of the stream.
    pub hidden: (u32, u32),
    /// Sequence and picture parameter sets (H.264, 7.3.2) that a decoder needs, without start
    /// codes.
    pub parameter_sets: Vec<Vec<u8>>,
}

/// A frame at which decoding can begin in addition to keyframes, after any IDR frame of the stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Recovery {
    /// Reference frames until all frames are right.
    pub frames: u32,
    /// The stream says so by a recovery point SEI (ITU-T H.264, D.1.8); else it is an I frame.
    pub is_marked: bool,
}

/// One frame, ready to be sent.
#[derive(Clone, Debug)]
pub struct Fragment {
    /// The init segment that it belongs to.
    pub init: Arc<Init>,
    /// `moof` and `mdat`.
    pub message: Message,
    /// Decoding time in media ticks.
    pub decode_time: u64,
    /// How long frames take at present, in media ticks; never 0.
    pub frame_ticks: u32,
    /// When the camera took it.
    pub captured_at: Timestamp,
    /// An IDR picture.
    pub is_keyframe: bool,
    /// A recovery point; never set for a keyframe.
    pub recovery: Option<Recovery>,
    /// Other frames may refer to this one: it cannot be skipped alone.
    pub is_reference: bool,
}
