//! Capture through buffers of the driver (mmap streaming), single- and multi-planar.

use super::abi::{FLAG_ERROR, MAX_PLANES};
use super::device::{Capture, Device};
use super::sys::{self, Buffers, Failure, Mapping, PlaneState, TimeWidth, Writable};
use crate::time::Timestamp;
use rustix::fd::{BorrowedFd, OwnedFd};
use std::ops::Range;
use std::sync::Arc;

/// A buffer that the driver has filled, and ours until [`Stream::give_back`].
#[derive(Debug)]
#[must_use = "a buffer that is not given back is missing to the driver"]
pub struct Filled {
    index: u32,
    planes: [Extent; MAX_PLANES],
    /// The driver's count of pictures; a step of more than one is a loss.
    pub sequence: u32,
    /// When the picture was taken by the driver's clock, which is `CLOCK_MONOTONIC` only if that is plausible.
    pub stamp: Option<Timestamp>,
    /// The driver marked it as damaged.
    pub is_damaged: bool,
    /// Bytes in its first plane, not more than `room`.
    pub len: usize,
    /// Bytes that there is room for in its first plane.
    pub room: usize,
}

impl Filled {
    /// Which of the driver's buffers it is.
    pub fn index(&self) -> u32 {
        self.index
    }

    /// Bytes in a plane; 0 of one that there is not.
    pub fn plane_len(&self, plane: usize) -> usize {
        self.planes.get(plane).map_or(0, |extent| extent.len)
    }
}

/// Where the picture is in a plane; within its mapping.
#[derive(Clone, Copy, Default, Debug)]
struct Extent {
    offset: usize,
    len: usize,
}

/// A filled buffer that goes back to the driver when nobody has a use for it any more.
#[derive(Debug)]
pub struct Held {
    stream: Arc<Stream>,
    // There until dropped.
    filled: Option<Filled>,
}

impl Held {
    /// Takes charge of a buffer of `stream`.
    pub fn new(stream: Arc<Stream>, filled: Filled) -> Self {
        Self {
            stream,
            filled: Some(filled),
        }
    }

    /// Bytes in a plane; 0 of one that there is not.
    pub fn plane_len(&self, plane: usize) -> usize {
        self.filled
            .as_ref()
            .map_or(0, |filled| filled.plane_len(plane))
    }

    /// Appends the bytes in `range` of a plane to `out`; of those that there are, if it reaches beyond the end.
    pub fn copy(&self, plane: usize, range: Range<usize>, out: &mut Vec<u8>) {
        if let Some(filled) = &self.filled {
            self.stream.copy_range(filled, plane, range, out);
        }
    }

    /// Copies the bytes in `range` of a plane to `at` in another driver's buffer; of those that there are.
    pub(super) fn copy_to(&self, plane: usize, range: Range<usize>, to: &mut Writable, at: usize) {
        if let Some(filled) = &self.filled
            && let Some((mapping, range)) = self.stream.place(filled, plane, range)
        {
            to.write_from(at, mapping, range);
        }
    }

    /// Which of the driver's buffers it is.
    pub fn index(&self) -> u32 {
        self.filled.as_ref().map_or(0, Filled::index)
    }

    /// A descriptor of a plane, for another device to read the picture from (DMABUF). The picture begins at
    /// [`Held::data_offset`] in it. A new one with each call: ask once for each index.
    pub fn export(&self, plane: usize) -> Result<OwnedFd, Failure> {
        self.stream.export(self.index(), plane)
    }

    /// Bytes of the memory of a plane; 0 of one that there is not.
    pub(super) fn plane_room(&self, plane: usize) -> usize {
        let place = self
            .filled
            .as_ref()
            .and_then(|filled| self.stream.place(filled, plane, 0..0));
        place.map_or(0, |(mapping, _)| mapping.len())
    }

