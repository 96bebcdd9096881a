//! Requests of an RTSP client (RFC 2326, 6), cut anywhere, with interleaved packets (10.12) between them.
//!
//! Parsed here: the crates for it want complete URLs, which not all clients send, and pull in Unicode tables for them.

use super::first_line;
use super::response::{Response, Status};

/// Most bytes of a request's head.
const MAX_HEAD_BYTES: usize = 16 << 10;

/// Most header lines of a request.
const MAX_HEADERS: usize = 64;

/// Largest body, which is skipped.
const MAX_BODY_BYTES: usize = 64 << 10;

/// First byte of an interleaved packet.
const INTERLEAVED: u8 = b'$';

/// One request without its body.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) target: String,
    /// Number that the response repeats.
    pub(crate) cseq: String,
    headers: Vec<(String, String)>,
}

impl Request {
    /// Returns the first header of this name.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        header(&self.headers, name)
    }
}

fn header<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    let found = headers
        .iter()
        .find(|(key, _)| key.eq_ignore_ascii_case(name));
    found.map(|(_, value)| value.as_str())
}

/// Unit that a client sent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Incoming {
    Request(Request),
    /// A packet, which is discarded: a receiver report.
    Packet,
    /// A request that is wrong, with the answer to it.
    Wrong(Refused),
}

/// Answer to a request that cannot be read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Refused {
    pub(crate) response: Response,
    pub(crate) cseq: Option<String>,
    /// Where the next request begins is not known.
    pub(crate) is_fatal: bool,
}

/// Reads requests of one connection. Holds at most one head and what was fed last.
#[derive(Debug, Default)]
pub(crate) struct RequestReader {
    buffer: Vec<u8>,
    /// Search for the end of a head that comes in pieces.
    search: HeadSearch,
    /// Bytes of a body or packet still to skip.
    skip: usize,
    /// Unit that is complete once they are skipped.
    pending: Option<Incoming>,
    is_broken: bool,
}

impl RequestReader {
    /// Adds bytes of the connection. The caller takes all of [`Self::next`] before it adds more.
    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        if !self.is_broken {
            self.buffer.extend_from_slice(bytes);
        }
    }

    /// Returns what came next, if it is complete.
    pub(crate) fn next(&mut self) -> Option<Incoming> {
        loop {
            if let Some(pending) = self.take_skipped()? {
                return Some(pending);
            }
            match *self.buffer.first()? {
                INTERLEAVED => {
                    let [_, _, high, low] = *self.buffer.first_chunk()?;
                    self.skip = 4 + usize::from(u16::from_be_bytes([high, low]));
                    self.pending = Some(Incoming::Packet);
                }
                b'\r' | b'\n' => {
                    let is_line_end = |byte: &u8| matches!(byte, b'\r' | b'\n');
                    let blank = self.buffer.iter().take_while(|byte| is_line_end(byte));
                    self.skip = blank.count();
                }
                _ => self.read_head()?,
            }
        }
    }

    /// Skips a body or packet; `None` while it is not complete.
    fn take_skipped(&mut self) -> Option<Option<Incoming>> {
        let here = self.skip.min(self.buffer.len());
        if here > 0 {
            self.buffer.drain(..here);
            self.search = HeadSearch::default();
        }
        self.skip -= here;
        if self.buffer.is_empty() && self.buffer.capacity() > MAX_HEAD_BYTES {
            self.buffer = Vec::new();
        }
        (self.skip == 0).then(|| self.pending.take())
    }

    /// Takes a head, if it is complete.
    fn read_head(&mut self) -> Option<()> {
        let window = self.buffer.get(..MAX_HEAD_BYTES).unwrap_or(&self.buffer);
        // However the bytes are cut, the first line decides before the end of the head does.
        let first = window.get(..first_line::MAX_BYTES);
        if first.is_some_and(|first| !first.contains(&b'\n')) {
            let words = "request: URL too long; at most 2 kB are taken\n";
            self.pending = Some(self.broken((Status::URI_TOO_LONG, words), None));
            return Some(());
        }
        let Some(length) = self.search.next_end(window) else {
            if window.len() < MAX_HEAD_BYTES {
                return None;
            }
            let words = "request: head too large; at most 16 kB are taken\n";
            self.pending = Some(self.broken((Status::TOO_LARGE, words), None));
            return Some(());
        };
        let head = window.get(..length).unwrap_or_default();
        let (incoming, body) = match parse_head(head) {
            Ok((request, body)) => (Incoming::Request(request), body),
            Err(refused) if refused.is_fatal => {
                self.pending = Some(self.broken_with(refused));
                return Some(());
            }
            Err(refused) => (Incoming::Wrong(refused), 0),
        };
        self.skip = length + body;
        self.pending = Some(incoming);
        Some(())
    }

    fn broken(&mut self, (status, words): (Status, &str), cseq: Option<String>) -> Incoming {
        self.broken_with(Refused {
            response: Response::text(status, words),
            cseq,
            is_fatal: true,
        })
    }

    /// Reads nothing more.
    fn broken_with(&mut self, refused: Refused) -> Incoming {
        (self.is_broken, self.skip) = (true, 0);
        self.buffer = Vec::new();
        Incoming::Wrong(refused)
    }
}

