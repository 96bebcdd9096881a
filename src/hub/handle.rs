//! The reading side of a hub: subscribes viewers, returns recent frames and statistics.

use super::cursor::{Cursor, Position};
use super::gop_buffer::EntryPoint;
use super::lossless::Queue;
use super::subscription::{Delivery, Reader, StartPosition};
use super::{CameraState, CameraStatus, Inner, Shared, Subscription};
use crate::media::{Frame, Parameters};
use crate::time::Timestamp;
use std::sync::Arc;
use std::task::Waker;

/// Reading handle of a hub. Clones read the same hub.
///
/// ```
/// use berrymse::camera_handle;
/// # use berrymse::media::{Description, Frame, FrameHeader, Parameters};
/// # use berrymse::time::Timestamp;
/// # use std::sync::Arc;
/// # let header = FrameHeader {
/// #     parameters: Arc::new(Parameters::new(Description::default())),
/// #     sequence: 1,
/// #     decode_time: 9000,
/// #     composition_offset: None,
/// #     duration: 3000,
/// #     nominal_duration: 3000,
/// #     captured_at: Timestamp::now(),
/// #     is_keyframe: true,
/// #     is_disposable: false,
/// #     recovery: None,
/// # };
/// # let idr: &[u8] = &[0x65, 0x88];
/// # let frame = Frame::new(header, [idr].into_iter());
///
/// let (camera, handle) = camera_handle::channel([]);
/// let (publisher, hub) = (camera.publisher, handle.hub());
/// publisher.publish(frame, Timestamp::now());
/// assert_eq!(hub.stats().frames, 1);
/// // All that a decoder needs for the newest picture, then what came since.
/// let replay = hub.replay_frames(None);
/// assert!(replay.frames[0].is_keyframe);
/// assert!(hub.replay_frames(Some(replay.first)).frames.is_empty());
/// ```
#[derive(Clone, Debug)]
pub struct Hub(pub(super) Arc<Shared>);

/// Frames that a decoder needs for the newest picture.
#[derive(Clone, Debug)]
pub struct ReplayFrames {
    /// Status of the camera.
    pub status: Arc<CameraStatus>,
    /// Number of the first frame.
    pub first: u64,
    /// Begins with a keyframe (the kept one where it is long ago), or goes on where the caller was; empty if there is nothing new, or no keyframe yet.
    pub frames: Vec<Frame>,
}

/// Keeps a camera on demand open while it lives.
///
/// ```
/// let (camera, handle) = berrymse::camera_handle::channel([]);
/// let (publisher, hub) = (camera.publisher, handle.hub());
/// let guard = hub.keep_open();
/// assert!(publisher.has_demand());
/// drop(guard);
/// assert!(!publisher.has_demand());
/// ```
#[derive(Debug)]
pub struct DemandGuard(Arc<Shared>);

/// Counts as a viewer of a camera while it lives.
#[derive(Debug)]
pub struct ViewerGuard(Arc<Shared>);

/// Statistics of a camera at one moment.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub struct HubStats {
    pub status: Arc<CameraStatus>,
    pub parameters: Option<Arc<Parameters>>,
    /// Pictures per second, measured over the last seconds.
    pub fps: f64,
    /// Bits per second, measured over the last seconds.
    pub bitrate: u64,
    /// Pictures from one keyframe to the next, as last seen; 0 when not seen yet.
    pub keyframe_interval: u64,
    pub viewers: usize,
    /// Viewers of other servers that carry the camera further.
    pub remote_viewers: u64,
    /// Another server that publishes a camera under this one's name.
    pub other_publisher: Option<OtherPublisher>,
    /// Pictures published since the start.
    pub frames: u64,
    /// Frames skipped on congested links, over all viewers, and those that lossless subscribers lost.
    pub frames_skipped: u64,
    /// Frames of the camera that were lost on the way here, or not encoded in time.
    pub frames_dropped: u64,
    /// Number of times that a working source was opened again.
    pub restarts: u64,
    /// Capture time of the newest frame.
    pub last_frame_at: Option<Timestamp>,
}

/// Another server that publishes a camera under the same name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OtherPublisher {
    /// Start of its program, in nanoseconds of Unix time.
    pub epoch: u64,
    /// It started later, so edges show its camera.
    pub is_newer: bool,
}

impl Hub {
    /// Subscribes to the camera, which is opened if it is closed.
    pub fn subscribe(&self, delivery: Delivery) -> Subscription {
        let mut inner = self.0.lock();
        let id = inner.next_id;
        inner.next_id += 1;
        let reader = match delivery {
            Delivery::Live(start) => Reader::Live(inner.add_viewer(start)),
            Delivery::Lossless { max_bytes } => {
                inner.add_lossless(id, max_bytes);
                Reader::Lossless
            }
        };
        self.0.demand_changed.notify_all();
        Subscription::new(self.0.clone(), id, reader)
    }

    /// Keeps a camera on demand open, and opens it if it is closed.
    pub fn keep_open(&self) -> DemandGuard {
        self.0.lock().demand_guards += 1;
        self.0.demand_changed.notify_all();
        DemandGuard(self.0.clone())
    }

