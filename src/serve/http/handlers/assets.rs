//! Sends a file of the player.

use crate::serve::http::guard::Admitted;
use crate::serve::http::origin::frame_ancestors;
use crate::serve::http::response::{ResponseBody, not_found, response};
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::{Response, StatusCode};

/// Sources that the page may load: only this server, nothing inline. `frame-ancestors` follows.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; \
     media-src blob:; worker-src 'self'; connect-src 'self' ws: wss:; manifest-src 'self'; base-uri 'none'; \
     form-action 'self'";

pub(crate) fn respond(request: &Admitted, name: &str) -> Response<ResponseBody> {
    let (app, headers) = (request.app(), request.headers());
    let Some(asset) = app.assets.iter().find(|asset| asset.name == name) else {
        return not_found();
    };
    let sent = asset.representation(headers);
    let is_known = headers
        .get_all(header::IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .any(|tags| {
            tags.split(',')
                .map(|tag| tag.trim().trim_start_matches("W/"))
                .any(|tag| tag == sent.etag || tag == "*")
        });
    let mut response = if is_known {
        let mut response = Response::new(ResponseBody::Full(None));
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        response
    } else {
        let mut response = response(asset.content_type, sent.content.clone());
        if let Some(coding) = sent.coding.name() {
            response
                .headers_mut()
                .insert(header::CONTENT_ENCODING, HeaderValue::from_static(coding));
        }
        response
    };
    let out = response.headers_mut();
    if let Ok(etag) = HeaderValue::from_str(&sent.etag) {
        out.insert(header::ETAG, etag);
    }
    out.insert(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    // The next version of the program has other files under the same names.
    out.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    set_page_policies(request, out);
    // Pages elsewhere may use the script; it holds no secret, and the frames have their own rule.
    out.insert(
        header::ACCESS_CONTROL_ALLOW_ORIGIN,
        HeaderValue::from_static("*"),
    );
    if !name.ends_with(".html") {
        let policy = HeaderValue::from_static("cross-origin");
        out.insert("Cross-Origin-Resource-Policy", policy);
    }
    response
}

/// Returns a page that is made for this request alone: `change` gets its file.
pub(crate) fn document(
    request: &Admitted,
    name: &str,
    change: impl FnOnce(&str) -> String,
) -> Response<ResponseBody> {
    let Some(asset) = request.app().assets.iter().find(|asset| asset.name == name) else {
        return not_found();
    };
    let html = String::from_utf8_lossy(asset.uncoded());
    let mut response = response(asset.content_type, change(&html));
    set_page_policies(request, response.headers_mut());
    response
}

fn set_page_policies(request: &Admitted, out: &mut HeaderMap) {
    let host = request.headers().get(header::HOST);
    let host = host.and_then(|host| host.to_str().ok());
    let ancestors = frame_ancestors(host, &request.app().origins);
    out.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::try_from(format!("{CONTENT_SECURITY_POLICY}; {ancestors}"))
            .unwrap_or(HeaderValue::from_static(CONTENT_SECURITY_POLICY)),
    );
    // Browsers warn of it on pages without TLS, where it has no effect.
    if request.client().is_secure {
        let policy = HeaderValue::from_static("same-origin");
        out.insert("Cross-Origin-Opener-Policy", policy);
    }
}
