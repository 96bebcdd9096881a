//! Identity of a node, its formats, sizes and rates, and the requests for one, for cameras and encoders alike.

use super::DeviceError;
use super::ioctl;
use crate::abi;
use rustix::fd::BorrowedFd;

/// Identity and capabilities of the node.
pub(crate) fn query_capability(fd: BorrowedFd<'_>) -> Result<abi::Capability, DeviceError> {
    ioctl::QUERYCAP.call(fd, abi::Capability::default())
}

/// Format number `index`; `Invalid` behind the last.
pub(crate) fn enum_format(
    fd: BorrowedFd<'_>,
    kind: u32,
    index: u32,
) -> Result<abi::FormatDescription, DeviceError> {
    let description = abi::FormatDescription {
        index,
        kind,
        ..Default::default()
    };
    ioctl::ENUM_FMT.call(fd, description)
}

/// Size (or range of sizes) number `index` of a format; `Invalid` behind the last.
pub(crate) fn enum_frame_size(
    fd: BorrowedFd<'_>,
    pixel_format: u32,
    index: u32,
) -> Result<abi::FrameSizes, DeviceError> {
    let sizes = abi::FrameSizes {
        index,
        pixel_format,
        ..Default::default()
    };
    ioctl::ENUM_FRAMESIZES.call(fd, sizes)
}

/// Interval (or range of intervals) number `index` of a size; `Invalid` behind the last.
pub(crate) fn enum_frame_interval(
    fd: BorrowedFd<'_>,
    pixel_format: u32,
    (width, height): (u32, u32),
    index: u32,
) -> Result<abi::FrameIntervals, DeviceError> {
    let intervals = abi::FrameIntervals {
        index,
        pixel_format,
        width,
        height,
        ..Default::default()
    };
    ioctl::ENUM_FRAMEINTERVALS.call(fd, intervals)
}

/// Asks for a time for each picture, in seconds; returns the driver's answer.
pub(crate) fn set_interval(
    fd: BorrowedFd<'_>,
    kind: u32,
    numerator: u32,
    denominator: u32,
) -> Result<abi::StreamParameters, DeviceError> {
    let parameters = abi::StreamParameters {
        kind,
        capability: 0,
        capturemode: 0,
        numerator,
        denominator,
        rest: [0; 46],
    };
    ioctl::S_PARM.call(fd, parameters)
}
