//! Rules for `Host`: names that the server answers to, and names that nobody else can lead to it.

use std::net::{Ipv4Addr, Ipv6Addr};

/// Rule for `Host`.
///
/// A page whose name its owner points at this server after it was loaded (DNS rebinding) is the
/// server's own for a browser, and the same host by `AllowedOrigins`. Only its name gives it
/// away, so a list of the server's names keeps it out.
#[derive(Clone, Debug, Default)]
pub struct AllowedHosts {
    names: Vec<String>,
}

impl AllowedHosts {
    /// `names`: in lower case, without ports; if there are none, the server answers to all.
    pub fn new(names: Vec<String>) -> Self {
        Self { names }
    }

    /// The names of the list.
    pub(crate) fn list(&self) -> &[String] {
        &self.names
    }

    /// True if nobody else can lead this name here: it is an address, in the list, or of a kind that public DNS does not have.
    pub(crate) fn knows(&self, host: &str) -> bool {
        let name = without_port(host);
        let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
        let is_name = !name.is_empty()
            && name
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b));
        let has_local_end = LOCAL_DOMAINS.iter().any(|end| name.ends_with(end));
        is_address(&name)
            || self.names.contains(&name)
            || (is_name && (!name.contains('.') || has_local_end))
    }

    /// True if a request with this `Host` may be answered. An IP address needs no name, and no
    /// other host can have the name `localhost`.
    pub fn allow(&self, host: &str) -> bool {
        if self.names.is_empty() {
            return true;
        }
        let name = without_port(host);
        let name = name.strip_suffix('.').unwrap_or(name);
        name.eq_ignore_ascii_case("localhost")
            || is_address(name)
            || self.names.iter().any(|own| own.eq_ignore_ascii_case(name))
    }
}

/// Domains that public DNS does not have (RFC 6761, 6762, 8375; ICANN for `.internal`, and for `.home`, which it does not
/// delegate), and those that routers use and nobody has been given.
const LOCAL_DOMAINS: [&str; 8] = [
    ".local",
    ".localhost",
    ".home.arpa",
    ".internal",
    ".test",
    ".home",
    ".lan",
    ".localdomain",
];

/// True if a name or address leads to the own machine.
pub(crate) fn is_loopback_host(host: &str) -> bool {
    let name = without_port(host);
    let inner = name
        .strip_prefix('[')
        .and_then(|name| name.strip_suffix(']'));
    name.eq_ignore_ascii_case("localhost")
        || name
            .parse()
            .is_ok_and(|address: Ipv4Addr| address.is_loopback())
        || inner.is_some_and(|inner| {
            inner
                .parse()
                .is_ok_and(|address: Ipv6Addr| address.is_loopback())
        })
}

/// Tells an IP address, as it stands in `Host`, from a name.
pub(crate) fn is_address(host: &str) -> bool {
    let inner = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    host.parse::<Ipv4Addr>().is_ok() || inner.is_some_and(|inner| inner.parse::<Ipv6Addr>().is_ok())
}

pub(crate) fn without_port(host: &str) -> &str {
    let is_port = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    match host.rsplit_once(':') {
        Some((name, port)) if is_port(port) => name,
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn allowed_hosts_accepts_listed_ip_and_localhost() {
        let hosts = AllowedHosts::new(vec!["cam.example.org".into(), "pi".into()]);
        for (host, may) in [
            ("cam.example.org", true),
            ("CAM.example.org:8443", true),
            ("cam.example.org.", true),
            ("pi:2020", true),
            ("localhost", true),
            ("localhost:2020", true),
            ("127.0.0.1:2020", true),
            ("192.168.1.5", true),
            ("[::1]", true),
            ("[fd00::5]:2020", true),
            ("evil.example", false),
            ("evil.example:2020", false),
            ("cam.example.org.evil.example", false),
            ("localhost.evil.example", false),
            ("127.0.0.1.evil.example", false),
            ("[::1].evil.example", false),
            ("[evil.example]", false),
            ("pi:2020:evil.example", false),
            ("]:pi", false),
            (":2020", false),
            ("", false),
        ] {
            assert_eq!(hosts.allow(host), may, "{host}");
            assert!(AllowedHosts::default().allow(host), "{host}");
        }
    }

    #[test]
    fn only_names_that_nobody_else_can_have_are_known() {
        let hosts = AllowedHosts::new(vec!["cam.example.org".into()]);
        for (host, is_known) in [
            ("cam.example.org:8443", true),
            ("CAM.example.org", true),
            ("pi:2020", true),
            ("pi.local", true),
            ("a.localhost", true),
            ("pi.home.arpa.", true),
            ("192.168.1.5:80", true),
            ("[fd00::5]:80", true),
            ("evil.example", false),
            ("local.evil.example", false),
            ("192.168.1.5.evil.example", false),
            ("[evil]", false),
            ("", false),
            (":80", false),
        ] {
            assert_eq!(hosts.knows(host), is_known, "{host}");
        }
        assert!(!AllowedHosts::default().knows("cam.example.org"));
        for (host, is_loopback) in [
            ("localhost:2020", true),
            ("127.0.0.1", true),
            ("127.1.2.3:80", true),
            ("[::1]:80", true),
            ("pi", false),
            ("[::2]", false),
            ("localhost.evil.example", false),
            ("", false),
        ] {
            assert_eq!(is_loopback_host(host), is_loopback, "{host}");
        }
    }
}
