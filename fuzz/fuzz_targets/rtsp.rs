//! All that an RTSP client can send, before and after PLAY. No bytes make it panic, and how they are cut does not matter.
#![no_main]

use berrymse::camera_handle;
use berrymse::serve::rtsp_statuses;
use libfuzzer_sys::fuzz_target;

/// A client that plays, so that what follows is read there.
const PLAY: &[u8] = b"SETUP rtsp://h/live/cam RTSP/1.0\r\nCSeq: 1\r\nTransport: RTP/AVP/TCP;interleaved=0-1\r\n\r\n\
                      PLAY rtsp://h/live/cam RTSP/1.0\r\nCSeq: 2\r\nSession: id\r\n\r\n";

fuzz_target!(|data: &[u8]| {
    let (_camera, handle) = camera_handle::channel([]);
    let hub = handle.hub();
    for begin in [&b""[..], PLAY] {
        let bytes = [begin, data].concat();
        let whole = rtsp_statuses(&bytes, bytes.len(), hub);
        assert_eq!(rtsp_statuses(&bytes, 1, hub), whole);
        assert_eq!(rtsp_statuses(&bytes, bytes.len() / 3 + 1, hub), whole);
    }
});
