//! The cases of the Autobahn test suite (0.8.2, by their numbers) that apply to a server which mostly sends. Where the suite expects an
//! echo, the connection must stay: it answers a ping after the case, and closes in order.
//!
//! Not here: 9.7 and 9.8 (speed of echoes), 12 and 13 (compression, which the server does not agree on). Messages beyond
//! 4096 bytes end with 1009, which the suite counts as a choice of the server.

mod cases;

use super::live;
use crate::support::PATIENCE;
use cases::{CLOSE, Case, Closes, PING, PONG, Stays, close, frame};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Mutex;

/// Connections at the same time.
const PARALLEL: usize = 8;

struct Peer(TcpStream);

impl Peer {
    fn connect(address: &str) -> Self {
        let mut socket = TcpStream::connect(address).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.set_nodelay(true).unwrap();
        // 12 and 13: compression is offered, and not agreed on.
        write!(
            socket,
            "GET /video_websocket HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        .unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            socket.read_exact(&mut byte).unwrap();
            head.extend_from_slice(&byte);
        }
        let head = String::from_utf8(head).unwrap().to_lowercase();
        assert!(head.starts_with("http/1.1 101"), "{head}");
        assert!(!head.contains("sec-websocket-extensions"), "{head}");
        Self(socket)
    }

    /// Writes as far as the server reads: it may have closed meanwhile.
    fn send(&mut self, bytes: &[u8], piece: usize) {
        let piece = if piece == 0 { bytes.len() } else { piece };
        for piece in bytes.chunks(piece.max(1)) {
            if self.0.write_all(piece).is_err() {
                return;
            }
        }
    }

    /// First byte and payload of the next frame of the server, which has no mask and no fragments.
    fn frame(&mut self) -> std::io::Result<(u8, Vec<u8>)> {
        let mut head = [0; 2];
        self.0.read_exact(&mut head)?;
        assert_eq!(head[0] & 0xf0, 0x80, "a part, or a reserved bit");
        let mut length = [0; 8];
        let size = match head[1] {
            126 => 2,
            127 => 8,
            short => {
                assert!(short < 126, "masked");
                length[7] = short;
                0
            }
        };
        self.0.read_exact(&mut length[8 - size..])?;
        let mut payload = vec![0; u64::from_be_bytes(length) as usize];
        self.0.read_exact(&mut payload)?;
        Ok((head[0], payload))
    }

    /// Reads until the frame with this first byte, and returns its payload.
    fn until(&mut self, wanted: u8) -> Result<Vec<u8>, String> {
        loop {
            match self.frame() {
                Ok((first, payload)) if first == wanted => return Ok(payload),
                Ok((CLOSE, payload)) => return Err(format!("closed: {payload:?}")),
                Ok(_) => {}
                Err(error) => return Err(error.to_string()),
            }
        }
    }
}

/// Runs a case; an error says what was wrong.
fn run(address: &str, case: &Case) -> Result<(), String> {
    let mut peer = Peer::connect(address);
    let mut bytes = case.frames.concat();
    // The head alone is enough for the server, which reads no more than a part of the rest before it resets the connection.
    bytes.truncate(128 << 10);
    peer.send(&bytes, case.piece);
    let code = match &case.outcome {
        Closes(code) => *code,
        Stays(pongs) => {
            // The server keeps the newest ten pongs, so this ping comes after them.
            let mut expected = pongs.clone();
            let mut found = Vec::new();
            while found.len() < pongs.len() {
                found.push(peer.until(PONG)?);
            }
            peer.send(&frame(PING, "the end"), 0);
            expected.push(b"the end".into());
            found.push(peer.until(PONG)?);
            if found != expected {
                return Err(format!("pongs {found:?}"));
            }
            peer.send(&close(1000, ""), 0);
            1000
        }
    };
    let payload = peer.until(CLOSE)?;
    let found = payload.first_chunk().copied().map(u16::from_be_bytes);
    if found != Some(code) {
        return Err(format!("closed with {found:?}"));
    }
    // Bytes that nobody reads any more make the end a reset.
    match peer.frame() {
        Err(error) if error.kind() != std::io::ErrorKind::WouldBlock => Ok(()),
        other => Err(format!("after the close frame: {other:?}")),
    }
}

#[test]
fn autobahn_cases_end_as_the_suite_wants() {
    let cases = cases::all();
    assert!(cases.len() > 300, "{} cases", cases.len());
    let server = live();
    let mut other = server.watch("/video_websocket");
    let (queue, failures) = (Mutex::new(cases.iter()), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..PARALLEL {
            scope.spawn(|| {
                loop {
                    let Some(case) = queue.lock().unwrap().next() else {
                        return;
                    };
                    if let Err(why) = run(server.address(), case) {
                        let outcome = &case.outcome;
                        let line = format!("{}: {why} instead of {outcome:?}", case.name);
                        failures.lock().unwrap().push(line);
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    other.collect(10);
    server.wait_for("left by all", |camera| camera["viewers"] == 1);
}
