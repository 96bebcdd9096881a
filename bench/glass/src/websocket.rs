//! A viewer that wants nothing but the moment at which each picture comes.

use crate::unix_ms;
use std::io::{self, Read, Write};
use std::net::TcpStream;

/// The connection after the opening handshake (RFC 6455, 4).
pub fn open(host: &str, path: &str) -> io::Result<TcpStream> {
    let mut stream = TcpStream::connect(host)
        .map_err(|error| io::Error::new(error.kind(), format!("{host}: {error}")))?;
    stream.set_nodelay(true)?;
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    );
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    let mut byte = [0];
    while !answer.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte)?;
        answer.extend(byte);
    }
    if answer.starts_with(b"HTTP/1.1 101") {
        Ok(stream)
    } else {
        let answer = String::from_utf8_lossy(&answer);
        Err(io::Error::other(format!(
            "{host}{path}: {}",
            answer.lines().next().unwrap_or_default()
        )))
    }
}

/// Calls `on_picture` with the milliseconds of Unix time at which each picture was here to its last byte, until that gives
/// false or the connection ends.
pub fn read_pictures(mut stream: TcpStream, on_picture: impl Fn(f64) -> bool) -> io::Result<()> {
    const BINARY: u8 = 2;
    const PING: u8 = 9;
    loop {
        let mut head = [0; 2];
        stream.read_exact(&mut head)?;
        let length = match head[1] & 0x7f {
            126 => {
                let mut length = [0; 2];
                stream.read_exact(&mut length)?;
                u64::from(u16::from_be_bytes(length))
            }
            127 => {
                let mut length = [0; 8];
                stream.read_exact(&mut length)?;
                u64::from_be_bytes(length)
            }
            short => u64::from(short),
        };
        let mut payload = Vec::new();
        Read::by_ref(&mut stream)
            .take(length)
            .read_to_end(&mut payload)?;
        let at = unix_ms();
        match head[0] & 15 {
            BINARY if payload.get(4..8) == Some(b"moof") && !on_picture(at) => return Ok(()),
            // A masked pong, with a mask of zeros.
            PING if length < 126 => {
                stream.write_all(&[0x8a, 0x80 | length as u8, 0, 0, 0, 0])?;
                stream.write_all(&payload)?;
            }
            _ => {}
        }
    }
}
