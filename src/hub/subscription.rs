//! A subscription to a camera: live, or lossless.

use super::Inner;
use super::Shared;
use super::cursor::{Cursor, DeliveryState, Position};
use super::event::{Event, Received};
use super::lookahead::LinkPolicy;
use crate::media::Frame;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

/// Start position of a live subscription.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StartPosition {
    /// At the newest keyframe there is, else at the next.
    Now,
    /// At the next keyframe, which is asked for.
    NextKeyframe,
}

/// Delivery of frames to a subscriber.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Delivery {
    /// Skips frames where the alternative is to deliver old ones: for viewers.
    Live(StartPosition),
    /// Delivers every frame, for recording and for publishing elsewhere. It begins where viewers
    /// begin now.
    Lossless {
        /// Most bytes of frames that wait for the subscriber. Beyond them it loses frames.
        max_bytes: usize,
    },
}

impl Delivery {
    /// Live, from the newest keyframe on.
    pub const LIVE: Self = Self::Live(StartPosition::Now);
}

/// Subscription to a camera, which is kept open while it lives.
///
/// ```
/// use berrymse::camera_handle;
/// use berrymse::hub::{Delivery, Event};
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
/// let mut recording = handle.hub().subscribe(Delivery::Lossless { max_bytes: 1 << 20 });
/// camera.publisher.publish(frame, Timestamp::now());
/// while let Some(event) = recording.try_next() {
///     match event {
///         Event::Frame(frame) => assert!(frame.is_keyframe),
///         Event::Skipped(lost) => panic!("{lost} frames are missing"),
///         Event::Parameters(_) | Event::Status(_) => {}
///     }
/// }
/// ```
#[derive(Debug)]
pub struct Subscription {
    shared: Arc<Shared>,
    id: u64,
    /// The hub's version when everything had been delivered.
    seen_version: Option<u64>,
    received: Received,
    reader: Reader,
}

#[derive(Debug)]
pub(super) enum Reader {
    Live(Cursor),
    /// The frames wait in the queue with the subscription's id.
    Lossless,
}

impl Reader {
    /// Returns the next event of the subscription `id`, if there is one now.
    fn next_from(
        &mut self,
        inner: &mut Inner,
        id: u64,
        received: &mut Received,
        link: Option<&mut (dyn LinkPolicy + '_)>,
    ) -> Option<Event> {
        let status = received.new_status(&inner.status);
        if status.is_some() {
            return status;
        }
        match self {
            Self::Live(cursor) => cursor.next_from(inner, received, link),
            Self::Lossless => {
                let event = inner.lossless.get_mut(&id)?.pop(received);
                if let Some(Event::Skipped(lost)) = event {
                    inner.skipped += lost;
                }
                event
            }
        }
    }
}

impl Subscription {
    pub(super) fn new(shared: Arc<Shared>, id: u64, reader: Reader) -> Self {
        Self {
            shared,
            id,
            seen_version: None,
            received: Received::default(),
            reader,
        }
    }

    /// Returns the next event, if there is one now.
    pub fn try_next(&mut self) -> Option<Event> {
        self.try_next_on(None)
    }

    /// Returns the next event, if there is one now. The policy of a congested `link` decides which.
    pub fn try_next_on(&mut self, link: Option<&mut (dyn LinkPolicy + '_)>) -> Option<Event> {
        // Nearly every second call: the one after the newest frame.
        if self.seen_version == Some(self.shared.version.load(Ordering::Acquire)) {
            return None;
        }
        let mut inner = self.shared.lock();
        let event = (self.reader).next_from(&mut inner, self.id, &mut self.received, link);
        let has_all = match &self.reader {
            Reader::Live(cursor) => {
                matches!(event, None | Some(Event::Frame(_))) && cursor.has_all(&inner)
            }
            Reader::Lossless => event.is_none(),
        };
        self.seen_version = has_all.then(|| self.shared.version.load(Ordering::Acquire));
        event
    }

    /// Returns the next event, or wakes the task when there is one.
    pub fn poll_next(&mut self, context: &Context<'_>) -> Poll<Event> {
        self.poll_next_on(None, context)
    }

    /// As [`Self::poll_next`]. The policy of a congested `link` decides which event is next.
    pub fn poll_next_on(
        &mut self,
        link: Option<&mut (dyn LinkPolicy + '_)>,
        context: &Context<'_>,
    ) -> Poll<Event> {
        let mut inner = self.shared.lock();
        match (self.reader).next_from(&mut inner, self.id, &mut self.received, link) {
            Some(event) => Poll::Ready(event),
            None => {
                let waker = context.waker().clone();
                let before = inner.waiting_wakers.insert(self.id, waker);
                drop(inner);
                drop(before);
                Poll::Pending
            }
        }
    }

    /// Starts at the newest keyframe, for a viewer that still waits for the next one.
    pub fn start_now(&mut self) {
        let Reader::Live(cursor) = &mut self.reader else {
            return;
        };
        let inner = self.shared.lock();
        if let (Position::NextKeyframe(_), Some(entry)) =
            (cursor.position, inner.buffer.entry_point())
        {
            cursor.position = entry.into();
            self.seen_version = None;
        }
    }

    /// Sets how large a frame is as the viewer is sent it; else that is the size of its WebSocket message.
    pub fn set_bytes_of(&mut self, bytes_of: fn(&Frame) -> usize) {
        if let Reader::Live(cursor) = &mut self.reader {
            cursor.bytes_of = bytes_of;
        }
    }

    /// Returns true once after a disposable frame was skipped.
    pub fn take_skipped_flag(&mut self) -> bool {
        match &mut self.reader {
            Reader::Live(cursor) => std::mem::take(&mut cursor.has_skipped),
            Reader::Lossless => false,
        }
    }

    /// Returns the delivery state while `outstanding` bytes of the sent frames are in flight;
    /// `None` before the first frame.
    pub fn delivery_state(&self, outstanding: u64) -> Option<DeliveryState> {
        match &self.reader {
            Reader::Live(cursor) => cursor.delivery_state(&self.shared.lock(), outstanding),
            Reader::Lossless => None,
        }
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let mut inner = self.shared.lock();
        match self.reader {
            Reader::Live(_) => inner.viewers -= 1,
            Reader::Lossless => inner.demand_guards -= 1,
        }
        // Dropped without the lock: the waker may be the last hold on a task that holds other
        // viewers.
        let queue = inner.lossless.remove(&self.id);
        let waker = inner.waiting_wakers.remove(&self.id);
        drop(inner);
        drop((queue, waker));
    }
}
