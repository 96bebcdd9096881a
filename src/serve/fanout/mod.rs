//! Sends the same bytes to every viewer by WebSocket, or RTSP.

pub(crate) mod congestion;
pub(crate) mod connection;
mod connections;
mod thread;
#[cfg(target_pointer_width = "64")]
mod uring;
#[cfg(not(target_pointer_width = "64"))]
#[path = "uring_unavailable.rs"]
mod uring;

pub use thread::Fanout;
