//! Who may open a WebSocket.
//!
//! A browser lets any page connect to any host, so a page that somebody opens elsewhere could pull the
//! pictures of a camera in their network (cross-site WebSocket hijacking). The `Origin` header, which a page
//! cannot change, must therefore name this server or be in the list of the configuration.

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
