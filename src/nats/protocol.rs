//! The client's side of the core protocol of NATS: what a server sends, and lines to send.
//!
//! All of it is bounded, as it comes from outside.

use bytes::{Buf, Bytes, BytesMut};
use memchr::memchr;
use serde_json::Value;

/// Longest line: `INFO` names the other servers of a cluster. Other lines have at most 4 kB.
const MAX_LINE_BYTES: usize = 64 << 10;

/// Largest message that is accepted. The servers' own limit is at most 64 MB, and 1 MB by default.
const MAX_MESSAGE_BYTES: usize = 10 << 20;

/// Smallest and largest message that is sent, whatever the server permits.
const SENT_BYTES: std::ops::RangeInclusive<usize> = 1024..=1 << 20;

/// Most other servers that are remembered.
const MAX_OTHER_SERVERS: usize = 16;

/// Status of the answer where nobody subscribes to a subject.
pub const NO_RESPONDERS: u16 = 503;

/// Reason why the bytes of a server cannot be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0}")]
pub struct ProtocolError(&'static str);

/// Facts that a server sends about itself.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ServerInfo {
    /// Largest payload that it takes, in bytes, within the own limits.
    pub max_payload: usize,
    /// Challenge that is signed with the key of the client.
    pub nonce: Option<String>,
    /// It speaks only TLS after this.
    pub is_tls_required: bool,
    /// It knows headers, and with them the answer that nobody subscribes.
    pub has_headers: bool,
    /// Other servers of the cluster, as `HOST:PORT`.
    pub other_servers: Vec<String>,
    /// It is about to stop.
    pub is_stopping: bool,
}

/// A message to a subscription.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Message {
    /// Id of the subscription.
    pub sid: u64,
    /// Subject that it was published to.
    pub subject: Bytes,
    /// Subject for an answer; empty means none.
    pub reply: Bytes,
    /// Status in the header; 0 without one.
    pub status: u16,
    /// The bytes, without headers.
    pub payload: Bytes,
}

/// Operation that a server sends.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ServerOp {
    /// Facts about the server.
    Info(ServerInfo),
    /// A message.
    Message(Message),
    /// The server wants an answer.
    Ping,
    /// Answer to a ping.
    Pong,
    /// A command was accepted.
    Ok,
    /// An error, as the server words it.
    Error(String),
}

/// Reads what a server sends, cut anywhere.
///
/// ```
/// use berrymse::nats::protocol::{Parser, ServerOp};
///
/// let mut parser = Parser::default();
/// parser.push(b"PING\r\nMSG garden.frames 7 5\r\nhe");
/// assert_eq!(parser.next_op()?, Some(ServerOp::Ping));
/// assert_eq!(parser.next_op()?, None);
/// parser.push(b"llo\r\n");
/// match parser.next_op()? {
///     Some(ServerOp::Message(message)) => assert_eq!((message.sid, &message.payload[..]), (7, &b"hello"[..])),
///     other => panic!("{other:?}"),
/// }
/// # Ok::<(), berrymse::nats::protocol::ProtocolError>(())
/// ```
#[derive(Debug, Default)]
pub struct Parser {
    buffer: BytesMut,
}

impl Parser {
    /// Takes in bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// Returns the buffer to read into.
    pub fn buffer(&mut self) -> &mut BytesMut {
        &mut self.buffer
    }

    /// Returns the next operation that is whole.
    pub fn next_op(&mut self) -> Result<Option<ServerOp>, ProtocolError> {
        let head = self.buffer.get(..MAX_LINE_BYTES).unwrap_or(&self.buffer);
        let Some(end) = memchr(b'\n', head) else {
            if self.buffer.len() >= MAX_LINE_BYTES {
                return Err(ProtocolError("a line is too long"));
            }
            return Ok(None);
        };
        let line = head.get(..end).unwrap_or_default();
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let word_end = line.iter().position(u8::is_ascii_whitespace);
        let (word, rest) = line.split_at(word_end.unwrap_or(line.len()));
        let op = match word.to_ascii_uppercase().as_slice() {
            b"MSG" => return self.message(end + 1, false),
            b"HMSG" => return self.message(end + 1, true),
            b"INFO" => ServerOp::Info(info(rest)?),
            b"PING" => ServerOp::Ping,
            b"PONG" => ServerOp::Pong,
            b"+OK" => ServerOp::Ok,
            b"-ERR" => {
                let text = String::from_utf8_lossy(rest.get(..512).unwrap_or(rest));
                let text = text.trim().trim_matches('\'');
                ServerOp::Error(text.chars().filter(|c| !c.is_control()).collect())
            }
            _ => return Err(ProtocolError("it does not speak the protocol of NATS")),
        };
        self.buffer.advance(end + 1);
        Ok(Some(op))
    }

