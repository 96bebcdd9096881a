//! `/login` and `/logout`: the form, its answer, and the cookie of the session.

use crate::access::SESSION_LIFETIME;
use crate::logger::CLIENT_TARGET;
use crate::serve::http::authenticator::CredentialRefusal;
use crate::serve::http::credentials::query_value;
use crate::serve::http::guard::Admitted;
use crate::serve::http::handlers::assets;
use crate::serve::http::handlers::request_body::read_body;
use crate::serve::http::login_required::{message, see_other};
use crate::serve::http::response::{ResponseBody, text_response};
use crate::serve::viewers::EndReason;
use hyper::header::{self, HeaderValue};
use hyper::{Response, StatusCode};
use std::time::Duration;

/// File of the form.
const PAGE: &str = "login.html";

/// Place of the message in the file, and its end.
const MESSAGE_AT: &str = "<p id=\"message\" role=\"alert\">";

const FORM: &str = "application/x-www-form-urlencoded";

/// Shows the form.
pub(crate) fn show(request: &Admitted) -> Response<ResponseBody> {
    let access = &request.app().access;
    if access.is_open() {
        return see_other("./");
    }
    if !access.has_users() {
        let words = "Nobody can log in here: the configuration has no access.users.";
        return page(request, StatusCode::OK, words);
    }
    assets::respond(request, PAGE)
}

/// Checks the form. A right password starts a session and leads back.
pub(crate) async fn log_in(mut request: Admitted) -> Response<ResponseBody> {
    let app = request.app().clone();
    let client = request.client().clone();
    let next = next(request.query());
    let kind = request.headers().get(header::CONTENT_TYPE);
    let is_form = kind
        .and_then(|kind| kind.to_str().ok())
        .is_some_and(|kind| {
            kind.split(';')
                .next()
                .unwrap_or_default()
                .trim()
                .eq_ignore_ascii_case(FORM)
        });
    if !is_form {
        let words = "The form of the page at /login is expected here.\n";
        return text_response(StatusCode::UNSUPPORTED_MEDIA_TYPE, words);
    }
    let content = match read_body(&mut request).await {
        Ok(content) => content,
        Err((status, words)) => return text_response(status, format!("{words}\n")),
    };
    let content = String::from_utf8_lossy(&content);
    let field = |name| query_value(&content, name).unwrap_or_default();
    let (user, password) = (field("user"), field("password"));
    let refusal = match app
        .access
        .check_password(&client, user.clone(), password)
        .await
    {
        Ok(_) => {
            if let Some(session) = app.access.start_session(&user) {
                log::info!(target: CLIENT_TARGET, "login: {user} logged in (peer {})", client.peer);
                let mut response = see_other(&next);
                set_cookie(&request, &mut response, &session, SESSION_LIFETIME);
                return response;
            }
            CredentialRefusal::Busy
        }
        Err(refusal) => refusal,
    };
    // What was typed as a name may be a password.
    app.warn_throttled(&format!(
        "login: refused (wrong name or password, peer {})",
        client.peer.ip()
    ));
    let status = match refusal {
        CredentialRefusal::TooMany(_) => StatusCode::TOO_MANY_REQUESTS,
        CredentialRefusal::Busy => StatusCode::SERVICE_UNAVAILABLE,
        CredentialRefusal::Password | CredentialRefusal::Token(_) => StatusCode::FORBIDDEN,
    };
    let mut response = page(&request, status, message(Some(refusal)));
    if let CredentialRefusal::TooMany(wait) = refusal {
        let seconds = HeaderValue::from(wait.as_secs() + 1);
        response.headers_mut().insert(header::RETRY_AFTER, seconds);
    }
    response
}

/// Ends the session, and the streams that were opened with it.
pub(crate) async fn log_out(request: &Admitted) -> Response<ResponseBody> {
    let app = request.app();
    for (session, kept) in app.access.end_sessions(request.headers()).await {
        if let Err(error) = kept {
            app.warn_throttled(&format!(
                "logout: not kept ({error}); after a restart the session is valid again; make the folder of access.keyFile writable"
            ));
        }
        let reason = EndReason::SessionEnded;
        app.end_viewers(reason, |viewer| viewer.is_of_session(&session));
    }
    let mut response = see_other("./");
    set_cookie(request, &mut response, "", Duration::ZERO);
    response
}

/// Returns the form with a message.
fn page(request: &Admitted, status: StatusCode, words: &str) -> Response<ResponseBody> {
    let mut response = assets::document(request, PAGE, |html| {
        html.replacen(MESSAGE_AT, &format!("{MESSAGE_AT}{words}"), 1)
    });
    *response.status_mut() = status;
    response
}

/// The cookie has no path: browsers take the folder of this URL, which is right below any path of a proxy.
fn set_cookie(
    request: &Admitted,
    response: &mut Response<ResponseBody>,
    value: &str,
    life: Duration,
) {
    let name = request.app().access.cookie();
    let secure = if request.client().is_secure {
        "; Secure"
    } else {
        ""
    };
    let seconds = life.as_secs();
    let cookie = format!("{name}={value}; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}");
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
}

/// Returns the relative URL that `next` in the query names, else the page's. It cannot lead to another server.
pub(crate) fn next(query: &str) -> String {
    let next = query_value(query, "next").unwrap_or_default();
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~/?=&%".contains(&b);
    let path = next.split('?').next().unwrap_or_default();
    let is_own = next.len() <= 1024
        && next.bytes().all(is_plain)
        && !path.starts_with('/')
        && !path.contains("//")
        // Browsers take %2e for a dot in segments of these (URL standard, 4.4).
        && path
            .to_ascii_lowercase()
            .replace("%2e", ".")
            .split('/')
            .all(|segment| segment != "..");
    format!("./{}", if is_own { next.as_str() } else { "" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn login_leads_back_to_this_server_only() {
        for (query, expected) in [
            ("", "./"),
            ("next=", "./"),
            ("next=%3Fcamera%3Dfront", "./?camera=front"),
            (
                "next=snapshot/front.jpg%3Fwidth%3D64",
                "./snapshot/front.jpg?width=64",
            ),
            ("next=https%3A//evil.example/", "./"),
            ("next=//evil.example/", "./"),
            ("next=%2F%2Fevil.example", "./"),
            ("next=a//b", "./"),
            ("next=..%2Fother", "./"),
            ("next=%252e%252E/other", "./"),
            ("next=a/.%252e/other", "./"),
            ("next=a/%252e%252eb", "./a/%2e%2eb"),
            ("next=%5Cevil", "./"),
            ("next=javascript:x", "./"),
            ("next=a%0d%0aSet-Cookie:x", "./"),
        ] {
            assert_eq!(next(query), expected, "{query}");
        }
    }
}
