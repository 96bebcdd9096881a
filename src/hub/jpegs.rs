//! The JPEGs of a camera that gives such, for snapshots: who wants one leaves an order, which the camera's thread answers with the
//! newest that it has. While nobody asks nothing is kept here.

use super::{Audience, Hub, State};
use crate::time::Timestamp;
use bytes::Bytes;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

/// A picture as the camera gave it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Jpeg {
    /// The file.
    pub bytes: Bytes,
    /// When the camera took it.
    pub captured_at: Timestamp,
}

/// What was asked of a camera.
#[derive(Default, Debug)]
pub(super) struct Orders {
    is_possible: bool,
    waiting: Option<SyncSender<Jpeg>>,
}

impl Hub {
    /// Says whether the source that is open now gives JPEGs that lie as they are to be seen. Who waits for one is told if not.
    pub fn set_gives_jpegs(&self, gives_jpegs: bool) {
        self.0.lock().jpegs = Orders {
            is_possible: gives_jpegs,
            waiting: None,
        };
    }

    /// Answers the order for a JPEG, if there is one and `newest` has one; else the order stays.
    pub fn answer_jpeg(&self, newest: impl FnOnce() -> Option<Jpeg>) {
        let Some(order) = self.0.lock().jpegs.waiting.take() else {
            return;
        };
        match newest() {
            // There is room for one. Whoever does not wait any more needs no answer.
            Some(jpeg) => drop(order.try_send(jpeg)),
            None => {
                self.0.lock().jpegs.waiting.get_or_insert(order);
            }
        }
    }
}

impl Audience {
    /// Orders the camera's own newest JPEG, which the receiver is sent soon; who ordered one before is not answered any more. `None`
    /// of a camera that is not live or has no such pictures.
    pub fn order_jpeg(&self) -> Option<Receiver<Jpeg>> {
        let mut inner = self.0.lock();
        if !inner.jpegs.is_possible || inner.condition.state != State::Live {
            return None;
        }
        let (sender, receiver) = sync_channel(1);
        inner.jpegs.waiting = Some(sender);
        Some(receiver)
    }
}

#[cfg(test)]
mod tests {
    use super::super::hub;
    use super::*;

    fn jpeg(ms: u64) -> Jpeg {
        Jpeg {
            bytes: Bytes::from_static(b"JPEG"),
            captured_at: Timestamp::from_nanos(ms * 1_000_000),
        }
    }

    #[test]
    fn an_order_is_answered_once_by_the_next_picture_that_is_good() {
        let (hub, audience) = hub();
        hub.set_gives_jpegs(true);
        hub.set_condition(State::Live, "");
        hub.answer_jpeg(|| panic!("nobody has asked"));
        let order = audience.order_jpeg().unwrap();
        hub.answer_jpeg(|| None);
        assert!(order.try_recv().is_err());
        hub.answer_jpeg(|| Some(jpeg(1)));
        assert_eq!(order.try_recv(), Ok(jpeg(1)));
        hub.answer_jpeg(|| panic!("answered already"));
    }

    #[test]
    fn there_are_none_of_a_camera_that_is_not_live_or_has_no_such_pictures() {
        let (hub, audience) = hub();
        hub.set_condition(State::Live, "");
        assert!(audience.order_jpeg().is_none());
        hub.set_gives_jpegs(true);
        let order = audience.order_jpeg().unwrap();
        hub.set_gives_jpegs(false);
        assert!(order.recv().is_err(), "who waits is told");
        hub.set_gives_jpegs(true);
        hub.set_condition(State::Lost, "unplugged");
        assert!(audience.order_jpeg().is_none());
    }
}
