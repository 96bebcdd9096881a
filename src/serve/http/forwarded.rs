//! The client behind a proxy: `X-Forwarded-For`, `-Proto`, `-Host` and `Forwarded` (RFC 7239), of trusted proxies only.

use crate::serve::network::Network;
use hyper::header::{HeaderMap, HeaderValue};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// Headers by which a proxy shows itself.
const PROXY_HEADERS: [&str; 7] = [
    "forwarded",
    "via",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-proto",
    "x-forwarded-server",
];

/// Most proxies in a row that are looked at.
const MAX_HOPS: usize = 16;

/// Longest name of a host (RFC 1035) and its port.
const MAX_HOST_BYTES: usize = 262;

/// A connection as the kernel knows it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Connection {
    pub(crate) peer: SocketAddr,
    /// TLS is spoken on it.
    pub(crate) is_tls: bool,
    /// It came in at an address that only this machine reaches.
    pub(crate) is_on_loopback: bool,
}

/// The client of a request, behind trusted proxies if there are any.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    /// Address of the client; the port is that of the connection.
    pub(crate) peer: SocketAddr,
    /// The client speaks TLS, with the server or a trusted proxy.
    pub(crate) is_secure: bool,
    /// The request was made on this machine, and by no proxy.
    pub(crate) is_local: bool,
    /// A trusted proxy named the client.
    is_named_by_proxy: bool,
    /// Host that the client asked for, if a trusted proxy says so.
    pub(crate) host: Option<HeaderValue>,
}

impl Client {
    /// Reads the headers of a request that came over `connection`.
    pub(crate) fn of(connection: Connection, trusted: &[Network], headers: &HeaderMap) -> Self {
        let is_trusted = |address| trusted.iter().any(|network| network.contains(address));
        let has_proxy = PROXY_HEADERS.iter().any(|name| headers.contains_key(*name));
        let mut client = Self {
            peer: connection.peer,
            is_secure: connection.is_tls,
            is_local: connection.is_on_loopback && !has_proxy,
            is_named_by_proxy: false,
            host: None,
        };
        if !is_trusted(connection.peer.ip()) {
            return client;
        }
        let claims = Claims::of(headers);
        let hops = claims.addresses.iter().rev().take(MAX_HOPS);
        for address in hops {
            client.peer.set_ip(*address);
            client.is_named_by_proxy = true;
            if !is_trusted(*address) {
                break;
            }
        }
        client.is_secure = claims.is_secure.unwrap_or(connection.is_tls);
        client.host = claims.host;
        client
    }

    /// Returns the address for limits; `None` if it could be that of a proxy on this machine.
    pub(crate) fn limited_address(&self) -> Option<IpAddr> {
        let address = self.peer.ip();
        (self.is_named_by_proxy || !address.is_loopback()).then_some(address)
    }
}

/// Facts about the client that proxies sent.
#[derive(PartialEq, Eq, Debug, Default)]
struct Claims {
    /// From the client to the last proxy but one; ends before the first that is no address.
    addresses: Vec<IpAddr>,
    is_secure: Option<bool>,
    host: Option<HeaderValue>,
}

impl Claims {
    /// `X-Forwarded-For` counts before `Forwarded`: nearly all proxies set the former, and pass on the latter as a client
    /// wrote it. The last value counts: the nearest proxy added it.
    fn of(headers: &HeaderMap) -> Self {
        if !headers.contains_key("x-forwarded-for") && headers.contains_key("forwarded") {
            return Self::of_forwarded(headers);
        }
        let last = |name| values(headers, name).into_iter().next_back();
        Self {
            addresses: trailing_addresses(values(headers, "x-forwarded-for")),
            is_secure: last("x-forwarded-proto").map(|proto| proto.eq_ignore_ascii_case("https")),
            host: last("x-forwarded-host").and_then(host),
        }
    }

    fn of_forwarded(headers: &HeaderMap) -> Self {
        let elements = values(headers, "forwarded");
        let parameter = |element: &str, wanted: &str| {
            let mut pairs = element
                .split(';')
                .filter_map(|pair| pair.trim().split_once('='));
            let found = pairs.find(|(name, _)| name.eq_ignore_ascii_case(wanted));
            found.map(|(_, value)| value.trim_matches('"').to_owned())
        };
        let all = |wanted| -> Vec<String> {
            let found = elements
                .iter()
                .filter_map(|element| parameter(element, wanted));
            found.collect()
        };
        let (addresses, protos, hosts) = (all("for"), all("proto"), all("host"));
        Self {
            addresses: trailing_addresses(addresses.iter().map(String::as_str).collect()),
            is_secure: protos
                .last()
                .map(|proto| proto.eq_ignore_ascii_case("https")),
            host: hosts.last().and_then(|text| host(text)),
        }
    }
}

/// Returns the values of a header that is a list, over all its lines.
fn values<'a>(headers: &'a HeaderMap, name: &str) -> Vec<&'a str> {
    let lines = headers.get_all(name).into_iter();
    let lines = lines.filter_map(|line| line.to_str().ok());
    lines
        .flat_map(|line| line.split(','))
        .map(str::trim)
        .collect()
}

/// Returns the addresses at the end of the list. What stands before something else is anybody's claim.
fn trailing_addresses(texts: Vec<&str>) -> Vec<IpAddr> {
    let mut addresses: Vec<IpAddr> = texts.into_iter().rev().map_while(address).collect();
    addresses.reverse();
    addresses
}

