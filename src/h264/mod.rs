//! H.264 byte streams (ITU-T H.264): from Annex B bytes, cut anywhere, to pictures that are ready to
//! be put into MP4 samples. Bytes and times in, values out: no I/O, no clock, no log.
//!
//! | file | what | section |
//! |---|---|---|
//! | [`annexb`] | where NAL units begin and end in a byte stream | B.1, B.2 |
//! | [`nal`] | the first byte of a NAL unit | 7.3.1 |
//! | [`bits`] | bits, exp-Golomb codes, emulation prevention | 7.2, 7.4.1.1, 9.1 |
//! | [`sps`], [`vui`], [`pps`], [`parameter_sets`] | sequence and picture parameter sets, the rewriting of the former | 7.3.2.1, 7.3.2.2, E.1 |
//! | [`colour`] | colour tags that all viewers show alike | E.2.1 |
//! | [`slice`](mod@slice) | slice headers | 7.3.3 |
//! | [`sei`] | recovery points | 7.3.2.3.1, D.1.8 |
//! | [`au_boundary`] | which NAL unit is the first of an access unit | 7.4.1.2.3, 7.4.1.2.4 |
//! | [`pause_heuristic`] | whether a program's pauses may be taken for ends of access units | |
//! | [`access_unit`] | chunks to access units: the latency contract | |
//! | [`poc`] | picture order count and display order | 8.2.1 |
//! | [`kept_idr`] | an old IDR picture right before a later one | 8.2.1.1 |
//! | [`parameter_tracker`] | what viewers must know before a keyframe, and when that changes | |
//! | [`sample_builder`] | access units to what goes into one MP4 sample | ISO/IEC 14496-15 |

pub mod access_unit;
pub mod annexb;
pub mod au_boundary;
pub mod bits;
pub mod colour;
pub mod kept_idr;
pub mod nal;
pub mod parameter_sets;
pub mod parameter_tracker;
pub mod pause_heuristic;
pub mod poc;
pub mod pps;
pub mod sample_builder;
pub mod sei;
pub mod slice;
pub mod sps;
pub mod vui;

#[cfg(test)]
pub(crate) mod tests;

pub use access_unit::{AccessUnit, Assembler, BoundaryMode, Oversize};
pub use parameter_tracker::VideoParameters;
pub use sample_builder::{CodedPicture, Recovery, SampleBuilder};

/// Knowledge about the end of a chunk. This is the latency contract: a unit that is known to be
/// complete is sent at once, any other waits for the next start code.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ChunkEnd {
    /// Nothing is known: more may follow at once.
    Open,
    /// All that was there has been read: the program has made no further write yet.
    Drained,
    /// The program has paused here, maybe at the end of its access unit.
    Pause,
    /// Nothing came for half a second: the access unit is complete if the bytes may be its end.
    Silence,
    /// The device reports the end of an access unit (a V4L2 buffer, an encoder's packet).
    Complete,
}
