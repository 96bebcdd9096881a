//! Capture through buffers of the driver (mmap streaming), single- and multi-planar.

use super::abi::FLAG_ERROR;
use super::device::{Capture, Device};
use super::sys::{self, Buffers, Failure, Mapping, TimeWidth};
use crate::time::Timestamp;
use rustix::fd::BorrowedFd;

/// A buffer that the driver has filled.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Filled {
    /// The driver's count of pictures; a step of more than one is a loss.
    pub sequence: u32,
    /// When the picture was taken by the driver's clock, which is `CLOCK_MONOTONIC` only if that is plausible.
    pub stamp: Option<Timestamp>,
    /// What is in it.
    pub content: Content,
}

/// What a buffer holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Content {
    /// A picture, this many bytes of which were appended.
    Bytes(usize),
    /// The driver marked it as damaged.
    Damaged,
    /// The buffer is full to the last byte: a picture that was cut, or (first buffer of v4l2loopback) left-overs.
    Full,
}

/// A device that streams. Stops on drop.
#[derive(Debug)]
pub struct Stream {
    // Dropped before the device is closed.
    mappings: Vec<Mapping>,
    device: Device,
    kind: u32,
    width: TimeWidth,
}

impl Stream {
    /// Asks for `count` buffers (the driver may give another number), gives them all to the driver and starts it.
    /// The format must have been set.
    pub fn start(device: Device, capture: Capture, count: u32) -> Result<Self, Failure> {
        let kind = capture.buffer_type();
        let count = sys::request_buffers(device.fd(), kind, count)?;
        let mut stream = Self {
            mappings: Vec::new(),
            device,
            kind,
            width: TimeWidth::Bits64,
        };
        for index in 0..count {
            let state = stream.query(index)?;
            let len = usize::try_from(state.length).map_err(|_| Failure::NoMemory)?;
            stream
                .mappings
                .push(Mapping::new(stream.device.fd(), state.map_offset, len)?);
        }
        if stream.mappings.is_empty() {
            return Err(Failure::NoMemory);
        }
        for index in 0..count {
            stream.buffer(Buffers::Queue, index)?;
        }
        sys::stream(stream.device.fd(), kind, true)?;
        Ok(stream)
    }

    /// Where a buffer is; finds out, with the first one, which `v4l2_buffer` this kernel knows.
    fn query(&mut self, index: u32) -> Result<sys::BufferState, Failure> {
        let answer = self.buffer(Buffers::Query, index);
        let is_old_kernel = answer.as_ref().err() == Some(&Failure::Unknown);
        if is_old_kernel && cfg!(target_pointer_width = "32") && self.width == TimeWidth::Bits64 {
            self.width = TimeWidth::Bits32;
            return self.buffer(Buffers::Query, index);
        }
        answer
    }

    fn buffer(&self, what: Buffers, index: u32) -> Result<sys::BufferState, Failure> {
        sys::buffer(self.device.fd(), what, self.kind, self.width, index)
    }

    /// Appends the oldest picture to `out` and gives its buffer back to the driver; [`Failure::Again`] when there is none.
    ///
    /// It is a copy, because what is mapped is not ours alone: a feeder of v4l2loopback overwrites it at any time. A picture
    /// has some ten kilobytes, and the driver has its buffer back at once.
    pub fn take(&self, out: &mut Vec<u8>) -> Result<Filled, Failure> {
        let state = self.buffer(Buffers::Dequeue, 0)?;
        let mapping = self
            .mappings
            .get(state.index as usize)
            .ok_or(Failure::Invalid)?;
        let content = if state.flags & FLAG_ERROR != 0 {
            Content::Damaged
        } else if state.bytes_used as usize >= mapping.len() {
            Content::Full
        } else {
            let before = out.len();
            mapping.append_to(state.data_offset as usize..state.bytes_used as usize, out);
            Content::Bytes(out.len() - before)
        };
        self.buffer(Buffers::Queue, state.index)?;
        Ok(Filled {
            sequence: state.sequence,
            stamp: stamp(state.time),
            content,
        })
    }

    /// The device, for its controls.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Readable when a picture is there.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.device.fd()
    }

    /// Number of buffers.
    pub fn buffer_count(&self) -> usize {
        self.mappings.len()
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        // An unplugged device says ENODEV: there is nothing left to stop.
        let _ = sys::stream(self.device.fd(), self.kind, false);
    }
}

/// Seconds and microseconds as a time; `None` for zero (header buffers of some drivers) and nonsense.
fn stamp([seconds, micros]: [i64; 2]) -> Option<Timestamp> {
    let nanos = seconds
        .checked_mul(1_000_000)?
        .checked_add(micros)?
        .checked_mul(1000)?;
    u64::try_from(nanos)
        .ok()
        .filter(|&nanos| nanos != 0)
        .map(Timestamp::from_nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_are_nanoseconds_and_nonsense_is_none() {
        assert_eq!(
            stamp([3, 250_000]),
            Some(Timestamp::from_nanos(3_250_000_000))
        );
        assert_eq!(stamp([0, 0]), None);
        assert_eq!(stamp([-1, 0]), None);
        assert_eq!(stamp([i64::MAX, 0]), None);
    }
}