    /// Returns the message whose line has `line_bytes`, once all of it is there.
    fn message(
        &mut self,
        line_bytes: usize,
        has_header: bool,
    ) -> Result<Option<ServerOp>, ProtocolError> {
        const BAD_LINE: ProtocolError = ProtocolError("a message has an impossible first line");
        let line = self.buffer.get(..line_bytes).unwrap_or_default();
        let words = line.split(u8::is_ascii_whitespace);
        let words: Vec<&[u8]> = words.filter(|word| !word.is_empty()).take(7).collect();
        let (subject, sid, reply, sizes): (_, _, &[u8], _) = match (has_header, words.as_slice()) {
            (false, [_, subject, sid, size]) => (subject, sid, b"", ["0".as_bytes(), size]),
            (false, [_, subject, sid, reply, size]) => {
                (subject, sid, reply, ["0".as_bytes(), size])
            }
            (true, [_, subject, sid, header, size]) => (subject, sid, b"", [*header, size]),
            (true, [_, subject, sid, reply, header, size]) => {
                (subject, sid, reply, [*header, size])
            }
            _ => return Err(BAD_LINE),
        };
        let sid = number(sid).ok_or(BAD_LINE)?;
        let [header, size] = sizes.map(|digits| number(digits).and_then(|n| n.try_into().ok()));
        let (header, size): (usize, usize) = (header.ok_or(BAD_LINE)?, size.ok_or(BAD_LINE)?);
        if header > size {
            return Err(BAD_LINE);
        }
        if size > MAX_MESSAGE_BYTES {
            return Err(ProtocolError("a message is too large"));
        }
        let whole = line_bytes + size + 2;
        if self.buffer.len() < whole {
            self.buffer.reserve(whole - self.buffer.len());
            return Ok(None);
        }
        let (subject, reply) = (
            Bytes::copy_from_slice(subject),
            Bytes::copy_from_slice(reply),
        );
        self.buffer.advance(line_bytes);
        let mut payload = self.buffer.split_to(size).freeze();
        if self.buffer.get(..2) != Some(b"\r\n") {
            return Err(ProtocolError("a message does not end where it should"));
        }
        self.buffer.advance(2);
        let header = payload.split_to(header);
        Ok(Some(ServerOp::Message(Message {
            sid,
            subject,
            reply,
            status: status(&header),
            payload,
        })))
    }
}

/// Number of decimal digits, at most 18 of them.
fn number(digits: &[u8]) -> Option<u64> {
    let is_number = (1..=18).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit);
    let text = std::str::from_utf8(digits).ok()?;
    is_number.then(|| text.parse().ok()).flatten()
}

/// Status of a header such as `NATS/1.0 503`.
fn status(header: &[u8]) -> u16 {
    let code = header.strip_prefix(b"NATS/1.0 ").unwrap_or_default();
    let code = code.get(..3).and_then(number);
    code.and_then(|code| code.try_into().ok()).unwrap_or(0)
}

fn info(json: &[u8]) -> Result<ServerInfo, ProtocolError> {
    let value: Value = serde_json::from_slice(json)
        .map_err(|_| ProtocolError("the server's INFO cannot be read"))?;
    let flag = |name| value.get(name).and_then(Value::as_bool) == Some(true);
    let max_payload = value.get("max_payload").and_then(Value::as_u64);
    let max_payload = max_payload.and_then(|bytes| usize::try_from(bytes).ok());
    let others = value.get("connect_urls").and_then(Value::as_array);
    let others = others.into_iter().flatten().filter_map(Value::as_str);
    let is_address = |text: &&str| text.len() < 256 && text.bytes().all(|b| b.is_ascii_graphic());
    Ok(ServerInfo {
        max_payload: max_payload
            .unwrap_or(*SENT_BYTES.end())
            .clamp(*SENT_BYTES.start(), *SENT_BYTES.end()),
        nonce: value
            .get("nonce")
            .and_then(Value::as_str)
            .filter(|nonce| nonce.len() <= 256)
            .map(str::to_owned),
        is_tls_required: flag("tls_required"),
        has_headers: flag("headers"),
        other_servers: others
            .filter(is_address)
            .take(MAX_OTHER_SERVERS)
            .map(str::to_owned)
            .collect(),
        is_stopping: flag("ldm"),
    })
}

