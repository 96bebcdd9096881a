//! Configuration of the server, and its cameras.

use crate::controls::Client;
use crate::hub::Hub;
use crate::serve::fanout::congestion::CongestionControl;
use std::sync::Arc;

/// Camera as the server sees it.
#[derive(Clone, Debug)]
pub struct CameraHandle {
    /// Its name in URLs.
    pub name: Arc<str>,
    /// The kind of its source.
    pub source: &'static str,
    /// Its source as the user typed it, masked: for operators, not for viewers.
    pub source_text: String,
    /// Its hub.
    pub hub: Hub,
    /// Its controls.
    pub remote: Client,
}

/// Settings of the server.
#[derive(Clone, Debug)]
pub struct Config {
    /// Name of the first camera's WebSocket, without a slash.
    pub websocket_name: String,
    /// Origins that may show the cameras, in addition to the server's own.
    pub allowed_origins: Vec<String>,
    /// The only names that the server answers to, in addition to `localhost` and IP addresses;
    /// empty means all.
    pub allowed_hosts: Vec<String>,
    /// Most viewers at once, of all cameras together.
    pub max_viewers: usize,
    /// Most connections in addition to those of viewers.
    pub max_other_connections: usize,
    /// Viewers may set controls of the cameras.
    pub allow_control_changes: bool,
    /// Memory for the decoders of snapshots, of all cameras together, in megabytes.
    pub decode_memory_mb: u32,
    /// TCP congestion control of all connections.
    pub congestion_control: CongestionControl,
}
