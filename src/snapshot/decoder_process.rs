//! The decoder in a process of its own, without rights: openh264 is C++, and its input comes from outside.
//!
//! The process is this executable once more. It gets coded frames and returns JPEGs over a socket, so that decoded pictures, which
//! are ten times as large, are never copied from one process to the other. One decoder, one process: cameras are apart from each
//! other, too, and the system takes the memory back at its end.
//!
//! | file | what |
//! |---|---|
//! | `protocol` | requests and replies as bytes; in every build, for its fuzz target |
//! | `worker` | the process: decodes, and makes JPEGs |
//! | `client` | the server's end: starts the process, checks its replies, ends it |

#[cfg(feature = "software-encoder")]
mod client;
mod protocol;
#[cfg(feature = "software-encoder")]
mod worker;

#[cfg(feature = "software-encoder")]
pub(super) use client::{DecodeError, DecoderProcess, Stream};
pub use protocol::{decoder_replies, decoder_requests};
#[cfg(feature = "software-encoder")]
pub use worker::run_decoder_process;
