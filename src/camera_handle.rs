//! Handle of a camera: what others read of it, and one queue of commands to its thread.
//!
//! Serving and snapshots hold a [`Handle`], the camera's thread holds the [`Endpoint`]. This room knows
//! neither sources nor HTTP, so both sides may use it. A command replaces an equal one that still
//! waits, which bounds the queue. The thread takes all commands once in each round. While there are
//! none, that costs one load.

mod jpeg_feed;
mod keyframe_throttle;
mod links;
mod queue;
mod restart_throttle;
mod skip_policy;
#[cfg(test)]
mod tests;

pub use jpeg_feed::{JpegFeed, JpegSubscription};
pub use links::{CongestedLink, Link, Links};
pub use queue::{Command, Commands};

use crate::controls::{self, ControlError, ControlValue, ControlsSnapshot, Request, Server, View};
use crate::hub::{self, CameraState, Hub, Publisher};
use crate::time::Timestamp;
use bytes::Bytes;
use queue::Queue;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;
use tokio::sync::oneshot;

/// End of the camera's thread.
#[derive(Debug)]
pub struct Endpoint {
    /// Takes frames and status.
    pub publisher: Publisher,
    /// Commands of all handles.
    pub commands: Commands,
    /// Takes the JPEGs of a camera that delivers JPEG.
    pub jpegs: JpegFeed,
    /// Links of all viewers.
    pub links: Links,
    /// Controls and their persistent values.
    pub controls: Server,
}

/// Camera as others see it. Clones are of the same camera.
#[derive(Clone, Debug)]
pub struct Handle {
    hub: Hub,
    queue: Arc<Queue>,
    jpegs: JpegFeed,
    links: Links,
    controls: View,
}

/// JPEG as the camera sent it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Jpeg {
    /// The file.
    pub bytes: Bytes,
    /// Capture time.
    pub captured_at: Timestamp,
}

/// Creates both ends of a camera. `controls` holds the configured values of its controls.
pub fn channel(controls: impl IntoIterator<Item = (String, ControlValue)>) -> (Endpoint, Handle) {
    let queue = Arc::new(Queue::default());
    let (publisher, hub) = hub::channel(queue.clone());
    let (server, view) = controls::channel(controls);
    let jpegs = JpegFeed::default();
    let links = Links::default();
    let endpoint = Endpoint {
        publisher,
        commands: Commands::new(queue.clone()),
        jpegs: jpegs.clone(),
        links: links.clone(),
        controls: server,
    };
    let handle = Handle {
        hub,
        queue,
        jpegs,
        links,
        controls: view,
    };
    (endpoint, handle)
}

impl Handle {
    /// Returns the hub with the camera's frames and status.
    pub fn hub(&self) -> &Hub {
        &self.hub
    }

    /// Adds the link of a viewer that may be congested.
    pub fn add_link(&self) -> Link {
        self.links.add()
    }

    /// Sets the viewers at other servers, and their congested links: bandwidths in bits per second, and how many have about each.
    pub fn set_remote_viewers(&self, viewers: u64, congested: Vec<(u32, u32)>) {
        self.hub.set_remote_viewers(viewers);
        self.links.set_remote(congested);
    }

    /// Requests a keyframe. Requests that wait when a keyframe comes are fulfilled.
    pub fn request_keyframe(&self) {
        self.queue.push(Command::Keyframe);
    }

    /// Requests the camera's newest JPEG, which the receiver is sent soon; an earlier request
    /// fails. Returns `None` if the camera is not live or has no JPEGs.
    pub fn request_jpeg(&self) -> Option<Receiver<Jpeg>> {
        if self.hub.stats().status.state != CameraState::Live {
            return None;
        }
        let (sender, receiver) = sync_channel(1);
        self.queue.push_jpeg(sender).then_some(receiver)
    }

    /// Subscribes to the camera's JPEGs, if it delivers JPEG.
    pub fn subscribe_jpegs(&self) -> JpegSubscription {
        self.jpegs.subscribe()
    }

    /// Requests that the camera is closed and opened again. A closed one stays closed until
    /// somebody watches. Returns the remaining time if the last request was too recent.
    pub fn request_restart(&self) -> Result<(), Duration> {
        self.queue.push_restart(Timestamp::now())
    }

    /// Returns the controls as last read.
    pub fn controls(&self) -> ControlsSnapshot {
        self.controls.snapshot()
    }

    /// Reads the controls again if the camera is open. Waits for the camera's thread; the caller
    /// limits the time and then uses [`Handle::controls`].
    pub async fn refresh_controls(&self) -> ControlsSnapshot {
        let (sender, receiver) = oneshot::channel();
        let is_fresh = self.controls.is_fresh(Timestamp::now());
        if !is_fresh && self.queue.push_controls(Request::Refresh(sender)).is_ok() {
            // Without an answer, return what was read last.
            let _ = receiver.await;
        }
        self.controls()
    }

    /// Sets all of `wanted`, or nothing. Waits for the camera's thread, which skips a request whose
    /// future was dropped.
    pub async fn set_controls(
        &self,
        wanted: Vec<(String, ControlValue)>,
    ) -> Result<ControlsSnapshot, ControlError> {
        let (sender, receiver) = oneshot::channel();
        self.queue.push_controls(Request::Set(wanted, sender))?;
        let closed = |_| Err(ControlError::closed());
        receiver.await.unwrap_or_else(closed)?;
        Ok(self.controls())
    }
}
