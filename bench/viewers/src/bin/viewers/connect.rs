//! Where the viewers connect to, and their sockets.

use crate::options::{die, Options};
use bench::tls::{self, Tls};
use std::cell::Cell;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream, ToSocketAddrs};
use std::os::fd::{AsRawFd, FromRawFd, RawFd};
use std::sync::Arc;

/// The example of RFC 6455, 1.3, so that every viewer sends and gets the same.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
pub const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// The servers, of which each viewer takes the next.
pub struct Target {
    addresses: Vec<SocketAddr>,
    next: Cell<usize>,
    tls: Option<Arc<rustls::ClientConfig>>,
    rcvbuf: i32,
    /// The request that each viewer sends.
    pub request: Vec<u8>,
}

impl Target {
    pub fn new(options: &Options) -> Self {
        let first = options.urls.first().map_or("", String::as_str);
        let (host, path) = parts(first);
        Self {
            addresses: options
                .urls
                .iter()
                .map(|url| address(parts(url).0))
                .collect(),
            next: Cell::new(0),
            tls: first.starts_with("wss://").then(tls::config),
            rcvbuf: options.rcvbuf,
            request: request(host, if path.is_empty() { "/" } else { path }, options),
        }
    }

    /// Begins to connect; `None` if that fails at once.
    pub fn connect(&self) -> Option<Socket> {
        let tls = self.tls.as_ref().map(|config| Box::new(Tls::new(config)));
        let next = self.next.replace(self.next.get() + 1);
        let address = &self.addresses[next % self.addresses.len()];
        let stream = begin(address, self.rcvbuf)?;
        Some(Socket { stream, tls })
    }
}

/// Host and path of a URL.
fn parts(url: &str) -> (&str, &str) {
    let rest = url.strip_prefix("ws://").or(url.strip_prefix("wss://"));
    let Some(rest) = rest else {
        die("need a ws:// or wss:// URL (see --help)")
    };
    rest.split_at(rest.find('/').unwrap_or(rest.len()))
}

fn address(host: &str) -> SocketAddr {
    let with_port = match host.contains(':') {
        true => host.to_owned(),
        false => format!("{host}:80"),
    };
    let addresses = with_port.to_socket_addrs().ok();
    addresses
        .and_then(|mut addresses| addresses.next())
        .unwrap_or_else(|| die(&format!("cannot resolve {with_port}")))
}

fn request(host: &str, path: &str, options: &Options) -> Vec<u8> {
    let mut lines = vec![
        format!("GET {path} HTTP/1.1"),
        format!("Host: {host}"),
        "Upgrade: websocket".to_owned(),
        "Connection: Upgrade".to_owned(),
        format!("Sec-WebSocket-Key: {KEY}"),
        "Sec-WebSocket-Version: 13".to_owned(),
        format!("Origin: http://{host}"),
    ];
    let subprotocol = options.subprotocol.iter();
    lines.extend(subprotocol.map(|name| format!("Sec-WebSocket-Protocol: {name}")));
    lines.extend(options.headers.iter().cloned());
    (lines.join("\r\n") + "\r\n\r\n").into_bytes()
}

/// A socket that does not block, and connects: the standard library has no such thing.
fn begin(address: &SocketAddr, rcvbuf: i32) -> Option<TcpStream> {
    let family = if address.is_ipv4() {
        libc::AF_INET
    } else {
        libc::AF_INET6
    };
    let kind = libc::SOCK_STREAM | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
    // SAFETY: no pointers.
    let fd = unsafe { libc::socket(family, kind, 0) };
    if fd < 0 {
        die(&format!("socket: {}", io::Error::last_os_error()));
    }
    // SAFETY: the descriptor is open, and nobody else's.
    let stream = unsafe { TcpStream::from_raw_fd(fd) };
    let _ = stream.set_nodelay(true);
    if rcvbuf > 0 {
        // SAFETY: the value is an int, as is said.
        unsafe {
            libc::setsockopt(
                fd,
                libc::SOL_SOCKET,
                libc::SO_RCVBUF,
                (&raw const rcvbuf).cast(),
                4,
            )
        };
    }
    let result = match address {
        SocketAddr::V4(address) => {
            // SAFETY: all zeros is a valid value; what is connected to is filled in, and valid for the call.
            unsafe {
                let mut to: libc::sockaddr_in = std::mem::zeroed();
                to.sin_family = libc::AF_INET as _;
                to.sin_port = address.port().to_be();
                to.sin_addr.s_addr = u32::from_ne_bytes(address.ip().octets());
                libc::connect(
                    fd,
                    (&raw const to).cast(),
                    std::mem::size_of_val(&to) as u32,
                )
            }
        }
        SocketAddr::V6(address) => {
            // SAFETY: as above.
            unsafe {
                let mut to: libc::sockaddr_in6 = std::mem::zeroed();
                to.sin6_family = libc::AF_INET6 as _;
                to.sin6_port = address.port().to_be();
                to.sin6_addr.s6_addr = address.ip().octets();
                libc::connect(
                    fd,
                    (&raw const to).cast(),
                    std::mem::size_of_val(&to) as u32,
                )
            }
        }
    };
    let is_begun =
        result == 0 || io::Error::last_os_error().raw_os_error() == Some(libc::EINPROGRESS);
    is_begun.then_some(stream)
}

/// A viewer's connection.
pub struct Socket {
    stream: TcpStream,
    tls: Option<Box<Tls>>,
}

/// What came of reading.
pub enum Received {
    Bytes(usize),
    Nothing,
    /// The end of the stream, or of the connection.
    End,
}

impl Socket {
    pub fn fd(&self) -> RawFd {
        self.stream.as_raw_fd()
    }

    /// False if it could not connect.
    pub fn is_connected(&self) -> bool {
        matches!(self.stream.take_error(), Ok(None))
    }

    /// True if all went out, or will with the end of TLS' handshake.
    pub fn send(&mut self, bytes: &[u8]) -> bool {
        match &mut self.tls {
            Some(tls) => tls.send(self.stream.as_raw_fd(), bytes),
            None => self
                .stream
                .write(bytes)
                .is_ok_and(|sent| sent == bytes.len()),
        }
    }

    pub fn receive(&mut self, buffer: &mut [u8]) -> Received {
        if let Some(tls) = &mut self.tls {
            return match tls.recv(self.stream.as_raw_fd(), buffer) {
                -1 => Received::Nothing,
                count => usize::try_from(count).map_or(Received::End, Received::of),
            };
        }
        match self.stream.read(buffer) {
            Ok(count) => Received::of(count),
            Err(error)
                if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) =>
            {
                Received::Nothing
            }
            Err(_) => Received::End,
        }
    }

    /// Nothing more is sent, as the server sees it.
    pub fn close_half(&self) {
        let _ = self.stream.shutdown(Shutdown::Write);
    }
}

impl Received {
    fn of(count: usize) -> Self {
        if count == 0 {
            Self::End
        } else {
            Self::Bytes(count)
        }
    }
}
