//! The recent fragments of one camera and everybody who follows them.
//!
//! The pipeline holds the [`Hub`] and publishes; serving holds [`Audience`]s and cannot. The publisher never
//! waits for a viewer: a viewer is a cursor into the ring of recent fragments, and one that has fallen out of
//! it goes on at the newest keyframe and is told how many pictures were left out. A viewer on a slow line is given what its
//! line carries (`course`).

mod asking;
mod course;
mod jpegs;
mod lines;
mod meter;
mod viewer;

use crate::message::Message;
use crate::orientation::Orientation;
use crate::time::Timestamp;
use asking::Requests;
use course::{Course, View, decide};
pub use jpegs::Jpeg;
pub use lines::{Lines, SlowLine};
use meter::Meter;
use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::Duration;
use viewer::{Cursor, Position};
pub use viewer::{Standing, Viewer};

/// Beside the pictures since the newest keyframe, those of the last second are kept: with less, a viewer who
/// is one picture behind when a keyframe comes would have to skip for nothing.
const KEPT: Duration = Duration::from_secs(1);

/// Most bytes of fragments kept for one camera: 40 s at 1.5 Mbit/s. With longer keyframe intervals a new
/// viewer waits for the next keyframe.
const KEPT_BYTES: usize = 8 << 20;

/// What a stream is, made anew when the video changes. The pointer is its identity: another `Arc` means
/// "the video changed, send it first".
#[derive(Debug)]
pub struct Init {
    /// The init segment.
    pub message: Message,
    /// Codec string, such as `avc1.64001f` (RFC 6381).
    pub codec: String,
    /// Width as shown, in pixels.
    pub width: u32,
    /// Height as shown, in pixels.
    pub height: u32,
    /// How displays are to lay the pictures.
    pub orientation: Orientation,
    /// The sequence and picture parameter sets (H.264, 7.3.2) that a decoder has to have, without start codes.
    pub parameter_sets: Vec<Vec<u8>>,
}

/// One picture, ready to be sent.
#[derive(Clone, Debug)]
pub struct Fragment {
    /// The init segment that it belongs to.
    pub init: Arc<Init>,
    /// `moof` and `mdat`.
    pub message: Message,
    /// Decoding time in media ticks.
    pub decode_time: u64,
    /// When the camera took it.
    pub captured_at: Timestamp,
    /// An IDR picture.
    pub is_keyframe: bool,
    /// Other pictures may refer to this one: it cannot be left out alone.
    pub is_reference: bool,
}

/// How the camera is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// It is being opened, no picture yet.
    Starting,
    /// Pictures come.
    Live,
    /// There is no camera, or none that can be used, so far.
    Waiting,
    /// There were pictures, and now there are none.
    Lost,
    /// It is closed, because nobody watches.
    Idle,
}

impl State {
    /// The word for it in `/api/status` and in messages to viewers.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Live => "live",
            Self::Waiting => "waiting",
            Self::Lost => "lost",
            Self::Idle => "idle",
        }
    }
}

/// A state and the reason for it, in words; the reason of a live camera is empty.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(missing_docs)]
pub struct Condition {
    pub state: State,
    pub reason: String,
}

/// What a viewer gets, in this order.
#[derive(Clone, Debug)]
pub enum Event {
    /// The camera's condition is this now.
    Condition(Arc<Condition>),
    /// So many pictures were left out because the viewer was too slow; a keyframe follows.
    Skipped(u64),
    /// The video is, from the next fragment on, what this says.
    Init(Arc<Init>),
    /// The next picture.
    Fragment(Fragment),
}

/// What is needed to decode the newest picture, for who is no viewer.
#[derive(Clone, Debug)]
pub struct Recent {
    /// How the camera is.
    pub condition: Arc<Condition>,
    /// Number of the first fragment.
    pub first: u64,
    /// Begins with a keyframe, or goes on where the caller was; empty if there is nothing new, or no keyframe yet.
    pub fragments: Vec<Fragment>,
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

/// The publisher's handle.
#[derive(Debug)]
pub struct Hub(Arc<Shared>);

/// The handle of those who serve; clones are the same audience.
#[derive(Clone, Debug)]
pub struct Audience(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    inner: Mutex<Inner>,
    /// Counts pictures and conditions, so that who has seen all need not ask under the lock.
    news: AtomicU64,
    /// Woken at each news. Apart from the rest, as they begin to read at once and would wait for a lock held here.
    followers: Mutex<Vec<Waker>>,
    joined: Condvar,
}

/// A fragment and when it was given to viewers. That, and not when it was taken, tells who is slow: a source may
/// give a second of pictures at once.
#[derive(Debug)]
struct Kept {
    fragment: Fragment,
    published_at: Timestamp,
}

#[derive(Debug)]
struct Inner {
    condition: Arc<Condition>,
    /// Recent fragments; the first has the number `first`.
    ring: VecDeque<Kept>,
    first: u64,
    bytes: usize,
    /// Number of the newest keyframe, if it is still in the ring.
    keyframe: Option<u64>,
    /// Its size, even if it is not kept any more.
    keyframe_bytes: usize,
    meter: Meter,
    viewers: usize,
    holds: usize,
    skipped: u64,
    dropped: u64,
    restarts: u64,
    keyframe_wanted: bool,
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
        }),
        ring: VecDeque::new(),
        first: 0,
        bytes: 0,
        keyframe: None,
        keyframe_bytes: 0,
        meter: Meter::default(),
        viewers: 0,
        holds: 0,
        skipped: 0,
        dropped: 0,
        restarts: 0,
        keyframe_wanted: false,
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
        self.followers().iter().for_each(Waker::wake_by_ref);
        waiting.into_values().for_each(Waker::wake);
    }
}

