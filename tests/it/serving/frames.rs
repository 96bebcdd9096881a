//! WebSocket frames over a bare socket, as no client library sends them (RFC 6455).

use super::live;
use crate::support::{PATIENCE, Server};
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;

/// A viewer without a library.
struct Bare {
    socket: TcpStream,
    buffer: Vec<u8>,
}

impl Bare {
    fn connect(server: &Server) -> Self {
        let mut socket = TcpStream::connect(server.address()).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let host = server.address();
        write!(
            socket,
            "GET /video_websocket HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        .unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            socket.read_exact(&mut byte).unwrap();
            head.push(byte[0]);
        }
        assert!(head.starts_with(b"HTTP/1.1 101"));
        Self {
            socket,
            buffer: Vec::new(),
        }
    }

    fn send(&mut self, bytes: &[u8]) {
        self.socket.write_all(bytes).unwrap();
    }

    /// The next frame's opcode and payload; `None` when the server has ended its side in order.
    fn frame(&mut self) -> Option<(u8, Vec<u8>)> {
        loop {
            if let [first, second, rest @ ..] = &self.buffer[..] {
                let (length, header) = match second {
                    126 if rest.len() >= 2 => (usize::from(rest[0]) << 8 | usize::from(rest[1]), 4),
                    127 if rest.len() >= 8 => {
                        let length = u64::from_be_bytes(rest[..8].try_into().unwrap());
                        (length as usize, 10)
                    }
                    126 | 127 => (usize::MAX - 10, 10),
                    short => (usize::from(*short), 2),
                };
                if self.buffer.len() >= header + length {
                    let opcode = first & 15;
                    let payload = self.buffer[header..header + length].to_vec();
                    self.buffer.drain(..header + length);
                    return Some((opcode, payload));
                }
            }
            let mut bytes = [0; 4096];
            match self.socket.read(&mut bytes) {
                Ok(0) => {
                    assert!(self.buffer.is_empty(), "it ended within a frame");
                    return None;
                }
                Ok(count) => self.buffer.extend_from_slice(&bytes[..count]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => panic!("no orderly end: {error}"),
            }
        }
    }

    /// The payload of the close frame, after which nothing comes but the end.
    fn close(&mut self) -> Vec<u8> {
        loop {
            let (opcode, payload) = self.frame().expect("a close frame");
            if opcode == 8 {
                assert_eq!(self.frame(), None, "a frame after the close frame");
                return payload;
            }
        }
    }
}

fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    let mask = [0x12, 0x34, 0x56, 0x78];
    let mut out = vec![first];
    match payload.len() {
        short @ 0..126 => out.push(0x80 | short as u8),
        long => {
            out.push(0x80 | 126);
            out.extend_from_slice(&(long as u16).to_be_bytes());
        }
    }
    out.extend_from_slice(&mask);
    out.extend(payload.iter().zip(mask.iter().cycle()).map(|(a, b)| a ^ b));
    out
}

#[test]
fn close_code_is_returned_or_refused() {
    let server = live();
    let close = |code: u16, reason: &[u8]| masked(0x88, &[&code.to_be_bytes(), reason].concat());
    for (sent, expected) in [
        (masked(0x88, b""), 1000),
        (close(1000, b""), 1000),
        (close(1001, b"bye"), 1001),
        (close(3000, b""), 3000),
        (close(4999, "grüß".as_bytes()), 4999),
        (masked(0x88, b"\x03"), 1002),
        (close(0, b""), 1002),
        (close(1004, b""), 1002),
        (close(1005, b""), 1002),
        (close(1006, b""), 1002),
        (close(1015, b""), 1002),
        (close(2999, b""), 1002),
        (close(5000, b""), 1002),
        (close(1000, b"\xff\xfe"), 1007),
    ] {
        let mut viewer = Bare::connect(&server);
        viewer.send(&sent);
        assert_eq!(viewer.close(), u16::to_be_bytes(expected), "{sent:x?}");
    }
}

#[test]
fn invalid_utf8_closes_with_1007() {
    let server = live();
    for sent in [
        masked(
            0x81,
            b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80",
        ),
        [masked(0x01, b"\xf4\x8f"), masked(0x80, b"\xbf\x41")].concat(),
        [
            masked(0x01, b"\xe2\x82"),
            masked(0x00, b""),
            masked(0x80, b""),
        ]
        .concat(),
    ] {
        let mut viewer = Bare::connect(&server);
        viewer.send(&sent);
        assert_eq!(viewer.close(), 1007u16.to_be_bytes(), "{sent:x?}");
    }
    // Cut within a character, it is one text.
    let mut viewer = Bare::connect(&server);
    viewer.send(&[masked(0x01, b"\xe2\x82"), masked(0x80, b"\xac")].concat());
    viewer.send(&masked(0x88, b""));
    assert_eq!(viewer.close(), 1000u16.to_be_bytes());
}

#[test]
fn nothing_is_sent_after_our_close_frame() {
    let server = live();
    let mut viewer = Bare::connect(&server);
    let frames = [
        masked(0x88, b"\x03\xe8"),
        masked(0x89, b"late"),
        masked(0x81, b"{}"),
    ];
    viewer.send(&frames.concat());
    assert_eq!(viewer.close(), 1000u16.to_be_bytes());
}

#[test]
fn bytes_left_unread_do_not_hide_the_close_code() {
    let server = live();
    let mut viewer = Bare::connect(&server);
    // A frame of 100 kB is refused by its header; the rest comes all the same.
    let mut frame = vec![0x82, 0x80 | 127];
    frame.extend_from_slice(&100_000u64.to_be_bytes());
    frame.resize(100_014, 7);
    viewer.send(&frame);
    assert_eq!(viewer.close(), 1009u16.to_be_bytes());
}

#[test]
fn newest_of_many_pings_is_answered() {
    let server = live();
    let mut viewer = Bare::connect(&server);
    let pings: Vec<u8> = (0..100u8)
        .flat_map(|number| masked(0x89, &[number]))
        .collect();
    viewer.send(&pings);
    let mut answered = Vec::new();
    while answered.last() != Some(&99) {
        if let (10, payload) = viewer.frame().unwrap() {
            answered.push(payload[0]);
        }
    }
    assert!(answered.is_sorted(), "{answered:?}");
}
