//! The kernel's camera interface (Video for Linux 2), without libv4l or generated bindings. Knows pixels and buffers, not pictures:
//! what is in the bytes is for others.
//!
//! [`Device`] and [`Stream`] are what others use, [`discover`] finds the nodes of this machine and says of each what it is good
//! for. Below them `abi` has the structs, and `sys` the system calls with all `unsafe`.

mod abi;
mod classify;
pub mod controls;
mod device;
mod discover;
mod format;
pub mod m2m;
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
