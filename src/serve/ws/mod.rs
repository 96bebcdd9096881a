//! WebSocket (RFC 6455), without what is sent over it.

pub(crate) mod handshake;
pub(crate) mod reader;
pub(crate) mod stream;
