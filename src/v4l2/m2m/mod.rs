//! Stateful hardware encoders: memory-to-memory nodes that take raw pictures in one queue (OUTPUT) and give coded ones in the
//! other (CAPTURE), after the kernel's "Memory-to-Memory Stateful Video Encoder Interface". What is in the coded bytes is for
//! others, and so is what to do when an encoder fails.

mod agree;
mod controls;
mod encoder;
mod find;
mod layout;
mod pairs;
mod queue;
mod raw;

pub use agree::{Refusal, Wanted};
pub use controls::Rate;
pub use encoder::{Encoder, Output};
pub(super) use find::encodes;
pub use find::{Found, find};
pub use layout::RawFormat;
pub use raw::Raw;
