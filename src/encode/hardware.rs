//! Encoders of the machine's hardware that V4L2 knows (memory-to-memory devices). This build has no way to them yet.

use super::{Candidate, Error};

/// Those that there are, the best first; at least one.
pub(super) fn candidates() -> Result<Vec<Box<dyn Candidate>>, Error> {
    Err(Error(
        "this version has no way to a hardware encoder yet; use --encoder software".into(),
    ))
}
