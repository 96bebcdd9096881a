//! Video for Linux 2, the kernel's camera interface, without libv4l or generated bindings. It knows
//! pixels and buffers, not the content of coded bytes.
//!
//! [`Device`] and [`Stream`] are the interface for other rooms; [`discover`] finds and classifies
//! the nodes of this machine. Below them `abi` has the structs, and `sys` the system calls with all
//! `unsafe`.

mod abi;
mod classify;
pub mod controls;
mod device;
mod discover;
mod format;
pub mod m2m;
mod nodes;
mod stream;
mod sys;
pub mod uvc_h264_xu;

pub use classify::{NodeKind, SetupStep, explain};
pub use controls::{Control, ControlKind};
pub use device::{Device, DeviceInfo, PlaneApi};
pub use discover::{Node, discover, first_camera};
pub use format::{Colorimetry, FourCc, FrameSize, NegotiatedFormat, PixelFormat};
pub use stream::{BufferGuard, DequeuedBuffer, Stream};
pub use sys::DeviceError;
pub use uvc_h264_xu::UvcH264Xu;
