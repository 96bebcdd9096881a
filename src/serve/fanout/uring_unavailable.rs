//! In place of `uring` where the crate `io-uring` does not exist (32 bit): opening fails, so there is never a batch.

use bytes::Bytes;
use std::convert::Infallible;
use std::io;
use std::os::fd::AsFd;

pub(crate) struct UringBatch(Infallible);

impl UringBatch {
    /// Fails always.
    pub(crate) fn open() -> io::Result<Self> {
        Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "this build has none: 32 bit",
        ))
    }

    pub(crate) fn is_full(&self) -> bool {
        match self.0 {}
    }

    pub(crate) fn queue(&mut self, _slot: usize, _socket: &impl AsFd, _bytes: Bytes) -> bool {
        match self.0 {}
    }

    pub(crate) fn submit(&mut self, _sent: impl FnMut(usize, io::Result<usize>)) -> io::Result<()> {
        match self.0 {}
    }
}
