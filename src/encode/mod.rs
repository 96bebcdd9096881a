//! Raw pictures to H.264, for cameras that do not encode themselves: one file for each kind of encoder, all behind [`Encoder`].
//!
//! An encoder takes pictures one by one and gives access units, at once or later and not one for each: what it drops, it counts.
//! It knows nothing of cameras (those are in `source`) and never queues: it is asked for room before it is given a picture.

mod convert;
mod failure_history;
mod hardware;
mod jpeg;
mod pixel_layout;
mod software;

pub use convert::{I420, is_whole, to_i420};
pub use failure_history::FailureHistory;
pub use jpeg::{JpegDecoder, JpegError};
pub use pixel_layout::{PixelLayout, pixel_layout};
pub use software::software_encoder;

use crate::time::Timestamp;
use crate::v4l2::{BufferGuard, Colorimetry, FourCc};
use rustix::fd::BorrowedFd;
use std::fmt;
use std::num::NonZeroU32;
use std::ops::{Range, RangeInclusive};
use std::time::Duration;

/// An encoder that has made pictures for so long works.
pub const HEALTHY_AFTER: Duration = Duration::from_secs(10);

/// Which encoders may be used.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum EncoderPreference {
    /// That of the hardware where there is one that works, else the one in software.
    #[default]
    Auto,
    /// That of the hardware only.
    Hardware,
    /// The one in software only.
    Software,
}

impl fmt::Display for EncoderPreference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::Hardware => "hardware",
            Self::Software => "software",
        })
    }
}

/// Why an encoder cannot be had or goes no further, in words.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0}")]
pub struct Error(pub String);

/// The pictures that an encoder will be given: all are the same in this.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RawVideoFormat {
    /// How the pixels lie in memory; see [`pixel_layout`].
    pub fourcc: FourCc,
    /// Pixels of a line that are shown.
    pub width: u32,
    /// Lines that are shown.
    pub height: u32,
    /// Bytes from a line to the next in each piece of memory; 0 where they follow from the width.
    pub strides: [u32; 3],
    /// What the numbers mean.
    pub colour: Colorimetry,
}

/// How to encode.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Config {
    /// Pictures per second that the camera gives.
    pub fps: f64,
    /// Bits per second; `None` leaves it to the encoder.
    pub bitrate: Option<u32>,
    /// Distance of two IDR pictures, in pictures.
    pub keyframe_interval: NonZeroU32,
}

/// What an encoder aims at, in bits per second.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Bitrate {
    /// Now.
    pub now: u32,
    /// What it can be told.
    pub range: RangeInclusive<u32>,
}

/// A raw picture, and the memory that it is in.
#[derive(Debug)]
pub struct RawFrame {
    /// When the camera took it.
    pub captured_at: Timestamp,
    /// Its pixels, in the encoder's [`RawVideoFormat`].
    pub memory: FrameMemory,
}

/// Whose memory the pixels are in. To drop it gives the memory back: an encoder that reads from it later keeps it until then.
#[derive(Debug)]
pub enum FrameMemory {
    /// A buffer of the camera's driver, which is one short meanwhile. It can be lent to another device ([`BufferGuard::export`]).
    Driver(BufferGuard),
    /// Ours; as many pieces of memory as the format has.
    Owned([Vec<u8>; 3]),
}

impl FrameMemory {
    /// Appends the bytes in `range` of piece of memory number `plane` to `out`; of those that there are, if it reaches beyond
    /// the end.
    pub fn copy(&self, plane: usize, range: Range<usize>, out: &mut Vec<u8>) {
        match self {
            Self::Driver(held) => held.copy(plane, range, out),
            Self::Owned(planes) => {
                let bytes = planes.get(plane).map_or(&[][..], Vec::as_slice);
                let end = range.end.min(bytes.len());
                out.extend_from_slice(bytes.get(range.start.min(end)..end).unwrap_or_default());
            }
        }
    }

