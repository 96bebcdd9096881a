//! Memory of viewers who have gone goes back to the system.
//!
//! What was allocated for many lies between what stays, so the allocator of the GNU C library keeps it for those to come unless
//! it is told. Others (musl) do not.

/// Fewer viewers leave nothing behind that would be worth a look through all of the memory.
const TRIM_MIN_VIEWERS: usize = 100;

/// How many viewers there were since memory was given back last.
#[derive(Debug, Default)]
pub(crate) struct TrimPolicy(usize);

impl TrimPolicy {
    /// True if it is to be given back when there are fewer.
    pub(crate) fn is_armed(&self) -> bool {
        self.0 >= TRIM_MIN_VIEWERS
    }

    /// Takes in how many there are now; true once after more than half of many have gone. Those who come and go all the time are none.
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
