//! What is published: a picture, and what it takes to show it.

use crate::media::orientation::Orientation;
use crate::message::Message;
use crate::time::Timestamp;
use std::sync::Arc;

/// What a stream is, made anew when the video changes. The pointer is its identity: another `Arc` means
/// "the video changed, send it first".
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
    /// How displays are to lay the pictures.
    pub orientation: Orientation,
    /// Columns at the left and rows at the top that are decoded and not shown, in pixels of the stream.
    pub hidden: (u32, u32),
    /// The sequence and picture parameter sets (H.264, 7.3.2) that a decoder has to have, without start codes.
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

/// One picture, ready to be sent.
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
    /// Other pictures may refer to this one: it cannot be left out alone.
    pub is_reference: bool,
}