    /// Bytes in a piece of memory; 0 of one that there is not.
    pub fn bytes_in(&self, plane: usize) -> usize {
        match self {
            Self::Driver(held) => held.plane_len(plane),
            Self::Owned(planes) => planes.get(plane).map_or(0, Vec::len),
        }
    }
}

/// An encoder that is open, for pictures of one shape.
///
/// The caller goes round: [`Encoder::take_access_unit`] until there is nothing; if it [`Encoder::has_room`], [`Encoder::submit`] the newest
/// picture; wait for [`Encoder::fd`] or, with room, for a picture. An error ends the encoder; the caller opens it anew.
pub trait Encoder: Send {
    /// What it is, for the log: "openh264, in software".
    fn name(&self) -> String;

    /// True if a picture would be taken now.
    fn has_room(&self) -> bool;

    /// Takes a picture, to be encoded as an IDR picture if `keyframe`. May work on it there and then, or keep it. Without room
    /// the picture is dropped and counted.
    fn submit(&mut self, picture: RawFrame, keyframe: bool) -> Result<(), Error>;

    /// Returns memory of a picture that has been encoded, for the next one; empty if there is none.
    fn reclaim(&mut self) -> Vec<u8> {
        Vec::new()
    }

    /// Writes the next access unit that is ready (Annex B; it begins with the parameter sets if it is an IDR picture) into
    /// `annexb`, which it clears first. Returns the capture time of its picture; `None` if nothing is ready. Does not block.
    fn take_access_unit(&mut self, annexb: &mut Vec<u8>) -> Result<Option<Timestamp>, Error>;

    /// Readable (or with an urgent event) when there may be something to take, writable when there may be room again; `None` of an encoder that does everything in
    /// [`Encoder::submit`].
    fn fd(&self) -> Option<BorrowedFd<'_>> {
        None
    }

    /// The bit rate, which can be set; `None` of an encoder that has its own.
    fn bitrate(&self) -> Option<Bitrate>;

    /// Changes the bit rate, within its range, from the next picture on; that may be a keyframe.
    fn set_bitrate(&mut self, bits_per_second: u32) -> Result<(), Error>;

    /// Pictures that were submitted and gave no access unit.
    fn dropped(&self) -> u64;

    /// Why it gives nothing although nothing has ended yet, in words for viewers: it is being opened anew.
    fn stall_reason(&self) -> Option<String> {
        None
    }
}

/// An encoder that this machine has, not open yet.
pub trait EncoderFactory: fmt::Debug {
    /// What it is, for the log.
    fn name(&self) -> String;

    /// How much work a pixel in this format is, compared with others (1 is the least); `None` if it cannot take it.
    fn cost(&self, fourcc: FourCc) -> Option<u32>;

    /// The largest picture, in pixels.
    fn max_size(&self) -> (u32, u32);

    /// Opens it.
    fn open(&self, format: &RawVideoFormat, settings: &Config) -> Result<Box<dyn Encoder>, Error>;
}

/// The encoders that this machine has for somebody.
#[derive(Debug)]
pub struct AvailableEncoders {
    /// The best first, at least one.
    pub factories: Vec<Box<dyn EncoderFactory>>,
    /// Why there are no others, in words for the log; `None` if no kind is missing.
    pub unavailable_reason: Option<String>,
}

/// The encoders that `choice` allows, or why there is none.
pub fn available_encoders(choice: EncoderPreference) -> Result<AvailableEncoders, Error> {
    let mut factories = Vec::new();
    let mut missing = Vec::new();
    if choice != EncoderPreference::Software {
        match hardware::factories() {
            Ok(found) => factories.extend(found),
            Err(reason) => missing.push(reason.0),
        }
    }
    if choice != EncoderPreference::Hardware {
        match software::factory() {
            Ok(one) => factories.push(one),
            Err(reason) => missing.push(reason.0),
        }
    }
    let missing = (!missing.is_empty()).then(|| missing.join(", and "));
    match missing {
        Some(reasons) if factories.is_empty() => Err(Error(reasons)),
        missing => Ok(AvailableEncoders {
            factories,
            unavailable_reason: missing,
        }),
    }
}
