//! The system calls of V4L2 and the mapping of buffers; the only file with `unsafe`.
//!
//! Every function is safe: addresses that the kernel writes to are made here and live as long as the call. What comes back
//! is not trusted beyond that; callers check indices and lengths.

#![allow(
    unsafe_code,
    reason = "ioctl and mmap have no safe form; each use has its reason beside it"
)]

use super::abi::{self, Buffer, ExtControl, ExtControls, Format, Plane, m2m};
use rustix::fd::{BorrowedFd, FromRawFd, OwnedFd};
use rustix::fs::OFlags;
use rustix::io::Errno;
use rustix::ioctl::{Ioctl, IoctlOutput, Opcode};
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};
use std::ffi::c_void;
use std::ops::Range;
use std::ptr::NonNull;

/// Why the kernel refused a call, by what it means for V4L2.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Failure {
    /// `EACCES`, `EPERM`
    #[error("permission denied")]
    NotPermitted,
    /// `EBUSY`: somebody else uses it, or (loopback) it is not ready.
    #[error("busy")]
    Busy,
    /// `ENOENT`: no such node.
    #[error("no such file")]
    NoEntry,
    /// `ENODEV`, `ENXIO`: unplugged, or a node without a driver.
    #[error("no such device")]
    Gone,
    /// `ENOTTY`: the driver does not know this call.
    #[error("not supported by the driver")]
    Unknown,
    /// `EINVAL`: the driver knows the call but not these values; also the end of an enumeration.
    #[error("invalid argument")]
    Invalid,
    /// `ENOSPC`: no USB bandwidth left.
    #[error("no space left on device")]
    NoBandwidth,
    /// `ENOMEM`: no memory for the buffers (on a Raspberry Pi: CMA).
    #[error("out of memory")]
    NoMemory,
    /// `EPIPE`: the last buffer of a drained queue has been taken.
    #[error("at its end")]
    Drained,
    /// `EAGAIN`: nothing yet.
    #[error("nothing yet")]
    Again,
    /// Any other error number.
    #[error("{0}")]
    Other(Errno),
}

impl From<Errno> for Failure {
    fn from(errno: Errno) -> Self {
        match errno {
            Errno::ACCESS | Errno::PERM => Self::NotPermitted,
            Errno::BUSY => Self::Busy,
            Errno::NOENT => Self::NoEntry,
            Errno::NODEV | Errno::NXIO => Self::Gone,
            Errno::NOTTY => Self::Unknown,
            Errno::INVAL => Self::Invalid,
            Errno::NOSPC => Self::NoBandwidth,
            Errno::NOMEM => Self::NoMemory,
            Errno::PIPE => Self::Drained,
            Errno::AGAIN => Self::Again,
            other => Self::Other(other),
        }
    }
}

/// One call with the struct that it reads and writes.
struct Call<'a, T> {
    opcode: Opcode,
    argument: &'a mut T,
}

// SAFETY: `call` alone makes this; its callers promise that `opcode` belongs to `T`. The kernel writes to nothing but `argument`
// and to what the addresses in it point to.
unsafe impl<T> Ioctl for Call<'_, T> {
    type Output = ();
    const IS_MUTATING: bool = true;

    fn opcode(&self) -> Opcode {
        self.opcode
    }

    fn as_ptr(&mut self) -> *mut c_void {
        std::ptr::from_mut(self.argument).cast()
    }

    unsafe fn output_from_ptr(_: IoctlOutput, _: *mut c_void) -> rustix::io::Result<()> {
        Ok(())
    }
}

/// # Safety
/// `opcode` is one whose argument is `T`, and each address in `argument` is valid for what this call does with it.
unsafe fn call<T>(fd: BorrowedFd<'_>, opcode: Opcode, argument: &mut T) -> Result<(), Failure> {
    loop {
        // SAFETY: as promised by our caller.
        match unsafe {
            rustix::ioctl::ioctl(
                fd,
                Call {
                    opcode,
                    argument: &mut *argument,
                },
            )
        } {
            Err(Errno::INTR) => {}
            done => return done.map_err(Failure::from),
        }
    }
}

