//! Who may open a WebSocket, and by which names the server is called.
//!
//! A browser lets any page connect to any host, so a page that somebody opens elsewhere could pull the
//! pictures of a camera in their network (cross-site WebSocket hijacking). The `Origin` header, which a page
//! cannot change, must therefore name this server or be in the list of the configuration.

use std::net::{Ipv4Addr, Ipv6Addr};

/// The rule for `Origin`.
#[derive(Clone, Debug, Default)]
pub struct Origins {
    allowed: Vec<String>,
}

impl Origins {
    /// `allowed`: origins such as `https://example.org`, or `*` for all.
    pub fn new(allowed: Vec<String>) -> Self {
        Self { allowed }
    }

    /// True if a request with this `Origin` may see pictures of the server that it calls `host`. Programs
    /// that are no browsers send no origin and may.
    pub fn allow(&self, origin: Option<&str>, host: Option<&str>) -> bool {
        let Some(origin) = origin else { return true };
        self.allow_listed(origin) || host.is_some_and(|host| is_same_host(origin, host))
    }

    /// True if no pages but the server's own may show the cameras.
    pub fn are_own_only(&self) -> bool {
        self.allowed.is_empty()
    }

    /// True if the list names this origin.
    pub fn allow_listed(&self, origin: &str) -> bool {
        self.allowed.iter().any(|allowed| {
            allowed == "*"
                || allowed
                    .trim_end_matches('/')
                    .eq_ignore_ascii_case(origin.trim_end_matches('/'))
        })
    }
}

/// The rule for `Host`.
///
/// A page whose name its owner lets lead to this server, after it was loaded (DNS rebinding), is the server's own as far as a
/// browser can tell, and the same host by [`Origins`]. Only its name gives it away, so a list of the server's names keeps it out.
#[derive(Clone, Debug, Default)]
pub struct Hosts {
    names: Vec<String>,
}

impl Hosts {
    /// `names`: in lower case, without ports; if there are none, the server answers to all.
    pub fn new(names: Vec<String>) -> Self {
        Self { names }
    }

    /// True if a request with this `Host` may be answered. No name is needed for an IP address, and nobody else can have the
    /// name `localhost`.
    pub fn allow(&self, host: &str) -> bool {
        if self.names.is_empty() {
            return true;
        }
        let is_port = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
        let name = match host.rsplit_once(':') {
            Some((name, port)) if is_port(port) => name,
            _ => host,
        };
        let name = name.strip_suffix('.').unwrap_or(name);
        let inner = name
            .strip_prefix('[')
            .and_then(|name| name.strip_suffix(']'));
        name.eq_ignore_ascii_case("localhost")
            || name.parse::<Ipv4Addr>().is_ok()
            || inner.is_some_and(|inner| inner.parse::<Ipv6Addr>().is_ok())
            || self.names.iter().any(|own| own.eq_ignore_ascii_case(name))
    }
}

/// Compares host and port; the scheme may differ, since a proxy may add TLS.
fn is_same_host(origin: &str, host: &str) -> bool {
    let (authority, default_port) = match (
        origin.strip_prefix("http://"),
        origin.strip_prefix("https://"),
    ) {
        (Some(authority), _) => (authority, ":80"),
        (_, Some(authority)) => (authority, ":443"),
        _ => return false,
    };
    let plain = |authority: &str| {
        authority
            .strip_suffix(default_port)
            .unwrap_or(authority)
            .to_ascii_lowercase()
    };
    plain(authority) == plain(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_own_page_may_and_others_may_not() {
        let origins = Origins::default();
        for (origin, host, may) in [
            ("http://pi:2020", "pi:2020", true),
            ("http://PI:2020", "pi:2020", true),
            ("https://cam.example.org", "cam.example.org", true),
            ("https://cam.example.org", "cam.example.org:443", true),
            ("http://cam.example.org", "cam.example.org:80", true),
            ("http://[::1]:2020", "[::1]:2020", true),
            ("http://pi:8080", "pi:2020", false),
            ("http://evil.example", "pi:2020", false),
            ("http://pi:2020.evil.example", "pi:2020", false),
            ("http://pi", "pi:2020", false),
            ("null", "pi:2020", false),
            ("", "", false),
            ("file://", "", false),
        ] {
            assert_eq!(
                origins.allow(Some(origin), Some(host)),
                may,
                "{origin} at {host}"
            );
        }
        assert!(!origins.allow(Some("http://pi"), None));
    }

    #[test]
    fn with_a_list_of_names_the_server_answers_to_those_and_to_what_nobody_else_can_have() {
        let hosts = Hosts::new(vec!["cam.example.org".into(), "pi".into()]);
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
            assert!(Hosts::default().allow(host), "{host}");
        }
    }

    #[test]
    fn programs_without_an_origin_may() {
        assert!(Origins::default().allow(None, Some("pi")));
    }

    #[test]
    fn the_list_opens_the_door_for_those_it_names() {
        let origins = Origins::new(vec!["https://shop.example/".into()]);
        assert!(origins.allow(Some("https://shop.example"), Some("pi")));
        assert!(!origins.allow(Some("https://shop.example.evil"), Some("pi")));
        assert!(Origins::new(vec!["*".into()]).allow(Some("null"), Some("pi")));
    }
}
