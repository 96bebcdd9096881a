//! An address to serve on as people write it. Names are not resolved here.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

/// An address to serve on, as typed; resolving it is the server's.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Address {
    /// A host name, an IPv4 address or an IPv6 address without brackets (perhaps with a `%zone`);
    /// empty for every address of the machine, IPv4 and IPv6.
    pub host: String,
    /// 0 for any free one.
    pub port: u16,
    /// TLS is spoken there.
    pub is_secure: bool,
}

impl Address {
    /// Reads `HOST:PORT`, `[IPV6]:PORT`, `:PORT`, or `PORT` for this machine alone, each with `https://` before it for
    /// TLS; the error says why not.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let Some(rest) = text.strip_prefix("https://") else {
            return Self::parse_plain(text);
        };
        let address = Self::parse_plain(rest.strip_suffix('/').unwrap_or(rest))?;
        Ok(Self {
            is_secure: true,
            ..address
        })
    }

    /// Reads an address for RTSP: the same, with `rtsps://` before it for TLS, or `rtsp://`.
    pub fn parse_rtsp(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let (rest, is_secure) = match (text.strip_prefix("rtsps://"), text.strip_prefix("rtsp://"))
        {
            (Some(rest), _) => (rest, true),
            (None, Some(rest)) => (rest, false),
            (None, None) => (text, false),
        };
        let address = Self::parse_plain(rest.strip_suffix('/').unwrap_or(rest))?;
        Ok(Self {
            is_secure,
            ..address
        })
    }

    /// `https` or `http`.
    pub fn scheme(&self) -> &'static str {
        if self.is_secure { "https" } else { "http" }
    }

    fn parse_plain(text: &str) -> Result<Self, String> {
        if text.contains("://") || text.contains('/') {
            return Err(format!(
                "'{text}' is a URL; write HOST:PORT, such as localhost:2020"
            ));
        }
        if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
            return Ok(Self {
                host: "localhost".to_owned(),
                port: port(text)?,
                is_secure: false,
            });
        }
        if let Some(rest) = text.strip_prefix('[') {
            let (host, after) = rest
                .split_once(']')
                .ok_or_else(|| format!("'{text}' has no closing bracket"))?;
            let (address, zone) = host.split_once('%').unwrap_or((host, "lo"));
            if zone.is_empty() || !zone.chars().all(is_name_char) {
                return Err(format!("'{zone}' is not a network interface"));
            }
            address
                .parse::<Ipv6Addr>()
                .map_err(|_| format!("'{host}' is not an IPv6 address"))?;
            let number = after.strip_prefix(':').ok_or_else(|| no_port(text))?;
            return Ok(Self {
                host: host.to_owned(),
                port: port(number)?,
                is_secure: false,
            });
        }
        if text.parse::<Ipv6Addr>().is_ok() {
            return Err(format!(
                "'{text}' needs brackets and a port; an IPv6 address is written [::1]:2020"
            ));
        }
        let (host, number) = text.rsplit_once(':').ok_or_else(|| no_port(text))?;
        check_host(host)?;
        Ok(Self {
            host: host.to_owned(),
            port: port(number)?,
            is_secure: false,
        })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_secure {
            f.write_str("https://")?;
        }
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

fn no_port(text: &str) -> String {
    format!(
        "'{text}' has no port; write HOST:PORT, such as {}:2020",
        if text.is_empty() { "localhost" } else { text }
    )
}

fn port(text: &str) -> Result<u16, String> {
    text.parse()
        .map_err(|_| format!("'{text}' is not a port; ports are 0 to 65535"))
}

/// True in the names of hosts and of network interfaces.
fn is_name_char(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '.' | '-' | '_')
}

fn check_host(host: &str) -> Result<(), String> {
    if host == "*" {
        return Err("'*' is not a host; for every address write :PORT".to_owned());
    }
    if host.contains(':') {
        return Err(format!(
            "'{host}' is not a host; an IPv6 address is written [::1]:2020"
        ));
    }
    // A malformed IPv4 address would go to the name servers and fail there without a clear error.
    let numeric = !host.is_empty() && host.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    if numeric && host.parse::<Ipv4Addr>().is_err() {
        return Err(format!("'{host}' is not an IPv4 address"));
    }
    if host.chars().all(is_name_char) {
        Ok(())
    } else {
        Err(format!("'{host}' is not a host name"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_people_write_them() {
        for (text, host, port) in [
            ("localhost:2020", "localhost", 2020),
            ("0.0.0.0:80", "0.0.0.0", 80),
            (":8080", "", 8080),
            ("8080", "localhost", 8080),
            ("[::1]:0", "::1", 0),
            ("[fe80::1%eth0]:2020", "fe80::1%eth0", 2020),
            ("raspberry-pi.local:2020", "raspberry-pi.local", 2020),
        ] {
            let mut address = Address {
                host: host.to_owned(),
                port,
                is_secure: false,
            };
            assert_eq!(Address::parse(text), Ok(address.clone()), "{text}");
            address.is_secure = true;
            let text = format!("https://{text}");
            assert_eq!(Address::parse(&text), Ok(address.clone()), "{text}");
            assert_eq!(Address::parse(&format!("{text}/")), Ok(address), "{text}/");
        }
    }

    #[test]
    fn address_display_parses_back() {
        for text in ["localhost:2020", ":8080", "[::1]:0", "https://[::1]:0"] {
            assert_eq!(Address::parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn invalid_address_error_has_a_hint() {
        for (text, why) in [
            (
                "http://localhost:2020/",
                "'http://localhost:2020/' is a URL; write HOST:PORT, such as localhost:2020",
            ),
            (
                "localhost",
                "'localhost' has no port; write HOST:PORT, such as localhost:2020",
            ),
            (
                "::1",
                "'::1' needs brackets and a port; an IPv6 address is written [::1]:2020",
            ),
            (
                "[fe80::1%:password@]:80",
                "':password@' is not a network interface",
            ),
            ("[::1%]:80", "'' is not a network interface"),
            (
                "fe80::1:2020:zz:80",
                "'fe80::1:2020:zz' is not a host; an IPv6 address is written [::1]:2020",
            ),
            (
                "localhost:65536",
                "'65536' is not a port; ports are 0 to 65535",
            ),
            (
                "https://localhost/camera",
                "'localhost/camera' is a URL; write HOST:PORT, such as localhost:2020",
            ),
            ("65536", "'65536' is not a port; ports are 0 to 65535"),
            ("*:80", "'*' is not a host; for every address write :PORT"),
            ("192.168.1:80", "'192.168.1' is not an IPv4 address"),
            ("my host:80", "'my host' is not a host name"),
            (
                "[::1]",
                "'[::1]' has no port; write HOST:PORT, such as [::1]:2020",
            ),
            (
                "",
                "'' has no port; write HOST:PORT, such as localhost:2020",
            ),
        ] {
            assert_eq!(Address::parse(text).unwrap_err(), why, "{text}");
        }
    }
}
