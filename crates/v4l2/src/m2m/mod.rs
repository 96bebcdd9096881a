//! Stateful hardware encoders: memory-to-memory nodes with raw frames in one queue (OUTPUT) and
//! coded frames in the other (CAPTURE), by the kernel's "Memory-to-Memory Stateful Video Encoder
//! Interface". Other rooms interpret the coded bytes and handle failures.

mod controls;
mod encoder;
mod find;
mod input_frame;
mod negotiate;
mod plane_layout;
mod queue;
mod timestamp_map;

pub use encoder::{Encoder, EncoderOutput};
pub(super) use find::encodes;
pub use find::{EncoderNode, find};
pub use input_frame::InputFrame;
pub use negotiate::{EncoderConfig, NegotiationError, RateControl};
pub use plane_layout::RawFormat;
