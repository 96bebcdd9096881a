//! The description of a stream from the init segment of another server.

use crate::media::fmp4::avc1;
use crate::media::fmp4::read::TrackDescription;
use crate::media::{Codec, Description};

/// Returns the description of a track; `None` if it is not H.264 as a BerryMSE sends it.
pub(super) fn describe(track: &TrackDescription) -> Option<Description> {
    let entry = avc1::parse(&track.sample_entry)?;
    let (mut width, mut height) = entry.size;
    if track.orientation.swaps_axes() {
        (width, height) = (height, width);
    }
    Some(Description {
        codec: Codec::H264,
        rfc6381: entry.rfc6381,
        sample_entry: track.sample_entry.clone(),
        parameter_sets: entry.parameter_sets,
        width,
        height,
        track_size: track.size,
        orientation: track.orientation,
        hidden: entry.hidden,
    })
}