    /// Counts a viewer that reads no frames from here, and keeps the camera open for it.
    pub fn count_viewer(&self) -> ViewerGuard {
        self.0.lock().viewers += 1;
        self.0.demand_changed.notify_all();
        ViewerGuard(self.0.clone())
    }

    /// Sets the number of viewers at other servers.
    pub fn set_remote_viewers(&self, viewers: u64) {
        self.0.lock().remote_viewers = viewers;
    }

    /// Sets the server that publishes a camera under this one's name, too.
    pub fn set_other_publisher(&self, other: Option<OtherPublisher>) {
        self.0.lock().other_publisher = other;
    }

    /// Returns the capture time of the newest frame of a live camera.
    pub fn newest_captured_at(&self) -> Option<Timestamp> {
        let inner = self.0.lock();
        let newest = inner.buffer.newest()?.frame.captured_at;
        (inner.status.state == CameraState::Live).then_some(newest)
    }

    /// Returns what a decoder needs for the newest picture: the frames after number `after`, or
    /// those from the newest keyframe on if that is less or the only way. Requests a keyframe if
    /// there is none.
    pub fn replay_frames(&self, after: Option<u64>) -> ReplayFrames {
        let mut inner = self.0.lock();
        let next = after.and_then(|after| after.checked_add(1));
        let next = next
            .filter(|next| (inner.buffer.oldest_seq()..=inner.buffer.next_seq()).contains(next));
        let (first, lead) = match (next, inner.buffer.decoder_entry_point()) {
            (Some(next), Some(EntryPoint::Keyframe(keyframe))) => (next.max(keyframe), None),
            (Some(next), _) => (next, None),
            (None, Some(EntryPoint::Keyframe(keyframe))) => (keyframe, None),
            (None, Some(EntryPoint::Recovery(number))) => match inner.buffer.lead_in(number) {
                Some(lead) => (lead.next, Some(lead)),
                None => (number, None),
            },
            (None, None) => {
                inner.mark_keyframe_missing();
                (inner.buffer.next_seq(), None)
            }
        };
        ReplayFrames {
            status: inner.status.clone(),
            // The lead-in stands for the frames before.
            first: first - lead.as_ref().map_or(0, |lead| lead.frames.len() as u64),
            frames: (lead.into_iter().flat_map(|lead| lead.frames))
                .chain(inner.buffer.from(first).cloned())
                .collect(),
        }
    }

    /// Frames from where [`replay_frames`](Self::replay_frames) lets a new decoder begin to the newest; `None` if it cannot begin.
    pub fn replay_length(&self) -> Option<u64> {
        let inner = self.0.lock();
        let (EntryPoint::Keyframe(number) | EntryPoint::Recovery(number)) =
            inner.buffer.decoder_entry_point()?;
        Some(inner.buffer.next_seq().saturating_sub(number))
    }

    /// Calls `waker` at every update from now on.
    pub fn subscribe_wakeups(&self, waker: Waker) {
        self.0.subscribed_wakers().push(waker);
    }

    /// Returns the present statistics.
    pub fn stats(&self) -> HubStats {
        let inner = self.0.lock();
        let (fps, bitrate) = inner.rate_meter.rates();
        let newest = inner.buffer.newest().map(|kept| &kept.frame);
        HubStats {
            status: inner.status.clone(),
            parameters: newest.map(|frame| frame.parameters.clone()),
            fps,
            bitrate,
            keyframe_interval: inner.rate_meter.keyframe_interval(),
            viewers: inner.viewers,
            remote_viewers: inner.remote_viewers,
            other_publisher: inner.other_publisher,
            frames: inner.buffer.next_seq(),
            frames_skipped: inner.skipped,
            frames_dropped: inner.dropped,
            restarts: inner.restarts,
            last_frame_at: newest.map(|frame| frame.captured_at),
        }
    }
}

impl Inner {
    fn add_viewer(&mut self, start: StartPosition) -> Cursor {
        self.viewers += 1;
        let buffer = &self.buffer;
        let is_next = start == StartPosition::NextKeyframe;
        if is_next || buffer.gop_outweighs_keyframe() || !buffer.is_near_keyframe() {
            self.keyframes.request();
        }
        let position = if is_next {
            Position::NextKeyframe(buffer.next_seq())
        } else {
            Position::newest(buffer)
        };
        if buffer.lacks_entry_point() {
            self.mark_keyframe_missing();
        }
        Cursor::new(position)
    }

    fn add_lossless(&mut self, id: u64, max_bytes: usize) {
        self.demand_guards += 1;
        let queue = Queue::new(max_bytes, &mut self.buffer);
        if queue.is_starting() {
            self.mark_keyframe_missing();
        }
        self.lossless.insert(id, queue);
    }
}

impl Drop for ViewerGuard {
    fn drop(&mut self) {
        self.0.lock().viewers -= 1;
    }
}

impl Drop for DemandGuard {
    fn drop(&mut self) {
        self.0.lock().demand_guards -= 1;
    }
}
