//! `/api/streams` of go2rtc, by which front ends learn what a stream has.

use crate::serve::config::Camera;
use crate::serve::http::guard::Admitted;
use serde_json::{Map, Value, json};

/// Returns the streams that the client may see, by their names.
pub(crate) fn all(request: &Admitted) -> String {
    let cameras = request.app().cameras.all();
    let streams: Map<String, Value> = (cameras.iter())
        .filter(|camera| request.identity().may_see(&camera.name))
        .map(|camera| (camera.name.to_string(), stream(camera)))
        .collect();
    Value::Object(streams).to_string()
}

/// Returns the stream of one camera.
pub(crate) fn one(camera: &Camera) -> String {
    stream(camera).to_string()
}

/// A stream with video alone. Where it comes from is for operators.
fn stream(camera: &Camera) -> Value {
    json!({"producers": [{"format_name": camera.source, "medias": ["video, recvonly, H264"]}], "consumers": []})
}
