//! Memory of finished JPEGs, until they are sent.

use bytes::Bytes;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Finished JPEGs may have this part of the decoders' limit, in addition to it.
const PART: u64 = 4;

/// Counts the bytes of finished JPEGs of all cameras.
#[derive(Debug)]
pub(super) struct JpegQuota {
    allowed: u64,
    bytes: Arc<AtomicUsize>,
}

impl JpegQuota {
    /// A quota beside decoders that may have `decoder_bytes`.
    pub(super) fn beside(decoder_bytes: u64) -> Self {
        Self {
            allowed: decoder_bytes / PART,
            bytes: Arc::default(),
        }
    }

    /// Returns whether one more JPEG may be made.
    pub(super) fn has_room(&self) -> bool {
        (self.bytes.load(Ordering::Relaxed) as u64) < self.allowed
    }

    /// Counts the bytes of a JPEG until the last copy of the result is dropped.
    pub(super) fn count(&self, jpeg: Bytes) -> Bytes {
        self.bytes.fetch_add(jpeg.len(), Ordering::Relaxed);
        Bytes::from_owner(Jpeg {
            bytes: jpeg,
            sum: self.bytes.clone(),
        })
    }
}

/// A finished JPEG.
struct Jpeg {
    bytes: Bytes,
    sum: Arc<AtomicUsize>,
}

impl AsRef<[u8]> for Jpeg {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Jpeg {
    fn drop(&mut self) {
        self.sum.fetch_sub(self.bytes.len(), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jpegs_count_until_the_last_reader_has_them() {
        let quota = JpegQuota::beside(4000);
        let jpeg = quota.count(vec![1; 1000].into());
        let copy = jpeg.clone();
        drop(jpeg);
        assert!(!quota.has_room());
        drop(copy);
        assert!(quota.has_room());
    }
}
