//! Links of a camera's viewers: which are congested, and how their viewers continue.
//!
//! Sockets report congestion here, and the camera's thread reads a summary for the bit rate. The hub
//! asks a congested [`Link`] how its viewer continues, and knows nothing else of links.

use super::keyframe_throttle::KeyframeThrottle;
use super::skip_policy::{PolicyInput, decide};
use crate::hub::{Action, LinkPolicy, Lookahead};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Link that carries less than the stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CongestedLink {
    /// Bandwidth in bits per second.
    pub bandwidth_bps: u32,
    /// Time that the bytes in flight still take.
    pub queue_delay: Duration,
}

impl CongestedLink {
    /// Returns the time that `bytes` take on the link.
    fn transmit_time(self, bytes: usize) -> Duration {
        let seconds = bytes as f64 * 8.0 / f64::from(self.bandwidth_bps.max(1));
        Duration::from_secs_f64(seconds.min(3600.0))
    }
}

/// Links of all viewers of a camera. Clones are of the same camera.
#[derive(Clone, Debug, Default)]
pub struct Links(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    /// Bandwidths of the congested links, by their ids.
    congested: BTreeMap<u64, u32>,
    /// Congested links at other servers: bandwidths, and how many have about each.
    remote: Vec<(u32, u32)>,
    keyframe_throttle: KeyframeThrottle,
    next_id: u64,
}

impl Shared {
    /// Nothing panics while the lock is held; if it did, the state would still be whole.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Links {
    /// Adds the link of a viewer.
    pub(super) fn add(&self) -> Link {
        let mut inner = self.0.lock();
        let id = inner.next_id;
        inner.next_id += 1;
        Link {
            id,
            shared: self.0.clone(),
            congestion: None,
        }
    }

    /// Returns the congested links, here and at other servers: bandwidths in bits per second, and how many have about each.
    pub fn congested(&self) -> Vec<(u32, u32)> {
        let inner = self.0.lock();
        let local = inner.congested.values().map(|bps| (*bps, 1));
        local.chain(inner.remote.iter().copied()).collect()
    }

    /// Sets the congested links at other servers.
    pub(super) fn set_remote(&self, congested: Vec<(u32, u32)>) {
        self.0.lock().remote = congested;
    }

    /// Sets whether the open source makes keyframes on request.
    pub fn set_makes_keyframes_on_request(&self, makes_keyframes: bool) {
        self.0.lock().keyframe_throttle.is_supported = makes_keyframes;
    }
}

/// Link of one viewer, until it is dropped.
#[derive(Debug)]
pub struct Link {
    id: u64,
    shared: Arc<Shared>,
    congestion: Option<CongestedLink>,
}

impl Link {
    /// Sets the congestion of the link.
    pub fn set_congested(&mut self, congestion: Option<CongestedLink>) {
        if self.congestion.is_none() && congestion.is_none() {
            return;
        }
        self.congestion = congestion;
        let mut inner = self.shared.lock();
        match congestion {
            Some(link) => inner.congested.insert(self.id, link.bandwidth_bps),
            None => inner.congested.remove(&self.id),
        };
    }

    /// Returns the policy for the viewer, if the link is congested.
    pub fn policy(&mut self) -> Option<&mut dyn LinkPolicy> {
        let is_congested = self.congestion.is_some();
        is_congested.then_some(self as &mut dyn LinkPolicy)
    }
}

impl LinkPolicy for Link {
    fn next_action(&mut self, ahead: &Lookahead) -> Action {
        let Some(link) = self.congestion else {
            return Action::Send;
        };
        let mut inner = self.shared.lock();
        let keyframe_request = inner.keyframe_throttle.availability(
            ahead.viewers,
            inner.congested.len(),
            ahead.keyframe_at,
            ahead.newest_at,
        );
        let action = decide(PolicyInput {
            lag: ahead.lag,
            keyframe_lag: ahead.keyframe_lag,
            gop_outweighs_keyframe: ahead.gop_outweighs_keyframe,
            keyframe_due_in: ahead.keyframe_due_in,
            keyframe_transmit_time: link.transmit_time(ahead.keyframe_bytes),
            link_busy_time: link.queue_delay + link.transmit_time(ahead.frame_bytes),
            is_disposable: ahead.is_disposable,
            keyframe_request,
        });
        if action == Action::RequestKeyframe {
            inner.keyframe_throttle.mark_requested(ahead.newest_at);
        }
        action
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.set_congested(None);
    }
}
