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
use rustix::fd::BorrowedFd;
use std::fmt;
use std::num::NonZeroU32;
use std::ops::{Range, RangeInclusive};
use std::time::Duration;
use v4l2::{BufferGuard, Colorimetry, FourCc};

/// Time of delivering frames after which an encoder counts as healthy.
pub const HEALTHY_AFTER: Duration = Duration::from_secs(10);

/// Encoders that may be used.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum EncoderPreference {
    /// Hardware where there is one that works, else software.
    #[default]
    Auto,
    /// Hardware only.
    Hardware,
    /// Software only.
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

/// Reason for an encoder that cannot open or go on.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0}")]
pub struct Error(pub String);

/// Format of the frames for an encoder: all frames share it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RawVideoFormat {
    /// Pixel format; see [`pixel_layout`].
    pub fourcc: FourCc,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Stride in each buffer, in bytes; 0 where it follows from the width.
    pub strides: [u32; 3],
    /// Colorimetry.
    pub colour: Colorimetry,
}

/// Configuration of an encoder.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Config {
    /// Frame rate of the camera.
    pub fps: f64,
    /// Bits per second; `None` leaves it to the encoder.
    pub bitrate: Option<u32>,
    /// Distance of two IDR pictures, in frames.
    pub keyframe_interval: NonZeroU32,
}

/// Target bit rate of an encoder, in bits per second.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Bitrate {
    /// Now.
    pub now: u32,
    /// Range that it accepts.
    pub range: RangeInclusive<u32>,
}

/// Raw frame, and the memory that holds it.
#[derive(Debug)]
pub struct RawFrame {
    /// Capture time.
    pub captured_at: Timestamp,
    /// Its pixels, in the encoder's [`RawVideoFormat`].
    pub memory: FrameMemory,
}

/// Memory of the pixels. Dropping it returns the memory: an encoder that reads from it later keeps
/// it until then.
#[derive(Debug)]
pub enum FrameMemory {
    /// A buffer of the camera's driver, which is one short meanwhile. It can be lent to another device ([`BufferGuard::export`]).
    Driver(BufferGuard),
    /// Our own; as many buffers as the format has.
    Owned([Vec<u8>; 3]),
}

impl FrameMemory {
    /// Appends the bytes in `range` of buffer number `plane` to `out`, as far as there are some.
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

    /// Returns the bytes in a buffer; 0 for one that does not exist.
    pub(crate) fn bytes_in(&self, plane: usize) -> usize {
        match self {
            Self::Driver(held) => held.plane_len(plane),
            Self::Owned(planes) => planes.get(plane).map_or(0, Vec::len),
        }
    }
}

/// An encoder that is open, for pictures of one shape.
///
/// The caller goes round: [`Encoder::take_access_unit`] until there is nothing; if it [`Encoder::has_room`], [`Encoder::submit`] the newest
/// picture; wait for [`Encoder::fd`] or, with room, for a picture. An error ends the encoder; the caller opens it again.
pub trait Encoder: Send {
    /// Returns its name for the log: "openh264, in software".
    fn name(&self) -> String;

    /// True if it would accept a frame now.
    fn has_room(&self) -> bool;

    /// Accepts a frame, to be encoded as an IDR picture if `keyframe`. May encode it there and
    /// then, or keep it. Without room the frame is dropped and counted.
    fn submit(&mut self, picture: RawFrame, keyframe: bool) -> Result<(), Error>;

    /// Returns memory of an encoded frame, for the next one; empty if there is none.
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

    /// Changes the bit rate, within its range, from the next frame on; that may be a keyframe.
    fn set_bitrate(&mut self, bits_per_second: u32) -> Result<(), Error>;

    /// Returns the number of submitted frames that yielded no access unit.
    fn dropped(&self) -> u64;

    /// Returns the reason for its silence while it is opened again, in words for viewers.
    fn stall_reason(&self) -> Option<String> {
        None
    }
}

/// Encoder of this machine that is not open yet.
pub trait EncoderFactory: fmt::Debug {
    /// Returns its name for the log.
    fn name(&self) -> String;

    /// Returns the cost of a pixel in this format, relative to others (1 is the least); `None` if
    /// it cannot take it.
    fn cost(&self, fourcc: FourCc) -> Option<u32>;

    /// Returns the largest frame size, in pixels.
    fn max_size(&self) -> (u32, u32);

    /// Opens it.
    fn open(&self, format: &RawVideoFormat, settings: &Config) -> Result<Box<dyn Encoder>, Error>;
}

/// Encoders of this machine.
#[derive(Debug)]
pub struct AvailableEncoders {
    /// Factories, the best first; at least one.
    pub factories: Vec<Box<dyn EncoderFactory>>,
    /// Reason for the lack of others, for the log; `None` if no kind is missing.
    pub unavailable_reason: Option<String>,
}

/// Returns the encoders that `choice` allows, or the reason for having none.
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
