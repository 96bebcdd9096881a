//! The one media model: what a stream is ([`Parameters`]) and its frames ([`Frame`]), as every output gets them. No I/O, no
//! clock.
//!
//! A frame is written once, into one allocation, and has a view for each kind of output. A second codec is a parser
//! and a sample entry: neither the hub nor an output knows which codec it has.

pub mod fmp4;
mod frame;
pub mod orientation;
mod parameters;
mod recovery;
pub mod timeline;

pub use frame::{Frame, FrameHeader, LengthPrefixed};
pub use parameters::{Codec, Description, Parameters};
pub use recovery::Recovery;