/// Search for the empty line at the end of a head. It goes on where it stopped, as a head may come byte by byte.
#[derive(Debug, Default)]
struct HeadSearch {
    searched: usize,
    is_empty_line: bool,
}

impl HeadSearch {
    /// Returns the length of the head with its empty line, if that has come.
    fn next_end(&mut self, bytes: &[u8]) -> Option<usize> {
        for byte in bytes.get(self.searched..)? {
            self.searched += 1;
            match byte {
                b'\n' if self.is_empty_line => return Some(self.searched),
                b'\n' => self.is_empty_line = true,
                b'\r' => {}
                _ => self.is_empty_line = false,
            }
        }
        None
    }
}

/// Returns the request of a head, and the length of its body.
fn parse_head(head: &[u8]) -> Result<(Request, usize), Refused> {
    let wrong = |status, words: &str, cseq: Option<&str>, is_fatal| Refused {
        response: Response::text(status, words),
        cseq: cseq.map(str::to_owned),
        is_fatal,
    };
    let bad = |words: &str| wrong(Status::BAD_REQUEST, words, None, false);
    let text = std::str::from_utf8(head).map_err(|_| bad("request: not UTF-8 text\n"))?;
    let is_control = |c: char| c.is_ascii_control() && !matches!(c, '\r' | '\n' | '\t');
    if text.contains(is_control) || text.replace("\r\n", "\n").contains('\r') {
        return Err(bad("request: control character in a line\n"));
    }
    let mut lines = text.lines();
    let first = lines.next().unwrap_or_default();
    let headers = parse_headers(lines).map_err(bad)?;
    let cseq = header(&headers, "cseq").filter(|text| is_number(text));
    // Otherwise the body would be read as a request.
    let body = match header(&headers, "content-length").map(str::parse::<usize>) {
        None => 0,
        Some(Ok(length)) if length <= MAX_BODY_BYTES => length,
        Some(Ok(_)) => {
            let words = "request: body too large; at most 64 kB are taken\n";
            return Err(wrong(Status::TOO_LARGE, words, cseq, true));
        }
        Some(Err(_)) => {
            let words = "request: Content-Length is no number\n";
            return Err(wrong(Status::BAD_REQUEST, words, cseq, true));
        }
    };
    let mut words = first.split(' ').filter(|word| !word.is_empty());
    let (Some(method), Some(target), Some(version), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        let hint = "request: not understood; the first line is METHOD rtsp://HOST/PATH RTSP/1.0\n";
        return Err(wrong(Status::BAD_REQUEST, hint, cseq, body > 0));
    };
    if !version.eq_ignore_ascii_case("RTSP/1.0") {
        let hint = "request: version not supported; RTSP/1.0 is spoken here\n";
        return Err(wrong(Status::VERSION, hint, cseq, body > 0));
    }
    let Some(cseq) = cseq else {
        let hint = "request: CSeq is needed, a number of up to 10 digits\n";
        return Err(wrong(Status::BAD_REQUEST, hint, None, body > 0));
    };
    let request = Request {
        method: method.to_owned(),
        target: target.to_owned(),
        cseq: cseq.to_owned(),
        headers,
    };
    Ok((request, body))
}

fn parse_headers<'a>(
    lines: impl Iterator<Item = &'a str>,
) -> Result<Vec<(String, String)>, &'static str> {
    let mut headers: Vec<(String, String)> = Vec::new();
    for line in lines.take_while(|line| !line.is_empty()) {
        if line.starts_with([' ', '\t']) {
            let Some((_, value)) = headers.last_mut() else {
                return Err("request: the first header line begins with a space\n");
            };
            value.push(' ');
            value.push_str(line.trim());
            continue;
        }
        let Some((name, value)) = line.split_once(':') else {
            return Err("request: a header line has no colon\n");
        };
        if headers.len() == MAX_HEADERS {
            return Err("request: more than 64 header lines\n");
        }
        headers.push((name.trim().to_owned(), value.trim().to_owned()));
    }
    Ok(headers)
}