pub(super) fn query_capability(fd: BorrowedFd<'_>) -> Result<abi::Capability, Failure> {
    let mut capability = abi::Capability::default();
    // SAFETY: VIDIOC_QUERYCAP takes this struct, without addresses in it.
    unsafe { call(fd, abi::QUERYCAP, &mut capability)? };
    Ok(capability)
}

/// Format number `index`; `Invalid` behind the last.
pub(super) fn enum_format(
    fd: BorrowedFd<'_>,
    kind: u32,
    index: u32,
) -> Result<abi::FormatDescription, Failure> {
    let mut description = abi::FormatDescription {
        index,
        kind,
        ..Default::default()
    };
    // SAFETY: VIDIOC_ENUM_FMT takes this struct, without addresses in it.
    unsafe { call(fd, abi::ENUM_FMT, &mut description)? };
    Ok(description)
}

/// Size (or range of sizes) number `index` of a format; `Invalid` behind the last.
pub(super) fn enum_frame_size(
    fd: BorrowedFd<'_>,
    pixel_format: u32,
    index: u32,
) -> Result<abi::FrameSizes, Failure> {
    let mut sizes = abi::FrameSizes {
        index,
        pixel_format,
        ..Default::default()
    };
    // SAFETY: VIDIOC_ENUM_FRAMESIZES takes this struct, without addresses in it.
    unsafe { call(fd, abi::ENUM_FRAMESIZES, &mut sizes)? };
    Ok(sizes)
}

/// Interval (or range of intervals) number `index` of a size; `Invalid` behind the last.
pub(super) fn enum_frame_interval(
    fd: BorrowedFd<'_>,
    pixel_format: u32,
    (width, height): (u32, u32),
    index: u32,
) -> Result<abi::FrameIntervals, Failure> {
    let mut intervals = abi::FrameIntervals {
        index,
        pixel_format,
        width,
        height,
        ..Default::default()
    };
    // SAFETY: VIDIOC_ENUM_FRAMEINTERVALS takes this struct, without addresses in it.
    unsafe { call(fd, abi::ENUM_FRAMEINTERVALS, &mut intervals)? };
    Ok(intervals)
}

/// Asks for a format; the driver's answer may differ. `kind` must be a capture or output type, with which no address is in the struct.
pub(super) fn set_format(
    fd: BorrowedFd<'_>,
    mut format: Format<usize>,
) -> Result<Format<usize>, Failure> {
    if !is_video(format.kind) {
        return Err(Failure::Invalid);
    }
    // SAFETY: VIDIOC_S_FMT takes this struct; the formats of these types, seen to above, have no addresses in them.
    unsafe { call(fd, Format::<usize>::S_FMT, &mut format)? };
    Ok(format)
}

fn is_video(kind: u32) -> bool {
    use abi::buffer_type::{CAPTURE, CAPTURE_MPLANE, OUTPUT, OUTPUT_MPLANE};
    matches!(kind, CAPTURE | CAPTURE_MPLANE | OUTPUT | OUTPUT_MPLANE)
}

/// Asks for a time for each picture, in seconds; returns the driver's answer.
pub(super) fn set_interval(
    fd: BorrowedFd<'_>,
    kind: u32,
    numerator: u32,
    denominator: u32,
) -> Result<abi::StreamParameters, Failure> {
    let mut parameters = abi::StreamParameters {
        kind,
        capability: 0,
        capturemode: 0,
        numerator,
        denominator,
        rest: [0; 46],
    };
    // SAFETY: VIDIOC_S_PARM takes this struct, without addresses in it.
    unsafe { call(fd, abi::S_PARM, &mut parameters)? };
    Ok(parameters)
}

/// Asks for `count` buffers to be mapped (0 frees them); returns how many there are.
pub(super) fn request_buffers(fd: BorrowedFd<'_>, kind: u32, count: u32) -> Result<u32, Failure> {
    request_buffers_of(fd, kind, Memory::Mapped, count)
}

/// Asks for `count` buffers (0 frees them); returns how many there are.
pub(super) fn request_buffers_of(
    fd: BorrowedFd<'_>,
    kind: u32,
    memory: Memory,
    count: u32,
) -> Result<u32, Failure> {
    let mut request = abi::RequestBuffers {
        count,
        kind,
        memory: memory.number(),
        ..Default::default()
    };
    // SAFETY: VIDIOC_REQBUFS takes this struct, without addresses in it.
    unsafe { call(fd, abi::REQBUFS, &mut request)? };
    Ok(request.count)
}

