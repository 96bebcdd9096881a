//! In place of `newest` in a program without a decoder: says so.

use super::budget::Budget;
use super::{Refusal, Snapshot, is_live};
use crate::hub::Hub;

/// No decoder.
#[derive(Default)]
pub(super) struct Newest;

impl Newest {
    /// Refuses a camera that is live; there is never a picture.
    pub(super) fn bytes_needed(&self, hub: &Hub) -> Result<Option<u64>, Refusal> {
        if is_live(&hub.stats().status)? {
            return Err(missing());
        }
        Ok(None)
    }

    pub(super) fn catch_up(
        &mut self,
        _hub: &Hub,
        _bytes: u64,
        _is_short: &dyn Fn() -> bool,
    ) -> Result<bool, Refusal> {
        Err(missing())
    }

    pub(super) fn snapshot(
        &mut self,
        _width: Option<u32>,
        _budget: &Budget,
    ) -> Result<Snapshot, Refusal> {
        Err(missing())
    }
}

fn missing() -> Refusal {
    let words =
        "this program was built without the decoder that snapshots need (feature software-encoder)";
    Refusal::Unsupported(words.to_owned())
}
