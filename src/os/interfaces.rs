//! The addresses and the name by which other machines reach this one.

use crate::os::procfs;
use std::net::IpAddr;
use std::path::Path;

/// File of the usual mDNS responder while it runs.
const AVAHI_PID_FILE: &str = "/run/avahi-daemon/pid";

/// Returns the addresses of this machine without loopback and link-local ones, IPv4 first.
pub fn addresses() -> Vec<IpAddr> {
    let all = if_addrs::get_if_addrs().unwrap_or_default();
    let mut found: Vec<IpAddr> = all
        .into_iter()
        .filter(|interface| !interface.is_loopback() && !interface.is_link_local())
        .map(|interface| interface.ip())
        .collect();
    found.sort_by_key(IpAddr::is_ipv6);
    found.dedup();
    found
}

/// Returns the name that mDNS gives this machine, if a responder runs.
pub fn mdns_name() -> Option<String> {
    let host = procfs::host_name();
    let label = host.split('.').next()?;
    Path::new(AVAHI_PID_FILE)
        .exists()
        .then(|| format!("{label}.local"))
}
