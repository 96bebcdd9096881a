//! The buffers of a queue: asking for them, giving them to the driver and taking them back, and lending them to other devices.
//! What is in them is read through a [`super::Mapping`].

use super::DeviceError;
use super::ioctl::{self, BufferCall};
use crate::abi::{self, Buffer, Plane, m2m};
use rustix::fd::{BorrowedFd, OwnedFd};
use rustix::fs::OFlags;

/// Asks for `count` buffers to be mapped (0 frees them); returns how many there are.
pub(crate) fn request_buffers(
    fd: BorrowedFd<'_>,
    kind: u32,
    count: u32,
) -> Result<u32, DeviceError> {
    request_buffers_of(fd, kind, Memory::Mapped, count)
}

/// Asks for `count` buffers (0 frees them); returns how many there are.
pub(crate) fn request_buffers_of(
    fd: BorrowedFd<'_>,
    kind: u32,
    memory: Memory,
    count: u32,
) -> Result<u32, DeviceError> {
    let request = abi::RequestBuffers {
        count,
        kind,
        memory: memory.number(),
        ..Default::default()
    };
    ioctl::REQBUFS.call(fd, request).map(|answer| answer.count)
}

/// A descriptor of a plane of a buffer of memory kind mmap, for other devices to read the picture from (DMABUF).
pub(crate) fn export_buffer(
    fd: BorrowedFd<'_>,
    kind: u32,
    index: u32,
    plane: u32,
) -> Result<OwnedFd, DeviceError> {
    let export = abi::ExportBuffer {
        kind,
        index,
        plane,
        flags: OFlags::CLOEXEC.bits(),
        fd: -1,
        reserved: [0; 11],
    };
    ioctl::export(fd, export)
}

/// Starts or stops streaming.
pub(crate) fn stream(fd: BorrowedFd<'_>, kind: u32, on: bool) -> Result<(), DeviceError> {
    let call = if on {
        ioctl::STREAMON
    } else {
        ioctl::STREAMOFF
    };
    call.call(fd, kind).map(drop)
}

/// How wide seconds and microseconds are in `v4l2_buffer`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum TimeWidth {
    /// All 64-bit kernels, and 32-bit ones from 5.6.
    Bits64,
    /// 32-bit kernels before 5.6. V4L2 times count from the start of the machine, so nothing ends in 2038.
    Bits32,
}

/// All of a buffer, as told to the driver or by it.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct BufferState {
    pub index: u32,
    pub flags: u32,
    pub field: u32,
    pub sequence: u32,
    /// Seconds and microseconds, unchecked.
    pub time: [i64; 2],
    /// One for each plane; with the single-planar API the first alone counts.
    pub planes: [PlaneState; abi::MAX_PLANES],
    /// How many of them count; told to the driver with the multi-planar API.
    pub plane_count: usize,
}

/// A plane of a buffer, as told to the driver or by it (unchecked).
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct PlaneState {
    pub bytes_used: u32,
    /// Where the picture begins in the plane (multi-planar API only).
    pub data_offset: u32,
    /// Length of the plane.
    pub length: u32,
    /// Offset to map it by, or the descriptor of memory lent to the driver.
    pub map_offset: u32,
}

/// Queries, queues or dequeues a buffer of memory kind mmap. `index` is not looked at when dequeuing.
pub(crate) fn buffer(
    fd: BorrowedFd<'_>,
    what: BufferCall,
    kind: u32,
    width: TimeWidth,
    index: u32,
) -> Result<BufferState, DeviceError> {
    let wanted = BufferState {
        index,
        plane_count: abi::MAX_PLANES,
        ..BufferState::default()
    };
    exchange(fd, what, (kind, Memory::Mapped), width, &wanted)
}

/// Whose memory a buffer is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Memory {
    /// The driver's own, to be mapped.
    Mapped,
    /// Another driver's, lent for as long as the buffer is queued.
    Imported,
}

impl Memory {
    fn number(self) -> u32 {
        match self {
            Self::Mapped => abi::MEMORY_MMAP,
            Self::Imported => m2m::MEMORY_DMABUF,
        }
    }
}

/// Queries, queues or dequeues a buffer with all that belongs to it. What of `state` is looked at depends on the call.
pub(crate) fn exchange(
    fd: BorrowedFd<'_>,
    what: BufferCall,
    (kind, memory): (u32, Memory),
    width: TimeWidth,
    state: &BufferState,
) -> Result<BufferState, DeviceError> {
    match width {
        TimeWidth::Bits64 => exchange_call::<i64>(fd, what, kind, memory, state, |t| t),
        TimeWidth::Bits32 => exchange_call::<i32>(fd, what, kind, memory, state, |t| t as i32),
    }
}

fn exchange_call<T: Copy + Default + Into<i64>>(
    fd: BorrowedFd<'_>,
    what: BufferCall,
    kind: u32,
    memory: Memory,
    state: &BufferState,
    narrow: impl Fn(i64) -> T,
) -> Result<BufferState, DeviceError> {
    let multi_planar = abi::is_multi_planar(kind);
    let mut planes = state.planes.map(|plane| Plane::<usize> {
        bytesused: plane.bytes_used,
        length: plane.length,
        m: of_first_word(plane.map_offset),
        data_offset: plane.data_offset,
        reserved: [0; 11],
    });
    let mut buffer = Buffer::<usize, T> {
        index: state.index,
        kind,
        field: state.field,
        flags: state.flags,
        timestamp: state.time.map(narrow),
        memory: memory.number(),
        ..Default::default()
    };
    if !multi_planar {
        let [first, ..] = planes;
        (buffer.bytesused, buffer.length, buffer.m) = (first.bytesused, first.length, first.m);
    }
    let count = match what {
        BufferCall::Queue => state.plane_count.min(abi::MAX_PLANES),
        BufferCall::Query | BufferCall::Dequeue => abi::MAX_PLANES,
    };
    let told = planes.get_mut(..count).unwrap_or_default();
    ioctl::exchange(fd, what, &mut buffer, told)?;
    if !multi_planar {
        let [first, ..] = &mut planes;
        (first.bytesused, first.length, first.m) = (buffer.bytesused, buffer.length, buffer.m);
    }
    Ok(BufferState {
        index: buffer.index,
        flags: buffer.flags,
        field: buffer.field,
        sequence: buffer.sequence,
        time: buffer.timestamp.map(Into::into),
        planes: planes.map(|plane| PlaneState {
            bytes_used: plane.bytesused,
            length: plane.length,
            data_offset: plane.data_offset,
            map_offset: first_word(plane.m),
        }),
        plane_count: if multi_planar {
            (buffer.length as usize).min(abi::MAX_PLANES)
        } else {
            1
        },
    })
}

/// The member `__u32 offset` of a union with an `unsigned long`: its first four bytes.
fn first_word(place: usize) -> u32 {
    let mut word = [0; 4];
    word.copy_from_slice(&place.to_ne_bytes()[..4]);
    u32::from_ne_bytes(word)
}

/// The union with an `unsigned long` whose first four bytes are the member `__u32 offset` or `__s32 fd`.
fn of_first_word(word: u32) -> usize {
    let mut place = [0; size_of::<usize>()];
    place[..4].copy_from_slice(&word.to_ne_bytes());
    usize::from_ne_bytes(place)
}
