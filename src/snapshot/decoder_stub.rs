//! Stands in for `frame_decoder` in a program without a decoder, and says so.

use super::budget::Budget;
use super::{JpegOptions, Snapshot, SnapshotError, is_live};
use crate::hub::Hub;
use crate::time::Timestamp;

/// No decoder.
#[derive(Default)]
pub(super) struct FrameDecoder {}

impl FrameDecoder {
    /// Fails for a camera that is live; there is never a frame.
    pub(super) fn bytes_needed(&self, hub: &Hub) -> Result<Option<u64>, SnapshotError> {
        if is_live(&hub.stats().status)? {
            return Err(missing());
        }
        Ok(None)
    }

    pub(super) fn is_behind(&self) -> bool {
        false
    }

    pub(super) fn is_costly(_hub: &Hub) -> bool {
        false
    }

    pub(super) fn has_begun(&self) -> bool {
        false
    }

    pub(super) fn captured_at(&self) -> Option<Timestamp> {
        None
    }

    pub(super) fn advance(
        &mut self,
        _hub: &Hub,
        _bytes: u64,
        _is_short: &dyn Fn() -> bool,
    ) -> Result<bool, SnapshotError> {
        Err(missing())
    }

    pub(super) fn snapshot(
        &mut self,
        _options: JpegOptions,
        _budget: &Budget,
    ) -> Result<Snapshot, SnapshotError> {
        Err(missing())
    }
}

fn missing() -> SnapshotError {
    let words =
        "this program was built without the decoder that snapshots need (feature software-encoder)";
    SnapshotError::Unsupported(words.to_owned())
}
