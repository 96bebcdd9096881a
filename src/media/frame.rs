//! One frame, ready to be sent: header fields, and one buffer with a view for each kind of output.
//!
//! The buffer is `[WebSocket header | moof | mdat header | length-prefixed NAL units]`. The WebSocket sends all of it, the
//! endless MP4 all but the first header, and what needs H.264 reads the NAL units in place.

use super::fmp4::{self, Sample};
use super::{Parameters, Recovery};
use crate::message::Message;
use crate::time::Timestamp;
use bytes::Bytes;
use std::ops::Deref;
use std::sync::Arc;

/// Start code of a NAL unit in a byte stream (ITU-T H.264, B.1.1).
const START_CODE: [u8; 4] = [0, 0, 0, 1];

/// `nal_unit_type` of a sequence parameter set (ITU-T H.264, 7.4.1).
const SPS: u8 = 7;

/// Facts about a frame besides its bytes.
#[derive(Clone, Debug)]
pub struct FrameHeader {
    /// The stream that it belongs to.
    pub parameters: Arc<Parameters>,
    /// Number of the fragment, one more each time (ISO/IEC 14496-12, 8.8.5).
    pub sequence: u32,
    /// Decoding time in media ticks.
    pub decode_time: u64,
    /// Presentation time minus decoding time in ticks; `None` in streams in which they are the same.
    pub composition_offset: Option<i32>,
    /// Duration that the fragment signals, in ticks; never 0.
    pub duration: u32,
    /// Duration of frames at present, in ticks; never 0.
    pub nominal_duration: u32,
    /// Time at which the camera took it.
    pub captured_at: Timestamp,
    /// It is an IDR frame.
    pub is_keyframe: bool,
    /// No other frame refers to it: it can be skipped alone.
    pub is_disposable: bool,
    /// Recovery point; never set for a keyframe.
    pub recovery: Option<Recovery>,
}

impl FrameHeader {
    /// Returns the presentation time in media ticks.
    pub fn presentation_time(&self) -> u64 {
        let offset = self.composition_offset.unwrap_or(0);
        self.decode_time.saturating_add_signed(offset.into())
    }

    fn sample(&self) -> Sample {
        Sample {
            sequence: self.sequence,
            decode_time: self.decode_time,
            duration: self.duration,
            composition_offset: self.composition_offset,
            is_keyframe: self.is_keyframe,
            is_reference: !self.is_disposable,
            recovery: self.recovery,
        }
    }
}

/// One frame. Cloning shares all of it: a clone is made for each viewer.
///
/// ```
/// use berrymse::media::{Description, Frame, FrameHeader, Parameters};
/// use berrymse::time::Timestamp;
/// use std::sync::Arc;
///
/// let header = FrameHeader {
///     parameters: Arc::new(Parameters::new(Description::default())),
///     sequence: 1,
///     decode_time: 9000,
///     composition_offset: None,
///     duration: 3000,
///     nominal_duration: 3000,
///     captured_at: Timestamp::now(),
///     is_keyframe: true,
///     is_disposable: false,
///     recovery: None,
/// };
/// let idr: &[u8] = &[0x65, 0x88];
/// let frame = Frame::new(header, [idr].into_iter());
///
/// assert!(frame.is_keyframe && frame.presentation_time() == 9000);
/// // Each output has its view of the same bytes.
/// assert_eq!(&frame.fmp4()[4..8], b"moof");
/// assert!(frame.ws_message().ends_with(&frame.fmp4()));
/// assert!(frame.nals().eq([idr]));
/// ```
#[derive(Clone, Debug)]
pub struct Frame(Arc<Shared>);

/// A frame that all its clones share.
#[derive(Debug)]
struct Shared {
    header: FrameHeader,
    message: Message,
    /// Where the NAL units begin in the WebSocket message.
    nals_at: usize,
}

impl Deref for Frame {
    type Target = FrameHeader;

    fn deref(&self) -> &FrameHeader {
        &self.0.header
    }
}

