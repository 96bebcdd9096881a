//! Announces the server in the local network by mDNS and DNS-SD (RFC 6762, RFC 6763), so that `http://NAME.local:PORT/` is found.

use crate::os::procfs;
use crate::serve::listen::BoundListener;
use mdns_sd::{IfKind, ServiceDaemon, ServiceInfo};
use std::path::Path;

/// Longest label of a name in DNS (RFC 1035, 2.3.4).
const MAX_LABEL_BYTES: usize = 63;

/// The usual responder, by its file. It owns the machine's name where it is installed, and takes another name (`pi-2.local`) when
/// somebody else answers for that (seen with avahi-daemon 0.8).
const OTHER_RESPONDER: &str = "/usr/sbin/avahi-daemon";

/// The announcement. Dropping it takes it back.
pub struct MdnsAnnouncement(ServiceDaemon);

impl MdnsAnnouncement {
    /// Announces the listeners that other machines reach: `_http._tcp` or `_https._tcp`, and `_rtsp._tcp` with the path of the
    /// first camera. Each service follows the addresses of the machine.
    ///
    /// # Errors
    ///
    /// The reason, for the log, where no socket for mDNS can be opened. The server works without it.
    pub fn start(listening: &[BoundListener]) -> Result<Self, String> {
        let daemon = ServiceDaemon::new().map_err(|error| error.to_string())?;
        let no_loopback =
            [IfKind::LoopbackV4, IfKind::LoopbackV6].map(|kind| daemon.disable_interface(kind));
        no_loopback
            .into_iter()
            .collect::<Result<(), _>>()
            .map_err(|error| error.to_string())?;
        let label = host_label(&procfs::host_name());
        let own = own_label(&label, Path::new(OTHER_RESPONDER).exists());
        for (kind, port) in services(listening) {
            let path = if kind.starts_with("_rtsp") {
                "/live"
            } else {
                "/"
            };
            let domain = format!("{kind}.local.");
            let name = format!("{own}.local.");
            let instance = instance_name(&label, port);
            let service =
                ServiceInfo::new(&domain, &instance, &name, "", port, &[("path", path)][..])
                    .map_err(|error| error.to_string())?;
            let registered = daemon.register(service.enable_addr_auto());
            registered.map_err(|error| error.to_string())?;
        }
        Ok(Self(daemon))
    }
}

impl Drop for MdnsAnnouncement {
    fn drop(&mut self) {
        // It says good-bye on its own thread; a process that ends sooner is forgotten after the records' time.
        if let Ok(done) = self.0.shutdown() {
            let _ = done.recv_timeout(std::time::Duration::from_millis(300));
        }
    }
}

/// Returns the kinds of service and their ports, each once.
fn services(listening: &[BoundListener]) -> Vec<(&'static str, u16)> {
    let mut found = Vec::new();
    for listener in listening {
        let Ok(local) = listener.listener.local_addr() else {
            continue;
        };
        if local.ip().to_canonical().is_loopback() {
            continue;
        }
        let kinds: &[&str] = match (listener.is_rtsp, listener.is_secure) {
            (true, false) => &["_rtsp._tcp"],
            (true, true) => &["_rtsps._tcp"],
            // The port of HTTP speaks RTSP, too.
            (false, false) => &["_http._tcp", "_rtsp._tcp"],
            (false, true) => &["_https._tcp"],
        };
        for kind in kinds {
            if !found.contains(&(*kind, local.port())) {
                found.push((*kind, local.port()));
            }
        }
    }
    found
}

/// Returns the first label of the machine's name, with letters, digits and dashes only.
fn host_label(host: &str) -> String {
    let label = host.split('.').next().unwrap_or_default();
    let safe: String = label
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || *c == '-')
        .take(MAX_LABEL_BYTES)
        .collect();
    match safe.trim_matches('-') {
        "" => "berrymse".to_owned(),
        label => label.to_owned(),
    }
}

/// Returns the label of the name that this program answers for.
fn own_label(label: &str, has_other_responder: bool) -> String {
    if !has_other_responder {
        return label.to_owned();
    }
    const SUFFIX: &str = "-berrymse";
    let short: String = label.chars().take(MAX_LABEL_BYTES - SUFFIX.len()).collect();
    format!("{short}{SUFFIX}")
}

/// Returns the name of the service for people. The port tells services of one kind apart.
fn instance_name(label: &str, port: u16) -> String {
    let end = format!(" (port {port})");
    let begin = format!("BerryMSE on {label}");
    let room = MAX_LABEL_BYTES - end.len();
    begin.chars().take(room).chain(end.chars()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::{Address, listen::bind_all};

    #[test]
    fn services_are_those_that_others_reach() {
        let listen = |address: &str| bind_all(&[Address::parse(address).unwrap()]).unwrap();
        assert_eq!(services(&listen("127.0.0.1:0")), []);
        let open = listen("0.0.0.0:0");
        let port = open[0].listener.local_addr().unwrap().port();
        assert_eq!(
            services(&open),
            [("_http._tcp", port), ("_rtsp._tcp", port)]
        );
    }

    #[test]
    fn host_label_is_valid_in_dns() {
        for (host, expected) in [
            ("raspberrypi", "raspberrypi"),
            ("pi.home.example", "pi"),
            ("my_pi", "mypi"),
            ("-", "berrymse"),
            ("", "berrymse"),
        ] {
            assert_eq!(host_label(host), expected);
        }
        assert_eq!(host_label(&"x".repeat(80)).len(), 63);
        assert_eq!(instance_name("pi", 2020), "BerryMSE on pi (port 2020)");
        assert_eq!(instance_name(&"x".repeat(63), 2020).len(), 63);
        assert_eq!(own_label("pi", false), "pi");
        assert_eq!(own_label("pi", true), "pi-berrymse");
        assert_eq!(own_label(&"x".repeat(63), true).len(), 63);
    }
}
