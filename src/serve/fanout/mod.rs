//! Sends the same bytes to every WebSocket viewer.

pub(crate) mod congestion;
pub(crate) mod connection;
mod connections;
mod thread;
mod uring;

pub use thread::Fanout;
