//! Operating-system plumbing: the allocator, TCP socket options, the terminal, signals, network interfaces, `/proc`, the service manager,
//! a process without rights.

pub mod heap;
pub mod interfaces;
pub mod procfs;
pub mod sandbox;
pub mod service_manager;
pub mod signals;
pub(crate) mod tcp;
pub mod terminal;
