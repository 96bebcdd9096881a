//! Serves HTTP/1.1, WebSocket, RTSP, the page and the status.
//!
//! One thread runs HTTP; the socket of a viewer by WebSocket, RTSP or MJPEG goes to the fan-out thread. Serving knows nothing of
//! cameras and MP4: it gives out what the hubs have.
//!
//! | room | job |
//! |---|---|
//! | `http` | connections that speak HTTP: server, router, responses, handlers |
//! | `rtsp` | RTSP without sockets: requests, sessions, packets |
//! | `mjpeg` | MJPEG without sockets: parts, and the streams that clients share |
//! | `ws` | WebSocket: handshake, frames of clients, the socket of a viewer |
//! | `fanout` | sends to all viewers by WebSocket, RTSP and MJPEG; congestion of their links |
//! | `tls` | certificates, TLS streams |

mod address;
mod annexb_cache;
mod cameras;
mod config;
mod connection_limit;
pub mod exposure;
mod fanout;
mod heap_trim;
mod http;
mod latency_stats;
mod limits;
pub mod listen;
mod live_messages;
pub mod mdns;
mod mjpeg;
mod network;
mod recorder;
mod rlimit;
mod rtsp;
pub mod self_signed;
mod tls;
mod viewers;
mod ws;

pub use address::Address;
pub use cameras::RemovedCamera;
pub use config::{Camera, Config};
pub use fanout::Fanout;
pub use fanout::congestion::{CongestionControl, CongestionSetting};
pub use fanout::connection::go2rtc_replies;
pub use http::credentials::{basic_credentials, cookie_values, query_value};
pub use http::forwarded::forwarded_client;
pub use http::guard::Permission;
pub use http::handlers::controls::parse_values;
pub use http::host::AllowedHosts;
pub use http::origin::AllowedOrigins;
pub use http::router::{ROUTES, Resource, Route, route};
pub use http::rtsp::is_digest_answer;
pub use http::server::{accept_connections, run_maintenance};
pub use http::state::{AppState, Site};
pub use limits::Limits;
pub use listen::BoundListener;
pub use network::Network;
pub use rlimit::{ConnectionBudget, raise_nofile_limit};
pub use rtsp::rtsp_statuses;
pub use tls::{CertPaths, Tls};
pub use ws::reader::{ClientFrame, FrameReader, MAX_MESSAGE_BYTES, ProtocolError};