/// Returns the bytes that publish the concatenation of `parts` to `subject`; an empty `reply` means that no answer is wanted.
pub fn publish(subject: &str, reply: &str, parts: &[&[u8]]) -> Bytes {
    let size: usize = parts.iter().map(|part| part.len()).sum();
    let line = format!("PUB {subject} {reply} {size}\r\n");
    let mut out = Vec::with_capacity(line.len() + size + 2);
    out.extend_from_slice(line.as_bytes());
    parts.iter().for_each(|part| out.extend_from_slice(part));
    out.extend_from_slice(b"\r\n");
    out.into()
}

/// Returns true for text that can be a token of a subject.
pub(crate) fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 128
        && text
            .bytes()
            .all(|b| b.is_ascii_graphic() && !b".*>".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ops(bytes: &[u8], cut: usize) -> Result<Vec<ServerOp>, ProtocolError> {
        let mut parser = Parser::default();
        let mut out = Vec::new();
        for piece in bytes.chunks(cut) {
            parser.push(piece);
            while let Some(op) = parser.next_op()? {
                out.push(op);
            }
        }
        Ok(out)
    }

    #[test]
    fn operations_are_read_wherever_they_are_cut() {
        let text = b"INFO {\"max_payload\":4096,\"nonce\":\"abc\",\"headers\":true,\"connect_urls\":[\"a:1\",\"b c\"]}\r\n\
            +OK\r\nPING\r\npong\r\n-ERR 'Authorization Violation'\r\n\
            MSG a.b 1 3\r\nxyz\r\nMSG a.b 1 back 0\r\n\r\nHMSG in.1 2 16 16\r\nNATS/1.0 503\r\n\r\n\r\n\
            HMSG a 3 r 13 15\r\nNATS/1.0\r\nx:y\xff!\r\n";
        let all = ops(text, usize::MAX).unwrap();
        for cut in [1, 2, 3, 7, 50] {
            assert_eq!(ops(text, cut).unwrap(), all, "{cut}");
        }
        let ServerOp::Info(info) = &all[0] else {
            panic!("{all:?}");
        };
        assert_eq!(info.max_payload, 4096);
        assert_eq!(info.other_servers, ["a:1"]);
        assert_eq!(info.nonce.as_deref(), Some("abc"));
        assert_eq!(all[4], ServerOp::Error("Authorization Violation".into()));
        let messages: Vec<_> = all[5..]
            .iter()
            .map(|op| match op {
                ServerOp::Message(m) => (m.sid, m.status, &m.reply[..], &m.payload[..]),
                other => panic!("{other:?}"),
            })
            .collect();
        let expected: [(u64, u16, &[u8], &[u8]); 4] = [
            (1, 0, b"", b"xyz"),
            (1, 0, b"back", b""),
            (2, 503, b"", b""),
            (3, 0, b"r", b"\xff!"),
        ];
        assert_eq!(messages, expected);
    }

    #[test]
    fn impossible_bytes_are_errors() {
        for text in [
            &b"HTTP/1.1 400 Bad Request\r\n"[..],
            b"MSG a 1\r\n",
            b"MSG a x 1\r\n",
            b"MSG a 1 99999999\r\n",
            b"MSG a 1 3\r\nabcdef",
            b"HMSG a 1 5 4\r\nabcd\r\n",
            b"INFO {\r\n",
            &[b'x'; MAX_LINE_BYTES],
        ] {
            assert!(ops(text, usize::MAX).is_err());
        }
    }

    #[test]
    fn publication_has_its_size() {
        let bytes = publish("a.b", "", &[b"12", b"345"]);
        assert_eq!(&bytes[..], b"PUB a.b  5\r\n12345\r\n");
        let bytes = publish("a.b", "back", &[]);
        assert_eq!(&bytes[..], b"PUB a.b back 0\r\n\r\n");
    }
}
