//! Buffers the recent frames of one camera and hands them to its subscribers.
//!
//! The camera's thread holds the [`Publisher`]; serving holds [`Hub`]s, which cannot publish. The publisher never waits for a
//! viewer: a viewer is a cursor into the buffer of recent frames. A viewer that falls out of the buffer continues at the
//! newest keyframe and receives the number of skipped frames. A [`LinkPolicy`] decides what a viewer on a congested link receives.
//!
//! ```
//! use berrymse::camera_handle;
//! use berrymse::hub::{CameraState, Delivery, Event};
//! # use berrymse::media::{Description, Frame, FrameHeader, Parameters};
//! # use berrymse::time::Timestamp;
//! # use std::sync::Arc;
//! # let header = FrameHeader {
//! #     parameters: Arc::new(Parameters::new(Description::default())),
//! #     sequence: 1,
//! #     decode_time: 9000,
//! #     composition_offset: None,
//! #     duration: 3000,
//! #     nominal_duration: 3000,
//! #     captured_at: Timestamp::now(),
//! #     is_keyframe: true,
//! #     is_disposable: false,
//! #     recovery: None,
//! # };
//! # let idr: &[u8] = &[0x65, 0x88];
//! # let frame = Frame::new(header, [idr].into_iter());
//!
//! let (camera, handle) = camera_handle::channel([]);
//! let mut viewer = handle.hub().subscribe(Delivery::LIVE);
//! camera.publisher.set_status(CameraState::Live, "");
//! camera.publisher.publish(frame, Timestamp::now());
//!
//! let mut events = std::iter::from_fn(|| viewer.try_next());
//! assert!(matches!(events.next(), Some(Event::Status(status)) if status.state == CameraState::Live));
//! assert!(matches!(events.next(), Some(Event::Parameters(_))));
//! assert!(matches!(events.next(), Some(Event::Frame(frame)) if frame.is_keyframe));
//! assert!(events.next().is_none());
//! ```

mod client_timeline;
mod cursor;
mod event;
mod gop_buffer;
mod handle;
mod in_band;
mod lookahead;
mod lossless;
mod rate_meter;
mod status;
mod subscription;

use crate::media::Frame;
use crate::time::Timestamp;
pub use client_timeline::{ClientClock, ClientTimeline};
pub use cursor::DeliveryState;
pub use event::Event;
use gop_buffer::GopBuffer;
pub use handle::{DemandGuard, Hub, HubStats, OtherPublisher, ReplayFrames, ViewerGuard};
pub use lookahead::{Action, LinkPolicy, Lookahead};
use rate_meter::RateMeter;
pub use status::{CameraState, CameraStatus};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::Duration;
pub use subscription::{Delivery, StartPosition, Subscription};

/// The publisher's handle.
///
/// ```
/// use berrymse::camera_handle;
/// use berrymse::hub::{CameraState, Delivery};
///
/// let (camera, handle) = camera_handle::channel([]);
/// let (publisher, hub) = (camera.publisher, handle.hub());
/// // A camera on demand is open while somebody watches.
/// assert!(!publisher.has_demand());
/// let viewer = hub.subscribe(Delivery::LIVE);
/// assert!(publisher.has_demand());
/// drop(viewer);
/// assert!(publisher.enter_idle());
/// assert_eq!(hub.stats().status.state, CameraState::Idle);
/// ```
#[derive(Debug)]
pub struct Publisher(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    inner: Mutex<Inner>,
    /// Counts frames and status changes, so that a subscriber that is up to date need not take the
    /// lock.
    version: AtomicU64,
    /// Wakers called at each update. They have a lock of their own, as they read the hub at once,
    /// some on the publisher's own thread.
    subscribed_wakers: Mutex<Vec<Waker>>,
    demand_changed: Condvar,
}

#[derive(Debug)]
struct Inner {
    status: Arc<CameraStatus>,
    buffer: GopBuffer,
    rate_meter: RateMeter,
    viewers: usize,
    /// Viewers at other servers, as these report.
    remote_viewers: u64,
    /// Another server publishes a camera under this one's name.
    other_publisher: Option<OtherPublisher>,
    demand_guards: usize,
    skipped: u64,
    dropped: u64,
    restarts: u64,
    keyframes: Arc<dyn KeyframeRequests>,
    /// A viewer could not start for want of a keyframe, since the last one.
    is_keyframe_missing: bool,
    /// Wakers called at the next update, by the viewers' ids. A viewer that asks often, or leaves,
    /// leaves nothing behind while there is no update for hours.
    waiting_wakers: BTreeMap<u64, Waker>,
    /// Queues of lossless subscribers, by their ids.
    lossless: BTreeMap<u64, lossless::Queue>,
    next_id: u64,
}

/// Requests for keyframes, as the hub makes them. Called with the hub's lock held.
pub trait KeyframeRequests: std::fmt::Debug + Send + Sync {
    /// Requests a keyframe: it would serve subscribers better than the frames that are kept.
    fn request(&self);

    /// Clears the requests so far, as a keyframe has come.
    fn clear(&self);
}

