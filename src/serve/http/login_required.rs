//! Refusals for want of a right, in the form that the client understands.

use crate::access::TokenRefusal;
use crate::serve::http::authenticator::{Authenticator, CredentialRefusal};
use crate::serve::http::refusal::{Refusal, RefusalCode};
use crate::serve::http::response::{ResponseBody, text_response};
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::{Method, Response, StatusCode};

/// Challenge for programs (RFC 7617). Browsers get none where the page has its own form.
const CHALLENGE: &str = "Basic realm=\"BerryMSE\", charset=\"UTF-8\"";

/// The request as far as the form of the answer depends on it.
pub(crate) struct Asker<'a> {
    pub(crate) method: &'a Method,
    /// Path and query.
    pub(crate) target: &'a str,
    pub(crate) headers: &'a HeaderMap,
    /// It is the URL of a WebSocket.
    pub(crate) is_websocket: bool,
}

/// Returns the answer to somebody without the right; `why` if they showed a credential.
pub(crate) fn login_required(
    asker: &Asker<'_>,
    access: &Authenticator,
    why: Option<CredentialRefusal>,
) -> Response<ResponseBody> {
    let refusal = Refusal {
        code: RefusalCode::LoginRequired,
        message: message(why).to_owned(),
        log: None,
    };
    let text = |name: &str| {
        asker
            .headers
            .get(name)
            .and_then(|value| value.to_str().ok())
    };
    let accepts = |kind| text("accept").is_some_and(|accept| accept.contains(kind));
    let mut response = if asker.is_websocket {
        refusal.json()
    } else if is_navigation(asker, accepts("text/html")) {
        if why.is_none() && access.has_users() {
            return see_other(&login_path(asker.target));
        }
        // A challenge would open the browser's own dialog.
        refusal.text()
    } else if accepts("application/json")
        || text("sec-fetch-mode").is_some_and(|mode| mode != "navigate")
    {
        refusal.json()
    } else {
        let mut response = refusal.text();
        response.headers_mut().insert(
            header::WWW_AUTHENTICATE,
            HeaderValue::from_static(CHALLENGE),
        );
        response
    };
    match why {
        Some(CredentialRefusal::TooMany(wait)) => {
            *response.status_mut() = StatusCode::TOO_MANY_REQUESTS;
            let seconds = HeaderValue::from(wait.as_secs() + 1);
            response.headers_mut().insert(header::RETRY_AFTER, seconds);
            response.headers_mut().remove(header::WWW_AUTHENTICATE);
        }
        Some(CredentialRefusal::Busy) => {
            *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from_static("2"));
            response.headers_mut().remove(header::WWW_AUTHENTICATE);
        }
        _ => {}
    }
    response
}

/// Returns the words for a refused credential.
pub(crate) const fn message(why: Option<CredentialRefusal>) -> &'static str {
    match why {
        None => {
            "Log in to see this. The page at /login has a form; programs send a name and a password, or a token."
        }
        Some(CredentialRefusal::Password) => "The name or the password is wrong.",
        Some(CredentialRefusal::Token(TokenRefusal::Expired)) => {
            "This link has expired. Ask for a new one."
        }
        Some(CredentialRefusal::Token(TokenRefusal::Revoked)) => {
            "This link is no longer valid. Ask for a new one."
        }
        Some(CredentialRefusal::Token(TokenRefusal::Unknown)) => {
            "This token or link is not valid here."
        }
        Some(CredentialRefusal::TooMany(_)) => {
            "Too many wrong passwords came from this address. Wait, then try again."
        }
        Some(CredentialRefusal::Busy) => "Too many people log in at the same time. Try again.",
    }
}

/// Returns the redirect to a relative URL.
pub(crate) fn see_other(location: &str) -> Response<ResponseBody> {
    let mut response = text_response(StatusCode::SEE_OTHER, "");
    let location = HeaderValue::from_str(location).unwrap_or(HeaderValue::from_static("./"));
    response.headers_mut().insert(header::LOCATION, location);
    response
}

/// Returns true if a browser opens a page.
fn is_navigation(asker: &Asker<'_>, accepts_html: bool) -> bool {
    let mode = asker.headers.get("sec-fetch-mode");
    let is_get = matches!(*asker.method, Method::GET | Method::HEAD);
    is_get && accepts_html && mode.is_none_or(|mode| mode == "navigate")
}

/// Returns the login page's URL relative to `target`, which it leads back to. Paths outside are unknown: a proxy may have one.
fn login_path(target: &str) -> String {
    let path = target.split('?').next().unwrap_or_default();
    let up = "../".repeat(path.matches('/').count().saturating_sub(1));
    let back = target.trim_start_matches('/');
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~/".contains(&b);
    let mut next = String::new();
    for byte in back.bytes() {
        match is_plain(byte) {
            true => next.push(char::from(byte)),
            false => next.push_str(&format!("%{byte:02X}")),
        }
    }
    match next.is_empty() {
        true => format!("{up}login"),
        false => format!("{up}login?next={next}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn login_page_is_relative_and_leads_back() {
        for (target, expected) in [
            ("/", "login"),
            ("/?camera=front", "login?next=%3Fcamera%3Dfront"),
            ("/stream.mp4", "login?next=stream.mp4"),
            (
                "/snapshot/front.jpg?width=64",
                "../login?next=snapshot/front.jpg%3Fwidth%3D64",
            ),
            ("//evil.example/", "../../login?next=evil.example/"),
        ] {
            assert_eq!(login_path(target), expected, "{target}");
        }
    }
}