/// Reads an address with or without a port; IPv6 in brackets or not.
fn address(text: &str) -> Option<IpAddr> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some(address.to_canonical());
    }
    if let Ok(address) = text.parse::<SocketAddr>() {
        return Some(address.ip().to_canonical());
    }
    let inner = text.strip_prefix('[')?.strip_suffix(']')?;
    inner
        .parse::<IpAddr>()
        .ok()
        .map(|address| address.to_canonical())
}

/// Reads a host with or without a port.
fn host(text: &str) -> Option<HeaderValue> {
    let is_host_byte = |b: u8| b.is_ascii_alphanumeric() || b"._-:[]%".contains(&b);
    let is_host =
        !text.is_empty() && text.len() <= MAX_HOST_BYTES && text.bytes().all(is_host_byte);
    HeaderValue::from_str(text).ok().filter(|_| is_host)
}

/// Reads the claims of proxies in one line of each header, for tests with any bytes: the true address, and the host.
pub fn forwarded_client(forwarded_for: &str, forwarded: &str) -> (IpAddr, Option<String>) {
    let mut headers = HeaderMap::new();
    for (name, text) in [("x-forwarded-for", forwarded_for), ("forwarded", forwarded)] {
        if let (false, Ok(value)) = (text.is_empty(), HeaderValue::from_str(text)) {
            headers.insert(name, value);
        }
    }
    let trusted = [Network::from(IpAddr::from(Ipv4Addr::LOCALHOST))];
    let connection = Connection {
        peer: (Ipv4Addr::LOCALHOST, 1).into(),
        is_tls: false,
        is_on_loopback: true,
    };
    let client = Client::of(connection, &trusted, &headers);
    let host = client
        .host
        .map(|host| host.to_str().unwrap_or_default().to_owned());
    (client.peer.ip(), host)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(peer: &str, lines: &[(&'static str, &'static str)]) -> Client {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_static(value));
        }
        let trusted =
            ["127.0.0.1", "10.0.0.0/8", "fd00::/16"].map(|text| Network::parse(text).unwrap());
        let connection = Connection {
            peer: format!("{peer}:5000").parse().unwrap(),
            is_tls: false,
            is_on_loopback: true,
        };
        Client::of(connection, &trusted, &headers)
    }

    #[test]
    fn true_address_is_the_last_untrusted_one() {
        for (peer, lines, expected) in [
            ("127.0.0.1", &[][..], "127.0.0.1"),
            (
                "127.0.0.1",
                &[("x-forwarded-for", "203.0.113.5")],
                "203.0.113.5",
            ),
            (
                "127.0.0.1",
                &[("x-forwarded-for", "6.6.6.6, 203.0.113.5, 10.1.1.1")],
                "203.0.113.5",
            ),
            (
                "127.0.0.1",
                &[
                    ("x-forwarded-for", "6.6.6.6"),
                    ("x-forwarded-for", "203.0.113.5"),
                ],
                "203.0.113.5",
            ),
            (
                "127.0.0.1",
                &[("x-forwarded-for", "6.6.6.6, unknown")],
                "127.0.0.1",
            ),
            (
                "127.0.0.1",
                &[("x-forwarded-for", "[2001:db8::1]:99")],
                "2001:db8::1",
            ),
            (
                "127.0.0.1",
                &[(
                    "forwarded",
                    "for=\"[2001:db8::7]:99\";proto=https, for=10.0.0.3",
                )],
                "2001:db8::7",
            ),
            (
                "127.0.0.1",
                &[
                    // As a client wrote it, through a proxy that sets the other.
                    ("forwarded", "for=6.6.6.6"),
                    ("x-forwarded-for", "203.0.113.9"),
                ],
                "203.0.113.9",
            ),
            (
                "192.0.2.7",
                &[("x-forwarded-for", "203.0.113.5")],
                "192.0.2.7",
            ),
            (
                "192.0.2.7",
                &[("forwarded", "for=203.0.113.5")],
                "192.0.2.7",
            ),
        ] {
            let client = client(peer, lines);
            assert_eq!(client.peer.ip().to_string(), expected, "{lines:?}");
        }
    }

    #[test]
    fn protocol_and_host_count_from_trusted_proxies_only() {
        let lines = &[
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "cam.example.org"),
        ];
        let trusted = client("127.0.0.1", lines);
        assert!(trusted.is_secure && !trusted.is_local);
        assert_eq!(trusted.host.unwrap(), "cam.example.org");
        let other = client("192.0.2.7", lines);
        assert!(!other.is_secure && other.host.is_none());
        let lines = &[(
            "forwarded",
            "for=1.2.3.4;proto=https;host=\"cam.example:8443\"",
        )];
        let forwarded = client("10.2.3.4", lines);
        assert!(forwarded.is_secure);
        assert_eq!(forwarded.host.unwrap(), "cam.example:8443");
        for bad in ["a b", "a/b", "a\"", ""] {
            assert_eq!(host(bad), None, "{bad}");
        }
    }

    #[test]
    fn proxy_on_this_machine_has_no_limited_address() {
        assert_eq!(client("127.0.0.1", &[]).limited_address(), None);
        let named = client("127.0.0.1", &[("x-forwarded-for", "127.0.0.1")]);
        assert!(named.limited_address().is_some());
        assert!(client("127.0.0.1", &[]).is_local);
        for (name, value) in [
            ("via", "1.1 x"),
            ("forwarded", ""),
            ("x-forwarded-port", "1"),
        ] {
            assert!(!client("127.0.0.1", &[(name, value)]).is_local, "{name}");
        }
    }
}
