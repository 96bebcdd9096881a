//! Calls for encoders only: cropping, commands, events.

use super::ioctl;
use super::{DeviceError, TimeWidth};
use crate::abi::m2m;
use rustix::fd::BorrowedFd;

/// Sets the part of the pictures that is encoded, from the top left corner; returns the driver's answer.
pub(crate) fn crop(
    fd: BorrowedFd<'_>,
    kind: u32,
    width: u32,
    height: u32,
) -> Result<m2m::Selection, DeviceError> {
    let selection = m2m::Selection {
        kind,
        target: m2m::TARGET_CROP,
        width,
        height,
        ..Default::default()
    };
    ioctl::S_SELECTION.call(fd, selection)
}

/// Gives an encoder a command.
pub(crate) fn command(fd: BorrowedFd<'_>, cmd: u32) -> Result<(), DeviceError> {
    let command = m2m::EncoderCommand {
        cmd,
        ..Default::default()
    };
    ioctl::ENCODER_CMD.call(fd, command).map(drop)
}

/// Asks to be told of events of a kind.
pub(crate) fn subscribe(fd: BorrowedFd<'_>, kind: u32) -> Result<(), DeviceError> {
    let subscription = m2m::EventSubscription {
        kind,
        ..Default::default()
    };
    ioctl::SUBSCRIBE_EVENT.call(fd, subscription).map(drop)
}

/// Takes the oldest event, and says of what kind it is; `NoEntry` when there is none.
pub(crate) fn next_event(fd: BorrowedFd<'_>, width: TimeWidth) -> Result<u32, DeviceError> {
    match width {
        TimeWidth::Bits64 => ioctl::DQEVENT_64
            .call(fd, m2m::Event::default())
            .map(|event| event.kind),
        TimeWidth::Bits32 => ioctl::DQEVENT_32
            .call(fd, m2m::Event::default())
            .map(|event| event.kind),
    }
}
