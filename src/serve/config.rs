//! Configuration of the server, and its cameras.

use crate::camera_handle::Handle;
use crate::serve::address::Address;
use crate::serve::fanout::congestion::CongestionSetting;
use crate::serve::limits::Limits;
use crate::serve::network::Network;
use crate::serve::tls::CertPaths;
use std::sync::Arc;

/// Camera as the server sees it.
#[derive(Clone, Debug)]
pub struct Camera {
    /// Its name in URLs.
    pub name: Arc<str>,
    /// Its name for people.
    pub title: Option<Arc<str>>,
    /// The kind of its source.
    pub source: &'static str,
    /// Its source as the user typed it, masked: for operators, not for viewers.
    pub source_text: String,
    /// RTSP frames end with an access unit delimiter; `None` decides for each client.
    pub rtsp_delimiter: Option<bool>,
    /// Its frames and controls, and the commands to it.
    pub handle: Handle,
}

/// Configuration of the server, as read from command line, environment and file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Config {
    /// At least one; unresolved.
    pub listen: Vec<Address>,
    /// Addresses for RTSP alone, in addition to that on all others; unresolved.
    pub rtsp: Vec<Address>,
    /// Waits for addresses that the machine does not have yet.
    pub wait_for_address: bool,
    /// Files of the certificate, if an address has TLS; not yet read.
    pub tls: Option<CertPaths>,
    /// The program makes the files if they are not there.
    pub is_self_signed: bool,
    /// Path of the first camera's WebSocket, without the slash; one segment of URL-safe characters.
    pub websocket_name: String,
    /// Origins in addition to the server's own whose pages may connect, as browsers write them
    /// (`https://example.com:8443`); `*` stands for all.
    pub allowed_origins: Vec<String>,
    /// Names, in lower case, that the server answers to in addition to `localhost` and IP addresses; empty means all.
    pub allowed_hosts: Vec<String>,
    /// Limit of viewers at the same time, over all cameras.
    pub max_viewers: usize,
    /// Limits for clients.
    pub limits: Limits,
    /// Memory for the decoders of snapshots, of all cameras together, in megabytes.
    pub decode_memory_mb: u32,
    /// `server.controls`: true lets every viewer change cameras while nobody can log in as an operator, false nobody.
    pub allow_control_changes: Option<bool>,
    /// Origins whose pages may show the page in a frame.
    pub frame_ancestors: Vec<String>,
    /// Proxies whose headers about the client count.
    pub trusted_proxies: Vec<Network>,
    /// Permits io_uring for many viewers, where the kernel has it.
    pub io_uring: bool,
    /// Announces the server by mDNS.
    pub has_mdns: bool,
    /// TCP congestion control to request from the kernel.
    pub congestion: CongestionSetting,
}

impl Config {
    /// Returns the keys of `server:` and `tls:` that differ in `new` and are read at the start only.
    pub fn keys_for_restart(&self, new: &Self) -> Vec<&'static str> {
        // Each field is named, so that a new one is thought of.
        let Self {
            listen,
            rtsp,
            wait_for_address: _,
            tls,
            is_self_signed,
            websocket_name,
            allowed_origins: _,
            allowed_hosts: _,
            max_viewers,
            limits,
            decode_memory_mb,
            allow_control_changes: _,
            frame_ancestors: _,
            trusted_proxies: _,
            io_uring,
            has_mdns,
            congestion,
        } = self;
        let is_tls_changed = *tls != new.tls || *is_self_signed != new.is_self_signed;
        let all = [
            ("server.listen", *listen != new.listen),
            ("server.rtsp", *rtsp != new.rtsp),
            ("tls", is_tls_changed),
            ("server.webSocket", *websocket_name != new.websocket_name),
            ("server.maxViewers", *max_viewers != new.max_viewers),
            ("server.limits", *limits != new.limits),
            (
                "server.decodeMemory",
                *decode_memory_mb != new.decode_memory_mb,
            ),
            ("server.ioUring", *io_uring != new.io_uring),
            ("server.mdns", *has_mdns != new.has_mdns),
            ("server.congestion", *congestion != new.congestion),
        ];
        all.into_iter()
            .filter(|(_, is_changed)| *is_changed)
            .map(|(key, _)| key)
            .collect()
    }
}
