//! Rates by key, such as an address.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Most keys that are remembered.
pub(super) const MAX_ENTRIES: usize = 4096;

/// Token buckets: each is full at the beginning.
#[derive(Debug)]
pub struct Buckets<K>(BTreeMap<K, Bucket>);

/// A bucket that is full at `full_at`.
#[derive(Debug)]
struct Bucket {
    full_at: Instant,
}

impl<K> Default for Buckets<K> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<K: Ord + Clone> Buckets<K> {
    /// Takes one from a bucket, or returns the time until there is one.
    pub fn take(
        &mut self,
        key: K,
        burst: u32,
        refill: Duration,
        now: Instant,
    ) -> Result<(), Duration> {
        if self.0.len() >= MAX_ENTRIES && !self.0.contains_key(&key) {
            self.make_room(now);
        }
        let bucket = self.0.entry(key).or_insert(Bucket { full_at: now });
        let full_at = bucket.full_at.max(now) + refill;
        let missing = full_at - now;
        let most = refill * burst;
        if missing > most {
            return Err(missing - most);
        }
        bucket.full_at = full_at;
        Ok(())
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Gives one back.
    pub(super) fn give_back(&mut self, key: &K, refill: Duration) {
        if let Some(bucket) = self.0.get_mut(key) {
            bucket.full_at = bucket.full_at.checked_sub(refill).unwrap_or(bucket.full_at);
        }
    }

    /// Drops the full buckets, or else the fullest.
    fn make_room(&mut self, now: Instant) {
        self.0.retain(|_, bucket| bucket.full_at > now);
        if self.0.len() >= MAX_ENTRIES {
            let fullest = self.0.iter().min_by_key(|(_, bucket)| bucket.full_at);
            if let Some(key) = fullest.map(|(key, _)| key.clone()) {
                self.0.remove(&key);
            }
        }
    }
}
