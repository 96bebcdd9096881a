//! What is published: a picture, and what it takes to show it.

use crate::message::Message;
use crate::orientation::Orientation;
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
    /// The sequence and picture parameter sets (H.264, 7.3.2) that a decoder has to have, without start codes.
    pub parameter_sets: Vec<Vec<u8>>,
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
    /// When the camera took it.
    pub captured_at: Timestamp,
    /// An IDR picture.
    pub is_keyframe: bool,
    /// Other pictures may refer to this one: it cannot be left out alone.
    pub is_reference: bool,
}
