//! Requests for pictures of one camera, and the conditions under which its thread works on them.

use super::{JpegOptions, Snapshot, SnapshotError};
use crate::time::Timestamp;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::Wake;
use tokio::sync::oneshot;

/// Most snapshots that wait for one camera's frame. Streams are limited as viewers.
const MAX_PENDING: usize = 64;

pub(super) type Answer = Result<Snapshot, SnapshotError>;

/// The requests of one camera. As a waker, it tells the camera's thread of new frames.
#[derive(Default, Debug)]
pub(super) struct Queue {
    inner: Mutex<Inner>,
    /// Requests, frames and contention for memory.
    pub(super) changed: Condvar,
    /// The thread waits for frames.
    waits_for_frames: AtomicBool,
}

#[derive(Default, Debug)]
pub(super) struct Inner {
    pub(super) pending: Vec<Request>,
    pub(super) has_worker: bool,
    /// Capture time of the hub's newest frame when decoding was tried last, and of the frame that was decoded.
    pub(super) tried_at: Option<Timestamp>,
    pub(super) decoded_at: Option<Timestamp>,
}

#[derive(Debug)]
pub(super) struct Request {
    pub(super) options: JpegOptions,
    /// A stream waits for a frame that is captured later; a snapshot takes the newest.
    pub(super) after: Option<Timestamp>,
    pub(super) since: Timestamp,
    pub(super) answer: oneshot::Sender<Answer>,
}

impl Request {
    /// True if the frame captured at `captured_at` is new enough.
    pub(super) fn accepts(&self, captured_at: Timestamp) -> bool {
        self.after.is_none_or(|after| captured_at > after)
    }

    /// True if the camera's own JPEG answers it.
    pub(super) fn wants_original(&self) -> bool {
        self.options.is_original() && self.after.is_none()
    }
}

impl Inner {
    /// Adds a request; returns it if there are too many.
    pub(super) fn add(&mut self, request: Request) -> Result<(), Request> {
        self.pending.retain(|request| !request.answer.is_closed());
        let is_snapshot = |request: &&Request| request.after.is_none();
        if request.after.is_none() && self.pending.iter().filter(is_snapshot).count() >= MAX_PENDING
        {
            return Err(request);
        }
        self.pending.push(request);
        Ok(())
    }

    /// True if a request can be worked on, while `newest` is the capture time of the hub's newest frame.
    pub(super) fn has_due(&self, newest: Option<Timestamp>) -> bool {
        let is_due = |request: &Request| self.is_due(request, newest);
        self.pending.iter().any(is_due)
    }

    /// Takes the requests that can be worked on and are not abandoned.
    pub(super) fn take_due(&mut self, newest: Option<Timestamp>) -> Vec<Request> {
        let pending = std::mem::take(&mut self.pending);
        let open = (pending.into_iter()).filter(|request| !request.answer.is_closed());
        let (due, patient) = open.partition(|request| self.is_due(request, newest));
        self.pending = patient;
        due
    }

    /// Notes that the thread ends. The next one has no decoder yet.
    pub(super) fn end_worker(&mut self) {
        self.has_worker = false;
        (self.tried_at, self.decoded_at) = (None, None);
    }

    fn is_due(&self, request: &Request, newest: Option<Timestamp>) -> bool {
        let is_untried = |newest: Timestamp| self.tried_at != Some(newest);
        request.after.is_none()
            || newest.is_some_and(|newest| request.accepts(newest) && is_untried(newest))
            || self.decoded_at.is_some_and(|at| request.accepts(at))
    }
}

impl Queue {
    /// Nothing panics while the lock is held; if it did, the list would still be whole.
    pub(super) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets whether the thread is told of new frames.
    pub(super) fn set_waits_for_frames(&self, waits: bool) {
        self.waits_for_frames.store(waits, Ordering::SeqCst);
    }
}

impl Wake for Queue {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.waits_for_frames.load(Ordering::SeqCst) {
            // The thread may be between its look at the hub and its wait.
            drop(self.lock());
            self.changed.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Timestamp {
        Timestamp::from_nanos(ms * 1_000_000)
    }

    fn request(after: Option<u64>) -> (Request, oneshot::Receiver<Answer>) {
        let (answer, receiver) = oneshot::channel();
        let request = Request {
            options: JpegOptions::default(),
            after: after.map(at),
            since: at(0),
            answer,
        };
        (request, receiver)
    }

    #[test]
    fn stream_is_due_with_each_newer_frame_once() {
        let mut inner = Inner::default();
        let (stream, _receiver) = request(Some(5));
        inner.add(stream).unwrap();
        for (newest, is_due) in [(None, false), (Some(5), false), (Some(6), true)] {
            assert_eq!(inner.has_due(newest.map(at)), is_due, "{newest:?}");
        }
        // It could not be decoded.
        inner.tried_at = Some(at(6));
        assert!(!inner.has_due(Some(at(6))) && inner.has_due(Some(at(7))));
        inner.decoded_at = Some(at(6));
        assert!(inner.has_due(Some(at(6))));
        assert_eq!(inner.take_due(Some(at(6))).len(), 1);
        assert!(inner.pending.is_empty());
    }

    #[test]
    fn abandoned_requests_make_room() {
        let mut inner = Inner::default();
        let mut receivers = Vec::new();
        for _ in 0..MAX_PENDING {
            let (snapshot, receiver) = request(None);
            inner.add(snapshot).unwrap();
            receivers.push(receiver);
        }
        assert!(inner.add(request(None).0).is_err());
        let (stream, _receiver) = request(Some(1));
        assert!(inner.add(stream).is_ok(), "it is counted elsewhere");
        receivers.pop();
        let (snapshot, _receiver) = request(None);
        assert!(inner.add(snapshot).is_ok());
    }
}
