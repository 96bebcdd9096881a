//! Capture through buffers of the driver (mmap streaming), single- and multi-planar.

use super::abi::{FLAG_ERROR, MAX_PLANES};
use super::device::{Device, PlaneApi};
use super::sys::{self, BufferCall, DeviceError, Mapping, PlaneState, TimeWidth, Writable};
use rustix::fd::{BorrowedFd, OwnedFd};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

/// Buffer that the driver has filled. It is ours until [`Stream::queue`].
#[derive(Debug)]
#[must_use = "a buffer that is not given back is missing to the driver"]
pub struct DequeuedBuffer {
    index: u32,
    planes: [PlaneData; MAX_PLANES],
    /// Frame counter of the driver. A step of more than one is a loss.
    pub sequence: u32,
    /// Capture time since the zero of the driver's clock, which is `CLOCK_MONOTONIC` only if
    /// plausible.
    pub timestamp: Option<Duration>,
    /// True if the driver marked it as damaged.
    pub is_damaged: bool,
    /// Bytes in its first plane, at most `capacity`.
    pub len: usize,
    /// Capacity of its first plane, in bytes.
    pub capacity: usize,
}

impl DequeuedBuffer {
    /// Returns the index of the driver's buffer.
    pub fn index(&self) -> u32 {
        self.index
    }

    /// Returns the bytes in a plane; 0 if there is no such plane.
    pub fn plane_len(&self, plane: usize) -> usize {
        self.planes.get(plane).map_or(0, |extent| extent.len)
    }
}

/// Range of the frame within the mapping of a plane.
#[derive(Clone, Copy, Default, Debug)]
struct PlaneData {
    offset: usize,
    len: usize,
}

/// Guard of a filled buffer, which goes back to the driver on drop.
#[derive(Debug)]
pub struct BufferGuard {
    stream: Arc<Stream>,
    // `Some` until dropped.
    buffer: Option<DequeuedBuffer>,
}

impl BufferGuard {
    /// Takes over a buffer of `stream`.
    pub fn new(stream: Arc<Stream>, buffer: DequeuedBuffer) -> Self {
        Self {
            stream,
            buffer: Some(buffer),
        }
    }

    /// Returns the bytes in a plane; 0 if there is no such plane.
    pub fn plane_len(&self, plane: usize) -> usize {
        self.buffer
            .as_ref()
            .map_or(0, |buffer| buffer.plane_len(plane))
    }

    /// Appends the bytes in `range` of a plane to `out`, up to the end of the data.
    pub fn copy(&self, plane: usize, range: Range<usize>, out: &mut Vec<u8>) {
        if let Some(buffer) = &self.buffer {
            self.stream.copy_range(buffer, plane, range, out);
        }
    }

    /// Copies the bytes in `range` of a plane to `at` in another driver's buffer, up to the end of
    /// the data.
    pub(super) fn copy_to(&self, plane: usize, range: Range<usize>, to: &mut Writable, at: usize) {
        if let Some(buffer) = &self.buffer
            && let Some((mapping, range)) = self.stream.plane_range(buffer, plane, range)
        {
            to.write_from(at, mapping, range);
        }
    }

    /// Returns the index of the driver's buffer.
    pub fn index(&self) -> u32 {
        self.buffer.as_ref().map_or(0, DequeuedBuffer::index)
    }

    /// Exports a plane for another device to read (DMABUF). The frame begins at
    /// [`BufferGuard::data_offset`]. Each call makes a new descriptor: call it once for each index.
    pub fn export(&self, plane: usize) -> Result<OwnedFd, DeviceError> {
        self.stream.export(self.index(), plane)
    }

    /// Returns the capacity of a plane in bytes; 0 if there is no such plane.
    pub(super) fn plane_capacity(&self, plane: usize) -> usize {
        let place = self
            .buffer
            .as_ref()
            .and_then(|buffer| self.stream.plane_range(buffer, plane, 0..0));
        place.map_or(0, |(mapping, _)| mapping.len())
    }

    /// Returns the offset of the frame in a plane, in bytes.
    pub fn data_offset(&self, plane: usize) -> usize {
        let buffer = self.buffer.as_ref();
        buffer
            .and_then(|buffer| buffer.planes.get(plane))
            .map_or(0, |extent| extent.offset)
    }
}

impl Drop for BufferGuard {
    fn drop(&mut self) {
        if let Some(buffer) = self.buffer.take() {
            // A removed device needs no buffers, and the next dequeue reports it.
            let _ = self.stream.queue(buffer);
        }
    }
}

/// Streaming device. Stops on drop. One thread may dequeue buffers and another queue them.
#[derive(Debug)]
pub struct Stream {
    // The planes of each buffer. Dropped before the device is closed.
    mappings: Vec<Vec<Mapping>>,
    device: Device,
    kind: u32,
    width: TimeWidth,
}

