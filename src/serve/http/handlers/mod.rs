//! One file for each kind of resource.

pub(crate) mod assets;
pub(crate) mod controls;
pub(crate) mod endless;
pub(crate) mod h264_stream;
pub(crate) mod live_wait;
pub(crate) mod login;
pub(crate) mod message_stream;
pub(crate) mod metrics;
pub(crate) mod mjpeg_stream;
pub(crate) mod mp4_stream;
pub(crate) mod request_body;
pub(crate) mod restart;
pub(crate) mod snapshot;
pub(crate) mod status;
pub(crate) mod streams;
pub(crate) mod viewers;
pub(crate) mod webrtc;
pub(crate) mod websocket;
