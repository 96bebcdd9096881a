//! What serving holds of a camera: it joins as a viewer, asks for what is recent and for the figures, and publishes nothing.

use super::ring::Entry;
use super::viewer::{Cursor, Position};
use super::{Condition, Fragment, Init, Shared, Viewer};
use crate::time::Timestamp;
use std::sync::Arc;
use std::task::Waker;

/// The handle of those who serve; clones are the same audience.
#[derive(Clone, Debug)]
pub struct Audience(pub(super) Arc<Shared>);

/// What is needed to decode the newest picture, for who is no viewer.
#[derive(Clone, Debug)]
pub struct Recent {
    /// How the camera is.
    pub condition: Arc<Condition>,
    /// Number of the first fragment.
    pub first: u64,
    /// Begins with a keyframe (the kept one where it is long ago), or goes on where the caller was; empty if there is nothing new, or no keyframe yet.
    pub fragments: Vec<Fragment>,
}

/// Where a new viewer begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Start {
    /// At the newest keyframe there is, else at the next.
    Now,
    /// At the next keyframe, which is asked for.
    NextKeyframe,
}

/// As long as this lives a camera on demand is open, as if somebody watched.
#[derive(Debug)]
pub struct Hold(Arc<Shared>);

/// A camera's figures at one moment.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub struct Status {
    pub condition: Arc<Condition>,
    pub init: Option<Arc<Init>>,
    /// Pictures per second, measured over the last seconds.
    pub fps: f64,
    /// Bits per second, measured over the last seconds.
    pub bitrate: u64,
    /// Pictures from one keyframe to the next, as last seen; 0 when not seen yet.
    pub keyframe_interval: u64,
    pub viewers: usize,
    /// Pictures published since the start.
    pub frames: u64,
    /// Pictures that slow viewers were not given, added up.
    pub frames_skipped: u64,
    /// Pictures of the camera that came to nothing: lost on the way here, or not encoded for want of time.
    pub frames_dropped: u64,
    /// How often the source was opened anew after it had worked.
    pub restarts: u64,
    /// Capture time of the newest picture.
    pub last_frame_at: Option<Timestamp>,
}

impl Audience {
    /// A new viewer, who begins at the newest keyframe there is, else at the next.
    pub fn join(&self) -> Viewer {
        self.join_at(Start::Now)
    }

    /// A new viewer, who begins at `start`.
    pub fn join_at(&self, start: Start) -> Viewer {
        let mut inner = self.0.lock();
        inner.viewers += 1;
        let is_next = start == Start::NextKeyframe;
        inner.keyframe_wanted |= is_next || inner.ring.is_worn() || !inner.ring.is_short();
        self.0.joined.notify_all();
        let position = if is_next {
            Position::NextKeyframe(inner.ring.end())
        } else {
            Position::newest(&inner.ring)
        };
        if inner.ring.lacks_entry() {
            inner.miss_keyframe();
        }
        let id = inner.next_viewer;
        inner.next_viewer += 1;
        Viewer {
            shared: self.0.clone(),
            has_seen: None,
            cursor: Cursor {
                id,
                position,
                lead: None,
                has_previous: true,
                given: None,
                jump: None,
                has_left_out: false,
                condition: None,
                init: None,
            },
        }
    }

    /// Keeps a camera on demand open, and opens it if it is closed.
    pub fn hold(&self) -> Hold {
        self.0.lock().holds += 1;
        self.0.joined.notify_all();
        Hold(self.0.clone())
    }

    /// What a decoder needs for the newest picture: what came after the picture number `after`, which it has, or what came
    /// from the newest keyframe on, if that is less or the only way. Without a keyframe at hand one is asked for.
    pub fn recent(&self, after: Option<u64>) -> Recent {
        let mut inner = self.0.lock();
        let next = after.and_then(|after| after.checked_add(1));
        let next = next.filter(|next| (inner.ring.first()..=inner.ring.end()).contains(next));
        let (first, lead) = match (next, inner.ring.entry_for_decoder()) {
            (Some(next), Some(Entry::Keyframe(keyframe))) => (next.max(keyframe), None),
            (Some(next), _) => (next, None),
            (None, Some(Entry::Keyframe(keyframe))) => (keyframe, None),
            (None, Some(Entry::Recovery(number))) => match inner.ring.lead(number) {
                Some(lead) => (lead.next, Some(lead)),
                None => (number, None),
            },
            (None, None) => {
                inner.miss_keyframe();
                (inner.ring.end(), None)
            }
        };
        Recent {
            condition: inner.condition.clone(),
            // What leads to it stands for the frames before.
            first: first - lead.as_ref().map_or(0, |lead| lead.fragments.len() as u64),
            fragments: (lead.into_iter().flat_map(|lead| lead.fragments))
                .chain(inner.ring.from(first).cloned())
                .collect(),
        }
    }

    /// `waker` is woken at all news from now on.
    pub fn follow(&self, waker: Waker) {
        self.0.followers().push(waker);
    }

    /// The present figures.
    pub fn status(&self) -> Status {
        let inner = self.0.lock();
        let (fps, bitrate) = inner.meter.rates();
        let newest = inner.ring.newest().map(|kept| &kept.fragment);
        Status {
            condition: inner.condition.clone(),
            init: newest.map(|fragment| fragment.init.clone()),
            fps,
            bitrate,
            keyframe_interval: inner.meter.keyframe_interval(),
            viewers: inner.viewers,
            frames: inner.ring.end(),
            frames_skipped: inner.skipped,
            frames_dropped: inner.dropped,
            restarts: inner.restarts,
            last_frame_at: newest.map(|fragment| fragment.captured_at),
        }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.0.lock().holds -= 1;
    }
}
