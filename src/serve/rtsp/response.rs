//! Responses to an RTSP client (RFC 2326, 7).

use bytes::Bytes;

/// Status of a response.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Status {
    pub(crate) code: u16,
    reason: &'static str,
}

impl Status {
    pub(crate) const OK: Self = Self::new(200, "OK");
    pub(crate) const FOUND: Self = Self::new(302, "Moved Temporarily");
    pub(crate) const BAD_REQUEST: Self = Self::new(400, "Bad Request");
    pub(crate) const UNAUTHORIZED: Self = Self::new(401, "Unauthorized");
    pub(crate) const FORBIDDEN: Self = Self::new(403, "Forbidden");
    pub(crate) const NOT_FOUND: Self = Self::new(404, "Not Found");
    pub(crate) const METHOD_NOT_ALLOWED: Self = Self::new(405, "Method Not Allowed");
    pub(crate) const TOO_LARGE: Self = Self::new(413, "Request Entity Too Large");
    pub(crate) const URI_TOO_LONG: Self = Self::new(414, "Request-URI Too Long");
    pub(crate) const SESSION_NOT_FOUND: Self = Self::new(454, "Session Not Found");
    pub(crate) const WRONG_STATE: Self = Self::new(455, "Method Not Valid in This State");
    pub(crate) const TRANSPORT: Self = Self::new(461, "Unsupported Transport");
    pub(crate) const NOT_IMPLEMENTED: Self = Self::new(501, "Not Implemented");
    pub(crate) const UNAVAILABLE: Self = Self::new(503, "Service Unavailable");
    pub(crate) const VERSION: Self = Self::new(505, "RTSP Version Not Supported");
    pub(crate) const OPTION: Self = Self::new(551, "Option not supported");

    const fn new(code: u16, reason: &'static str) -> Self {
        Self { code, reason }
    }
}

/// One response.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Response {
    pub(crate) status: Status,
    headers: Vec<(&'static str, String)>,
    body: Option<(&'static str, String)>,
}

impl Response {
    /// Returns a response without a body.
    pub(crate) const fn new(status: Status) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: None,
        }
    }

    /// Returns a response with words for people.
    pub(crate) fn text(status: Status, words: impl Into<String>) -> Self {
        Self::new(status).with_body("text/plain; charset=utf-8", words.into())
    }

    /// Adds a header.
    #[must_use]
    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Sets the body.
    #[must_use]
    pub(crate) fn with_body(mut self, content_type: &'static str, body: String) -> Self {
        self.body = Some((content_type, body));
        self
    }

    /// Writes the response to the request with this number.
    pub(crate) fn to_bytes(&self, cseq: Option<&str>) -> Bytes {
        let Status { code, reason } = self.status;
        let mut out = format!("RTSP/1.0 {code} {reason}\r\n");
        let mut line = |name: &str, value: &str| {
            // Texts of clients and of config.yml must not add lines.
            let value: String = value.chars().filter(|c| !c.is_control()).collect();
            out.push_str(&format!("{name}: {value}\r\n"));
        };
        if let Some(cseq) = cseq {
            line("CSeq", cseq);
        }
        line("Server", concat!("BerryMSE/", env!("CARGO_PKG_VERSION")));
        for (name, value) in &self.headers {
            line(name, value);
        }
        if let Some((content_type, body)) = &self.body {
            line("Content-Type", content_type);
            line("Content-Length", &body.len().to_string());
        }
        out.push_str("\r\n");
        if let Some((_, body)) = &self.body {
            out.push_str(body);
        }
        out.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn response_has_number_length_and_no_foreign_lines() {
        let response = Response::text(Status::NOT_FOUND, "no\n").with("X", "a\r\nEvil: b");
        let expected = format!(
            "RTSP/1.0 404 Not Found\r\nCSeq: 7\r\nServer: BerryMSE/{}\r\nX: aEvil: b\r\n\
             Content-Type: text/plain; charset=utf-8\r\nContent-Length: 3\r\n\r\nno\n",
            env!("CARGO_PKG_VERSION")
        );
        assert_eq!(response.to_bytes(Some("7")), expected);
    }
}
