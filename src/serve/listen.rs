//! Opening the addresses to listen on, and saying why one cannot be opened.

use crate::os::procfs::{self, ProcessInfo};
use crate::serve::address::Address;
use crate::serve::config::Config;
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, ToSocketAddrs};

/// Connections that the kernel holds until they are taken: a thousand viewers may reload at once.
const BACKLOG: i32 = 1024;

/// An open address and the URL for people.
#[derive(Debug)]
#[allow(missing_docs)]
pub struct BoundListener {
    pub listener: TcpListener,
    pub url: String,
    pub is_secure: bool,
    /// RTSP alone is spoken there.
    pub is_rtsp: bool,
}

/// Reason why an address cannot be opened.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{text}")]
pub struct BindError {
    text: String,
    /// True if the machine may get the address later, such as at boot.
    pub is_missing: bool,
}

/// Opens all addresses of the configuration: those for HTTP, then those for RTSP alone.
pub fn bind_configured(config: &Config) -> Result<Vec<BoundListener>, BindError> {
    let mut all = bind_all(&config.listen)?;
    for mut bound in bind_all(&config.rtsp)? {
        bound.is_rtsp = true;
        // https -> rtsps
        bound.url = bound.url.replacen("http", "rtsp", 1);
        all.push(bound);
    }
    Ok(all)
}

/// Opens all `addresses`, each with all socket addresses of its name, on the same port. What the
/// machine does not have, such as IPv6, is skipped as long as one works; any other failure prevents
/// the start.
pub fn bind_all(addresses: &[Address]) -> Result<Vec<BoundListener>, BindError> {
    let mut opened = Vec::new();
    for (address, found) in resolve(addresses)? {
        opened.extend(bind_one(address, found)?);
    }
    Ok(opened)
}

fn bind_one(address: &Address, found: Vec<SocketAddr>) -> Result<Vec<BoundListener>, BindError> {
    let mut opened: Vec<BoundListener> = Vec::new();
    let mut missing = None;
    let mut port = address.port;
    for mut socket_address in found {
        socket_address.set_port(port);
        match bind(socket_address) {
            Ok(listener) => {
                port = listener.local_addr().map_or(port, |local| local.port());
                let url = url(address, socket_address.ip(), port);
                opened.push(BoundListener {
                    listener,
                    url,
                    is_secure: address.is_secure,
                    is_rtsp: false,
                });
            }
            Err(error) => {
                let refusal = BindError {
                    text: bind_error_message(&error, address, socket_address),
                    is_missing: error.kind() == io::ErrorKind::AddrNotAvailable,
                };
                // The free port that was picked for one address need not be free for the other.
                if !is_missing(&error) && (address.port != 0 || opened.is_empty()) {
                    return Err(refusal);
                }
                missing = Some(refusal);
            }
        }
    }
    match missing {
        Some(refusal) if opened.is_empty() => Err(refusal),
        _ => Ok(opened),
    }
}

/// The machine has no such address at all.
fn is_missing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::AddrNotAvailable | io::ErrorKind::Unsupported
    ) || error.raw_os_error() == Some(rustix::io::Errno::AFNOSUPPORT.raw_os_error())
}

/// Resolves the addresses. `[::]:PORT` means IPv4 too, as programs usually have it, unless an IPv4
/// address with this port is listed as well. IPv4 has a socket of its own, so that it works without
/// IPv6 and IPv4 addresses are shown as such.
fn resolve(addresses: &[Address]) -> Result<Vec<(&Address, Vec<SocketAddr>)>, BindError> {
    let mut all = Vec::new();
    for address in addresses {
        all.push((address, resolve_one(address)?));
    }
    let has_v4 = |found: &[SocketAddr]| found.iter().any(SocketAddr::is_ipv4);
    for index in 0..all.len() {
        let any = SocketAddr::from((Ipv6Addr::UNSPECIFIED, all[index].0.port));
        let is_taken = any.port() != 0
            && all
                .iter()
                .any(|(other, found)| other.port == any.port() && has_v4(found));
        if all[index].1 == [any] && !is_taken {
            let port = any.port();
            all[index]
                .1
                .push(SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)));
        }
    }
    Ok(all)
}

