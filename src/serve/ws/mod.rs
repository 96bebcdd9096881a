//! WebSocket (RFC 6455): handshake, frames and sockets, without the messages.

pub(crate) mod handshake;
pub(crate) mod reader;
pub(crate) mod stream;
