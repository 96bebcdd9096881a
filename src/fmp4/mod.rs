//! Fragmented MP4 for live viewing (ISO/IEC 14496-12, AVC file format 14496-15): the init segment of a
//! stream and one fragment for each access unit. Values in, bytes out: no I/O, no clock.

mod boxes;
mod fragment;
mod init;
mod retiming;

pub use fragment::{Sample, fragment_bytes, nal_units, write_fragment};
pub use init::{VideoDescription, write_init_segment};
pub use retiming::{
    FragmentTimes, HEAD_BYTES, composition_offset, fragment_times, retimed_head,
    write_retimed_fragment,
};

#[cfg(test)]
mod tests;