fn resolve_one(address: &Address) -> Result<Vec<SocketAddr>, BindError> {
    let both = |v4: Ipv4Addr, v6: Ipv6Addr| {
        vec![
            SocketAddr::from((v4, address.port)),
            SocketAddr::from((v6, address.port)),
        ]
    };
    match address.host.as_str() {
        "" => Ok(both(Ipv4Addr::UNSPECIFIED, Ipv6Addr::UNSPECIFIED)),
        // Independent of the hosts file: browsers try either of them first.
        "localhost" => Ok(both(Ipv4Addr::LOCALHOST, Ipv6Addr::LOCALHOST)),
        host => {
            let found = (host, address.port).to_socket_addrs();
            let mut found: Vec<SocketAddr> = found
                .map_err(|error| BindError {
                    text: format!("cannot listen on {host}: {error}. Is the name right? 0.0.0.0 means all addresses."),
                    is_missing: true,
                })?
                .collect();
            found.dedup();
            Ok(found)
        }
    }
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    // A restart must not wait for the old connections to time out.
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        // IPv4 has sockets of its own, see `resolve`.
        socket.set_only_v6(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

fn url(address: &Address, ip: IpAddr, port: u16) -> String {
    let scheme = address.scheme();
    let host = match ip {
        _ if address.host == "localhost" && ip.is_ipv4() => "localhost".to_owned(),
        IpAddr::V6(ip) => format!("[{ip}]"),
        IpAddr::V4(ip) => ip.to_string(),
    };
    format!("{scheme}://{host}:{port}/")
}

fn bind_error_message(error: &io::Error, address: &Address, tried: SocketAddr) -> String {
    let why = match error.kind() {
        io::ErrorKind::AddrInUse => {
            let who = procfs::listening_process(tried.port());
            if who.as_ref().is_some_and(ProcessInfo::is_self) {
                "another of the given addresses has it already; leave out one of the two (0.0.0.0, [::] and :PORT are every address)".to_owned()
            } else {
                let who = who.map_or_else(String::new, |who| format!(" by {who}"));
                format!(
                    "the port is in use{who}. Stop that program, or choose another port with --listen {}{}:PORT (0 picks a free one)",
                    if address.is_secure { "https://" } else { "" },
                    address.host
                )
            }
        }
        io::ErrorKind::PermissionDenied if tried.port() < 1024 => format!(
            "ports below 1024 are for root. Choose a higher one, or allow it once with \
             \"sudo setcap cap_net_bind_service=+ep {}\"",
            std::env::current_exe().map_or_else(|_| "berrymse".into(), |path| path.display().to_string())
        ),
        io::ErrorKind::AddrNotAvailable => {
            "this machine has no such address. \"ip addr\" lists those it has; 0.0.0.0 means all of them".to_owned()
        }
        _ => error.to_string(),
    };
    format!("cannot listen on {tried}: {why}.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpStream;

    fn resolved(addresses: &str) -> Vec<String> {
        let addresses: Vec<Address> = addresses
            .split(' ')
            .map(|text| Address::parse(text).unwrap())
            .collect();
        let all = resolve(&addresses).unwrap();
        all.iter()
            .map(|(_, found)| {
                let found: Vec<String> = found.iter().map(ToString::to_string).collect();
                found.join(" ")
            })
            .collect()
    }

    #[test]
    fn ipv6_any_includes_ipv4_unless_given() {
        for (addresses, found) in [
            ("[::]:80", &["[::]:80 0.0.0.0:80"][..]),
            ("[0:0::0]:80", &["[::]:80 0.0.0.0:80"]),
            ("[::]:0 [::]:0", &["[::]:0 0.0.0.0:0", "[::]:0 0.0.0.0:0"]),
            ("0.0.0.0:80 [::]:80", &["0.0.0.0:80", "[::]:80"]),
            ("[::]:80 0.0.0.0:80", &["[::]:80", "0.0.0.0:80"]),
            ("[::]:80 127.0.0.1:80", &["[::]:80", "127.0.0.1:80"]),
            (
                "[::]:80 https://0.0.0.0:81",
                &["[::]:80 0.0.0.0:80", "0.0.0.0:81"],
            ),
            (
                "[::]:80 https://[::1]:80",
                &["[::]:80 0.0.0.0:80", "[::1]:80"],
            ),
            ("[::1]:80", &["[::1]:80"]),
            (":80", &["0.0.0.0:80 [::]:80"]),
        ] {
            assert_eq!(resolved(addresses), found, "{addresses}");
        }
    }

    #[test]
    fn localhost_port_serves_ipv4_and_ipv6() {
        for text in ["[::]:0", ":0"] {
            let opened = bind_all(&[Address::parse(text).unwrap()]).unwrap();
            for listening in &opened {
                let address = listening.listener.local_addr().unwrap();
                let own = match address {
                    SocketAddr::V4(_) => IpAddr::from(Ipv4Addr::LOCALHOST),
                    SocketAddr::V6(_) => IpAddr::from(Ipv6Addr::LOCALHOST),
                };
                TcpStream::connect((own, opened[0].listener.local_addr().unwrap().port())).unwrap();
            }
            // No IPv6 here is no failure.
            assert!(
                opened
                    .iter()
                    .any(|listening| listening.url.contains("//0.0.0.0:")),
                "{opened:?}"
            );
        }
    }
}
