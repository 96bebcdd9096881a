//! Reads frames of viewers: small and masked (RFC 6455, 5.2), cut anywhere.

use std::fmt;

/// Largest message taken from a viewer, in bytes. The player's messages are a tenth of that.
pub const MAX_MESSAGE_BYTES: usize = 4096;

/// Longest payload of a control frame (RFC 6455, 5.5).
const MAX_CONTROL_PAYLOAD: usize = 125;

/// Complete frame or message of a viewer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ClientFrame {
    /// A text message in UTF-8.
    Text(Vec<u8>),
    /// A binary message, which means nothing to us.
    Binary,
    /// To be answered with the same payload.
    Ping(Vec<u8>),
    /// An answer to our ping.
    Pong,
    /// The viewer closes, with its code if it gave one.
    Close(Option<u16>),
    /// A part of a message that is not whole yet: nothing to be answered, but work.
    Partial,
}

/// Reason to close a connection, as the code of the close frame (RFC 6455, 7.4.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ProtocolError {
    /// 1002: not the protocol.
    Protocol,
    /// 1007: a text, or the reason of a close frame, that is not UTF-8.
    NotUtf8,
    /// 1009: larger than [`MAX_MESSAGE_BYTES`].
    TooBig,
}

impl ProtocolError {
    /// The close code.
    pub const fn code(self) -> u16 {
        match self {
            Self::Protocol => 1002,
            Self::NotUtf8 => 1007,
            Self::TooBig => 1009,
        }
    }
}

impl fmt::Display for ProtocolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Protocol => "it sent something that is not WebSocket",
            Self::NotUtf8 => "it sent text that is not UTF-8",
            Self::TooBig => "it sent too large a message",
        })
    }
}

/// Puts frames together. Empty between messages, so that an idle viewer costs no memory.
#[derive(Debug)]
pub struct FrameReader {
    /// Largest message, in bytes.
    limit: usize,
    /// The beginning of a frame.
    partial: Vec<u8>,
    /// The beginning of a message in several frames; the first byte is its opcode.
    message: Option<Vec<u8>>,
}

struct Frame {
    fin: bool,
    opcode: u8,
    payload: Vec<u8>,
}

impl Default for FrameReader {
    fn default() -> Self {
        Self::with_limit(MAX_MESSAGE_BYTES)
    }
}

impl FrameReader {
    /// Takes messages of at most `limit` bytes.
    pub fn with_limit(limit: usize) -> Self {
        Self {
            limit,
            partial: Vec::new(),
            message: None,
        }
    }

    /// Takes bytes from the socket and calls `each` with one [`ClientFrame`] for each frame that
    /// they complete.
    pub fn push(
        &mut self,
        bytes: &[u8],
        mut each: impl FnMut(ClientFrame),
    ) -> Result<(), ProtocolError> {
        self.partial.extend_from_slice(bytes);
        let mut used = 0;
        while let Some((frame, length)) =
            parse_frame(self.partial.get(used..).unwrap_or_default(), self.limit)?
        {
            used += length;
            each(self.on_frame(frame)?);
        }
        self.partial.drain(..used);
        if self.partial.is_empty() {
            self.partial = Vec::new();
        }
        Ok(())
    }

    fn on_frame(&mut self, frame: Frame) -> Result<ClientFrame, ProtocolError> {
        match frame.opcode {
            0 => {
                let mut message = self.message.take().ok_or(ProtocolError::Protocol)?;
                // The first byte is the opcode.
                if message.len() + frame.payload.len() > self.limit + 1 {
                    return Err(ProtocolError::TooBig);
                }
                message.extend_from_slice(&frame.payload);
                self.on_message_part(frame.fin, message)
            }
            1 | 2 if self.message.is_some() => Err(ProtocolError::Protocol),
            1 | 2 => {
                let mut message = vec![frame.opcode];
                message.extend_from_slice(&frame.payload);
                self.on_message_part(frame.fin, message)
            }
            8 => close_code(&frame.payload).map(ClientFrame::Close),
            9 => Ok(ClientFrame::Ping(frame.payload)),
            10 => Ok(ClientFrame::Pong),
            _ => Err(ProtocolError::Protocol),
        }
    }

    fn on_message_part(
        &mut self,
        fin: bool,
        mut message: Vec<u8>,
    ) -> Result<ClientFrame, ProtocolError> {
        let is_text = message.first() == Some(&1);
        if is_text && !is_utf8(message.get(1..).unwrap_or_default(), fin) {
            return Err(ProtocolError::NotUtf8);
        }
        if !fin {
            self.message = Some(message);
            return Ok(ClientFrame::Partial);
        }
        if is_text {
            message.remove(0);
            Ok(ClientFrame::Text(message))
        } else {
            Ok(ClientFrame::Binary)
        }
    }
}