    /// Where the picture begins in a plane, in bytes.
    pub fn data_offset(&self, plane: usize) -> usize {
        let filled = self.filled.as_ref();
        filled
            .and_then(|filled| filled.planes.get(plane))
            .map_or(0, |extent| extent.offset)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(filled) = self.filled.take() {
            // A device that is gone needs no buffers; who waits for the next picture is told.
            let _ = self.stream.give_back(filled);
        }
    }
}

/// A device that streams. Stops on drop. Pictures may be taken in one thread and given back in another.
#[derive(Debug)]
pub struct Stream {
    // The planes of each buffer. Dropped before the device is closed.
    mappings: Vec<Vec<Mapping>>,
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
            let map = |plane: &PlaneState| {
                let len = usize::try_from(plane.length).map_err(|_| Failure::NoMemory)?;
                Mapping::new(stream.device.fd(), plane.map_offset, len)
            };
            // Planes that there are not have no length. A first one without any is the driver's refusal to be mapped.
            let mut planes = vec![map(&state.planes[0])?];
            for plane in state.planes[1..].iter().take_while(|it| it.length > 0) {
                planes.push(map(plane)?);
            }
            stream.mappings.push(planes);
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

    /// Takes the oldest filled buffer; [`Failure::Again`] when there is none.
    pub fn take(&self) -> Result<Filled, Failure> {
        let state = self.buffer(Buffers::Dequeue, 0)?;
        let mapping = self
            .mappings
            .get(state.index as usize)
            .ok_or(Failure::Invalid)?;
        let mut planes = [Extent::default(); MAX_PLANES];
        for ((extent, mapping), plane) in planes.iter_mut().zip(mapping).zip(&state.planes) {
            let end = mapping.len().min(plane.bytes_used as usize);
            let offset = end.min(plane.data_offset as usize);
            *extent = Extent {
                offset,
                len: end - offset,
            };
        }
        Ok(Filled {
            index: state.index,
            sequence: state.sequence,
            stamp: stamp(state.time),
            is_damaged: state.flags & FLAG_ERROR != 0,
            len: planes[0].len,
            room: mapping.first().map_or(0, Mapping::len) - planes[0].offset,
            planes,
        })
    }

    /// Appends what is in a buffer to `out`.
    ///
    /// There is no slice to be had of it, because what is mapped is not ours alone: a feeder of v4l2loopback overwrites it at
    /// any time. A compressed picture has some ten kilobytes, and the driver can have its buffer back at once.
    pub fn copy(&self, filled: &Filled, out: &mut Vec<u8>) {
        self.copy_range(filled, 0, 0..filled.len, out);
    }

    /// Appends the bytes in `range` of a plane of a buffer to `out`; of those that there are, if it reaches beyond the end.
    fn copy_range(&self, filled: &Filled, plane: usize, range: Range<usize>, out: &mut Vec<u8>) {
        if let Some((mapping, range)) = self.place(filled, plane, range) {
            mapping.append_to(range, out);
        }
    }

    /// Where the bytes in `range` of a plane are.
    fn place(
        &self,
        filled: &Filled,
        plane: usize,
        range: Range<usize>,
    ) -> Option<(&Mapping, Range<usize>)> {
        let mapping = self.mappings.get(filled.index as usize)?.get(plane)?;
        let extent = filled.planes.get(plane)?;
        let [start, end] = [range.start, range.end].map(|at| extent.offset + at.min(extent.len));
        Some((mapping, start..end))
    }

    /// A descriptor of a plane of a buffer, for other devices to read from.
    fn export(&self, index: u32, plane: usize) -> Result<OwnedFd, Failure> {
        let plane = u32::try_from(plane).map_err(|_| Failure::Invalid)?;
        sys::export_buffer(self.device.fd(), self.kind, index, plane)
    }

    /// Gives a buffer back to the driver.
    pub fn give_back(&self, filled: Filled) -> Result<(), Failure> {
        self.buffer(Buffers::Queue, filled.index).map(drop)
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
pub(super) fn stamp([seconds, micros]: [i64; 2]) -> Option<Timestamp> {
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
