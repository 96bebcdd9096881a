//! The one media model: what a stream is ([`Parameters`]) and its frames ([`Frame`]), as every output gets them. No I/O, no
//! clock.
//!
//! A frame is written once, into one allocation, and has a view for each kind of output. The hub does not know which codec
//! it has: what it needs of one is in [`Codec`]. ARCHITECTURE.md lists what a second codec touches.

mod codec;
pub mod fmp4;
mod frame;
pub mod orientation;
mod parameters;
mod recovery;
pub mod timeline;

pub use codec::Codec;
pub(crate) use codec::ParameterSetId;
pub use frame::{Frame, FrameHeader, LengthPrefixed};
pub use parameters::{Description, Parameters};
pub use recovery::Recovery;
