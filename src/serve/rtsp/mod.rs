//! RTSP 1.0 over TCP (RFC 2326), without sockets: requests, the state of a session, packets.
//!
//! `http/rtsp` serves a connection up to PLAY. Then the fan-out sends the frames, as to any viewer.
//!
//! | file | job |
//! |---|---|
//! | `first_line` | tells RTSP from HTTP by the first line |
//! | `request`, `response` | requests cut anywhere, responses |
//! | `target` | URLs: the camera and the track that they name |
//! | `transport` | the header `Transport` |
//! | `session` | the state machine of one client |
//! | `sdp` | the description of a camera's stream |
//! | `packetizer` | frames to RTP packets (RFC 6184) |
//! | `packet_cache` | packets that all clients of a camera share |
//! | `sender_report` | RTCP |
//! | `output` | what the clients of one camera share |
//! | `stream` | one client that plays |

pub(crate) mod first_line;
pub(crate) mod output;
mod packet_cache;
mod packetizer;
pub(crate) mod request;
pub(crate) mod response;
pub(crate) mod sdp;
mod sender_report;
pub(crate) mod session;
pub(crate) mod stream;
pub(crate) mod target;
mod transport;

/// Silence of a client after which its session ends.
pub(crate) const SESSION_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(60);
