//! Fragmented MP4 for live viewing (ISO/IEC 14496-12, AVC file format 14496-15): the init segment of a
//! stream and one fragment for each access unit. Values in, bytes out: no I/O, no clock.

pub mod avc1;
mod boxes;
mod fragment;
mod init;
pub mod read;
mod retiming;

pub use fragment::{Sample, fragment_bytes, head_bytes, write_fragment};
pub use init::{Track, write_init_segment};
pub use retiming::{FragmentTimes, HEAD_BYTES, retimed_head};

#[cfg(test)]
mod tests;
