//! `/webrtc` of camera-streamer, which is not spoken here: names what a front end can take in its place.

use crate::serve::http::response::{ResponseBody, text_response};
use hyper::{Response, StatusCode};

/// Answers with the URL of the MJPEG stream.
pub(crate) fn respond() -> Response<ResponseBody> {
    let words = "WebRTC: not served here; choose MJPEG (mjpegstreamer) in the front end, with the URL /?action=stream or \
                 /stream.mjpg of this server\n";
    text_response(StatusCode::NOT_IMPLEMENTED, words)
}
