//! Sends a file of the player.

use crate::serve::http::guard::Admitted;
use crate::serve::http::origin::frame_ancestors;
use crate::serve::http::response::{ResponseBody, not_found, response};
use hyper::header::{self, HeaderValue};
use hyper::{Response, StatusCode};

/// Sources that the page may load: only this server, nothing inline. `frame-ancestors` follows.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; \
     media-src blob:; worker-src 'self'; connect-src 'self' ws: wss:; base-uri 'none'; form-action 'none'";

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
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    let ancestors = frame_ancestors(host, app.origins.list());
    out.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::try_from(format!("{CONTENT_SECURITY_POLICY}; {ancestors}"))
            .unwrap_or(HeaderValue::from_static(CONTENT_SECURITY_POLICY)),
    );
    // Pages elsewhere may use the script; it holds no secret, and the frames have their own rule.
    out.insert(
        header::ACCESS_CONTROL_ALLOW_ORIGIN,
        HeaderValue::from_static("*"),
    );
    response
}
