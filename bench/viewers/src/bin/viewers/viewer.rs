//! One viewer: its connection, from the first packet to the last, and what it was sent.

use crate::connect::{Received, Socket, ACCEPT};
use crate::frames::{self, Broken, Frame, Messages, CLOSE, PING, PONG, TEXT};
use crate::seen::{Seen, Tally};
use bench::now_ns;
use memchr::memmem;

/// How far it has got.
#[derive(PartialEq, Clone, Copy, Debug)]
pub enum State {
    Connecting,
    Upgrading,
    Open,
    Closed,
}

/// Times are 0 before it was.
pub struct Viewer {
    id: usize,
    state: State,
    /// `None` when it is closed.
    socket: Option<Socket>,
    /// What was read and is no whole frame, or no whole answer to the upgrade, yet.
    rest: Vec<u8>,
    pieces: Messages,
    pub connected_at: u64,
    pub open_at: u64,
    pub closed_at: u64,
    pub close_code: u16,
    /// It does not read now.
    pub is_stalled: bool,
    /// How long it stalls as `--stall` says.
    pub stall_until: u64,
    pub seen: Seen,
}

impl Viewer {
    /// `socket` is `None` if no connection could be made.
    pub fn new(id: usize, socket: Option<Socket>, is_apart: bool) -> Self {
        Self {
            id,
            state: if socket.is_some() {
                State::Connecting
            } else {
                State::Closed
            },
            socket,
            rest: vec![],
            pieces: Messages::default(),
            connected_at: now_ns(),
            open_at: 0,
            closed_at: 0,
            close_code: 0,
            is_stalled: false,
            stall_until: 0,
            seen: Seen::new(is_apart),
        }
    }

    pub fn state(&self) -> State {
        self.state
    }

    pub fn is_open(&self) -> bool {
        self.state == State::Open
    }

    pub fn socket(&self) -> Option<&Socket> {
        self.socket.as_ref()
    }

    /// The connection is there, or has failed: asks for the stream; false if that is in vain.
    pub fn ask(&mut self, request: &[u8]) -> bool {
        self.state = State::Upgrading;
        self.socket
            .as_mut()
            .is_some_and(|socket| socket.is_connected() && socket.send(request))
    }

    /// Reads once. `greetings` are sent as soon as the server speaks WebSocket.
    pub fn read(&mut self, buffer: &mut [u8], greetings: &[String], tally: &mut Tally) {
        let Some(socket) = &mut self.socket else {
            return;
        };
        let received = socket.receive(buffer);
        let now = now_ns();
        match received {
            Received::Nothing => {}
            Received::End => {
                tally.failed += u64::from(self.state == State::Upgrading);
                self.close(now);
            }
            Received::Bytes(count) => self.take(&buffer[..count], greetings, now, tally),
        }
    }

    fn take(&mut self, new: &[u8], greetings: &[String], now: u64, tally: &mut Tally) {
        let mut joined = std::mem::take(&mut self.rest);
        let mut bytes = match joined.is_empty() {
            true => new,
            false => {
                joined.extend_from_slice(new);
                &joined
            }
        };
        if self.state == State::Upgrading {
            let Some(end) = memmem::find(bytes, b"\r\n\r\n") else {
                self.rest = bytes.to_vec();
                return;
            };
            if !self.upgrade(&bytes[..end], greetings, now, tally) {
                return;
            }
            bytes = &bytes[end + 4..];
        }
        match self.parse(bytes, now, tally) {
            Ok(Some(used)) => self.keep(&bytes[used..]),
            Ok(None) => self.close(now),
            Err(Broken) => {
                tally.protocol_errors += 1;
                self.close(now);
            }
        }
    }

    fn upgrade(&mut self, head: &[u8], greetings: &[String], now: u64, tally: &mut Tally) -> bool {
        let head = String::from_utf8_lossy(head);
        if !head.starts_with("HTTP/1.1 101") || !head.contains(ACCEPT) {
            if tally.failed == 0 {
                eprintln!(
                    "viewers: not upgraded: {}",
                    head.lines().next().unwrap_or("")
                );
            }
            tally.failed += 1;
            self.close(now);
            return false;
        }
        self.state = State::Open;
        self.open_at = now;
        for text in greetings {
            self.send(&frames::of_client(TEXT, text.as_bytes()));
        }
        true
    }

    /// Takes all whole frames; returns the bytes used, or `None` when the server closes.
    fn parse(
        &mut self,
        bytes: &[u8],
        now: u64,
        tally: &mut Tally,
    ) -> Result<Option<usize>, Broken> {
        let mut at = 0;
        while let Some((frame, length)) = Frame::first(&bytes[at..])? {
            at += length;
            let payload = frame.payload;
            tally.frame(payload.len());
            match frame.opcode {
                0..=2 => match self.pieces.add(frame)? {
                    None => {}
                    Some((TEXT, text)) => tally.text(text),
                    Some((_, message)) => {
                        tally.dump(self.id, message);
                        self.seen.message(message, now, tally);
                    }
                },
                CLOSE => {
                    self.close_code = match *payload {
                        [high, low, ..] => u16::from_be_bytes([high, low]),
                        _ => 1005,
                    };
                    self.send(&frames::of_client(CLOSE, &payload[..payload.len().min(2)]));
                    return Ok(None);
                }
                PING => self.send(&frames::of_client(PONG, &payload[..payload.len().min(125)])),
                PONG => {}
                _ => return Err(Broken),
            }
        }
        Ok(Some(at))
    }

    fn keep(&mut self, rest: &[u8]) {
        if !rest.is_empty() {
            let mut kept = Vec::with_capacity(rest.len().max(16 << 10));
            kept.extend_from_slice(rest);
            self.rest = kept;
        }
    }

    fn send(&mut self, bytes: &[u8]) {
        if let Some(socket) = &mut self.socket {
            socket.send(bytes);
        }
    }

    pub fn close(&mut self, now: u64) {
        if self.state != State::Closed {
            self.state = State::Closed;
            self.closed_at = now;
            self.socket = None;
            self.rest = Vec::new();
            self.pieces = Messages::default();
        }
    }
}