/// True if `text` is UTF-8; an incomplete text may end within a character (RFC 6455, 8.1).
fn is_utf8(text: &[u8], is_whole: bool) -> bool {
    match std::str::from_utf8(text) {
        Ok(_) => true,
        Err(error) => !is_whole && error.error_len().is_none(),
    }
}

/// The code in a close frame, if there is one (RFC 6455, 5.5.1 and 7.4).
fn close_code(payload: &[u8]) -> Result<Option<u16>, ProtocolError> {
    let [first, second, reason @ ..] = payload else {
        return if payload.is_empty() {
            Ok(None)
        } else {
            Err(ProtocolError::Protocol)
        };
    };
    let code = u16::from_be_bytes([*first, *second]);
    // 1012 to 1014 were registered later (IANA); 1004 to 1006 and 1015 are never sent.
    if !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) {
        return Err(ProtocolError::Protocol);
    }
    if !is_utf8(reason, true) {
        return Err(ProtocolError::NotUtf8);
    }
    Ok(Some(code))
}

/// The frame at the start of `bytes` and its length, or `None` if it is not whole yet.
fn parse_frame(bytes: &[u8], limit: usize) -> Result<Option<(Frame, usize)>, ProtocolError> {
    let [first, second, rest @ ..] = bytes else {
        return Ok(None);
    };
    let (fin, opcode) = (first & 0x80 != 0, first & 0x0f);
    // No extension was agreed on, and clients must mask.
    if first & 0x70 != 0 || second & 0x80 == 0 {
        return Err(ProtocolError::Protocol);
    }
    let (length, rest, header) = match second & 0x7f {
        126 => match rest {
            [a, b, rest @ ..] => (u64::from(u16::from_be_bytes([*a, *b])), rest, 4),
            _ => return Ok(None),
        },
        127 => match rest.split_first_chunk::<8>() {
            Some((length, rest)) => (u64::from_be_bytes(*length), rest, 10),
            None => return Ok(None),
        },
        short => (u64::from(short), rest, 2),
    };
    if length > limit as u64 {
        return Err(ProtocolError::TooBig);
    }
    let length = length as usize;
    if opcode >= 8 && (length > MAX_CONTROL_PAYLOAD || !fin) {
        return Err(ProtocolError::Protocol);
    }
    let Some((mask, rest)) = rest.split_first_chunk::<4>() else {
        return Ok(None);
    };
    let Some(masked) = rest.get(..length) else {
        return Ok(None);
    };
    let payload = masked
        .iter()
        .zip(mask.iter().cycle())
        .map(|(byte, mask)| byte ^ mask)
        .collect();
    Ok(Some((
        Frame {
            fin,
            opcode,
            payload,
        },
        header + 4 + length,
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
        let mask = [1, 2, 3, 4];
        let mut out = vec![first];
        if payload.len() < 126 {
            out.push(0x80 | payload.len() as u8);
        } else {
            out.push(0x80 | 126);
            out.extend_from_slice(&(payload.len() as u16).to_be_bytes());
        }
        out.extend_from_slice(&mask);
        out.extend(payload.iter().zip(mask.iter().cycle()).map(|(a, b)| a ^ b));
        out
    }

    fn all(bytes: &[u8]) -> Result<Vec<ClientFrame>, ProtocolError> {
        let mut out = Vec::new();
        FrameReader::default()
            .push(bytes, |incoming| out.push(incoming))
            .map(|()| out)
    }

    #[test]
    fn frames_of_each_kind_are_understood() {
        let bytes = [
            masked(0x81, b"{}"),
            masked(0x89, b"x"),
            masked(0x8a, b""),
            masked(0x82, b"1"),
            masked(0x88, b""),
        ];
        let expected = [
            ClientFrame::Text(b"{}".into()),
            ClientFrame::Ping(b"x".into()),
            ClientFrame::Pong,
            ClientFrame::Binary,
            ClientFrame::Close(None),
        ];
        assert_eq!(all(&bytes.concat()), Ok(expected.into()));
    }

    #[test]
    fn ping_between_fragments_is_accepted() {
        let bytes = [
            masked(0x01, b"a"),
            masked(0x89, b""),
            masked(0x00, b"b"),
            masked(0x80, b"c"),
        ];
        assert_eq!(
            all(&bytes.concat()),
            Ok(vec![
                ClientFrame::Partial,
                ClientFrame::Ping(vec![]),
                ClientFrame::Partial,
                ClientFrame::Text(b"abc".into())
            ])
        );
    }

    #[test]
    fn protocol_violations_are_rejected() {
        assert_eq!(
            all(&[0x81, 0x00]),
            Err(ProtocolError::Protocol),
            "not masked"
        );
        assert_eq!(
            all(&masked(0xc1, b"a")),
            Err(ProtocolError::Protocol),
            "an extension"
        );
        assert_eq!(
            all(&masked(0x80, b"a")),
            Err(ProtocolError::Protocol),
            "nothing to continue"
        );
        assert_eq!(
            all(&masked(0x83, b"a")),
            Err(ProtocolError::Protocol),
            "unknown opcode"
        );
        assert_eq!(
            all(&masked(0x09, b"a")),
            Err(ProtocolError::Protocol),
            "control frame in parts"
        );
        assert_eq!(
            all(&masked(0x89, &[0; 126])),
            Err(ProtocolError::Protocol),
            "long control frame"
        );
        assert_eq!(
            all(&[masked(0x01, b"a"), masked(0x81, b"b")].concat()),
            Err(ProtocolError::Protocol),
            "nested"
        );
    }

    #[test]
    fn text_that_is_not_utf8_is_refused() {
        assert_eq!(all(&masked(0x81, b"\xff")), Err(ProtocolError::NotUtf8));
        assert_eq!(all(&masked(0x81, b"\xe2\x82")), Err(ProtocolError::NotUtf8));
        // A character may be cut between fragments, but has to be whole at the end.
        let cut = [masked(0x01, b"\xe2\x82"), masked(0x80, b"\xac")].concat();
        let whole = ClientFrame::Text("€".into());
        assert_eq!(all(&cut), Ok(vec![ClientFrame::Partial, whole]));
        let torn = [masked(0x01, b"\xe2\x82"), masked(0x80, b"a")].concat();
        assert_eq!(all(&torn), Err(ProtocolError::NotUtf8));
        // What can no longer become right is refused before the end.
        assert_eq!(all(&masked(0x01, b"a\xc0")), Err(ProtocolError::NotUtf8));
        assert_eq!(all(&masked(0x82, b"\xff")), Ok(vec![ClientFrame::Binary]));
    }

    #[test]
    fn close_codes_are_those_that_may_be_sent() {
        let close = |code: u16, reason: &[u8]| {
            let payload = [&code.to_be_bytes()[..], reason].concat();
            all(&masked(0x88, &payload))
        };
        for code in [1000, 1001, 1003, 1007, 1011, 1014, 3000, 3999, 4000, 4999] {
            assert_eq!(
                close(code, b"bye"),
                Ok(vec![ClientFrame::Close(Some(code))])
            );
        }
        for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535] {
            assert_eq!(close(code, b"bye"), Err(ProtocolError::Protocol), "{code}");
        }
        assert_eq!(all(&masked(0x88, b"\x03")), Err(ProtocolError::Protocol));
        assert_eq!(close(1000, b"\xff"), Err(ProtocolError::NotUtf8));
    }

    #[test]
    fn limit_is_the_same_in_one_frame_and_in_parts() {
        let half = [b'*'; MAX_MESSAGE_BYTES / 2];
        let parts = |more: &[u8]| {
            let last = [&half[..], more].concat();
            all(&[masked(0x02, &half), masked(0x80, &last)].concat())
        };
        assert_eq!(
            parts(b""),
            Ok(vec![ClientFrame::Partial, ClientFrame::Binary])
        );
        assert_eq!(parts(b"*"), Err(ProtocolError::TooBig));
        assert_eq!(
            all(&masked(0x82, &[b'*'; MAX_MESSAGE_BYTES])),
            Ok(vec![ClientFrame::Binary])
        );
    }

    #[test]
    fn oversized_message_is_rejected_by_its_header() {
        let mut header = vec![0x82, 0x80 | 127];
        header.extend_from_slice(&u64::MAX.to_be_bytes());
        assert_eq!(all(&header), Err(ProtocolError::TooBig));
        let parts: Vec<u8> = std::iter::once(masked(0x01, &[0; 4000]))
            .chain(std::iter::once(masked(0x00, &[0; 4000])))
            .flatten()
            .collect();
        assert_eq!(all(&parts), Err(ProtocolError::TooBig));
    }

    proptest! {
        #[test]
        fn cutting_does_not_matter(
            texts in prop::collection::vec("\\PC{0,200}", 1..5),
            cuts in prop::collection::vec(1usize..40, 1..20),
        ) {
            let bytes: Vec<u8> = texts.iter().flat_map(|text| masked(0x81, text.as_bytes())).collect();
            let mut inbound = FrameReader::default();
            let (mut got, mut rest, mut cut) = (Vec::new(), &bytes[..], cuts.iter().cycle());
            while !rest.is_empty() {
                let (now, later) = rest.split_at((*cut.next().unwrap()).min(rest.len()));
                inbound.push(now, |incoming| got.push(incoming)).unwrap();
                rest = later;
            }
            prop_assert_eq!(got, texts.into_iter().map(|text| ClientFrame::Text(text.into_bytes())).collect::<Vec<_>>());
        }

        #[test]
        fn noise_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
            let _ = all(&bytes);
        }
    }
}
