//! go2rtc's `mse` messages: the client names the codecs that it takes, and gets the media type and MP4 with times of its own.

use super::ViewerConnection;
use crate::hub::{ClientClock, ClientTimeline};
use crate::media::{Frame, Parameters};
use crate::message::{Message, Opcode, frame};
use crate::serve::ws::reader::FrameReader;
use bytes::Bytes;
use serde_json::{Value, json};

/// Largest message of a client: an offer of WebRTC, which is refused, has some kilobytes.
const MAX_MESSAGE_BYTES: usize = 32 << 10;

/// State of a client of go2rtc's WebSocket.
pub(crate) struct MseSession {
    has_begun: bool,
    has_media_type: bool,
    /// Players of go2rtc begin to play at 0.
    timeline: ClientTimeline,
}

impl MseSession {
    pub(crate) fn new() -> Self {
        Self {
            has_begun: false,
            has_media_type: false,
            timeline: ClientTimeline::new(ClientClock::Zero),
        }
    }

    /// True once the client has asked for the video.
    pub(super) fn has_begun(&self) -> bool {
        self.has_begun
    }

    /// Takes a message of the client; returns the reply, if it gets one at once.
    pub(super) fn on_text(&mut self, text: &[u8]) -> Option<Value> {
        let message: Value = serde_json::from_slice(text).ok()?;
        let kind = message["type"].as_str()?;
        let error =
            |words: &str| Some(json!({"type": "error", "value": format!("{kind}: {words}")}));
        match kind {
            "mse" => {
                let codecs = message["value"].as_str().unwrap_or_default();
                if !codecs.is_empty() && !codecs.contains("avc1") {
                    return error("codecs not matched: the video is H.264 (avc1)");
                }
                self.has_begun = true;
                None
            }
            "webrtc" | "webrtc/offer" | "hls" | "mp4" | "mjpeg" => error("not served here; mse is"),
            _ => None,
        }
    }

    /// Returns the message with the media type, which precedes the first init segment.
    fn media_type(&mut self, parameters: &Parameters) -> Option<Value> {
        let is_first = !std::mem::replace(&mut self.has_media_type, true);
        let media_type = format!("video/mp4; codecs=\"{}\"", parameters.rfc6381);
        is_first.then(|| json!({"type": "mse", "value": media_type}))
    }

    /// Returns the WebSocket message of `frame`, with times from 0.
    pub(super) fn message(&mut self, frame: &Frame) -> Bytes {
        let (head, rest) = self.timeline.retime(frame);
        let write = |out: &mut Vec<u8>| {
            out.extend_from_slice(&head);
            out.extend_from_slice(&rest);
        };
        Message::build(head.len() + rest.len(), write).into_framed()
    }
}

/// Returns whether a client of go2rtc's WebSocket has begun after these messages, and the replies to them. For tests of any
/// bytes.
pub fn go2rtc_replies(messages: &[&[u8]]) -> (bool, Vec<String>) {
    let mut session = MseSession::new();
    let replies = messages.iter().filter_map(|text| session.on_text(text));
    let replies = replies.map(|reply| reply.to_string()).collect();
    (session.has_begun(), replies)
}

/// Returns the reader for messages of a client.
pub(super) fn reader(session: Option<&MseSession>) -> FrameReader {
    match session {
        Some(_) => FrameReader::with_limit(MAX_MESSAGE_BYTES),
        None => FrameReader::default(),
    }
}

impl ViewerConnection {
    /// Returns the init segment, or the media type that precedes it.
    pub(super) fn init_message(&mut self, parameters: &Parameters) -> Bytes {
        let init = parameters.init().framed().clone();
        let told = self.mse.as_mut().and_then(|mse| mse.media_type(parameters));
        let Some(told) = told else {
            return init;
        };
        // No control message waits here, so the two go out in this order.
        self.queue_control(init);
        frame(Opcode::Text, told.to_string().as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_clients_that_take_h264_begin() {
        for (text, begins, reply) in [
            (r#"{"type":"mse","value":"avc1.640029,opus"}"#, true, None),
            (r#"{"type":"mse","value":""}"#, true, None),
            (r#"{"type":"mse"}"#, true, None),
            (
                r#"{"type":"mse","value":"hvc1.1.6.L153.B0"}"#,
                false,
                Some("mse: codecs"),
            ),
            (
                r#"{"type":"webrtc/offer","value":"v=0"}"#,
                false,
                Some("webrtc/offer: not"),
            ),
            (r#"{"type":"webrtc/candidate","value":""}"#, false, None),
            (r#"{"type":"mjpeg"}"#, false, Some("mjpeg: not")),
            (r#"{"type":5}"#, false, None),
            ("[]", false, None),
            ("{", false, None),
        ] {
            let mut session = MseSession::new();
            let answer = session.on_text(text.as_bytes());
            assert_eq!(session.has_begun(), begins, "{text}");
            match (&answer, reply) {
                (None, None) => {}
                (Some(answer), Some(reply)) => {
                    assert_eq!(answer["type"], "error");
                    assert!(answer["value"].as_str().unwrap().starts_with(reply));
                }
                _ => panic!("{text}: {answer:?}"),
            }
        }
    }
}
