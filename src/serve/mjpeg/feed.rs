//! Streams of pictures of one camera. A stream takes each picture once for all its clients, and only while one of them
//! waits for it.
//!
//! ```text
//! camera -> PictureStream -> task of the stream -> newest part -> fan-out -> clients
//! ```

use super::part::{Part, PartForm};
use crate::hub::ViewerGuard;
use crate::snapshot::{JpegOptions, PictureStream, Snapshot, SnapshotService};
use bytes::Bytes;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

/// Settings of a stream: size and quality of its pictures, and the time from one to the next.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Settings {
    pub(crate) options: JpegOptions,
    pub(crate) interval: Option<Duration>,
}

/// MJPEG output of one camera: its streams that have clients. Clones are the same.
#[derive(Clone, Default, Debug)]
pub(crate) struct Output(Arc<Mutex<Feeds>>);

/// Streams by their settings. Those without a client are gone.
type Feeds = Vec<(Settings, Weak<Feed>)>;

/// One stream.
#[derive(Default, Debug)]
struct Feed {
    newest: Mutex<Option<Part>>,
    /// Capture time of the newest part, in nanoseconds.
    captured_at: AtomicU64,
    /// A client waits for the next picture.
    is_wanted: AtomicBool,
    /// Wakes the stream's task.
    task: Mutex<Option<Waker>>,
}

/// Subscription of one client to a stream. It keeps the camera open.
#[derive(Debug)]
pub(crate) struct PictureSubscription {
    feed: Arc<Feed>,
    form: PartForm,
    /// What precedes the newest part: the begin of the body, and its first picture.
    first: VecDeque<Bytes>,
    /// Capture time of the last picture, in nanoseconds.
    captured_at: u64,
    _viewer: ViewerGuard,
}

impl Output {
    /// Subscribes to the stream with these settings, which begins after `first` if it is new. `fanout` is woken for each
    /// picture.
    pub(crate) fn subscribe(
        &self,
        settings: Settings,
        form: PartForm,
        first: &Snapshot,
        service: &SnapshotService,
        fanout: Waker,
    ) -> PictureSubscription {
        let mut feeds = lock(&self.0);
        feeds.retain(|(_, feed)| feed.strong_count() > 0);
        let known = feeds.iter().find(|(known, _)| *known == settings);
        let feed = known.and_then(|(_, feed)| feed.upgrade());
        let feed = feed.unwrap_or_else(|| {
            let feed = Arc::new(Feed::default());
            feeds.push((settings, Arc::downgrade(&feed)));
            let task = StreamTask {
                feed: Arc::downgrade(&feed),
                pictures: service.stream(settings.options, settings.interval, first),
                service: service.clone(),
            };
            tokio::spawn(task.run(fanout));
            feed
        });
        drop(feeds);
        let part = Part::new(first, service).view(form);
        PictureSubscription {
            feed,
            form,
            first: [form.opening(), part].into(),
            captured_at: first.captured_at.as_nanos(),
            _viewer: service.count_viewer(),
        }
    }
}

impl PictureSubscription {
    /// Returns the newest part, if it is another than the last; else the stream goes on to the next picture.
    pub(crate) fn try_next(&mut self) -> Option<Bytes> {
        if let Some(first) = self.first.pop_front() {
            return Some(first);
        }
        if self.feed.captured_at.load(Ordering::Acquire) <= self.captured_at {
            self.feed.request_next();
            return None;
        }
        let newest = lock(&self.feed.newest);
        let part = newest.as_ref()?;
        self.captured_at = part.captured_at.as_nanos();
        Some(part.view(self.form))
    }
}

impl Feed {
    /// Has the task take the next picture.
    fn request_next(&self) {
        let is_wanted = &self.is_wanted;
        if !is_wanted.load(Ordering::Acquire) && !is_wanted.swap(true, Ordering::AcqRel) {
            self.wake_task();
        }
    }

