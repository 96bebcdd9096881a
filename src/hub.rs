//! The recent fragments of one camera and everybody who follows them.
//!
//! The pipeline holds the [`Hub`] and publishes; serving holds [`Audience`]s and cannot. The publisher never
//! waits for a viewer: a viewer is a cursor into the ring of recent fragments, and one that has fallen out of
//! it goes on at the newest keyframe and is told how many pictures were left out. A viewer on a slow line is given what its
//! line carries (`course`).

mod asking;
mod audience;
mod client_timeline;
mod condition;
mod course;
mod fragment;
mod jpegs;
mod lines;
mod meter;
mod ring;
mod viewer;

use crate::time::Timestamp;
use asking::Requests;
pub use audience::{Audience, Hold, Recent, Start, Status};
pub use client_timeline::{ClientClock, ClientTimeline};
pub use condition::{Condition, State};
use course::{Course, View, decide};
pub use fragment::{Fragment, Init, Recovery};
pub use jpegs::Jpeg;
pub use lines::{Lines, SlowLine};
use meter::Meter;
use ring::Ring;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::Duration;
pub use viewer::{Event, Standing, Viewer};

/// The publisher's handle.
#[derive(Debug)]
pub struct Hub(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    inner: Mutex<Inner>,
    /// Counts pictures and conditions, so that who has seen all need not ask under the lock.
    news: AtomicU64,
    /// Woken at each news. Apart from the rest, as they read at once, some on the publisher's own thread.
    followers: Mutex<Vec<Waker>>,
    joined: Condvar,
}

#[derive(Debug)]
struct Inner {
    condition: Arc<Condition>,
    ring: Ring,
    meter: Meter,
    viewers: usize,
    holds: usize,
    skipped: u64,
    dropped: u64,
    restarts: u64,
    keyframe_wanted: bool,
    /// Somebody could not begin for want of a keyframe, since the last one.
    is_keyframe_missed: bool,
    requests: Requests,
    jpegs: jpegs::Orders,
    /// The slow lines of viewers, by the viewers' ids.
    slow: BTreeMap<u64, SlowLine>,
    /// Woken at the next news: viewers by their ids, so that one who asks often, or leaves, leaves nothing behind
    /// when there is no news for hours.
    waiting: BTreeMap<u64, Waker>,
    next_viewer: u64,
}

/// A hub for one camera and its audience.
pub fn hub() -> (Hub, Audience) {
    let inner = Inner {
        condition: Arc::new(Condition {
            state: State::Starting,
            reason: String::new(),
            detail: String::new(),
        }),
        ring: Ring::default(),
        meter: Meter::default(),
        viewers: 0,
        holds: 0,
        skipped: 0,
        dropped: 0,
        restarts: 0,
        keyframe_wanted: false,
        is_keyframe_missed: false,
        requests: Requests::default(),
        jpegs: jpegs::Orders::default(),
        slow: BTreeMap::new(),
        waiting: BTreeMap::new(),
        next_viewer: 0,
    };
    let shared = Arc::new(Shared {
        inner: Mutex::new(inner),
        news: AtomicU64::new(0),
        followers: Mutex::default(),
        joined: Condvar::new(),
    });
    (Hub(shared.clone()), Audience(shared))
}

impl Shared {
    /// Nothing panics while the lock is held; if it did, the state would still be whole.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn followers(&self) -> MutexGuard<'_, Vec<Waker>> {
        self.followers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn wake(&self, mut inner: MutexGuard<'_, Inner>) {
        self.news.fetch_add(1, Ordering::Release);
        let waiting = std::mem::take(&mut inner.waiting);
        drop(inner);
        waiting.into_values().for_each(Waker::wake);
        // They may do their work on this thread: last, as it takes them a while.
        self.followers().iter().for_each(Waker::wake_by_ref);
    }
}

impl Hub {
    /// Gives a picture to everybody, at the time `now`. Returns false if nobody could begin now and see the right picture.
    pub fn publish(&self, fragment: Fragment, now: Timestamp) -> bool {
        let mut inner = self.0.lock();
        inner.meter.add(
            fragment.captured_at,
            fragment.message.len(),
            fragment.is_keyframe,
        );
        if fragment.is_keyframe {
            inner.keyframe_wanted = false;
            inner.is_keyframe_missed = false;
            inner.requests.answered();
        }
        inner.ring.push(fragment, now);
        let has_entry = !inner.ring.lacks_entry();
        self.0.wake(inner);
        has_entry
    }

    /// True if somebody cannot begin for want of a keyframe.
    pub fn is_keyframe_missed(&self) -> bool {
        let inner = self.0.lock();
        inner.is_keyframe_missed && inner.is_wanted() && inner.ring.lacks_entry()
    }

    /// Lets viewers begin at any frame, as there will be no keyframe: after the last one, with as many frames as are kept.
    pub fn open_anywhere(&self) {
        let mut inner = self.0.lock();
        inner.is_keyframe_missed = false;
        inner.ring.open_anywhere();
        self.0.wake(inner);
    }

