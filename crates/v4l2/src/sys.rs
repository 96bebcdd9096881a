//! The system calls of V4L2, by what they are about, and the mapping of buffers.
//!
//! All of it is safe to call: addresses that the kernel writes to are made here and live as long as the call. What comes back
//! is not trusted beyond that; callers check indices and lengths. The `unsafe` that this takes is in `ioctl` (the calls, by
//! what is in their structs) and in `mapping`; the other files fill structs and read them.

mod buffers;
mod controls;
mod encoder;
mod error;
mod formats;
mod ioctl;
mod mapping;

pub(super) use buffers::{
    BufferState, Memory, PlaneState, TimeWidth, buffer, exchange, export_buffer, request_buffers,
    request_buffers_of, stream,
};
pub(super) use controls::{get_control, menu_item, next_control, set_control};
pub(super) use encoder::{command, crop, next_event, subscribe};
pub use error::DeviceError;
pub(super) use formats::{
    enum_format, enum_frame_interval, enum_frame_size, query_capability, set_interval,
};
pub(super) use ioctl::{BufferCall, query_extension_unit, set_format};
pub(super) use mapping::{Mapping, Writable};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::abi::{Format, buffer_type};
    use rustix::fd::AsFd;
    use std::fs::File;

    #[test]
    fn other_files_reject_every_v4l2_call() {
        let file = File::open("/dev/null").unwrap();
        let fd = file.as_fd();
        assert_eq!(query_capability(fd).err(), Some(DeviceError::Unsupported));
        assert_eq!(next_control(fd, 0).err(), Some(DeviceError::Unsupported));
        for width in [TimeWidth::Bits64, TimeWidth::Bits32] {
            let kind = buffer_type::CAPTURE_MPLANE;
            assert_eq!(
                buffer(fd, BufferCall::Query, kind, width, 0).err(),
                Some(DeviceError::Unsupported)
            );
        }
        let overlay = Format::new(3, 0, 0, 0);
        assert_eq!(
            set_format(fd, overlay).err(),
            Some(DeviceError::InvalidArgument)
        );
    }
}