    fn wake_task(&self) {
        let waker = lock(&self.task).clone();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn set_task(&self, waker: &Waker) {
        let mut task = lock(&self.task);
        if !task.as_ref().is_some_and(|known| known.will_wake(waker)) {
            *task = Some(waker.clone());
        }
    }

    fn publish(&self, part: Part) {
        // Before the clients look: those who then find nothing new ask again.
        self.is_wanted.store(false, Ordering::Release);
        let captured_at = part.captured_at.as_nanos();
        let before = lock(&self.newest).replace(part);
        self.captured_at.store(captured_at, Ordering::Release);
        drop(before);
    }
}

impl Drop for Feed {
    /// Ends the task with the last client.
    fn drop(&mut self) {
        self.wake_task();
    }
}

/// Task that takes the pictures of a stream, as long as it has clients.
struct StreamTask {
    feed: Weak<Feed>,
    pictures: PictureStream,
    service: SnapshotService,
}

impl StreamTask {
    async fn run(mut self, fanout: Waker) {
        while let Some(picture) = std::future::poll_fn(|context| self.poll_next(context)).await {
            let part = Part::new(&picture, &self.service);
            drop(picture);
            // The fan-out may drop the last client, and with it the feed.
            match self.feed.upgrade() {
                Some(feed) => feed.publish(part),
                None => return,
            }
            fanout.wake_by_ref();
        }
    }

    /// Returns the next picture when a client waits for it; `None` if there is no client any more.
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Snapshot>> {
        let Some(feed) = self.feed.upgrade() else {
            return Poll::Ready(None);
        };
        feed.set_task(context.waker());
        if !feed.is_wanted.load(Ordering::Acquire) {
            return Poll::Pending;
        }
        drop(feed);
        Poll::Ready(Some(ready!(self.pictures.poll_next(context))))
    }
}

/// Nothing panics while one of these locks is held; if it did, the state would still be whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::camera_handle::channel;
    use crate::hub::CameraState;
    use crate::snapshot::Budget;
    use crate::time::Timestamp;

    fn at(ms: u64) -> Timestamp {
        Timestamp::from_nanos(ms * 1_000_000)
    }

    /// Lets the task of the stream run.
    async fn run_task() {
        for _ in 0..4 {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn clients_share_the_newest_part_of_a_stream() {
        let (camera, handle) = channel([]);
        camera.jpegs.set_has_jpegs(true);
        camera.publisher.set_status(CameraState::Live, "");
        let service = SnapshotService::new("camera".into(), handle, Budget::new(64));
        let output = Output::default();
        let first = Snapshot {
            jpeg: Bytes::from_static(b"first"),
            captured_at: at(1),
        };
        let settings = Settings {
            options: JpegOptions::default(),
            interval: None,
        };
        let subscribe = |form| {
            let fanout = Waker::noop().clone();
            output.subscribe(settings, form, &first, &service, fanout)
        };
        let mut one = subscribe(PartForm::Length);
        let mut other = subscribe(PartForm::EarlyHeader);
        for client in [&mut one, &mut other] {
            assert_eq!(client.try_next(), Some(client.form.opening()));
            let part = String::from_utf8(client.try_next().unwrap().to_vec()).unwrap();
            assert!(part.contains("first\r\n--"), "{part}");
            assert_eq!(client.try_next(), None);
        }
        run_task().await;
        camera.jpegs.publish(|| Some((at(2), b"second")));
        run_task().await;
        let (long, early) = (one.try_next().unwrap(), other.try_next().unwrap());
        assert!(early.starts_with(b"second\r\n--"));
        assert!(
            long.as_ptr_range().contains(&early.as_ptr()),
            "one allocation"
        );
        // Nobody has asked for the third.
        camera.jpegs.publish(|| Some((at(3), b"third")));
        run_task().await;
        assert_eq!(
            other.feed.captured_at.load(Ordering::Acquire),
            at(2).as_nanos()
        );
        camera.jpegs.publish(|| Some((at(4), b"fourth")));
        assert_eq!(other.try_next(), None);
        run_task().await;
        assert!(other.try_next().unwrap().starts_with(b"fourth"));
        drop((one, other));
        run_task().await;
        camera.jpegs.publish(|| panic!("nobody is left"));
        assert!(
            lock(&output.0)
                .iter()
                .all(|(_, feed)| feed.strong_count() == 0)
        );
    }
}
