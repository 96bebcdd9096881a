//! Decides when memory of viewers that left returns to the system.
//!
//! Blocks of former viewers lie between blocks in use, so the allocator of the GNU C library keeps
//! them unless it is told otherwise. Others (musl) do not.

/// Fewest viewers whose memory is worth a scan of the heap.
const TRIM_MIN_VIEWERS: usize = 100;

/// Highest number of viewers since the last trim.
#[derive(Debug, Default)]
pub(crate) struct TrimPolicy(usize);

impl TrimPolicy {
    /// True if a trim is due when viewers leave.
    pub(crate) fn is_armed(&self) -> bool {
        self.0 >= TRIM_MIN_VIEWERS
    }

    /// Takes the present number of viewers; returns true once after more than half of many left.
    /// Viewers that come and go all the time do not count.
    pub(crate) fn should_trim(&mut self, viewers: usize) -> bool {
        self.0 = self.0.max(viewers);
        let is_out = self.is_armed() && viewers < self.0 / 2;
        if is_out {
            self.0 = viewers;
        }
        is_out
    }
}

#[cfg(test)]
mod tests {
    use super::TrimPolicy;

    #[test]
    fn heap_is_trimmed_once_after_half_left() {
        let mut trim_policy = TrimPolicy::default();
        let mut out = |viewers| trim_policy.should_trim(viewers);
        assert!([10, 0, 99, 0].into_iter().all(|viewers| !out(viewers)));
        assert!(
            [1000, 600, 900, 500]
                .into_iter()
                .all(|viewers| !out(viewers))
        );
        assert!(out(499) && !out(499) && !out(250));
        assert!(out(0) && !out(0));
    }
}
