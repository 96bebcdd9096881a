//! In place of `newest` in a program without a decoder: says so.

use super::{Refusal, Snapshot, is_live};
use crate::hub::Audience;

/// No decoder.
#[derive(Default)]
pub(super) struct Newest;

impl Newest {
    /// Refuses a camera that is live; there is never a picture.
    pub(super) fn catch_up(&mut self, audience: &Audience) -> Result<bool, Refusal> {
        if is_live(&audience.status().condition)? {
            return Err(missing());
        }
        Ok(false)
    }

    pub(super) fn snapshot(&mut self, _width: Option<u32>) -> Result<Snapshot, Refusal> {
        Err(missing())
    }
}

fn missing() -> Refusal {
    let words =
        "this program was built without the decoder that snapshots need (feature software-encoder)";
    Refusal::Unsupported(words.to_owned())
}
