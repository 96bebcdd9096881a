//! Connections that speak HTTP/1.1: from the socket to the handler of a request.

pub(crate) mod activity;
pub(crate) mod assets;
pub(crate) mod authenticator;
pub(crate) mod coding;
pub(crate) mod connections;
pub(crate) mod credentials;
pub(crate) mod dispatch;
pub(crate) mod forwarded;
pub(crate) mod guard;
pub(crate) mod hand_over;
pub(crate) mod handlers;
pub(crate) mod host;
pub(crate) mod login_required;
pub(crate) mod loss_aware_stream;
pub(crate) mod message_sessions;
pub(crate) mod metered_stream;
pub(crate) mod origin;
pub(crate) mod refusal;
pub(crate) mod response;
pub(crate) mod rewrite;
pub(crate) mod router;
pub(crate) mod rtsp;
pub(crate) mod server;
pub(crate) mod state;
mod waiting_room;
