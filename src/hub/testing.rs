//! A hub without a camera, for tests.

use super::{Hub, KeyframeRequests, Publisher, channel};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Requests for keyframes, without a camera.
#[derive(Debug, Default)]
pub(super) struct TestRequests(AtomicBool);

impl TestRequests {
    /// True once after a request.
    pub(super) fn take(&self) -> bool {
        self.0.swap(false, Ordering::Relaxed)
    }
}

impl KeyframeRequests for TestRequests {
    fn request(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn clear(&self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

/// A hub, and its requests for keyframes.
pub(super) fn test_channel() -> (Publisher, Hub, Arc<TestRequests>) {
    let requests = Arc::new(TestRequests::default());
    let (publisher, hub) = channel(requests.clone());
    (publisher, hub, requests)
}
