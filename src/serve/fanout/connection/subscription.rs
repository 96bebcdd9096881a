//! What a viewer receives: frames of a hub, or pictures.

use super::ViewerConnection;
use crate::hub::{DeliveryState, Subscription};
use crate::serve::limits::Limit;
use crate::serve::mjpeg::PictureSubscription;

/// Subscription of a viewer.
pub(crate) enum ViewerSubscription {
    /// Frames, by WebSocket or RTSP.
    Frames(Subscription),
    /// Pictures, as parts of an HTTP response whose head is out.
    Pictures(PictureSubscription),
}

impl ViewerSubscription {
    /// Returns the delivery state of frames, of which `outstanding` bytes are in flight.
    pub(super) fn delivery_state(&self, outstanding: u64) -> Option<DeliveryState> {
        match self {
            Self::Frames(frames) => frames.delivery_state(outstanding),
            Self::Pictures(_) => None,
        }
    }
}

impl From<Subscription> for ViewerSubscription {
    fn from(frames: Subscription) -> Self {
        Self::Frames(frames)
    }
}

impl ViewerConnection {
    /// True for a client of MJPEG.
    pub(super) const fn takes_pictures(&self) -> bool {
        matches!(self.subscription, ViewerSubscription::Pictures(_))
    }

    /// True if the viewer speaks WebSocket.
    pub(super) const fn speaks_websocket(&self) -> bool {
        self.rtsp.is_none() && !self.takes_pictures()
    }

    /// Passes over what a client of MJPEG sends, as its response has no end.
    pub(super) fn discard_bytes(&mut self) {
        if self.incoming_since_tick > self.ticket.messages_per_second() {
            self.ticket.count(Limit::Messages);
            self.close(0, "it sends too much");
        }
    }
}
