//! Tells RTSP from HTTP by the end of the first line. Pure.

/// Most bytes of a first line that are looked at.
pub(crate) const MAX_BYTES: usize = 2048;

/// The protocol of a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Protocol {
    /// RTSP of any version.
    Rtsp,
    /// HTTP, or anything else.
    Http,
}

/// Returns the protocol of a connection that begins with these bytes; `None` while it is not known.
pub(crate) fn protocol(bytes: &[u8]) -> Option<Protocol> {
    let start = bytes.iter().position(|byte| !matches!(byte, b'\r' | b'\n'));
    let line = bytes.get(start?..).unwrap_or_default();
    let Some(end) = line.iter().position(|byte| *byte == b'\n') else {
        return (bytes.len() >= MAX_BYTES).then_some(Protocol::Http);
    };
    let line = line.get(..end).unwrap_or_default().trim_ascii_end();
    let version = line.rsplit(|byte| *byte == b' ').next().unwrap_or_default();
    Some(match version.get(..5) {
        Some(name) if name.eq_ignore_ascii_case(b"RTSP/") => Protocol::Rtsp,
        _ => Protocol::Http,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn last_word_of_first_line_tells_protocols_apart() {
        let long = [b'a'; MAX_BYTES];
        for (bytes, expected) in [
            (&b""[..], None),
            (b"\r\n", None),
            (b"OPTIONS rtsp://host/live RTSP/1.0", None),
            (
                b"OPTIONS rtsp://host/live RTSP/1.0\r\n",
                Some(Protocol::Rtsp),
            ),
            (b"\r\nOPTIONS * RTSP/2.0\nCSeq", Some(Protocol::Rtsp)),
            (b"GET /RTSP/1.0 HTTP/1.1\r\n", Some(Protocol::Http)),
            (b"GET / HTTP/1.1\r\nX: RTSP/1.0\r\n", Some(Protocol::Http)),
            (b"nonsense\n", Some(Protocol::Http)),
            (&long, Some(Protocol::Http)),
            (&long[1..], None),
        ] {
            let text = String::from_utf8_lossy(bytes);
            assert_eq!(protocol(bytes), expected, "{text}");
        }
    }
}
