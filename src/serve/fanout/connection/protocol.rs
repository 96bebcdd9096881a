//! Messages of a viewer, and the replies to them.

use super::ViewerConnection;
use super::closing::Closing;
use crate::media::Frame;
use crate::message::{Opcode, frame};
use crate::serve::limits::{Limit, MAX_DRAIN_BYTES};
use crate::serve::live_messages;
use crate::serve::ws::reader::{ClientFrame, FrameReader};
use crate::time::Timestamp;
use bytes::Bytes;
use serde_json::Value;
use std::io;
use std::time::Instant;

/// Most replies queued for a viewer that asks but does not read.
const MAX_QUEUED_CONTROL: usize = 16;

/// Most pongs among them: the newest.
const MAX_QUEUED_PONGS: usize = 10;

impl ViewerConnection {
    /// Reads until the socket is empty. Bytes received after the close frame are discarded, and
    /// bounded.
    pub(crate) fn receive(&mut self) -> Result<(), String> {
        let mut buffer = [0; 4096];
        loop {
            // Bytes that come before the close frame is out wait until it is.
            if self
                .closing
                .as_ref()
                .is_some_and(|closing| !closing.is_sent)
            {
                return Ok(());
            }
            let read = self.stream.read(&mut buffer);
            if let Some(closing) = &mut self.closing {
                match read {
                    Ok(count @ 1..) => {
                        closing.drained += count;
                        let bytes = buffer.get(..count).unwrap_or_default();
                        if closing.awaits_reply && ends_connection(&mut self.reader, bytes) {
                            closing.awaits_reply = false;
                            self.stream.close_write();
                        }
                    }
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                    _ => return Err(closing.reason.clone()),
                }
                if closing.drained > MAX_DRAIN_BYTES {
                    return Err(closing.reason.clone());
                }
                continue;
            }
            match read {
                Ok(0) => return Err("it closed the connection".into()),
                Ok(count) => {
                    self.heard_at = Instant::now();
                    self.incoming_since_tick += 1;
                    self.on_bytes(buffer.get(..count).unwrap_or_default())?;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.to_string()),
            }
        }
    }

    pub(crate) fn on_bytes(&mut self, bytes: &[u8]) -> Result<(), String> {
        if self.rtsp.is_some() {
            self.on_rtsp_bytes(bytes);
            return Ok(());
        }
        if self.takes_pictures() {
            self.discard_bytes();
            return Ok(());
        }
        let received = Timestamp::now();
        let mut incoming = Vec::new();
        let result = self.reader.push(bytes, |whole| incoming.push(whole));
        for whole in incoming {
            if self.closing.is_some() {
                break;
            }
            self.incoming_since_tick += 1;
            // Reads and frames between two ticks, a second. With the limit of a frame's size it bounds the time that one
            // viewer can keep the thread from all others.
            if self.incoming_since_tick > self.ticket.messages_per_second() {
                self.ticket.count(Limit::Messages);
                self.close(
                    if self.speaks_v1 { 4429 } else { 1008 },
                    "it sends too much",
                );
                break;
            }
            self.on_frame(whole, received);
        }
        if let Err(violation) = result {
            self.close(violation.code(), &violation.to_string());
            self.await_no_reply();
        }
        Ok(())
    }

    fn on_frame(&mut self, incoming: ClientFrame, received: Timestamp) {
        match incoming {
            ClientFrame::Ping(payload) => self.queue_pong(&payload),
            // The code is returned (RFC 6455, 5.5.1).
            ClientFrame::Close(code) => {
                self.close(code.unwrap_or(1000), "it said goodbye");
                self.await_no_reply();
            }
            ClientFrame::Text(text) if self.speaks_v1 => self.on_text(&text, received),
            ClientFrame::Text(text) if self.mse.is_some() => {
                let reply = self.mse.as_mut().and_then(|mse| mse.on_text(&text));
                if let Some(reply) = reply {
                    self.queue_control(frame(Opcode::Text, reply.to_string().as_bytes()));
                }
            }
            ClientFrame::Text(_)
            | ClientFrame::Binary
            | ClientFrame::Pong
            | ClientFrame::Partial => {}
        }
    }

    fn on_text(&mut self, text: &[u8], received: Timestamp) {
        let Ok(message) = serde_json::from_slice::<Value>(text) else {
            return;
        };
        match message["type"].as_str() {
            Some("clock") if message["sent"].is_number() => {
                self.queue_text(&live_messages::clock(&message["sent"], received));
            }
            Some("report") => {
                self.reported_at = Instant::now();
                self.latency.set_reported(message["delay_ms"].as_f64());
            }
            // Unknown types are those of a newer player.
            _ => {}
        }
    }

    pub(crate) fn queue_text(&mut self, message: &Value) {
        if self.speaks_v1 {
            self.queue_control(frame(Opcode::Text, message.to_string().as_bytes()));
        }
    }

    pub(crate) fn queue_control(&mut self, bytes: Bytes) {
        if self.control.len() < MAX_QUEUED_CONTROL && self.closing.is_none() {
            self.control.push_back(bytes);
        }
    }

    /// Queues a pong. Where many wait, the oldest is dropped (RFC 6455, 5.5.3).
    fn queue_pong(&mut self, payload: &[u8]) {
        let pong = frame(Opcode::Pong, payload);
        let is_pong = |other: &Bytes| other.first() == pong.first();
        let pongs = self.control.iter().filter(|other| is_pong(other)).count();
        if pongs >= MAX_QUEUED_PONGS
            && let Some(oldest) = self.control.iter().position(is_pong)
        {
            self.control.remove(oldest);
        }
        if self.closing.is_none() {
            self.control.push_back(pong);
        }
    }

    /// Has the connection end with the close frame.
    fn await_no_reply(&mut self) {
        if let Some(closing) = &mut self.closing {
            closing.awaits_reply = false;
        }
    }

    /// Begins the close: nothing follows the close frame. Only WebSocket has one; the last answer of RTSP is queued already.
    pub(crate) fn close(&mut self, code: u16, reason: &str) {
        if self.closing.is_none() {
            if self.speaks_websocket() {
                // It goes before everything else, so that it is seen.
                self.control.clear();
                self.queue_control(frame(Opcode::Close, &code.to_be_bytes()));
            }
            self.closing = Some(Box::new(Closing {
                reason: reason.to_owned(),
                since: Instant::now(),
                is_sent: false,
                awaits_reply: self.speaks_websocket(),
                drained: 0,
            }));
        }
    }

    /// Sends the offset of media and capture times if it changed. Returns true if it was sent.
    pub(super) fn send_timing_if_changed(&mut self, frame: &Frame) -> bool {
        if !self.speaks_v1 {
            return false;
        }
        let message = self.timing.message(frame);
        if let Some(message) = &message {
            self.queue_text(message);
        }
        message.is_some()
    }
}

/// Returns true if the viewer sends its close frame, or what is no frame.
fn ends_connection(reader: &mut FrameReader, bytes: &[u8]) -> bool {
    let mut is_closed = false;
    let read = reader.push(bytes, |frame| {
        is_closed |= matches!(frame, ClientFrame::Close(_));
    });
    is_closed || read.is_err()
}