    /// Says how the camera is; returns true if that is news.
    pub fn set_condition(&self, state: State, reason: &str) -> bool {
        self.set_failure(state, reason, reason)
    }

    /// Says how the camera is, with a reason for everybody and one in full; returns true if either is news.
    pub fn set_failure(&self, state: State, reason: &str, detail: &str) -> bool {
        let mut inner = self.0.lock();
        let old = &inner.condition;
        let is_told = old.state == state && old.reason == reason;
        if is_told && old.detail == detail {
            return false;
        }
        inner.condition = Arc::new(Condition {
            state,
            reason: reason.to_owned(),
            detail: detail.to_owned(),
        });
        // Viewers hear nothing new when only the detail is.
        if !is_told {
            self.0.wake(inner);
        }
        true
    }

    /// True if somebody watches, or holds the camera open.
    pub fn has_viewers(&self) -> bool {
        self.0.lock().is_wanted()
    }

    /// If nobody watches: says that the camera is closed, and sees to it that who joins later begins with a picture made
    /// after that; returns true. Does nothing if somebody watches.
    pub fn idle(&self) -> bool {
        let mut inner = self.0.lock();
        if inner.is_wanted() {
            return false;
        }
        inner.ring.forget_keyframe();
        drop(inner);
        self.set_condition(State::Idle, "");
        true
    }

    /// Waits up to `time` for somebody to watch; returns whether somebody does.
    pub fn wait_for_viewer(&self, time: Duration) -> bool {
        let nobody = |inner: &mut Inner| !inner.is_wanted();
        match self
            .0
            .joined
            .wait_timeout_while(self.0.lock(), time, nobody)
        {
            Ok((inner, _)) => inner.is_wanted(),
            Err(poisoned) => poisoned.into_inner().0.is_wanted(),
        }
    }

    /// Pictures published so far.
    pub fn frames(&self) -> u64 {
        self.0.lock().ring.end()
    }

    /// Counts pictures of the camera that came to nothing.
    pub fn count_dropped(&self, pictures: u64) {
        self.0.lock().dropped += pictures;
    }

    /// Counts a source that worked and had to be opened anew.
    pub fn count_restart(&self) {
        self.0.lock().restarts += 1;
    }

    /// True once after viewers joined, or came back from a hole in their line, who would be served better by a keyframe than
    /// by a replay.
    pub fn take_keyframe_request(&self) -> bool {
        std::mem::take(&mut self.0.lock().keyframe_wanted)
    }

    /// Says whether the source that is open now makes a keyframe when it is asked.
    pub fn set_makes_keyframes(&self, makes_keyframes: bool) {
        self.0.lock().requests.is_possible = makes_keyframes;
    }

    /// How the viewers' lines are now.
    pub fn lines(&self) -> Lines {
        let inner = self.0.lock();
        Lines {
            viewers: inner.viewers,
            slow: inner.slow.values().map(|line| line.capacity).collect(),
        }
    }
}

impl Inner {
    /// Somebody cannot begin for want of a keyframe.
    fn miss_keyframe(&mut self) {
        self.keyframe_wanted = true;
        self.is_keyframe_missed = true;
    }

    fn is_wanted(&self) -> bool {
        self.viewers + self.holds > 0
    }

    /// How the viewer `id`, whose next picture is `number`, goes on.
    fn course(&mut self, id: u64, number: u64, has_previous: bool) -> Course {
        let line = self.slow.get(&id).copied();
        // Nearly always: the newest picture, for who is not slow.
        if line.is_none() && number + 1 == self.ring.end() {
            return Course::Send;
        }
        let (Some(here), Some(newest)) = (self.ring.get(number), self.ring.newest()) else {
            return Course::Send;
        };
        let now = newest.published_at;
        let keyframe = (self.ring.entry_number()).filter(|&entry| entry > number);
        let time_for = |bytes| line.map_or(Duration::ZERO, |line| line.time_for(bytes));
        let course = decide(View {
            lag: now.since(here.published_at),
            keyframe_lag: keyframe
                .and_then(|keyframe| self.ring.get(keyframe))
                .map(|keyframe| now.since(keyframe.published_at)),
            is_worn: self.ring.entry_number() >= Some(number) && self.ring.is_worn(),
            keyframe_due: self.meter.keyframe_due(),
            keyframe_time: time_for(self.ring.keyframe_bytes()),
            busy: line.map_or(Duration::ZERO, |line| line.backlog)
                + time_for(here.fragment.message.len()),
            is_slow: line.is_some(),
            is_spare: !here.fragment.is_reference && has_previous,
            asking: self.requests.state(self.viewers, self.slow.len(), now),
        });
        if course == Course::Ask {
            self.requests.ask(now);
            self.keyframe_wanted = true;
        }
        course
    }
}

#[cfg(test)]
mod recovery_tests;
#[cfg(test)]
mod tests;
