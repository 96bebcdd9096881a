//! WebSocket frames (RFC 6455, 5) as a client reads and writes them.

pub const TEXT: u8 = 1;
pub const CLOSE: u8 = 8;
pub const PING: u8 = 9;
pub const PONG: u8 = 10;

/// What is against the protocol.
#[derive(PartialEq, Eq, Debug)]
pub struct Broken;

/// A frame of the server.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Frame<'a> {
    pub is_last: bool,
    pub opcode: u8,
    pub payload: &'a [u8],
}

impl<'a> Frame<'a> {
    /// The one that `bytes` begin with, and how many they are; `None` if it is not all there.
    pub fn first(bytes: &'a [u8]) -> Result<Option<(Self, usize)>, Broken> {
        let &[first, second, ..] = bytes else {
            return Ok(None);
        };
        if second & 0x80 != 0 || first & 0x70 != 0 {
            return Err(Broken);
        }
        let (head, length) = match (second & 127, &bytes[2..]) {
            (126, &[a, b, ..]) => (4, usize::from(u16::from_be_bytes([a, b]))),
            (127, &[a, b, c, d, e, f, g, h, ..]) => {
                (10, u64::from_be_bytes([a, b, c, d, e, f, g, h]) as usize)
            }
            (126 | 127, _) => return Ok(None),
            (length, _) => (2, usize::from(length)),
        };
        let frame = bytes[head..].get(..length).map(|payload| Self {
            is_last: first & 0x80 != 0,
            opcode: first & 15,
            payload,
        });
        Ok(frame.map(|frame| (frame, head + length)))
    }
}

/// Puts messages together that come in several frames.
#[derive(Default)]
pub struct Messages {
    opcode: u8,
    is_open: bool,
    payload: Vec<u8>,
}

impl Messages {
    /// With a frame of data (opcodes 0 to 2): the message that it completes, and that one's opcode.
    pub fn add<'a>(&'a mut self, frame: Frame<'a>) -> Result<Option<(u8, &'a [u8])>, Broken> {
        if (frame.opcode == 0) != self.is_open {
            return Err(Broken);
        }
        if frame.is_last && frame.opcode != 0 {
            return Ok(Some((frame.opcode, frame.payload)));
        }
        if frame.opcode != 0 {
            self.opcode = frame.opcode;
            self.payload.clear();
        }
        self.payload.extend_from_slice(frame.payload);
        self.is_open = !frame.is_last;
        Ok(frame.is_last.then_some((self.opcode, &self.payload)))
    }
}

/// A masked frame of a client, of less than 64 kB.
pub fn of_client(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x80 | opcode];
    if payload.len() < 126 {
        frame.push(0x80 | payload.len() as u8);
    } else {
        frame.push(0x80 | 126);
        frame.extend_from_slice(&(payload.len() as u16).to_be_bytes());
    }
    let mask = [0x37, 0xfa, 0x21, 0x3d];
    frame.extend_from_slice(&mask);
    frame.extend(
        payload
            .iter()
            .zip(mask.iter().cycle())
            .map(|(byte, mask)| byte ^ mask),
    );
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_found_wherever_the_bytes_are_cut() {
        for length in [0, 125, 126, 65535, 65536] {
            let mut bytes = vec![0x82];
            match length {
                0..126 => bytes.push(length as u8),
                126..65536 => bytes.extend([&[126], &(length as u16).to_be_bytes()[..]].concat()),
                _ => bytes.extend([&[127], &(length as u64).to_be_bytes()[..]].concat()),
            }
            bytes.resize(bytes.len() + length, 7);
            for cut in [0, 1, 2, 3, 9, bytes.len() - 1] {
                assert_eq!(
                    Frame::first(&bytes[..cut.min(bytes.len() - 1)]),
                    Ok(None),
                    "{length}, {cut}"
                );
            }
            let (frame, used) = Frame::first(&bytes).unwrap().unwrap();
            assert_eq!(
                (frame.opcode, frame.payload.len(), used),
                (2, length, bytes.len())
            );
        }
        assert_eq!(
            Frame::first(&[0x82, 0x80]),
            Err(Broken),
            "masked by a server"
        );
    }

    #[test]
    fn a_message_in_pieces_is_one() {
        let piece = |opcode, is_last, payload| Frame {
            is_last,
            opcode,
            payload,
        };
        let mut messages = Messages::default();
        assert_eq!(messages.add(piece(2, false, b"ab")), Ok(None));
        assert_eq!(messages.add(piece(0, false, b"c")), Ok(None));
        assert_eq!(
            messages.add(piece(0, true, b"d")),
            Ok(Some((2, &b"abcd"[..])))
        );
        assert_eq!(messages.add(piece(1, true, b"e")), Ok(Some((1, &b"e"[..]))));
        assert_eq!(
            messages.add(piece(0, true, b"f")),
            Err(Broken),
            "goes on with nothing"
        );
    }
}
