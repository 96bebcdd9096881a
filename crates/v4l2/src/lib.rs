//! Video for Linux 2, the kernel's camera interface, without libv4l or generated bindings. It knows
//! pixels and buffers, not the content of coded bytes.
//!
//! [`discover`] finds and classifies the nodes of this machine. [`Device`] and [`Stream`] are an
//! open camera, [`m2m::Encoder`] is an open encoder. Below them `abi` has the structs, and `sys` the
//! system calls with all `unsafe`.
//!
//! Nothing here waits or starts a thread: [`Stream::fd`] is readable when a frame is ready. Capture
//! times are [`Duration`](std::time::Duration)s since the zero of the driver's clock, which is
//! `CLOCK_MONOTONIC` with nearly all drivers.
//!
//! ```
//! // Prints what each camera of this machine can do.
//! for node in v4l2::discover().filter(v4l2::Node::is_usable) {
//!     for format in &node.formats {
//!         println!("{}: {}", node.name().display(), format.fourcc);
//!         for (size, rates) in node.sizes(format.fourcc) {
//!             println!("  {size:?} at {rates:?} frames/s");
//!         }
//!     }
//! }
//! ```
//!
//! One frame of a camera:
//!
//! ```no_run
//! use std::path::Path;
//! use v4l2::{Device, DeviceError, FourCc, Stream};
//!
//! fn frame(path: &Path) -> Result<Vec<u8>, DeviceError> {
//!     let device = Device::open(path)?;
//!     let planes = device.identity().capture().ok_or(DeviceError::Unsupported)?;
//!     device.set_format(planes, FourCc::MJPG, 1280, 720)?;
//!     let stream = Stream::start(device, planes, 4)?;
//!     loop {
//!         // Real programs poll `stream.fd()`.
//!         match stream.dequeue() {
//!             Err(DeviceError::WouldBlock) => std::thread::yield_now(),
//!             Err(error) => return Err(error),
//!             Ok(buffer) => {
//!                 let mut bytes = Vec::new();
//!                 stream.copy(&buffer, &mut bytes);
//!                 stream.queue(buffer)?;
//!                 return Ok(bytes);
//!             }
//!         }
//!     }
//! }
//! ```

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

pub use classify::NodeKind;
pub use controls::{Control, ControlKind};
pub use device::{Device, DeviceInfo, PlaneApi};
pub use discover::{Node, discover};
pub use format::{Colorimetry, FourCc, FrameSize, NegotiatedFormat, PixelFormat};
pub use stream::{BufferGuard, DequeuedBuffer, Stream};
pub use sys::DeviceError;
pub use uvc_h264_xu::UvcH264Xu;
