//! A ready-made binary WebSocket message: frame header and payload in one allocation.
//!
//! A frame from server to client is not masked (RFC 6455, 5.1), so its header is the same for every
//! viewer, and one message can be sent to all of them without another copy.

use bytes::Bytes;

/// Longest header of an unmasked frame: two bytes and a 64-bit length (RFC 6455, 5.2).
const HEADER_MAX: usize = 10;

/// One unfragmented binary message. Cloning shares the bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    framed: Bytes,
    header_bytes: usize,
}

impl Message {
    /// A message whose payload is what `write` appends; `capacity` is the expected payload size in bytes.
    pub fn build(capacity: usize, write: impl FnOnce(&mut Vec<u8>)) -> Self {
        let mut buffer = Vec::with_capacity(HEADER_MAX + capacity);
        buffer.resize(HEADER_MAX, 0);
        write(&mut buffer);
        let (header, header_bytes) =
            header(Opcode::Binary, buffer.len().saturating_sub(HEADER_MAX));
        let start = HEADER_MAX - header_bytes;
        buffer[start..HEADER_MAX].copy_from_slice(&header[..header_bytes]);
        Self {
            framed: Bytes::from(buffer).slice(start..),
            header_bytes,
        }
    }

    /// The bytes as they go over a WebSocket.
    pub fn framed(&self) -> &Bytes {
        &self.framed
    }

    /// The same, without another share of them.
    pub fn into_framed(self) -> Bytes {
        self.framed
    }

    /// The payload alone, for transports without frames.
    pub fn payload(&self) -> Bytes {
        self.framed.slice(self.header_bytes..)
    }

    /// Size in memory, in bytes.
    pub fn len(&self) -> usize {
        self.framed.len()
    }

    /// Returns the size of a message with a payload of this many bytes.
    pub fn len_with(payload_bytes: usize) -> usize {
        header(Opcode::Binary, payload_bytes).1 + payload_bytes
    }

    /// Never true: there is always a header.
    pub fn is_empty(&self) -> bool {
        self.framed.is_empty()
    }
}

/// Kinds of WebSocket frames that we send (RFC 6455, 5.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs)]
pub enum Opcode {
    Text = 1,
    Binary = 2,
    Close = 8,
    Ping = 9,
    Pong = 10,
}

/// Header of an unfragmented, unmasked frame and how many of its bytes count.
fn header(opcode: Opcode, payload_bytes: usize) -> ([u8; HEADER_MAX], usize) {
    let mut out = [0; HEADER_MAX];
    out[0] = 0x80 | opcode as u8;
    let length = payload_bytes as u64;
    let used = match length {
        0..=125 => {
            out[1] = length as u8;
            2
        }
        126..=0xffff => {
            out[1] = 126;
            out[2..4].copy_from_slice(&(length as u16).to_be_bytes());
            4
        }
        _ => {
            out[1] = 127;
            out[2..10].copy_from_slice(&length.to_be_bytes());
            10
        }
    };
    (out, used)
}

/// A whole frame of any kind, for the small messages that are made for one viewer.
pub fn frame(opcode: Opcode, payload: &[u8]) -> Bytes {
    let (header, used) = header(opcode, payload.len());
    let mut out = Vec::with_capacity(used + payload.len());
    out.extend_from_slice(&header[..used]);
    out.extend_from_slice(payload);
    Bytes::from(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_takes_the_shortest_form() {
        for (size, header) in [
            (0usize, vec![0x82, 0]),
            (125, vec![0x82, 125]),
            (126, vec![0x82, 126, 0, 126]),
            (65_535, vec![0x82, 126, 255, 255]),
            (65_536, vec![0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
        ] {
            let message = Message::build(size, |out| out.resize(out.len() + size, 7));
            assert_eq!(message.framed()[..header.len()], header, "{size} bytes");
            assert_eq!(message.len(), header.len() + size);
            assert_eq!(message.payload(), vec![7; size]);
        }
    }

    #[test]
    fn small_frames_carry_their_opcode() {
        assert_eq!(frame(Opcode::Ping, b"x")[..], [0x89, 1, b'x']);
        assert_eq!(
            frame(Opcode::Close, &1001u16.to_be_bytes())[..],
            [0x88, 2, 3, 233]
        );
    }
}
