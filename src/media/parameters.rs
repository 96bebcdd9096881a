//! The description of a stream: all that decoders, displays and containers must know before its frames.

use super::Codec;
use super::fmp4::{self, avc1};
use super::orientation::Orientation;
use crate::h264::VideoParameters;
use crate::message::Message;
use std::ops::Deref;

/// Description of a stream. Equal ones have equal init segments.
///
/// ```
/// use berrymse::media::Description;
/// use berrymse::media::orientation::Orientation;
///
/// let lying = Description { width: 640, height: 480, ..Description::default() };
/// let upright = lying.turned(Orientation::new(90, false, false));
/// assert_eq!((upright.width, upright.height), (480, 640));
/// ```
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Description {
    /// How frames are coded.
    pub codec: Codec,
    /// The `codecs` parameter (RFC 6381), such as `avc1.64001f`.
    pub rfc6381: String,
    /// Sample entry of the MP4 (ISO/IEC 14496-12, 8.5.2), a whole box with the decoder's configuration in it.
    pub sample_entry: Vec<u8>,
    /// Parameter sets that a decoder needs (ITU-T H.264, 7.3.2), without start codes.
    pub parameter_sets: Vec<Vec<u8>>,
    /// Width as shown, in pixels: a turn counts.
    pub width: u32,
    /// Height as shown, in pixels: a turn counts.
    pub height: u32,
    /// Width and height of the track before a turn (ISO/IEC 14496-12, 8.3.2).
    pub track_size: (u32, u32),
    /// How displays turn and mirror the frames.
    pub orientation: Orientation,
    /// Columns at the left and rows at the top that are decoded and not shown, in pixels of the stream.
    pub hidden: (u32, u32),
}

impl Description {
    /// Returns the description of an H.264 stream whose frames displays turn and mirror by `orientation`.
    pub fn h264(format: &VideoParameters, orientation: Orientation) -> Self {
        let (mut width, mut height) = (format.width, format.height);
        if orientation.swaps_axes() {
            (width, height) = (height, width);
        }
        Self {
            codec: Codec::H264,
            rfc6381: format.codec.clone(),
            sample_entry: avc1::sample_entry(format),
            parameter_sets: format.sps.iter().chain(&format.pps).cloned().collect(),
            width,
            height,
            track_size: avc1::track_size(format),
            orientation,
            hidden: format.hidden,
        }
    }
}

impl Description {
    /// Returns the same stream, turned and mirrored by displays further, by `orientation`.
    #[must_use]
    pub fn turned(&self, orientation: Orientation) -> Self {
        let mut turned = self.clone();
        if orientation.swaps_axes() {
            (turned.width, turned.height) = (self.height, self.width);
        }
        turned.orientation = self.orientation.compose(orientation);
        turned
    }
}

/// A description and its init segment. The `Arc` around it is the stream's identity: another one means that viewers need
/// it before the next frame.
///
/// ```
/// use berrymse::media::{Description, Parameters};
///
/// let parameters = Parameters::new(Description { width: 640, height: 480, ..Description::default() });
/// assert_eq!(&parameters.init().payload()[4..8], b"ftyp");
/// assert_eq!(parameters.width, 640);
/// ```
#[derive(Debug)]
pub struct Parameters {
    description: Description,
    init: Message,
}

impl Parameters {
    /// Writes the init segment of `description`.
    pub fn new(description: Description) -> Self {
        let track = fmp4::Track {
            sample_entry: &description.sample_entry,
            size: description.track_size,
            orientation: description.orientation,
        };
        let init = Message::build(1024, |out| fmp4::write_init_segment(out, &track));
        Self { description, init }
    }

    /// Returns the init segment, ready to be sent.
    pub fn init(&self) -> &Message {
        &self.init
    }
}

impl Deref for Parameters {
    type Target = Description;

    fn deref(&self) -> &Description {
        &self.description
    }
}
