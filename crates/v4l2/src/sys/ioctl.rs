//! The ioctls of V4L2 in safe forms, by what is in the struct that a call takes: no address ([`Plain`]), that of a control, of
//! bytes, or of planes. What is asked for and what the answers mean is for the files beside this one; here is what makes the
//! calls sound.

#![allow(
    unsafe_code,
    reason = "ioctl has no safe form; each use has its reason beside it"
)]

use super::DeviceError;
use crate::abi::{self, Buffer, ExtControl, ExtControls, Format, Plane, buffer_type, m2m};
use rustix::fd::{BorrowedFd, FromRawFd, OwnedFd};
use rustix::io::Errno;
use rustix::ioctl::{Ioctl, IoctlOutput, Opcode};
use std::ffi::c_void;
use std::marker::PhantomData;

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
unsafe fn call<T>(fd: BorrowedFd<'_>, opcode: Opcode, argument: &mut T) -> Result<(), DeviceError> {
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
            done => return done.map_err(DeviceError::from),
        }
    }
}

/// A call whose struct has no address in it.
pub(super) struct Plain<T> {
    opcode: Opcode,
    argument: PhantomData<T>,
}

impl<T> Plain<T> {
    /// Private: what is made here is the list below.
    const fn new(opcode: Opcode) -> Self {
        Self {
            opcode,
            argument: PhantomData,
        }
    }

    /// Makes the call; returns `argument` as the kernel leaves it.
    pub(super) fn call(self, fd: BorrowedFd<'_>, mut argument: T) -> Result<T, DeviceError> {
        // SAFETY: the calls in the list below take the structs that they stand there with, and those have no addresses in them.
        unsafe { call(fd, self.opcode, &mut argument)? };
        Ok(argument)
    }
}

pub(super) const QUERYCAP: Plain<abi::Capability> = Plain::new(abi::QUERYCAP);
pub(super) const ENUM_FMT: Plain<abi::FormatDescription> = Plain::new(abi::ENUM_FMT);
pub(super) const ENUM_FRAMESIZES: Plain<abi::FrameSizes> = Plain::new(abi::ENUM_FRAMESIZES);
pub(super) const ENUM_FRAMEINTERVALS: Plain<abi::FrameIntervals> =
    Plain::new(abi::ENUM_FRAMEINTERVALS);
pub(super) const S_PARM: Plain<abi::StreamParameters> = Plain::new(abi::S_PARM);
pub(super) const REQBUFS: Plain<abi::RequestBuffers> = Plain::new(abi::REQBUFS);
/// The argument is the kind of the queue, an int.
pub(super) const STREAMON: Plain<u32> = Plain::new(abi::STREAMON);
pub(super) const STREAMOFF: Plain<u32> = Plain::new(abi::STREAMOFF);
pub(super) const QUERY_EXT_CTRL: Plain<abi::QueryExtControl> = Plain::new(abi::QUERY_EXT_CTRL);
pub(super) const QUERYMENU: Plain<abi::QueryMenu> = Plain::new(abi::QUERYMENU);
pub(super) const S_SELECTION: Plain<m2m::Selection> = Plain::new(m2m::S_SELECTION);
pub(super) const ENCODER_CMD: Plain<m2m::EncoderCommand> = Plain::new(m2m::ENCODER_CMD);
pub(super) const SUBSCRIBE_EVENT: Plain<m2m::EventSubscription> = Plain::new(m2m::SUBSCRIBE_EVENT);
/// With either width of times.
pub(super) const DQEVENT_64: Plain<m2m::Event<i64>> = Plain::new(m2m::Event::<i64>::DQEVENT);
pub(super) const DQEVENT_32: Plain<m2m::Event<i32>> = Plain::new(m2m::Event::<i32>::DQEVENT);

/// `VIDIOC_S_FMT`: asks for a format; the driver's answer may differ. `Invalid` of all that is no queue of pictures: the format of
/// an overlay has an address in it.
pub(crate) fn set_format(
    fd: BorrowedFd<'_>,
    mut format: Format<usize>,
) -> Result<Format<usize>, DeviceError> {
    if !is_video(format.kind) {
        return Err(DeviceError::InvalidArgument);
    }
    // SAFETY: VIDIOC_S_FMT takes this struct; the formats of these kinds, seen to above, have no addresses in them.
    unsafe { call(fd, Format::<usize>::S_FMT, &mut format)? };
    Ok(format)
}

