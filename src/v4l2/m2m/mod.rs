//! Stateful hardware encoders: memory-to-memory nodes that take raw pictures in one queue (OUTPUT) and give coded ones in the
//! other (CAPTURE), after the kernel's "Memory-to-Memory Stateful Video Encoder Interface". What is in the coded bytes is for
//! others, and so is what to do when an encoder fails.

mod controls;
mod encoder;
mod find;
mod input_frame;
mod negotiate;
mod plane_layout;
mod queue;
mod timestamp_map;

pub use controls::RateControl;
pub use encoder::{Encoder, EncoderOutput};
pub(super) use find::encodes;
pub use find::{EncoderNode, find};
pub use input_frame::InputFrame;
pub use negotiate::{EncoderConfig, NegotiationError};
pub use plane_layout::RawFormat;