/// A descriptor of a plane of a buffer of memory kind mmap, for other devices to read the picture from (DMABUF).
pub(super) fn export_buffer(
    fd: BorrowedFd<'_>,
    kind: u32,
    index: u32,
    plane: u32,
) -> Result<OwnedFd, Failure> {
    let mut export = abi::ExportBuffer {
        kind,
        index,
        plane,
        flags: OFlags::CLOEXEC.bits(),
        fd: -1,
        reserved: [0; 11],
    };
    // SAFETY: VIDIOC_EXPBUF takes this struct, without addresses in it.
    unsafe { call(fd, abi::EXPBUF, &mut export)? };
    if export.fd < 0 {
        return Err(Failure::Invalid);
    }
    // SAFETY: the call succeeded, and gave us a new descriptor that nobody else has.
    Ok(unsafe { OwnedFd::from_raw_fd(export.fd) })
}

/// Starts or stops streaming.
pub(super) fn stream(fd: BorrowedFd<'_>, kind: u32, on: bool) -> Result<(), Failure> {
    let mut kind = kind;
    // SAFETY: both calls read one int.
    unsafe {
        call(
            fd,
            if on { abi::STREAMON } else { abi::STREAMOFF },
            &mut kind,
        )
    }
}

/// The control that follows `id`, of any class, skipping compound ones; `Invalid` behind the last.
pub(super) fn next_control(fd: BorrowedFd<'_>, id: u32) -> Result<abi::QueryExtControl, Failure> {
    const NEXT: u32 = 0x8000_0000;
    let mut query = abi::QueryExtControl {
        id: id | NEXT,
        ..Default::default()
    };
    // SAFETY: VIDIOC_QUERY_EXT_CTRL takes this struct, without addresses in it.
    unsafe { call(fd, abi::QUERY_EXT_CTRL, &mut query)? };
    Ok(query)
}

/// Item number `index` of a menu; `Invalid` where there is none: menus may have gaps.
pub(super) fn menu_item(
    fd: BorrowedFd<'_>,
    id: u32,
    index: u32,
) -> Result<abi::QueryMenu, Failure> {
    let mut item = abi::QueryMenu {
        id,
        index,
        ..Default::default()
    };
    // SAFETY: VIDIOC_QUERYMENU takes this struct, without addresses in it.
    unsafe { call(fd, abi::QUERYMENU, &mut item)? };
    Ok(item)
}

/// The value of a control, as it lies in the kernel's union.
pub(super) fn get_control(fd: BorrowedFd<'_>, id: u32) -> Result<[u32; 2], Failure> {
    control_call(fd, ExtControls::<usize>::G_EXT_CTRLS, id, [0; 2])
}

/// Sets a control to a value, as it lies in the kernel's union.
pub(super) fn set_control(fd: BorrowedFd<'_>, id: u32, value: [u32; 2]) -> Result<(), Failure> {
    control_call(fd, ExtControls::<usize>::S_EXT_CTRLS, id, value).map(drop)
}

fn control_call(
    fd: BorrowedFd<'_>,
    opcode: Opcode,
    id: u32,
    value: [u32; 2],
) -> Result<[u32; 2], Failure> {
    let mut control = ExtControl {
        id,
        size: 0,
        reserved2: 0,
        value,
    };
    let mut controls = ExtControls::<usize> {
        count: 1,
        controls: (&raw mut control).expose_provenance(),
        ..Default::default()
    };
    // SAFETY: both calls take this struct. The address is that of one control, as `count` says, which outlives the call. Its
    // size of 0 says that `value` is no address: a control with a payload is refused.
    unsafe { call(fd, opcode, &mut controls)? };
    Ok(control.value)
}

