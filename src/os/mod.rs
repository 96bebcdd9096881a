//! Operating-system plumbing: the allocator, TCP socket options, the terminal, `/proc`.

pub mod heap;
pub mod procfs;
pub(crate) mod tcp;
pub(crate) mod terminal;
