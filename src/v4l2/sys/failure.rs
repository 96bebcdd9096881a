//! What the kernel's error numbers mean in V4L2.

use rustix::io::Errno;

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_numbers_become_meanings() {
        assert_eq!(Failure::from(Errno::NXIO), Failure::Gone);
        assert_eq!(Failure::from(Errno::NOTTY), Failure::Unknown);
        assert_eq!(Failure::from(Errno::IO), Failure::Other(Errno::IO));
    }
}