/// A hub for one camera and its audience, which requests keyframes at `keyframes`.
pub fn channel(keyframes: Arc<dyn KeyframeRequests>) -> (Publisher, Hub) {
    let inner = Inner {
        status: Arc::new(CameraStatus {
            state: CameraState::Starting,
            reason: String::new(),
            detail: String::new(),
        }),
        buffer: GopBuffer::default(),
        rate_meter: RateMeter::default(),
        viewers: 0,
        remote_viewers: 0,
        other_publisher: None,
        demand_guards: 0,
        skipped: 0,
        dropped: 0,
        restarts: 0,
        keyframes,
        is_keyframe_missing: false,
        waiting_wakers: BTreeMap::new(),
        lossless: BTreeMap::new(),
        next_id: 0,
    };
    let shared = Arc::new(Shared {
        inner: Mutex::new(inner),
        version: AtomicU64::new(0),
        subscribed_wakers: Mutex::default(),
        demand_changed: Condvar::new(),
    });
    (Publisher(shared.clone()), Hub(shared))
}

impl Shared {
    /// Nothing panics while the lock is held; if it did, the state would still be whole.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn subscribed_wakers(&self) -> MutexGuard<'_, Vec<Waker>> {
        self.subscribed_wakers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn wake(&self, mut inner: MutexGuard<'_, Inner>) {
        self.version.fetch_add(1, Ordering::Release);
        let waiting = std::mem::take(&mut inner.waiting_wakers);
        drop(inner);
        waiting.into_values().for_each(Waker::wake);
        // They may send on this thread, which takes up to 2 ms: last.
        self.subscribed_wakers().iter().for_each(Waker::wake_by_ref);
    }
}

impl Publisher {
    /// Publishes a frame at the time `now`. Returns false if no viewer could start now and see the
    /// right picture.
    pub fn publish(&self, frame: Frame, now: Timestamp) -> bool {
        let mut inner = self.0.lock();
        inner
            .rate_meter
            .add(frame.captured_at, frame.len(), frame.is_keyframe);
        if frame.is_keyframe {
            inner.keyframes.clear();
            inner.is_keyframe_missing = false;
        }
        let has_overrun =
            (inner.lossless.values_mut()).fold(false, |is, queue| is | queue.push(&frame));
        if has_overrun {
            inner.keyframes.request();
        }
        inner.buffer.push(frame, now);
        let has_entry = !inner.buffer.lacks_entry_point();
        self.0.wake(inner);
        has_entry
    }

    /// True if a viewer cannot start for want of a keyframe.
    pub fn is_keyframe_missing(&self) -> bool {
        let inner = self.0.lock();
        inner.is_keyframe_missing && inner.has_demand() && inner.buffer.lacks_entry_point()
    }

    /// Lets viewers start at any frame, as there will be no keyframe: after the last one, with as
    /// many frames as are kept.
    pub fn allow_start_anywhere(&self) {
        let mut inner = self.0.lock();
        inner.is_keyframe_missing = false;
        inner.buffer.allow_start_anywhere();
        self.0.wake(inner);
    }

    /// Sets the status of the camera; returns true if it changed.
    pub fn set_status(&self, state: CameraState, reason: &str) -> bool {
        self.set_failure(state, reason, reason)
    }

    /// Sets the status of the camera, with a reason for viewers and one for the log; returns true
    /// if either changed.
    pub fn set_failure(&self, state: CameraState, reason: &str, detail: &str) -> bool {
        let mut inner = self.0.lock();
        let old = &inner.status;
        let is_told = old.state == state && old.reason == reason;
        if is_told && old.detail == detail {
            return false;
        }
        inner.status = Arc::new(CameraStatus {
            state,
            reason: reason.to_owned(),
            detail: detail.to_owned(),
        });
        // Viewers receive nothing new when only the detail changes.
        if !is_told {
            self.0.wake(inner);
        }
        true
    }

    /// True if a viewer or a guard needs the camera.
    pub fn has_demand(&self) -> bool {
        self.0.lock().has_demand()
    }

    /// Marks the camera as closed if no viewer needs it, and returns true. A viewer that joins
    /// later starts with a frame made after that. Does nothing if a viewer watches.
    pub fn enter_idle(&self) -> bool {
        let mut inner = self.0.lock();
        if inner.has_demand() {
            return false;
        }
        inner.buffer.invalidate_keyframe();
        drop(inner);
        self.set_status(CameraState::Idle, "");
        true
    }

    /// Waits up to `time` for demand; returns true if there is some.
    pub fn wait_for_demand(&self, time: Duration) -> bool {
        let nobody = |inner: &mut Inner| !inner.has_demand();
        match self
            .0
            .demand_changed
            .wait_timeout_while(self.0.lock(), time, nobody)
        {
            Ok((inner, _)) => inner.has_demand(),
            Err(poisoned) => poisoned.into_inner().0.has_demand(),
        }
    }

    /// Returns the number of frames published so far.
    pub fn frames(&self) -> u64 {
        self.0.lock().buffer.next_seq()
    }

    /// Counts frames of the camera that were lost or not encoded.
    pub fn count_dropped(&self, pictures: u64) {
        self.0.lock().dropped += pictures;
    }

    /// Counts a source that worked and had to be opened again.
    pub fn count_restart(&self) {
        self.0.lock().restarts += 1;
    }

    /// Returns the number of viewers.
    pub fn viewers(&self) -> usize {
        self.0.lock().viewers
    }

    /// Returns the number of viewers here and at other servers.
    pub fn all_viewers(&self) -> u64 {
        let inner = self.0.lock();
        inner.remote_viewers.saturating_add(inner.viewers as u64)
    }
}

impl Inner {
    /// Notes that a viewer cannot start for want of a keyframe.
    fn mark_keyframe_missing(&mut self) {
        self.keyframes.request();
        self.is_keyframe_missing = true;
    }

    fn has_demand(&self) -> bool {
        self.viewers + self.demand_guards > 0
    }
}

#[cfg(test)]
mod recovery_tests;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