/// One request to an extension unit of a USB camera, whose answer or argument is `data`. The kernel refuses all but the length that
/// the camera says. `Other(EPIPE)` and the like: the camera refuses.
pub(super) fn query_unit(
    fd: BorrowedFd<'_>,
    unit: u8,
    selector: u8,
    query: u8,
    data: &mut [u8],
) -> Result<(), Failure> {
    let mut query = abi::UnitQuery::<usize> {
        unit,
        selector,
        query,
        size: u16::try_from(data.len()).map_err(|_| Failure::Invalid)?,
        data: data.as_mut_ptr().expose_provenance(),
    };
    // SAFETY: UVCIOC_CTRL_QUERY takes this struct. The address is that of `size` bytes, which outlive the call and which the
    // kernel reads or writes.
    unsafe { call(fd, abi::UnitQuery::<usize>::QUERY, &mut query) }
}

/// What to do with a buffer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Buffers {
    /// Ask where it is.
    Query,
    /// Give it to the driver.
    Queue,
    /// Take any that the driver has filled.
    Dequeue,
}

impl Buffers {
    fn opcode<T>(self) -> Opcode {
        match self {
            Self::Query => Buffer::<usize, T>::QUERYBUF,
            Self::Queue => Buffer::<usize, T>::QBUF,
            Self::Dequeue => Buffer::<usize, T>::DQBUF,
        }
    }
}

/// How wide seconds and microseconds are in `v4l2_buffer`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum TimeWidth {
    /// All 64-bit kernels, and 32-bit ones from 5.6.
    Bits64,
    /// 32-bit kernels before 5.6. V4L2 times count from the start of the machine, so nothing ends in 2038.
    Bits32,
}

/// All of a buffer, as told to the driver or by it.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct BufferState {
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
pub(super) struct PlaneState {
    pub bytes_used: u32,
    /// Where the picture begins in the plane (multi-planar API only).
    pub data_offset: u32,
    /// Length of the plane.
    pub length: u32,
    /// What to map it by, or the descriptor of what is lent to the driver.
    pub map_offset: u32,
}

/// Queries, queues or dequeues a buffer of memory kind mmap. `index` is not looked at when dequeuing.
pub(super) fn buffer(
    fd: BorrowedFd<'_>,
    what: Buffers,
    kind: u32,
    width: TimeWidth,
    index: u32,
) -> Result<BufferState, Failure> {
    let wanted = BufferState {
        index,
        plane_count: abi::MAX_PLANES,
        ..BufferState::default()
    };
    exchange(fd, what, (kind, Memory::Mapped), width, &wanted)
}

/// Whose memory a buffer is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Memory {
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
pub(super) fn exchange(
    fd: BorrowedFd<'_>,
    what: Buffers,
    (kind, memory): (u32, Memory),
    width: TimeWidth,
    state: &BufferState,
) -> Result<BufferState, Failure> {
    match width {
        TimeWidth::Bits64 => exchange_call::<i64>(fd, what, kind, memory, state, |t| t),
        TimeWidth::Bits32 => exchange_call::<i32>(fd, what, kind, memory, state, |t| t as i32),
    }
}

