//! What clients send: paths, origins, WebSocket frames. No bytes make it panic; how the bytes are cut does not
//! matter; what waits for the rest of a message stays small.
#![no_main]

use berrymse::serve::{FrameReader, ClientFrame, MAX_MESSAGE_BYTES, AllowedOrigins, ProtocolError, route};
use libfuzzer_sys::fuzz_target;

fn frames(pieces: &[&[u8]]) -> (Vec<ClientFrame>, Option<ProtocolError>) {
    let (mut inbound, mut all) = (FrameReader::default(), Vec::new());
    for piece in pieces {
        if let Err(violation) = inbound.push(piece, |incoming| all.push(incoming)) {
            return (all, Some(violation));
        }
    }
    (all, None)
}

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    let _ = route(&text, "video_websocket");
    let (origin, host) = text.split_at(text.floor_char_boundary(text.len() / 2));
    assert!(!AllowedOrigins::default().allow(Some(origin), None));
    let _ = AllowedOrigins::default().allow(Some(origin), Some(host));
    let whole = frames(&[data]);
    for incoming in &whole.0 {
        if let ClientFrame::Text(text) | ClientFrame::Ping(text) = incoming {
            assert!(text.len() <= MAX_MESSAGE_BYTES);
        }
        if let ClientFrame::Text(text) = incoming {
            assert!(std::str::from_utf8(text).is_ok());
        }
    }
    let middle = data.len() / 3;
    assert_eq!(frames(&[&data[..middle], &data[middle..]]), whole);
    let bytes: Vec<&[u8]> = data.chunks(1).collect();
    assert_eq!(frames(&bytes), whole);
});
