//! Requests for a camera's own JPEG, for snapshots. The camera's thread fulfils one with its newest
//! JPEG. Nothing is kept here while there is no request.

use super::{CameraState, Hub, Publisher};
use crate::time::Timestamp;
use bytes::Bytes;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

/// JPEG as the camera sent it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Jpeg {
    /// The file.
    pub bytes: Bytes,
    /// Capture time.
    pub captured_at: Timestamp,
}

/// Request to a camera, and whether it can be made.
#[derive(Default, Debug)]
pub(super) struct JpegRequest {
    is_supported: bool,
    pending: Option<SyncSender<Jpeg>>,
}

impl Publisher {
    /// Sets whether the open source has JPEGs in the right orientation. If not, a waiting request
    /// fails.
    pub fn set_has_jpegs(&self, gives_jpegs: bool) {
        self.0.lock().jpeg_request = JpegRequest {
            is_supported: gives_jpegs,
            pending: None,
        };
    }

    /// Fulfils the pending request if `newest` returns a JPEG; else the request stays.
    pub fn fulfil_jpeg_request(&self, newest: impl FnOnce() -> Option<Jpeg>) {
        let Some(order) = self.0.lock().jpeg_request.pending.take() else {
            return;
        };
        match newest() {
            // The channel has room for one. A requester that is gone needs no reply.
            Some(jpeg) => drop(order.try_send(jpeg)),
            None => {
                self.0.lock().jpeg_request.pending.get_or_insert(order);
            }
        }
    }
}

impl Hub {
    /// Requests the camera's newest JPEG, which the receiver is sent soon; an earlier request
    /// fails. Returns `None` if the camera is not live or has no JPEGs.
    pub fn request_jpeg(&self) -> Option<Receiver<Jpeg>> {
        let mut inner = self.0.lock();
        if !inner.jpeg_request.is_supported || inner.status.state != CameraState::Live {
            return None;
        }
        let (sender, receiver) = sync_channel(1);
        inner.jpeg_request.pending = Some(sender);
        Some(receiver)
    }
}

#[cfg(test)]
mod tests {
    use super::super::channel;
    use super::*;

    fn jpeg(ms: u64) -> Jpeg {
        Jpeg {
            bytes: Bytes::from_static(b"JPEG"),
            captured_at: Timestamp::from_nanos(ms * 1_000_000),
        }
    }

    #[test]
    fn jpeg_request_is_fulfilled_once() {
        let (publisher, hub) = channel();
        publisher.set_has_jpegs(true);
        publisher.set_status(CameraState::Live, "");
        publisher.fulfil_jpeg_request(|| panic!("nobody has asked"));
        let order = hub.request_jpeg().unwrap();
        publisher.fulfil_jpeg_request(|| None);
        assert!(order.try_recv().is_err());
        publisher.fulfil_jpeg_request(|| Some(jpeg(1)));
        assert_eq!(order.try_recv(), Ok(jpeg(1)));
        publisher.fulfil_jpeg_request(|| panic!("answered already"));
    }

    #[test]
    fn no_jpeg_unless_live_mjpeg_camera() {
        let (publisher, hub) = channel();
        publisher.set_status(CameraState::Live, "");
        assert!(hub.request_jpeg().is_none());
        publisher.set_has_jpegs(true);
        let order = hub.request_jpeg().unwrap();
        publisher.set_has_jpegs(false);
        assert!(order.recv().is_err(), "who waits is told");
        publisher.set_has_jpegs(true);
        publisher.set_status(CameraState::Lost, "unplugged");
        assert!(hub.request_jpeg().is_none());
    }
}
