//! The end of HTTP on a connection whose response goes on without it.

use crate::serve::ws::stream::ViewerStream;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// Takes the connection of a client when the head of its response is out.
pub(crate) struct HandOver(Box<dyn FnOnce(ViewerStream) + Send>);

impl HandOver {
    /// Has `take` called with the connection. It is dropped uncalled if the client leaves before.
    pub(crate) fn new(take: impl FnOnce(ViewerStream) + Send + 'static) -> Self {
        Self(Box::new(take))
    }

    pub(crate) fn call(self, stream: ViewerStream) {
        (self.0)(stream);
    }
}

impl fmt::Debug for HandOver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HandOver")
    }
}

/// The hand-over of one connection, from its response to its stream. Clones are the same.
#[derive(Clone, Default, Debug)]
pub(crate) struct HandOverSlot(Arc<Mutex<Option<HandOver>>>);

impl HandOverSlot {
    /// Has the connection handed over when hyper ends it after the response.
    pub(crate) fn set(&self, hand_over: HandOver) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(hand_over);
    }

    pub(crate) fn take(&self) -> Option<HandOver> {
        let mut slot = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        slot.take()
    }
}