fn is_video(kind: u32) -> bool {
    use buffer_type::{CAPTURE, CAPTURE_MPLANE, OUTPUT, OUTPUT_MPLANE};
    matches!(kind, CAPTURE | CAPTURE_MPLANE | OUTPUT | OUTPUT_MPLANE)
}

/// `VIDIOC_EXPBUF`
pub(super) fn export(
    fd: BorrowedFd<'_>,
    mut export: abi::ExportBuffer,
) -> Result<OwnedFd, DeviceError> {
    // SAFETY: VIDIOC_EXPBUF takes this struct, without addresses in it.
    unsafe { call(fd, abi::EXPBUF, &mut export)? };
    if export.fd < 0 {
        return Err(DeviceError::InvalidArgument);
    }
    // SAFETY: the call succeeded, and gave us a new descriptor that nobody else has.
    Ok(unsafe { OwnedFd::from_raw_fd(export.fd) })
}

/// Request about a control.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Access {
    Get,
    Set,
}

/// Gets or sets one control; `value` is as it lies in the kernel's union.
pub(super) fn control(
    fd: BorrowedFd<'_>,
    access: Access,
    id: u32,
    value: [u32; 2],
) -> Result<[u32; 2], DeviceError> {
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
    let opcode = match access {
        Access::Get => ExtControls::<usize>::G_EXT_CTRLS,
        Access::Set => ExtControls::<usize>::S_EXT_CTRLS,
    };
    // SAFETY: both calls take this struct. The address is that of one control, as `count` says, which outlives the call. Its
    // size of 0 says that `value` is no address: a control with a payload is refused.
    unsafe { call(fd, opcode, &mut controls)? };
    Ok(control.value)
}

/// `UVCIOC_CTRL_QUERY`: one request to an extension unit of a USB camera, whose answer or argument is `data`. The kernel refuses
/// all but the length that the camera says. `Other(EPIPE)` and the like: the camera refuses.
pub(crate) fn query_extension_unit(
    fd: BorrowedFd<'_>,
    unit: u8,
    selector: u8,
    query: u8,
    data: &mut [u8],
) -> Result<(), DeviceError> {
    let mut query = abi::UnitQuery::<usize> {
        unit,
        selector,
        query,
        size: u16::try_from(data.len()).map_err(|_| DeviceError::InvalidArgument)?,
        data: data.as_mut_ptr().expose_provenance(),
    };
    // SAFETY: UVCIOC_CTRL_QUERY takes this struct. The address is that of `size` bytes, which outlive the call and which the
    // kernel reads or writes.
    unsafe { call(fd, abi::UnitQuery::<usize>::QUERY, &mut query) }
}

/// Request about a buffer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum BufferCall {
    /// Ask where it is.
    Query,
    /// Give it to the driver.
    Queue,
    /// Take any that the driver has filled.
    Dequeue,
}

impl BufferCall {
    fn opcode<T>(self) -> Opcode {
        match self {
            Self::Query => Buffer::<usize, T>::QUERYBUF,
            Self::Queue => Buffer::<usize, T>::QBUF,
            Self::Dequeue => Buffer::<usize, T>::DQBUF,
        }
    }
}

/// Queries, queues or dequeues a buffer. With a multi-planar kind the kernel looks at `planes`, else at what `buffer` says of the
/// only one.
pub(super) fn exchange<T>(
    fd: BorrowedFd<'_>,
    what: BufferCall,
    buffer: &mut Buffer<usize, T>,
    planes: &mut [Plane<usize>],
) -> Result<(), DeviceError> {
    let is_known = matches!(buffer.memory, abi::MEMORY_MMAP | m2m::MEMORY_DMABUF);
    if !is_video(buffer.kind) || !is_known {
        return Err(DeviceError::InvalidArgument);
    }
    if abi::is_multi_planar(buffer.kind) {
        buffer.length = u32::try_from(planes.len()).map_err(|_| DeviceError::InvalidArgument)?;
        buffer.m = planes.as_mut_ptr().expose_provenance();
    }
    // SAFETY: the three calls take this struct (with another width of times the number differs and the kernel refuses). With a
    // multi-planar kind `m` is the address of `length` planes that outlive the call. What else stands in the unions `m` is an
    // offset or a descriptor, no address: with the two kinds of memory that are let through there is none of ours.
    unsafe { call(fd, what.opcode::<T>(), buffer) }
}