impl Hub {
    /// Gives a picture to everybody, at the time `now`.
    pub fn publish(&self, fragment: Fragment, now: Timestamp) {
        let mut inner = self.0.lock();
        inner.meter.add(
            fragment.captured_at,
            fragment.message.len(),
            fragment.is_keyframe,
        );
        let number = inner.first + inner.ring.len() as u64;
        if fragment.is_keyframe {
            inner.keyframe = Some(number);
            inner.keyframe_bytes = fragment.message.len();
            inner.keyframe_wanted = false;
            inner.requests.answered();
        }
        inner.bytes += fragment.message.len();
        inner.ring.push_back(Kept {
            fragment,
            published_at: now,
        });
        inner.prune();
        self.0.wake(inner);
    }

    /// Says how the camera is; returns true if that is news.
    pub fn set_condition(&self, state: State, reason: &str) -> bool {
        let mut inner = self.0.lock();
        if inner.condition.state == state && inner.condition.reason == reason {
            return false;
        }
        inner.condition = Arc::new(Condition {
            state,
            reason: reason.to_owned(),
        });
        self.0.wake(inner);
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
        inner.keyframe = None;
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
        self.0.lock().end()
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
    fn prune(&mut self) {
        let Some(newest) = self.ring.back() else {
            return;
        };
        let newest_at = newest.published_at;
        while let Some(oldest) = self.ring.front() {
            let unused = self.keyframe.is_some_and(|keyframe| self.first < keyframe)
                && newest_at.since(oldest.published_at) > KEPT;
            if !unused && self.bytes <= KEPT_BYTES {
                break;
            }
            self.bytes -= oldest.fragment.message.len();
            if self.keyframe == Some(self.first) {
                self.keyframe = None;
            }
            self.ring.pop_front();
            self.first += 1;
        }
    }

    fn get(&self, number: u64) -> Option<&Kept> {
        self.ring
            .get(usize::try_from(number.checked_sub(self.first)?).ok()?)
    }

    fn is_wanted(&self) -> bool {
        self.viewers + self.holds > 0
    }

    fn end(&self) -> u64 {
        self.first + self.ring.len() as u64
    }

    /// How the viewer `id`, whose next picture is `number`, goes on.
    fn course(&mut self, id: u64, number: u64, has_previous: bool) -> Course {
        let line = self.slow.get(&id).copied();
        // Nearly always: the newest picture, for who is not slow.
        if line.is_none() && number + 1 == self.end() {
            return Course::Send;
        }
        let (Some(here), Some(newest)) = (self.get(number), self.ring.back()) else {
            return Course::Send;
        };
        let now = newest.published_at;
        let keyframe = self.keyframe.filter(|&keyframe| keyframe > number);
        let time_for = |bytes| line.map_or(Duration::ZERO, |line| line.time_for(bytes));
        let course = decide(View {
            lag: now.since(here.published_at),
            keyframe_lag: keyframe
                .and_then(|keyframe| self.get(keyframe))
                .map(|keyframe| now.since(keyframe.published_at)),
            keyframe_due: self.meter.keyframe_due(),
            keyframe_time: time_for(self.keyframe_bytes),
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

impl Audience {
    /// A new viewer, who begins at the newest keyframe there is, else at the next.
    pub fn join(&self) -> Viewer {
        let mut inner = self.0.lock();
        inner.viewers += 1;
        inner.keyframe_wanted = true;
        self.0.joined.notify_all();
        let position = inner
            .keyframe
            .map_or(Position::NextKeyframe(inner.end()), Position::At);
        let id = inner.next_viewer;
        inner.next_viewer += 1;
        Viewer {
            shared: self.0.clone(),
            has_seen: None,
            cursor: Cursor {
                id,
                position,
                has_previous: true,
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
        let next = next.filter(|next| (inner.first..=inner.end()).contains(next));
        let first = match (next, inner.keyframe) {
            (Some(next), None) => Some(next),
            (Some(next), Some(keyframe)) => Some(next.max(keyframe)),
            (None, keyframe) => keyframe,
        };
        inner.keyframe_wanted |= first.is_none();
        let first = first.unwrap_or(inner.end());
        let skipped = usize::try_from(first - inner.first).unwrap_or(usize::MAX);
        let fragments = inner.ring.iter().skip(skipped);
        Recent {
            condition: inner.condition.clone(),
            first,
            fragments: fragments.map(|kept| kept.fragment.clone()).collect(),
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
        Status {
            condition: inner.condition.clone(),
            init: inner.ring.back().map(|kept| kept.fragment.init.clone()),
            fps,
            bitrate,
            keyframe_interval: inner.meter.keyframe_interval(),
            viewers: inner.viewers,
            frames: inner.end(),
            frames_skipped: inner.skipped,
            frames_dropped: inner.dropped,
            restarts: inner.restarts,
            last_frame_at: inner.ring.back().map(|kept| kept.fragment.captured_at),
        }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.0.lock().holds -= 1;
    }
}

#[cfg(test)]
mod tests;
