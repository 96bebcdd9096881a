//! Media times and the orientation of frames: plain values, no I/O, no clock.

pub mod orientation;
pub mod timeline;
