//! RTSP clients: their requests between frames, and sender reports.

use super::ViewerConnection;
use crate::media::{Frame, Parameters};
use crate::serve::annexb_cache;
use crate::serve::limits::Limit;
use crate::serve::rtsp::stream::Effect;
use crate::time::{Timestamp, unix_at_zero};
use bytes::Bytes;
use std::sync::Arc;

/// Reads that count as one message. A request may come byte by byte, and empty lines are none.
const READS_PER_MESSAGE: u32 = 16;

impl ViewerConnection {
    /// True if the viewer has to ask before it gets video, or again after a pause.
    pub(super) fn awaits_request(&self) -> bool {
        let is_paused = self.rtsp.as_ref().is_some_and(|rtsp| rtsp.is_paused());
        is_paused || self.mse.as_ref().is_some_and(|mse| !mse.has_begun())
    }

    /// Returns the bytes of `frame` in the viewer's format.
    pub(super) fn frame_message(&mut self, frame: Frame) -> Bytes {
        if let Some(rtsp) = &mut self.rtsp {
            return rtsp.packets(&frame);
        }
        match &mut self.mse {
            Some(mse) => mse.message(&frame),
            None => annexb_cache::message(self.annexb.as_ref(), frame),
        }
    }

    /// Returns the message of new parameters, for viewers whose frames do not have them.
    pub(super) fn parameters_message(&mut self, parameters: &Arc<Parameters>) -> Option<Bytes> {
        let is_in_band = self.annexb.is_some() || self.rtsp.is_some();
        (!is_in_band).then(|| self.init_message(parameters))
    }

    /// Answers what an RTSP client sent.
    pub(super) fn on_rtsp_bytes(&mut self, bytes: &[u8]) {
        if let Some(rtsp) = &mut self.rtsp {
            rtsp.feed(bytes);
        }
        let messages = self.ticket.messages_per_second();
        let limit = messages.saturating_mul(READS_PER_MESSAGE);
        while self.incoming_since_tick <= limit {
            let Some((reply, effect)) = self.rtsp.as_mut().and_then(|rtsp| rtsp.next_reply())
            else {
                return;
            };
            self.incoming_since_tick = (self.incoming_since_tick).saturating_add(READS_PER_MESSAGE);
            if let Some(reply) = reply {
                self.queue_control(reply);
            }
            match effect {
                Effect::Nothing => {}
                Effect::Resume => {
                    if let Some(rtsp) = &self.rtsp {
                        self.subscription = rtsp.subscribe().into();
                    }
                }
                Effect::Close(reason) => return self.close(0, reason),
            }
        }
        self.ticket.count(Limit::Messages);
        self.close(0, "it sends too much");
    }

    /// Queues a sender report, if it is time for one.
    pub(super) fn queue_report(&mut self) {
        let report =
            (self.rtsp.as_mut()).and_then(|rtsp| rtsp.report(Timestamp::now(), unix_at_zero));
        if let Some(report) = report {
            self.queue_control(report);
        }
    }

    /// Queues the last report of a server that stops.
    pub(super) fn queue_last_report(&mut self) {
        let report = (self.rtsp.as_ref())
            .and_then(|rtsp| rtsp.last_report(Timestamp::now(), unix_at_zero()));
        if let Some(report) = report {
            self.queue_control(report);
        }
    }
}
