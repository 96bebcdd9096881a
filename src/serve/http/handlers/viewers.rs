//! The viewers who are there, for operators, who may end one.

use crate::access::{Identity, Right};
use crate::serve::http::guard::Admitted;
use crate::serve::http::response::{ResponseBody, response, text_response};
use crate::serve::http::state::AppState;
use crate::serve::viewers::{EndReason, Viewer};
use hyper::{Response, StatusCode};
use serde_json::{Value, json};

/// Most viewers that are listed: the newest.
const MAX_LISTED: usize = 1000;

/// Returns the viewers that `identity` may know of.
pub(crate) fn list(app: &AppState, identity: &Identity) -> Option<Value> {
    if !identity.may(Right::Operator) {
        return None;
    }
    let mut all = app.viewers.list();
    all.retain(|viewer| identity.may_see(&viewer.camera));
    let newest = all.iter().rev().take(MAX_LISTED);
    Some(newest.map(|viewer| entry(viewer)).collect())
}

fn entry(viewer: &Viewer) -> Value {
    json!({
        "id": viewer.id,
        "name": viewer.identity.name.as_deref(),
        "address": viewer.peer.ip().to_canonical().to_string(),
        "camera": &*viewer.camera,
        "output": viewer.output,
        "seconds": viewer.begun_at.elapsed().as_secs(),
        "bytes": viewer.bytes(),
    })
}

/// `POST /api/viewers/ID/end`
pub(crate) fn end(request: &Admitted) -> Response<ResponseBody> {
    let identity = request.identity();
    let id = request
        .path()
        .split('/')
        .nth(3)
        .and_then(|id| id.parse().ok());
    let ended = id.filter(|id: &u64| {
        let is_meant = |viewer: &Viewer| viewer.id == *id && identity.may_see(&viewer.camera);
        request.app().end_viewers(EndReason::Operator, is_meant) > 0
    });
    match ended {
        Some(id) => response("application/json", format!("{}\n", json!({"ended": id}))),
        None => {
            let words = "There is no such viewer. /api/status lists them.\n";
            text_response(StatusCode::NOT_FOUND, words)
        }
    }
}