fn is_number(text: &str) -> bool {
    (1..=10).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What comes out when `bytes` come in pieces of `piece` bytes.
    fn read(bytes: &[u8], piece: usize) -> Vec<Incoming> {
        let mut reader = RequestReader::default();
        let mut all = Vec::new();
        for piece in bytes.chunks(piece) {
            reader.feed(piece);
            all.extend(std::iter::from_fn(|| reader.next()));
        }
        all
    }

    fn summary(incoming: &Incoming) -> String {
        match incoming {
            Incoming::Request(request) => format!("{} {}", request.method, request.cseq),
            Incoming::Packet => "packet".to_owned(),
            Incoming::Wrong(refused) => format!(
                "{} {}{}",
                refused.response.status.code,
                refused.cseq.as_deref().unwrap_or("-"),
                if refused.is_fatal { " end" } else { "" }
            ),
        }
    }

    #[test]
    fn requests_cut_anywhere_are_the_same() {
        let mut bytes =
            b"OPTIONS rtsp://h/live RTSP/1.0\r\nCSeq: 1\r\nUser-Agent: a\r\nUser-Agent: b\r\n\r\n"
                .to_vec();
        bytes.extend(b"$\x01\x00\x08\r\n\r\n$$$$\r\n");
        bytes.extend(
            b"SET_PARAMETER rtsp://h/live RTSP/1.0\nCSeq: 2\nContent-Length: 5\n\n\r\n$\r\n",
        );
        bytes.extend(b"$\x01\x00\x00GET_PARAMETER * rtsp/1.0\r\nX: a\r\n b\r\nCSeq:3\r\n\r\n");
        let whole = read(&bytes, bytes.len());
        let expected = [
            "OPTIONS 1",
            "packet",
            "SET_PARAMETER 2",
            "packet",
            "GET_PARAMETER 3",
        ];
        assert_eq!(whole.iter().map(summary).collect::<Vec<_>>(), expected);
        let Incoming::Request(last) = &whole[4] else {
            panic!()
        };
        assert_eq!(last.header("x"), Some("a b"));
        for piece in 1..20 {
            assert_eq!(read(&bytes, piece), whole, "pieces of {piece}");
        }
    }

    #[test]
    fn wrong_requests_are_answered_and_the_next_one_is_read() {
        let next = "OPTIONS * RTSP/1.0\r\nCSeq: 9\r\n\r\n";
        for (wrong, answer) in [
            ("OPTIONS *\r\nCSeq: 1\r\n\r\n", "400 1"),
            ("A b c d\r\nCSeq: 1\r\n\r\n", "400 1"),
            ("OPTIONS * RTSP/2.0\r\nCSeq: 1\r\n\r\n", "505 1"),
            ("OPTIONS * RTSP/1.0\r\n\r\n", "400 -"),
            ("OPTIONS * RTSP/1.0\r\nCSeq: x\r\n\r\n", "400 -"),
            ("OPTIONS * RTSP/1.0\r\nCSeq: 1\r\nX\r\n\r\n", "400 -"),
            ("OPTIONS * RTSP/1.0\r\nCSeq: 1\rX: 2\r\n\r\n", "400 -"),
            ("OPTIONS * RTSP/1.0\r\nCSeq: 1\r\nX: \x01\r\n\r\n", "400 -"),
        ] {
            let all = read(format!("{wrong}{next}").as_bytes(), 7);
            let all: Vec<String> = all.iter().map(summary).collect();
            assert_eq!(all, [answer, "OPTIONS 9"], "{wrong:?}");
        }
    }

    #[test]
    fn without_an_end_nothing_more_is_read() {
        let long_head = format!("OPTIONS * RTSP/1.0\r\n{}", "X: y\r\n".repeat(4000));
        for (bytes, answer) in [
            ("a".repeat(100_000), "414 - end"),
            (format!("{}\r\n\r\n", "a".repeat(2100)), "414 - end"),
            (long_head, "413 - end"),
            (
                "A * RTSP/1.0\r\nCSeq: 1\r\nContent-Length: 65537\r\n\r\n".into(),
                "413 1 end",
            ),
            (
                "A * RTSP/1.0\r\nCSeq: 1\r\nContent-Length: -1\r\n\r\n".into(),
                "400 1 end",
            ),
            (
                "A *\r\nCSeq: 1\r\nContent-Length: 5\r\n\r\nhello".into(),
                "400 1 end",
            ),
        ] {
            let next = "OPTIONS * RTSP/1.0\r\nCSeq: 9\r\n\r\n";
            let all = read(format!("{bytes}{next}").as_bytes(), 4096);
            assert_eq!(all.iter().map(summary).collect::<Vec<_>>(), [answer]);
        }
    }
}
