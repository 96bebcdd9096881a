//! Fragmented MP4 for live viewing (ISO/IEC 14496-12, AVC file format 14496-15): the init segment of a
//! stream and one fragment for each access unit. Values in, bytes out: no I/O, no clock.

mod boxes;
mod fragment;
mod head;
mod init;

pub use fragment::{Sample, fragment, fragment_bytes, nal_units};
pub use head::{HEAD_BYTES, Times, composition_offset, fragment_with, head_with, times_of};
pub use init::{VideoDescription, init_segment};

#[cfg(test)]
mod tests;