impl Frame {
    /// Writes a frame of these NAL units (without start codes, none empty): the one copy of its bytes.
    pub fn new<'a>(header: FrameHeader, nals: impl Iterator<Item = &'a [u8]> + Clone) -> Self {
        let sample = header.sample();
        let bytes = fmp4::fragment_bytes(&sample, nals.clone());
        let mut written = 0;
        let message = Message::build(bytes, |out| {
            let before = out.len();
            fmp4::write_fragment(out, &sample, nals);
            written = out.len() - before;
        });
        let head = fmp4::head_bytes(&sample);
        let nals_at = message.len() - written + head;
        Self(Arc::new(Shared {
            header,
            message,
            nals_at,
        }))
    }

    /// Returns the bytes as they go over a WebSocket.
    pub fn ws_message(&self) -> &Bytes {
        self.0.message.framed()
    }

    /// Returns `moof` and `mdat`, for transports without frames.
    pub fn fmp4(&self) -> Bytes {
        self.0.message.payload()
    }

    /// Returns the NAL units, without start codes.
    pub fn nals(&self) -> impl Iterator<Item = &[u8]> + Clone {
        let bytes = self.0.message.framed();
        LengthPrefixed(bytes.get(self.0.nals_at..).unwrap_or_default())
    }

    /// Returns the size in memory in bytes, which is that of the WebSocket message.
    pub fn len(&self) -> usize {
        self.0.message.len()
    }

    /// Returns false: there is always a header.
    pub fn is_empty(&self) -> bool {
        self.0.message.is_empty()
    }

    /// Writes the access unit as a WebSocket message of Annex B, with the parameter sets before a keyframe.
    pub fn annexb_message(&self) -> Message {
        Message::build(self.annexb_bytes(), |out| {
            for nal in self.access_unit() {
                out.extend_from_slice(&START_CODE);
                out.extend_from_slice(nal);
            }
        })
    }

    /// Returns the size of [`Self::annexb_message`] in bytes.
    pub fn annexb_message_len(&self) -> usize {
        Message::len_with(self.annexb_bytes())
    }

    /// Returns true for clones of the same frame.
    pub fn shares_bytes_with(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    fn annexb_bytes(&self) -> usize {
        self.access_unit()
            .map(|nal| START_CODE.len() + nal.len())
            .sum()
    }

    /// Returns the NAL units of an access unit that needs nothing from elsewhere: parameter sets before a keyframe.
    pub fn access_unit(&self) -> impl Iterator<Item = &[u8]> + Clone {
        let has_sets = || {
            let first = self.nals().next().and_then(<[u8]>::first);
            first.is_some_and(|header| header & 0x1f == SPS)
        };
        let sets: &[Vec<u8>] = if self.is_keyframe && !has_sets() {
            &self.parameters.parameter_sets
        } else {
            &[]
        };
        sets.iter().map(Vec::as_slice).chain(self.nals())
    }
}

/// NAL units with four bytes of length before each (ISO/IEC 14496-15, 5.3.4.2).
///
/// ```
/// use berrymse::media::LengthPrefixed;
///
/// let nals: Vec<&[u8]> = LengthPrefixed(&[0, 0, 0, 2, 0x65, 0x88, 0, 0, 0, 1, 6]).collect();
/// assert_eq!(nals, [&[0x65, 0x88][..], &[6]]);
/// ```
#[derive(Clone, Debug)]
pub struct LengthPrefixed<'a>(pub &'a [u8]);

impl<'a> Iterator for LengthPrefixed<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let (length, rest) = self.0.split_first_chunk()?;
        let (nal, rest) = rest.split_at_checked(u32::from_be_bytes(*length) as usize)?;
        self.0 = rest;
        Some(nal)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Description;
    use super::*;

    fn header() -> FrameHeader {
        FrameHeader {
            parameters: Arc::new(Parameters::new(Description {
                parameter_sets: vec![vec![0x67, 1], vec![0x68, 2]],
                ..Description::default()
            })),
            sequence: 1,
            decode_time: 9000,
            composition_offset: None,
            duration: 3000,
            nominal_duration: 3000,
            captured_at: Timestamp::default(),
            is_keyframe: true,
            is_disposable: false,
            recovery: None,
        }
    }

    fn frame(header: FrameHeader, nals: &[Vec<u8>]) -> Frame {
        Frame::new(header, nals.iter().map(Vec::as_slice))
    }

    #[test]
    fn views_share_one_allocation() {
        // The WebSocket header has 2, 4 and 10 bytes; the `moof` 104 and 108.
        for length in [1, 300, 70_000] {
            for composition_offset in [None, Some(-3000)] {
                let nals = [vec![0x65; length], vec![6]];
                let frame = frame(
                    FrameHeader {
                        composition_offset,
                        ..header()
                    },
                    &nals,
                );
                let whole = frame.ws_message().clone();
                let range = whole.as_ptr_range();
                let fmp4 = frame.fmp4();
                assert!(range.contains(&fmp4.as_ptr()));
                assert_eq!(&fmp4[4..8], b"moof");
                assert!(whole.ends_with(&fmp4));
                assert!(frame.nals().eq(nals.iter().map(Vec::as_slice)));
                assert!(frame.nals().all(|nal| range.contains(&nal.as_ptr())));
                assert_eq!(frame.len(), whole.len());
            }
        }
    }

    #[test]
    fn annexb_has_parameter_sets_before_a_keyframe_once() {
        let annexb = |header, nals: &[Vec<u8>]| {
            let frame = frame(header, nals);
            let message = frame.annexb_message();
            assert_eq!(message.len(), frame.annexb_message_len());
            message.payload()
        };
        let sets: &[u8] = &[0, 0, 0, 1, 0x67, 1, 0, 0, 0, 1, 0x68, 2];
        let picture: &[u8] = &[0, 0, 0, 1, 0x65, 9];
        let nals = [vec![0x65, 9]];
        assert_eq!(annexb(header(), &nals), [sets, picture].concat());
        let other = FrameHeader {
            is_keyframe: false,
            ..header()
        };
        assert_eq!(annexb(other, &nals), picture);
        let in_band = [vec![0x67, 1], vec![0x68, 2], vec![0x65, 9]];
        assert_eq!(annexb(header(), &in_band), [sets, picture].concat());
    }
}
