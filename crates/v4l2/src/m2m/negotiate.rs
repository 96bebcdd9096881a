//! Negotiation with an encoder before it starts: formats, sizes, cropping. Its rate and quality are
//! in [`super::controls`].

use super::find::QueueTypes;
use super::plane_layout::RawFormat;
use crate::abi::{self, m2m::PlaneFormat};
use crate::sys::{self, DeviceError};
use crate::{Device, FourCc};

/// Smallest coded buffer. Keyframes of a noisy scene are large, and one that does not fit is lost.
/// The drivers' own size (Raspberry Pi: 512 kB) is known to be too small.
const MIN_CODED_BUFFER_BYTES: u32 = 512 * 1024;

/// Frame rate, bit rate and keyframe interval.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RateControl {
    /// Frames per second.
    pub fps: u32,
    /// Bits per second; `None` leaves the encoder's own.
    pub bitrate: Option<u32>,
    /// Frames from one IDR frame to the next.
    pub keyframe_interval: u32,
}

/// Configuration of an encoder.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EncoderConfig {
    /// Coded format: H.264, except in tests.
    pub coded: FourCc,
    /// Memory layout of the raw frames.
    pub raw: RawFormat,
    /// Frame rate, bit rate and keyframe interval.
    pub rate: RateControl,
    /// True to read frames from the camera's buffers (DMABUF). All frames then come by
    /// [`super::InputFrame::Import`], from one stream.
    pub import: bool,
}

/// Reason why an encoder was not started.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NegotiationError {
    /// Not a memory-to-memory device, or without this format.
    #[error("it is no encoder to {0}")]
    NoEncoder(FourCc),
    /// It does not accept this raw format.
    #[error("it does not take {0}")]
    NoRawFormat(FourCc),
    /// It accepts the format, but not this size.
    #[error("it takes no pictures of {0}x{1}, but of {2}x{3}")]
    Size(u32, u32, u32, u32),
    /// It cannot read the camera's buffers.
    #[error("it cannot read the camera's buffers: {0}")]
    Import(String),
    /// A system call failed.
    #[error("{1} while {0}")]
    Syscall(&'static str, DeviceError),
}

pub(super) fn set_coded_format(
    device: &Device,
    kinds: QueueTypes,
    wanted: &EncoderConfig,
) -> Result<(), NegotiationError> {
    let (width, height) = (wanted.raw.width, wanted.raw.height);
    let room = width.saturating_mul(height) / 4 * 3;
    let format = abi::Format::new(kinds.capture, wanted.coded.number(), width, height)
        .progressive()
        .with_plane(
            0,
            PlaneFormat {
                bytes_per_line: 0,
                size: room.max(MIN_CODED_BUFFER_BYTES),
            },
        );
    let failed = |error| NegotiationError::Syscall("asking it for its coded format", error);
    let answer = sys::set_format(device.fd(), format).map_err(failed)?;
    if answer.pixelformat() == wanted.coded.number() {
        Ok(())
    } else {
        Err(NegotiationError::NoEncoder(wanted.coded))
    }
}

pub(super) fn set_raw_format(
    device: &Device,
    kinds: QueueTypes,
    wanted: &EncoderConfig,
) -> Result<abi::Format<usize>, NegotiationError> {
    let raw = &wanted.raw;
    let mut format =
        abi::Format::new(kinds.output, raw.fourcc.number(), raw.width, raw.height).progressive();
    for (plane, &bytes_per_line) in raw.strides.iter().enumerate() {
        // A single-planar format has no second plane.
        if plane == 0 || bytes_per_line > 0 {
            let plane_format = PlaneFormat {
                bytes_per_line,
                size: 0,
            };
            if plane == 0 || kinds.output == abi::buffer_type::OUTPUT_MPLANE {
                format = format.with_plane(plane, plane_format);
            }
        }
    }
    let failed = |error| NegotiationError::Syscall("asking it for the camera's format", error);
    let answer = sys::set_format(device.fd(), format).map_err(failed)?;
    if answer.pixelformat() != raw.fourcc.number() {
        return Err(NegotiationError::NoRawFormat(raw.fourcc));
    }
    Ok(answer)
}

/// Returns the memory layout that the encoder expects.
pub(super) fn input_format(
    answer: &abi::Format<usize>,
    wanted: &EncoderConfig,
) -> Result<RawFormat, NegotiationError> {
    let (width, height) = answer.size();
    let (own_width, own_height) = (wanted.raw.width, wanted.raw.height);
    if width < own_width || height < own_height {
        return Err(NegotiationError::Size(own_width, own_height, width, height));
    }
    Ok(RawFormat {
        fourcc: wanted.raw.fourcc,
        width,
        height,
        strides: std::array::from_fn(|plane| {
            if plane < usize::from(answer.planes()) {
                answer.plane(plane).bytes_per_line
            } else {
                0
            }
        }),
    })
}

/// Crops to the frame: the encoder's padding would show an edge of old frames.
pub(super) fn crop(
    device: &Device,
    kinds: QueueTypes,
    wanted: &EncoderConfig,
) -> Result<(), NegotiationError> {
    // Kernels before 4.13 accept only the single-planar type here, later ones both.
    let kind = match kinds.output {
        abi::buffer_type::OUTPUT_MPLANE => abi::buffer_type::OUTPUT,
        kind => kind,
    };
    let (width, height) = (wanted.raw.width, wanted.raw.height);
    let answer = sys::crop(device.fd(), kind, width, height)
        .map_err(|error| NegotiationError::Syscall("asking it to crop the picture", error))?;
    if (answer.width, answer.height) == (width, height) {
        Ok(())
    } else {
        let (its_width, its_height) = (answer.width, answer.height);
        Err(NegotiationError::Size(width, height, its_width, its_height))
    }
}
