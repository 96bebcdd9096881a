//! Frames as Annex B, for clients that take H.264 without MP4. A frame is written once for all of them, and never while there
//! are none.

use crate::media::Frame;
use crate::message::Message;
use bytes::Bytes;
use std::sync::{Arc, Mutex, PoisonError};

/// Returns the WebSocket message of `frame`: in Annex B for those who have `annexb`.
pub(crate) fn message(annexb: Option<&AnnexB>, frame: Frame) -> Bytes {
    match annexb {
        None => frame.ws_message().clone(),
        Some(annexb) => annexb.message(&frame).into_framed(),
    }
}

/// The newest frame of one camera in Annex B. Clones are the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct AnnexB(Arc<Mutex<Option<(Frame, Message)>>>);

impl AnnexB {
    /// Returns the access unit of `frame` as a WebSocket message.
    pub(crate) fn message(&self, frame: &Frame) -> Message {
        let mut newest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_newer = match &*newest {
            Some((known, message)) if known.shares_bytes_with(frame) => return message.clone(),
            Some((known, _)) => frame.decode_time > known.decode_time,
            None => true,
        };
        let message = frame.annexb_message();
        // One that a late client still needs does not displace what all others need next.
        if is_newer {
            *newest = Some((frame.clone(), message.clone()));
        }
        message
    }
}
