//! Buffers of a driver in our address space. Here and in [`super::ioctl`] is all `unsafe` of V4L2.

#![allow(
    unsafe_code,
    reason = "mmap has no safe form; each use has its reason beside it"
)]

use super::DeviceError;
use rustix::fd::BorrowedFd;
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};
use std::ops::Range;
use std::ptr::NonNull;

/// A buffer of the driver in our address space. The driver (or, with v4l2loopback, any feeder) may write to it at any time, so
/// there is no slice of it to be had, only copies.
#[derive(Debug)]
pub(crate) struct Mapping {
    start: NonNull<u8>,
    len: usize,
}

// SAFETY: the mapping belongs to this value alone, and a mapping may be read and unmapped from any thread.
unsafe impl Send for Mapping {}
// SAFETY: through a shared reference it is only read, by copies; it is unmapped by its owner alone.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Maps the buffer that the driver calls `offset`, to read from it.
    pub(crate) fn new(fd: BorrowedFd<'_>, offset: u32, len: usize) -> Result<Self, DeviceError> {
        Self::with(fd, offset, len, ProtFlags::READ)
    }

    /// Maps the buffer that the driver calls `offset`, to write to it.
    pub(crate) fn writable(
        fd: BorrowedFd<'_>,
        offset: u32,
        len: usize,
    ) -> Result<Writable, DeviceError> {
        Self::with(fd, offset, len, ProtFlags::READ | ProtFlags::WRITE).map(Writable)
    }

    fn with(
        fd: BorrowedFd<'_>,
        offset: u32,
        len: usize,
        protection: ProtFlags,
    ) -> Result<Self, DeviceError> {
        // SAFETY: a new mapping at an address of the kernel's choice touches nothing of ours.
        let start = unsafe {
            mmap(
                std::ptr::null_mut(),
                len,
                protection,
                MapFlags::SHARED,
                fd,
                u64::from(offset),
            )
        }?;
        let start = NonNull::new(start.cast()).ok_or(DeviceError::NoMemory)?;
        Ok(Self { start, len })
    }

    /// Length in bytes, as mapped.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Appends a copy of the bytes in `range` to `out`; of those that there are, if it reaches beyond the end.
    pub(crate) fn append_to(&self, range: Range<usize>, out: &mut Vec<u8>) {
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

/// A mapping that was made to be written to.
#[derive(Debug)]
pub(crate) struct Writable(Mapping);

impl Writable {
    /// Length in bytes, as mapped.
    pub(crate) fn len(&self) -> usize {
        self.0.len
    }

    /// Copies `bytes` to `at`; of them what there is room for.
    pub(crate) fn write(&mut self, at: usize, bytes: &[u8]) {
        let at = at.min(self.0.len);
        let count = bytes.len().min(self.0.len - at);
        // SAFETY: `at + count` is within the mapping, which is writable while `self` lives, and no slice of ours is in it.
        unsafe {
            let to = self.0.start.as_ptr().add(at);
            std::ptr::copy_nonoverlapping(bytes.as_ptr(), to, count);
        }
    }

    /// Copies the bytes in `range` of another mapping to `at`; of them what there is and what there is room for.
    pub(crate) fn write_from(&mut self, at: usize, from: &Mapping, range: Range<usize>) {
        let end = range.end.min(from.len);
        let start = range.start.min(end);
        let at = at.min(self.0.len);
        let count = (end - start).min(self.0.len - at);
        // SAFETY: both ranges are within mappings that live as long as the borrows, one of them writable. They may be of the same
        // memory, which `copy` allows.
        unsafe {
            let from = from.start.as_ptr().add(start);
            std::ptr::copy(from, self.0.start.as_ptr().add(at), count);
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
    fn copies_never_reach_beyond_the_mapping() {
        let path = std::env::temp_dir().join(format!("v4l2-mapping-{}", std::process::id()));
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
