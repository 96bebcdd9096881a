//! The JPEGs of a camera that delivers JPEG, for clients that take each new one. A JPEG is copied once for all clients,
//! and never while there are none.

use super::Jpeg;
use crate::time::Timestamp;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// End of the camera's thread. Clones are of the same camera.
#[derive(Clone, Default, Debug)]
pub struct JpegFeed(Arc<Mutex<Inner>>);

#[derive(Default, Debug)]
struct Inner {
    /// The open source has JPEGs in the right orientation.
    has_jpegs: bool,
    subscriptions: usize,
    /// The newest JPEG, while there are subscriptions.
    newest: Option<Jpeg>,
    next_id: u64,
    /// Wakers of waiting subscriptions, by their ids.
    waiting: BTreeMap<u64, Waker>,
}

/// Subscription to the JPEGs of a camera. It does not keep the camera open.
#[derive(Debug)]
pub struct JpegSubscription {
    feed: JpegFeed,
    id: u64,
}

impl JpegFeed {
    /// Nothing panics while the lock is held; if it did, the feed would still be whole.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets whether the open source has JPEGs in the right orientation; none of a closed one is kept.
    pub fn set_has_jpegs(&self, has_jpegs: bool) {
        let mut inner = self.lock();
        inner.has_jpegs = has_jpegs;
        let newest = inner.newest.take();
        let waiting = std::mem::take(&mut inner.waiting);
        drop(inner);
        drop(newest);
        waiting.into_values().for_each(Waker::wake);
    }

    /// Copies `newest` for the subscriptions if it is new to them. It is asked for only while there are some.
    pub fn publish<'a>(&self, newest: impl FnOnce() -> Option<(Timestamp, &'a [u8])>) {
        let mut inner = self.lock();
        if inner.subscriptions == 0 || !inner.has_jpegs {
            return;
        }
        let Some((captured_at, jpeg)) = newest() else {
            return;
        };
        let is_known = |known: &Jpeg| known.captured_at == captured_at;
        if inner.newest.as_ref().is_some_and(is_known) {
            return;
        }
        let bytes = Bytes::copy_from_slice(jpeg);
        inner.newest = Some(Jpeg { bytes, captured_at });
        let waiting = std::mem::take(&mut inner.waiting);
        drop(inner);
        waiting.into_values().for_each(Waker::wake);
    }

    /// Subscribes to the JPEGs of the camera, if it delivers JPEG.
    pub(super) fn subscribe(&self) -> JpegSubscription {
        let mut inner = self.lock();
        inner.subscriptions += 1;
        inner.next_id += 1;
        JpegSubscription {
            feed: self.clone(),
            id: inner.next_id,
        }
    }
}

impl JpegSubscription {
    /// Returns the newest JPEG captured after `after`, or wakes the task when there is one. Returns `None` if the
    /// camera delivers no JPEG in the right orientation.
    pub fn poll_after(
        &self,
        after: Option<Timestamp>,
        context: &Context<'_>,
    ) -> Poll<Option<Jpeg>> {
        let mut inner = self.feed.lock();
        if !inner.has_jpegs {
            return Poll::Ready(None);
        }
        let is_new = |jpeg: &&Jpeg| after.is_none_or(|after| jpeg.captured_at > after);
        if let Some(jpeg) = inner.newest.as_ref().filter(is_new) {
            return Poll::Ready(Some(jpeg.clone()));
        }
        let before = inner.waiting.insert(self.id, context.waker().clone());
        drop(inner);
        drop(before);
        Poll::Pending
    }
}

impl Drop for JpegSubscription {
    fn drop(&mut self) {
        let mut inner = self.feed.lock();
        inner.subscriptions -= 1;
        let waker = inner.waiting.remove(&self.id);
        let newest = (inner.subscriptions == 0).then(|| inner.newest.take());
        drop(inner);
        drop((waker, newest));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Timestamp {
        Timestamp::from_nanos(ms * 1_000_000)
    }

    fn jpeg(polled: Poll<Option<Jpeg>>) -> Option<Timestamp> {
        match polled {
            Poll::Ready(Some(jpeg)) => Some(jpeg.captured_at),
            Poll::Ready(None) => panic!("the camera has JPEGs"),
            Poll::Pending => None,
        }
    }

    #[test]
    fn jpeg_is_copied_once_while_subscribed() {
        let feed = JpegFeed::default();
        feed.set_has_jpegs(true);
        feed.publish(|| panic!("nobody has asked"));
        let (first, second) = (feed.subscribe(), feed.subscribe());
        let context = Context::from_waker(Waker::noop());
        assert_eq!(jpeg(first.poll_after(None, &context)), None);
        feed.publish(|| Some((at(1), b"JPEG")));
        feed.publish(|| Some((at(1), b"the same")));
        let [Poll::Ready(Some(a)), Poll::Ready(Some(b))] =
            [&first, &second].map(|it| it.poll_after(None, &context))
        else {
            panic!("both get it");
        };
        assert_eq!(
            (&a.bytes[..], a.bytes.as_ptr()),
            (&b"JPEG"[..], b.bytes.as_ptr())
        );
        assert_eq!(jpeg(first.poll_after(Some(at(1)), &context)), None);
        feed.publish(|| Some((at(2), b"JPEG")));
        feed.publish(|| Some((at(3), b"JPEG")));
        assert_eq!(jpeg(first.poll_after(Some(at(1)), &context)), Some(at(3)));
        drop((first, second));
        feed.publish(|| panic!("nobody is left"));
    }

    #[test]
    fn subscription_of_other_camera_has_none() {
        let feed = JpegFeed::default();
        let subscription = feed.subscribe();
        let context = Context::from_waker(Waker::noop());
        let none = Poll::Ready(None);
        assert_eq!(subscription.poll_after(None, &context), none);
        feed.set_has_jpegs(true);
        feed.publish(|| Some((at(1), b"JPEG")));
        feed.set_has_jpegs(false);
        assert_eq!(subscription.poll_after(None, &context), none);
        feed.set_has_jpegs(true);
        assert_eq!(jpeg(subscription.poll_after(None, &context)), None);
    }
}
