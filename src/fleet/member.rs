//! One camera of a fleet.

use crate::camera_handle::{Endpoint, Handle};
use crate::logger::CLIENT_TARGET;
use crate::nats::wire::Announcement;
use crate::serve::{RemovedCamera, Site};
use crate::shutdown::ShutdownToken;
use crate::time::Timestamp;
use std::time::Duration;

/// Time without a sign of life after which a camera is gone; it gives one each 3 s.
const SILENCE: Duration = Duration::from_secs(10);

/// Time for which a camera that is gone is kept for its viewers, who are told.
const KEPT: Duration = Duration::from_secs(60);

/// Least time between two changes of one camera. What is announced between takes effect later.
const CHANGE_INTERVAL: Duration = Duration::from_secs(1);

/// Questions without an answer after which a camera may be one that was made up.
const UNANSWERED_QUESTIONS: u32 = 3;

/// A camera of the fleet.
pub(super) struct Member {
    pub(super) handle: Handle,
    pub(super) state: MemberState,
    pub(super) seen_at: Timestamp,
    /// Start of the program that announced it, the newest where there are two.
    epoch: u64,
    /// It said last that it leaves, or is silent.
    has_left: bool,
    /// It has answered or given frames.
    is_known: bool,
    unanswered: u32,
    /// The camera, while it is not in the list.
    removed: Option<RemovedCamera>,
    /// Time at which it came into the list or was removed.
    changed_at: Timestamp,
}

pub(super) enum MemberState {
    /// Nobody has watched it so far.
    Waiting(Box<Endpoint>),
    Running(ShutdownToken),
    /// Its thread could not be started.
    Failed,
}

impl Member {
    pub(super) fn new(handle: Handle, endpoint: Endpoint, now: Timestamp) -> Self {
        Self {
            handle,
            state: MemberState::Waiting(Box::new(endpoint)),
            seen_at: now,
            epoch: 0,
            has_left: false,
            is_known: false,
            unanswered: 0,
            removed: None,
            changed_at: now,
        }
    }

    /// Takes a sign of life. Of two servers with this name the one that started last may say that it leaves.
    pub(super) fn hear(&mut self, heard: Announcement, now: Timestamp) {
        if heard.is_gone {
            self.has_left |= heard.epoch >= self.epoch;
            // The other one may live on.
            self.epoch = if self.has_left { 0 } else { self.epoch };
            return;
        }
        self.epoch = self.epoch.max(heard.epoch);
        self.has_left = false;
        self.seen_at = now;
    }

    /// Notes an answer.
    pub(super) fn hear_answer(&mut self) {
        self.is_known = true;
    }

    /// Returns true if it must be asked whether it is there. The question counts.
    pub(super) fn begin_question(&mut self) -> bool {
        self.is_known |= self.handle.hub().newest_captured_at().is_some();
        if self.is_known || self.removed.is_some() {
            return false;
        }
        self.unanswered = self.unanswered.saturating_add(1);
        true
    }

    /// Returns true if it makes room for others: nobody has watched it, and it is gone.
    pub(super) fn can_go(&self, now: Timestamp) -> bool {
        let is_gone = self.removed.is_some() || now.since(self.seen_at) > SILENCE;
        is_gone && self.is_unwatched()
    }

    /// Returns true if it makes room for those that answer: it never did, and never gave a frame.
    pub(super) fn seems_made_up(&self) -> bool {
        self.unanswered >= UNANSWERED_QUESTIONS && !self.is_known && self.is_unwatched()
    }

    fn is_unwatched(&self) -> bool {
        matches!(self.state, MemberState::Waiting(_)) && self.handle.hub().stats().viewers == 0
    }

    /// Returns true if somebody wants to watch, and its thread has not begun.
    pub(super) fn is_demanded(&self) -> bool {
        matches!(&self.state, MemberState::Waiting(endpoint) if endpoint.publisher.has_demand())
    }

    /// Returns true if it is in the list of the server.
    pub(super) fn is_listed(&self) -> bool {
        self.removed.is_none()
    }

    /// Notes that it has left if it says nothing. Frames are signs of life, too.
    pub(super) fn check(&mut self, now: Timestamp) {
        let newest = self.handle.hub().newest_captured_at();
        let heard_at = newest.map_or(self.seen_at, |at| at.max(self.seen_at));
        self.has_left |= now.since(heard_at) > SILENCE;
    }

    /// Returns true while it is listed, or its viewers may wait for it.
    pub(super) fn is_kept(&self, now: Timestamp) -> bool {
        self.removed.is_none()
            || now.since(self.changed_at) < KEPT
            || self.handle.hub().stats().viewers > 0
    }

    /// Takes the camera from the list or brings it back, as it said last.
    pub(super) fn settle(&mut self, name: &str, site: &Site, now: Timestamp) {
        if now.since(self.changed_at) < CHANGE_INTERVAL {
            return;
        }
        match &self.removed {
            None if self.has_left => {
                self.changed_at = now;
                self.removed = site.remove_camera(name);
                log::info!(target: CLIENT_TARGET, "{name}: no longer published");
            }
            Some(removed) if !self.has_left && site.restore_camera(removed) => {
                self.changed_at = now;
                self.removed = None;
                log::info!(target: CLIENT_TARGET, "{name}: published again");
            }
            _ => {}
        }
    }

    pub(super) fn stop(&self) {
        if let MemberState::Running(shutdown) = &self.state {
            shutdown.trigger();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::camera_handle;

    fn at(ms: u64) -> Timestamp {
        Timestamp::from_nanos(ms * 1_000_000)
    }

    fn member() -> Member {
        let (endpoint, handle) = camera_handle::channel([]);
        Member::new(handle, endpoint, at(0))
    }

    #[test]
    fn member_that_never_answers_makes_room() {
        let (mut made_up, mut real) = (member(), member());
        for _ in 0..UNANSWERED_QUESTIONS {
            assert!(!made_up.seems_made_up());
            assert!(made_up.begin_question());
        }
        assert!(made_up.seems_made_up());
        assert!(real.begin_question());
        real.hear_answer();
        assert!(!real.begin_question() && !real.seems_made_up());
        // Somebody watches.
        let _viewer = made_up.handle.hub().count_viewer();
        assert!(!made_up.seems_made_up());
    }

    #[test]
    fn older_server_of_a_name_does_not_say_that_it_leaves() {
        let mut member = member();
        let heard = |is_gone, epoch| Announcement { is_gone, epoch };
        member.hear(heard(false, 5), at(1));
        member.hear(heard(false, 9), at(2));
        member.hear(heard(true, 5), at(3));
        assert!(!member.has_left);
        member.hear(heard(true, 9), at(4));
        assert!(member.has_left);
        member.hear(heard(false, 5), at(5));
        assert!(!member.has_left);
        member.hear(heard(true, 5), at(6));
        assert!(member.has_left);
    }
}
