//! The system calls of V4L2 and the mapping of buffers; the only file with `unsafe`.
//!
//! Every function is safe: addresses that the kernel writes to are made here and live as long as the call. What comes back
//! is not trusted beyond that; callers check indices and lengths.

#![allow(
    unsafe_code,
    reason = "ioctl and mmap have no safe form; each use has its reason beside it"
)]

use super::abi::{self, Buffer, ExtControl, ExtControls, Format, Plane};
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

/// Asks for a format; the driver's answer may differ. `kind` must be a capture type, with which no address is in the struct.
pub(super) fn set_format(
    fd: BorrowedFd<'_>,
    mut format: Format<usize>,
) -> Result<Format<usize>, Failure> {
    if !is_capture(format.kind) {
        return Err(Failure::Invalid);
    }
    // SAFETY: VIDIOC_S_FMT takes this struct; the formats of capture types, seen to above, have no addresses in them.
    unsafe { call(fd, Format::<usize>::S_FMT, &mut format)? };
    Ok(format)
}

fn is_capture(kind: u32) -> bool {
    matches!(
        kind,
        abi::buffer_type::CAPTURE | abi::buffer_type::CAPTURE_MPLANE
    )
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
    let mut request = abi::RequestBuffers {
        count,
        kind,
        memory: abi::MEMORY_MMAP,
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

/// How wide seconds and microseconds are in `v4l2_buffer`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum TimeWidth {
    /// All 64-bit kernels, and 32-bit ones from 5.6.
    Bits64,
    /// 32-bit kernels before 5.6. V4L2 times count from the start of the machine, so nothing ends in 2038.
    Bits32,
}

/// What the driver said of a buffer.
#[derive(Clone, Copy, Debug)]
pub(super) struct BufferState {
    pub index: u32,
    pub flags: u32,
    pub sequence: u32,
    /// Seconds and microseconds, unchecked.
    pub time: [i64; 2],
    /// One for each plane; with the single-planar API the first alone counts.
    pub planes: [PlaneState; abi::MAX_PLANES],
}

/// What the driver said of a plane of a buffer, unchecked.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct PlaneState {
    pub bytes_used: u32,
    /// Where the picture begins in the plane (multi-planar API only).
    pub data_offset: u32,
    /// Length of the plane.
    pub length: u32,
    /// What to map it by.
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
    match width {
        TimeWidth::Bits64 => buffer_call::<i64>(fd, what, kind, index),
        TimeWidth::Bits32 => buffer_call::<i32>(fd, what, kind, index),
    }
}

fn buffer_call<T: Copy + Default + Into<i64>>(
    fd: BorrowedFd<'_>,
    what: Buffers,
    kind: u32,
    index: u32,
) -> Result<BufferState, Failure> {
    let opcode = match what {
        Buffers::Query => Buffer::<usize, T>::QUERYBUF,
        Buffers::Queue => Buffer::<usize, T>::QBUF,
        Buffers::Dequeue => Buffer::<usize, T>::DQBUF,
    };
    let mut planes = [Plane::<usize>::default(); abi::MAX_PLANES];
    let mut buffer = Buffer::<usize, T> {
        index,
        kind,
        memory: abi::MEMORY_MMAP,
        ..Default::default()
    };
    let multi_planar = kind == abi::buffer_type::CAPTURE_MPLANE;
    if multi_planar {
        buffer.length = abi::MAX_PLANES as u32;
        buffer.m = planes.as_mut_ptr().expose_provenance();
    }
    // SAFETY: the three calls take this struct (with another width of times the number differs and the kernel refuses). With a
    // multi-planar kind `m` is the address of `length` planes that outlive the call, else no address: the memory kind is mmap.
    unsafe { call(fd, opcode, &mut buffer)? };
    if !multi_planar {
        planes[0] = Plane {
            bytesused: buffer.bytesused,
            length: buffer.length,
            m: buffer.m,
            ..Default::default()
        };
    }
    Ok(BufferState {
        index: buffer.index,
        flags: buffer.flags,
        sequence: buffer.sequence,
        time: buffer.timestamp.map(Into::into),
        planes: planes.map(|plane| PlaneState {
            bytes_used: plane.bytesused,
            data_offset: plane.data_offset,
            length: plane.length,
            map_offset: first_word(plane.m),
        }),
    })
}

/// The member `__u32 offset` of a union with an `unsigned long`: its first four bytes.
fn first_word(place: usize) -> u32 {
    let mut word = [0; 4];
    word.copy_from_slice(&place.to_ne_bytes()[..4]);
    u32::from_ne_bytes(word)
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
    /// Maps the buffer that the driver calls `offset`.
    pub(super) fn new(fd: BorrowedFd<'_>, offset: u32, len: usize) -> Result<Self, Failure> {
        // SAFETY: a new mapping at an address of the kernel's choice touches nothing of ours.
        let start = unsafe {
            mmap(
                std::ptr::null_mut(),
                len,
                ProtFlags::READ,
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
