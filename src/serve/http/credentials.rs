//! Credentials in a request: sub-protocol, query, `Authorization` and cookie.

use crate::serve::ws::handshake;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::header::{self, HeaderMap};
use percent_encoding::percent_decode_str;
use std::borrow::Cow;

/// Beginning of the sub-protocol that carries a token.
const TOKEN_PROTOCOL: &str = "berrymse.token.";

/// Longest value that is looked at.
const MAX_BYTES: usize = 4096;

/// Most cookies of a session that are looked at.
const MAX_SESSIONS: usize = 4;

/// Credentials of one request.
#[derive(Clone, PartialEq, Eq, Default)]
pub(crate) struct Credentials {
    /// Token or signed link: of the sub-protocol, else the query, else `Authorization: Bearer`.
    pub(crate) token: Option<String>,
    /// Cookies with a session: a stale one of another path may come first (RFC 6265, 5.4).
    pub(crate) sessions: Vec<String>,
    /// Name and password of `Authorization: Basic`.
    pub(crate) basic: Option<(String, String)>,
}

impl Credentials {
    /// Reads the credentials; `cookie` is the name of the session's.
    pub(crate) fn of(headers: &HeaderMap, query: &str, cookie: &str) -> Self {
        let authorization = headers.get(header::AUTHORIZATION);
        let authorization = authorization
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        let token = handshake::subprotocols(headers)
            .find_map(|protocol| protocol.strip_prefix(TOKEN_PROTOCOL))
            .map(str::to_owned)
            .or_else(|| query_value(query, "token"))
            .or_else(|| after_scheme(authorization, "Bearer").map(str::to_owned));
        let cookies = headers.get_all(header::COOKIE).into_iter();
        let cookies = cookies.filter_map(|value| value.to_str().ok());
        Self {
            token,
            sessions: cookies
                .flat_map(|value| cookie_values(value, cookie))
                .take(MAX_SESSIONS)
                .map(str::to_owned)
                .collect(),
            basic: basic_credentials(authorization),
        }
    }
}

/// Returns the name and password of `Authorization: Basic` (RFC 7617).
pub fn basic_credentials(value: &str) -> Option<(String, String)> {
    let encoded = after_scheme(value, "Basic")?;
    let text = String::from_utf8(STANDARD.decode(encoded).ok()?).ok()?;
    let (user, password) = text.split_once(':')?;
    Some((user.to_owned(), password.to_owned()))
}

/// Returns the cookies of this name in a `Cookie` header (RFC 6265, 4.2). Other programs of the host may have set any number
/// of others; the size of the request's head bounds them.
pub fn cookie_values<'a>(header: &'a str, name: &'a str) -> impl Iterator<Item = &'a str> {
    let pairs = header.split(';');
    let pairs = pairs.filter_map(|pair| pair.trim().split_once('='));
    pairs.filter_map(move |(key, value)| (key == name && value.len() <= MAX_BYTES).then_some(value))
}

/// Returns a value of a query or a form, decoded; the first one of its name.
pub fn query_value(query: &str, name: &str) -> Option<String> {
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let (_, value) = pairs.find(|(key, _)| *key == name)?;
    let value = value.replace('+', " ");
    let decoded = percent_decode_str(&value).decode_utf8();
    decoded.ok().map(Cow::into_owned)
}

fn after_scheme<'a>(value: &'a str, scheme: &str) -> Option<&'a str> {
    let (found, rest) = value.split_once(' ')?;
    let rest = rest.trim();
    (found.eq_ignore_ascii_case(scheme) && !rest.is_empty() && rest.len() <= MAX_BYTES)
        .then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::HeaderValue;

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut out = HeaderMap::new();
        for (name, value) in lines {
            out.append(*name, HeaderValue::from_static(value));
        }
        out
    }

    #[test]
    fn token_is_found_in_each_of_its_places() {
        let protocol = ("sec-websocket-protocol", "berrymse.v1, berrymse.token.p-1");
        let bearer = ("authorization", "bearer b-1");
        for (lines, query, expected) in [
            (&[][..], "", None),
            (&[protocol], "", Some("p-1")),
            (&[protocol, bearer], "token=q-1", Some("p-1")),
            (&[bearer], "width=640&token=q-1", Some("q-1")),
            (&[bearer], "width=640", Some("b-1")),
            (&[("authorization", "Bearer")], "", None),
            (&[], "token=a%2Bb+c%", Some("a+b c%")),
            (&[], "token=%ff", None),
        ] {
            let found = Credentials::of(&headers(lines), query, "s").token;
            assert_eq!(found.as_deref(), expected, "{lines:?} {query}");
        }
    }

    #[test]
    fn basic_password_may_have_colons() {
        for (value, expected) in [
            ("Basic b3duZXI6YTpi", Some(("owner", "a:b"))),
            ("basic  b3duZXI6", Some(("owner", ""))),
            ("Basic b3duZXI", None),
            ("Basic !", None),
            ("Basic", None),
            ("Digest b3duZXI6YQ==", None),
            ("Basic /////w==", None),
        ] {
            let found = basic_credentials(value);
            let expected = expected.map(|(user, password)| (user.to_owned(), password.to_owned()));
            assert_eq!(found, expected, "{value}");
        }
    }

    #[test]
    fn session_is_found_among_other_cookies() {
        let others = format!("a={}; ", "1".repeat(2 * MAX_BYTES));
        let mut headers = headers(&[]);
        headers.insert(
            "cookie",
            HeaderValue::from_str(&format!("{others}s=x.y.z;b=2")).unwrap(),
        );
        headers.append("cookie", HeaderValue::from_static("s=other"));
        let found = Credentials::of(&headers, "", "s").sessions;
        assert_eq!(found, ["x.y.z", "other"]);
        assert_eq!(cookie_values("ss=1; S=2", "s").next(), None);
    }
}
