//! Operating-system plumbing: the allocator, TCP socket options, `/proc`.

pub mod heap;
pub mod procfs;
pub(crate) mod tcp;
