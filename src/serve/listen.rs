//! Opening the addresses to listen on, and saying why one cannot be opened.

use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, ToSocketAddrs};

/// Connections that the kernel holds until they are taken: a thousand viewers may reload at once.
const BACKLOG: i32 = 1024;

/// An address as typed. An empty host means all addresses.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(missing_docs)]
pub struct Address {
    pub host: String,
    pub port: u16,
}

/// An open address and the URL for people.
#[derive(Debug)]
#[allow(missing_docs)]
pub struct Listening {
    pub listener: TcpListener,
    pub url: String,
}

/// Opens `address`: all that its name stands for, on the same port. What the machine does not have, such as
/// IPv6, is left out as long as one works.
pub fn open(address: &Address) -> Result<Vec<Listening>, String> {
    let mut opened: Vec<Listening> = Vec::new();
    let mut refusal = None;
    let mut port = address.port;
    for ip in resolve(address)? {
        match bind(SocketAddr::new(ip, port)) {
            Ok(listener) => {
                if let Ok(local) = listener.local_addr() {
                    port = local.port();
                }
                let url = url(&address.host, ip, port);
                opened.push(Listening { listener, url });
            }
            Err(error) if is_missing(&error) && !opened.is_empty() => {}
            Err(error) => {
                let missing = is_missing(&error);
                refusal = refusal.or(Some(explain(&error, address, SocketAddr::new(ip, port))));
                if !missing {
                    break;
                }
            }
        }
    }
    match refusal {
        Some(refusal)
            if opened.is_empty() || !opened.iter().any(|_| address.host == "localhost") =>
        {
            Err(refusal)
        }
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

fn resolve(address: &Address) -> Result<Vec<IpAddr>, String> {
    if address.host.is_empty() {
        return Ok(vec![
            Ipv6Addr::UNSPECIFIED.into(),
            Ipv4Addr::UNSPECIFIED.into(),
        ]);
    }
    if let Ok(ip) = address.host.parse() {
        return Ok(vec![ip]);
    }
    let found = (address.host.as_str(), address.port).to_socket_addrs();
    let mut ips: Vec<IpAddr> = found
        .map_err(|error| {
            format!(
                "cannot listen on {}: {error}. Is the name right? Try 0.0.0.0 for all addresses.",
                address.host
            )
        })?
        .map(|address| address.ip())
        .collect();
    if address.host == "localhost" {
        // Both, whatever the hosts file says: browsers try either first.
        ips = vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
    }
    ips.dedup();
    Ok(ips)
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
        socket.set_only_v6(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

fn url(host: &str, ip: IpAddr, port: u16) -> String {
    let host = match ip {
        _ if host == "localhost" && ip.is_ipv4() => "localhost".to_owned(),
        IpAddr::V6(ip) => format!("[{ip}]"),
        IpAddr::V4(ip) => ip.to_string(),
    };
    format!("http://{host}:{port}/")
}

fn explain(error: &io::Error, address: &Address, tried: SocketAddr) -> String {
    let why = match error.kind() {
        io::ErrorKind::AddrInUse => {
            let who = crate::process::listener_on(tried.port()).map_or_else(String::new, |who| format!(" by {who}"));
            format!(
                "the port is in use{who}. Stop that program, or choose another port with --listen {}:PORT (0 picks a free one)",
                address.host
            )
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
