//! Operating-system plumbing: the allocator, TCP socket options, the terminal, `/proc`, the service manager.

pub mod heap;
pub mod procfs;
pub mod service_manager;
pub(crate) mod tcp;
pub(crate) mod terminal;
