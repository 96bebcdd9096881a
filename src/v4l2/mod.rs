//! The kernel's camera interface (Video for Linux 2), without libv4l or generated bindings. Knows pixels and buffers, not pictures:
//! what is in the bytes is for others.
//!
//! [`Device`] and [`Stream`] are what others use, [`discover`] finds the nodes of this machine and says of each what it is good
//! for. Below them `abi` has the structs, and `sys` the system calls with all `unsafe`.

mod abi;
pub mod controls;
mod device;
mod discover;
mod format;
pub mod h264_unit;
pub mod m2m;
mod purpose;
mod stream;
mod sys;

pub use controls::{Control, ControlKind};
pub use device::{Capture, Device, Identity};
pub use discover::{Node, discover, first_camera};
pub use format::{Agreed, Colour, FourCc, PixelFormat, Size};
pub use h264_unit::H264Unit;
pub use purpose::{Purpose, Step, explain};
pub use stream::{Filled, Held, Stream};
pub use sys::Failure;
