//! Operating-system plumbing: the allocator, TCP socket options, the terminal, network interfaces, `/proc`, the service manager.

pub mod heap;
pub mod interfaces;
pub mod procfs;
pub mod service_manager;
pub(crate) mod tcp;
pub(crate) mod terminal;