impl Stream {
    /// Requests `count` buffers (the driver may change the number), queues them all and starts the
    /// device. The format must have been set.
    pub fn start(device: Device, capture: PlaneApi, count: u32) -> Result<Self, DeviceError> {
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
                let len = usize::try_from(plane.length).map_err(|_| DeviceError::NoMemory)?;
                Mapping::new(stream.device.fd(), plane.map_offset, len)
            };
            // Missing planes have length 0. If the first one does, the driver refuses to be mapped.
            let mut planes = vec![map(&state.planes[0])?];
            for plane in state.planes[1..].iter().take_while(|it| it.length > 0) {
                planes.push(map(plane)?);
            }
            stream.mappings.push(planes);
        }
        if stream.mappings.is_empty() {
            return Err(DeviceError::NoMemory);
        }
        for index in 0..count {
            stream.buffer(BufferCall::Queue, index)?;
        }
        sys::stream(stream.device.fd(), kind, true)?;
        Ok(stream)
    }

    /// Queries a buffer. The first query finds out which `v4l2_buffer` layout this kernel knows.
    fn query(&mut self, index: u32) -> Result<sys::BufferState, DeviceError> {
        let answer = self.buffer(BufferCall::Query, index);
        let is_old_kernel = answer.as_ref().err() == Some(&DeviceError::Unsupported);
        if is_old_kernel && cfg!(target_pointer_width = "32") && self.width == TimeWidth::Bits64 {
            self.width = TimeWidth::Bits32;
            return self.buffer(BufferCall::Query, index);
        }
        answer
    }

    fn buffer(&self, what: BufferCall, index: u32) -> Result<sys::BufferState, DeviceError> {
        sys::buffer(self.device.fd(), what, self.kind, self.width, index)
    }

    /// Dequeues the oldest filled buffer; [`DeviceError::WouldBlock`] without one.
    pub fn dequeue(&self) -> Result<DequeuedBuffer, DeviceError> {
        let state = self.buffer(BufferCall::Dequeue, 0)?;
        let mapping = self
            .mappings
            .get(state.index as usize)
            .ok_or(DeviceError::InvalidArgument)?;
        let mut planes = [PlaneData::default(); MAX_PLANES];
        for ((extent, mapping), plane) in planes.iter_mut().zip(mapping).zip(&state.planes) {
            let end = mapping.len().min(plane.bytes_used as usize);
            let offset = end.min(plane.data_offset as usize);
            *extent = PlaneData {
                offset,
                len: end - offset,
            };
        }
        Ok(DequeuedBuffer {
            index: state.index,
            sequence: state.sequence,
            timestamp: parse_timestamp(state.time),
            is_damaged: state.flags & FLAG_ERROR != 0,
            len: planes[0].len,
            capacity: mapping.first().map_or(0, Mapping::len) - planes[0].offset,
            planes,
        })
    }

    /// Appends the data of a buffer to `out`.
    ///
    /// It returns no slice, because the mapping is shared: a feeder of v4l2loopback overwrites it
    /// at any time. A coded frame has some 10 kB, so the copy is cheap and the driver gets its
    /// buffer back at once.
    pub fn copy(&self, buffer: &DequeuedBuffer, out: &mut Vec<u8>) {
        self.copy_range(buffer, 0, 0..buffer.len, out);
    }

    /// Appends the bytes in `range` of a plane to `out`, up to the end of the data.
    fn copy_range(
        &self,
        buffer: &DequeuedBuffer,
        plane: usize,
        range: Range<usize>,
        out: &mut Vec<u8>,
    ) {
        if let Some((mapping, range)) = self.plane_range(buffer, plane, range) {
            mapping.append_to(range, out);
        }
    }

    /// Returns the mapping of a plane and the range of these bytes in it.
    fn plane_range(
        &self,
        buffer: &DequeuedBuffer,
        plane: usize,
        range: Range<usize>,
    ) -> Option<(&Mapping, Range<usize>)> {
        let mapping = self.mappings.get(buffer.index as usize)?.get(plane)?;
        let extent = buffer.planes.get(plane)?;
        let [start, end] = [range.start, range.end].map(|at| extent.offset + at.min(extent.len));
        Some((mapping, start..end))
    }

    /// Exports a plane of a buffer for other devices to read.
    fn export(&self, index: u32, plane: usize) -> Result<OwnedFd, DeviceError> {
        let plane = u32::try_from(plane).map_err(|_| DeviceError::InvalidArgument)?;
        sys::export_buffer(self.device.fd(), self.kind, index, plane)
    }

    /// Queues a buffer to the driver.
    pub fn queue(&self, buffer: DequeuedBuffer) -> Result<(), DeviceError> {
        self.buffer(BufferCall::Queue, buffer.index).map(drop)
    }

    /// Returns the device, for its controls.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Returns the descriptor, which is readable when a frame is ready.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.device.fd()
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        // An unplugged device says ENODEV: there is nothing left to stop.
        let _ = sys::stream(self.device.fd(), self.kind, false);
    }
}

/// Converts seconds and microseconds; `None` for zero (header buffers of some drivers) and
/// overflow.
pub(super) fn parse_timestamp([seconds, micros]: [i64; 2]) -> Option<Duration> {
    let nanos = seconds
        .checked_mul(1_000_000)?
        .checked_add(micros)?
        .checked_mul(1000)?;
    u64::try_from(nanos)
        .ok()
        .filter(|&nanos| nanos != 0)
        .map(Duration::from_nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamp_zero_or_out_of_range_is_none() {
        assert_eq!(
            parse_timestamp([3, 250_000]),
            Some(Duration::from_nanos(3_250_000_000))
        );
        assert_eq!(parse_timestamp([0, 0]), None);
        assert_eq!(parse_timestamp([-1, 0]), None);
        assert_eq!(parse_timestamp([i64::MAX, 0]), None);
    }
}
