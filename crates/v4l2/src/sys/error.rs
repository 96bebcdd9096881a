//! Meanings of the kernel's error numbers in V4L2.

use rustix::io::Errno;

/// Why the kernel refused a call, by what it means for V4L2.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum DeviceError {
    /// `EACCES`, `EPERM`
    #[error("permission denied")]
    PermissionDenied,
    /// `EBUSY`: somebody else uses it, or (loopback) it is not ready.
    #[error("busy")]
    Busy,
    /// `ENOENT`: no such node.
    #[error("no such file")]
    NotFound,
    /// `ENODEV`, `ENXIO`: unplugged, or a node without a driver.
    #[error("no such device")]
    NoDevice,
    /// `ENOTTY`: the driver does not know this call.
    #[error("not supported by the driver")]
    Unsupported,
    /// `EINVAL`: the driver knows the call but not these values; also the end of an enumeration.
    #[error("invalid argument")]
    InvalidArgument,
    /// `ENOSPC`: no USB bandwidth left.
    #[error("no space left on device")]
    NoBandwidth,
    /// `ENOMEM`: no memory for the buffers (on a Raspberry Pi: CMA).
    #[error("out of memory")]
    NoMemory,
    /// `EPIPE`: the last buffer of a drained queue has been taken.
    #[error("at its end")]
    EndOfStream,
    /// `EAGAIN`: nothing yet.
    #[error("nothing yet")]
    WouldBlock,
    /// Any other error number.
    #[error("{0}")]
    Other(Errno),
}

impl From<Errno> for DeviceError {
    fn from(errno: Errno) -> Self {
        match errno {
            Errno::ACCESS | Errno::PERM => Self::PermissionDenied,
            Errno::BUSY => Self::Busy,
            Errno::NOENT => Self::NotFound,
            Errno::NODEV | Errno::NXIO => Self::NoDevice,
            Errno::NOTTY => Self::Unsupported,
            Errno::INVAL => Self::InvalidArgument,
            Errno::NOSPC => Self::NoBandwidth,
            Errno::NOMEM => Self::NoMemory,
            Errno::PIPE => Self::EndOfStream,
            Errno::AGAIN => Self::WouldBlock,
            other => Self::Other(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errno_maps_to_its_v4l2_meaning() {
        assert_eq!(DeviceError::from(Errno::NXIO), DeviceError::NoDevice);
        assert_eq!(DeviceError::from(Errno::NOTTY), DeviceError::Unsupported);
        assert_eq!(DeviceError::from(Errno::IO), DeviceError::Other(Errno::IO));
    }
}
