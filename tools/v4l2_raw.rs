//! Takes raw pictures from a V4L2 node through the program's own buffers, and says what came. For the tests in `tests/vm/`: the
//! drivers there that have several planes, damaged buffers and refusals have no H.264, so that the program leaves them alone.
//!
//!     v4l2_raw NODE PICTURES
//!
//! A line on standard output for each picture, and one for the end.

#![allow(clippy::print_stdout, reason = "a program for tests")]

use berrymse::shutdown::{ShutdownToken, WaitResult};
use std::path::Path;
use std::time::Duration;
use v4l2::{Device, DeviceError, Stream};

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [node, count] = words.as_slice() else {
        println!("usage: v4l2_raw NODE PICTURES");
        return;
    };
    let end = count
        .parse()
        .map_err(|_| DeviceError::InvalidArgument)
        .and_then(|count| take(Path::new(node), count));
    println!("end: {end:?}");
}

fn take(node: &Path, count: u32) -> Result<(), DeviceError> {
    let shutdown = ShutdownToken::new().map_err(|_| DeviceError::NoMemory)?;
    let device = Device::open(node)?;
    let capture = device
        .identity()
        .capture()
        .ok_or(DeviceError::InvalidArgument)?;
    let format = device
        .formats(capture)
        .first()
        .ok_or(DeviceError::InvalidArgument)?
        .fourcc;
    let agreed = device.set_format(capture, format, 320, 240)?;
    println!("{capture:?} {agreed:?}");
    let stream = Stream::start(device, capture, 4)?;
    let mut bytes = Vec::new();
    for _ in 0..count {
        while shutdown.wait_readable(stream.fd(), Duration::from_secs(1)) != WaitResult::Ready {}
        let filled = stream.dequeue()?;
        bytes.clear();
        stream.copy(&filled, &mut bytes);
        let (sequence, room, is_damaged) = (filled.sequence, filled.capacity, filled.is_damaged);
        println!(
            "picture {sequence}: {} of {room} bytes, timed: {}, damaged: {is_damaged}",
            bytes.len(),
            filled.timestamp.is_some()
        );
        stream.queue(filled)?;
    }
    Ok(())
}