fn exchange_call<T: Copy + Default + Into<i64>>(
    fd: BorrowedFd<'_>,
    what: Buffers,
    kind: u32,
    memory: Memory,
    state: &BufferState,
    narrow: impl Fn(i64) -> T,
) -> Result<BufferState, Failure> {
    use abi::buffer_type::{CAPTURE_MPLANE, OUTPUT_MPLANE};
    if !is_video(kind) {
        return Err(Failure::Invalid);
    }
    let multi_planar = matches!(kind, CAPTURE_MPLANE | OUTPUT_MPLANE);
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
    if multi_planar {
        buffer.length = if what == Buffers::Queue {
            state.plane_count.min(abi::MAX_PLANES) as u32
        } else {
            abi::MAX_PLANES as u32
        };
        buffer.m = planes.as_mut_ptr().expose_provenance();
    } else {
        let [first, ..] = planes;
        (buffer.bytesused, buffer.length, buffer.m) = (first.bytesused, first.length, first.m);
    }
    // SAFETY: the three calls take this struct (with another width of times the number differs and the kernel refuses). With a
    // multi-planar kind `m` is the address of at least `length` planes that outlive the call. What else stands in the unions `m`
    // is an offset or a descriptor, no address: no memory kind is a user's address.
    unsafe { call(fd, what.opcode::<T>(), &mut buffer)? };
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

/// Sets the part of the pictures that is encoded, from the top left corner; returns the driver's answer.
pub(super) fn crop(
    fd: BorrowedFd<'_>,
    kind: u32,
    width: u32,
    height: u32,
) -> Result<m2m::Selection, Failure> {
    let mut selection = m2m::Selection {
        kind,
        target: m2m::TARGET_CROP,
        width,
        height,
        ..Default::default()
    };
    // SAFETY: VIDIOC_S_SELECTION takes this struct, without addresses in it.
    unsafe { call(fd, m2m::S_SELECTION, &mut selection)? };
    Ok(selection)
}

/// Gives an encoder a command.
pub(super) fn command(fd: BorrowedFd<'_>, cmd: u32) -> Result<(), Failure> {
    let mut command = m2m::EncoderCommand {
        cmd,
        ..Default::default()
    };
    // SAFETY: VIDIOC_ENCODER_CMD takes this struct, without addresses in it.
    unsafe { call(fd, m2m::ENCODER_CMD, &mut command) }
}

/// Asks to be told of events of a kind.
pub(super) fn subscribe(fd: BorrowedFd<'_>, kind: u32) -> Result<(), Failure> {
    let mut subscription = m2m::EventSubscription {
        kind,
        ..Default::default()
    };
    // SAFETY: VIDIOC_SUBSCRIBE_EVENT reads this struct, without addresses in it.
    unsafe { call(fd, m2m::SUBSCRIBE_EVENT, &mut subscription) }
}

/// Takes the oldest event, and says of what kind it is; `NoEntry` when there is none.
pub(super) fn next_event(fd: BorrowedFd<'_>, width: TimeWidth) -> Result<u32, Failure> {
    fn take<T: Default>(fd: BorrowedFd<'_>) -> Result<u32, Failure> {
        let mut event = m2m::Event::<T>::default();
        // SAFETY: VIDIOC_DQEVENT writes this struct, without addresses in it.
        unsafe { call(fd, m2m::Event::<T>::DQEVENT, &mut event)? };
        Ok(event.kind)
    }
    match width {
        TimeWidth::Bits64 => take::<i64>(fd),
        TimeWidth::Bits32 => take::<i32>(fd),
    }
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

/// A buffer of the driver in our address space. The driver (or, with v4l2loopback, any feeder) may write to it at any time, so
/// there is no slice of it to be had, only copies.
#[derive(Debug)]
pub(super) struct Mapping {
    start: NonNull<u8>,
    len: usize,
}

// SAFETY: the mapping belongs to this value alone, and a mapping may be read and unmapped from any thread.
unsafe impl Send for Mapping {}
// SAFETY: through a shared reference it is only read, by copies; it is unmapped by its owner alone.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Maps the buffer that the driver calls `offset`, to read from it.
    pub(super) fn new(fd: BorrowedFd<'_>, offset: u32, len: usize) -> Result<Self, Failure> {
        Self::with(fd, offset, len, ProtFlags::READ)
    }

    /// Maps the buffer that the driver calls `offset`, to write to it.
    pub(super) fn writable(
        fd: BorrowedFd<'_>,
        offset: u32,
        len: usize,
    ) -> Result<Writable, Failure> {
        Self::with(fd, offset, len, ProtFlags::READ | ProtFlags::WRITE).map(Writable)
    }

    fn with(
        fd: BorrowedFd<'_>,
        offset: u32,
        len: usize,
        protection: ProtFlags,
    ) -> Result<Self, Failure> {
        // SAFETY: a new mapping at an address of the kernel's choice touches nothing of ours.
        let start = unsafe {
            mmap(
                std::ptr::null_mut(),
                len,
                protection,
                MapFlags::SHARED,
                fd,
                u64::from(offset),
            )
        }?;
        let start = NonNull::new(start.cast()).ok_or(Failure::NoMemory)?;
        Ok(Self { start, len })
    }

    /// Length in bytes, as mapped.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Appends a copy of the bytes in `range` to `out`; of those that there are, if it reaches beyond the end.
    pub(super) fn append_to(&self, range: Range<usize>, out: &mut Vec<u8>) {
        let end = range.end.min(self.len);
        let start = range.start.min(end);
        let count = end - start;
        out.reserve(count);
        // SAFETY: `start + count` is within the mapping, which is readable while `self` lives; `out` has room for `count` bytes
        // more, and all of them are written before they count. The two do not overlap: one is the kernel's, the other the heap's.
        unsafe {
            let from = self.start.as_ptr().add(start);
            std::ptr::copy_nonoverlapping(from, out.as_mut_ptr().add(out.len()), count);
            out.set_len(out.len() + count);
        }
    }
}

/// A mapping that was made to be written to.
#[derive(Debug)]
pub(super) struct Writable(Mapping);

impl Writable {
    /// Length in bytes, as mapped.
    pub(super) fn len(&self) -> usize {
        self.0.len
    }

    /// Copies `bytes` to `at`; of them what there is room for.
    pub(super) fn write(&mut self, at: usize, bytes: &[u8]) {
        let at = at.min(self.0.len);
        let count = bytes.len().min(self.0.len - at);
        // SAFETY: `at + count` is within the mapping, which is writable while `self` lives, and no slice of ours is in it.
        unsafe {
            let to = self.0.start.as_ptr().add(at);
            std::ptr::copy_nonoverlapping(bytes.as_ptr(), to, count);
        }
    }

    /// Copies the bytes in `range` of another mapping to `at`; of them what there is and what there is room for.
    pub(super) fn write_from(&mut self, at: usize, from: &Mapping, range: Range<usize>) {
        let end = range.end.min(from.len);
        let start = range.start.min(end);
        let at = at.min(self.0.len);
        let count = (end - start).min(self.0.len - at);
        // SAFETY: both ranges are within mappings that live as long as the borrows, one of them writable. They may be of the same
        // memory, which `copy` allows.
        unsafe {
            let from = from.start.as_ptr().add(start);
            std::ptr::copy(from, self.0.start.as_ptr().add(at), count);
        }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: this is the mapping made in `new`, and nothing borrows from it.
        let _ = unsafe { munmap(self.start.as_ptr().cast(), self.len) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fd::AsFd;
    use std::fs::File;
    use std::io::Write;

    #[test]
    fn error_numbers_become_meanings() {
        assert_eq!(Failure::from(Errno::NXIO), Failure::Gone);
        assert_eq!(Failure::from(Errno::NOTTY), Failure::Unknown);
        assert_eq!(Failure::from(Errno::IO), Failure::Other(Errno::IO));
    }

    #[test]
    fn what_is_no_video_node_refuses_every_call() {
        let file = File::open("/dev/null").unwrap();
        let fd = file.as_fd();
        assert_eq!(query_capability(fd).err(), Some(Failure::Unknown));
        assert_eq!(next_control(fd, 0).err(), Some(Failure::Unknown));
        for width in [TimeWidth::Bits64, TimeWidth::Bits32] {
            let kind = abi::buffer_type::CAPTURE_MPLANE;
            assert_eq!(
                buffer(fd, Buffers::Query, kind, width, 0).err(),
                Some(Failure::Unknown)
            );
        }
        let overlay = Format::new(3, 0, 0, 0);
        assert_eq!(set_format(fd, overlay).err(), Some(Failure::Invalid));
    }

    #[test]
    fn copies_never_reach_beyond_the_mapping() {
        let path = std::env::temp_dir().join(format!("berrymse-mapping-{}", std::process::id()));
        let mut file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(&path)
            .unwrap();
        std::fs::remove_file(&path).unwrap();
        file.write_all(b"0123456789").unwrap();
        let mapping = Mapping::new(file.as_fd(), 0, 10).unwrap();
        let mut out = b"x".to_vec();
        mapping.append_to(8..99, &mut out);
        mapping.append_to(20..30, &mut out);
        #[allow(clippy::reversed_empty_ranges)]
        mapping.append_to(5..3, &mut out);
        mapping.append_to(usize::MAX..usize::MAX, &mut out);
        mapping.append_to(0..2, &mut out);
        assert_eq!((mapping.len(), out.as_slice()), (10, b"x8901".as_slice()));
    }
}
