//! Events for a subscriber, and what it knows already.

use super::CameraStatus;
use crate::media::{Frame, Parameters};
use std::sync::Arc;

/// Event for a subscriber.
#[derive(Clone, Debug)]
pub enum Event {
    /// The camera's status changed.
    Status(Arc<CameraStatus>),
    /// This many frames are not delivered: skipped on a congested link, or lost by a lossless
    /// subscriber that was too slow. A keyframe or recovery point follows.
    Skipped(u64),
    /// Parameters of the following frames.
    Parameters(Arc<Parameters>),
    /// The next frame.
    Frame(Frame),
}

/// Status and parameters that a subscriber received last.
#[derive(Debug, Default)]
pub(super) struct Received {
    status: Option<Arc<CameraStatus>>,
    parameters: Option<Arc<Parameters>>,
}

impl Received {
    /// Returns the status if the subscriber does not have it.
    pub(super) fn new_status(&mut self, status: &Arc<CameraStatus>) -> Option<Event> {
        if (self.status.as_ref()).is_some_and(|known| Arc::ptr_eq(known, status)) {
            return None;
        }
        self.status = Some(status.clone());
        Some(Event::Status(status.clone()))
    }

    /// Returns the parameters of `frame` if the subscriber does not have them.
    pub(super) fn new_parameters(&mut self, frame: &Frame) -> Option<Event> {
        let parameters = &frame.parameters;
        if (self.parameters.as_ref()).is_some_and(|known| Arc::ptr_eq(known, parameters)) {
            return None;
        }
        self.parameters = Some(parameters.clone());
        Some(Event::Parameters(parameters.clone()))
    }
}
