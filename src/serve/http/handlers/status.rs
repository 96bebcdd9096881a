//! `/api/status`: state and figures of all cameras, as JSON.

use crate::access::Right;
use crate::hub::{CameraState, HubStats};
use crate::serve::cameras::ServedCamera;
use crate::serve::http::guard::Admitted;
use crate::serve::http::handlers::viewers;
use crate::serve::http::state::AppState;
use crate::serve::latency_stats::LatencySummary;
use crate::time::Timestamp;
use serde_json::{Value, json};

/// `/api/status`
pub(crate) fn status(request: &Admitted) -> String {
    let (app, identity) = (request.app(), request.identity());
    let is_operator = identity.may(Right::Operator);
    let all = app.cameras.all();
    let seen = all.iter().filter(|camera| identity.may_see(&camera.name));
    let cameras: Vec<Value> = seen
        .map(|camera| camera_json(app, camera, is_operator))
        .collect();
    let mut status = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "uptime_s": app.started_at.elapsed().as_secs(),
        "websocket": app.websocket_name,
        "access": {
            "right": identity.right.map(Right::word),
            "name": identity.name.as_deref(),
            "session": identity.session.is_some(),
            "login": app.access.has_users(),
            "exposed": app.is_exposed,
        },
        "cameras": cameras,
    });
    if let Some(viewers) = viewers::list(app, identity) {
        status["viewers"] = viewers;
    }
    let mut text = format!("{status:#}");
    text.push('\n');
    text
}

fn camera_json(app: &AppState, camera: &ServedCamera, is_operator: bool) -> Value {
    let status = camera.handle.hub().stats();
    let parameters = status.parameters.as_ref();
    let is_live = status.status.state == CameraState::Live;
    let reason = &status.status.reason;
    let mut out = json!({
        "name": &*camera.name,
        "title": camera.title.as_deref(),
        "source": camera.source,
        "state": status.status.state.as_str(),
        "error": (!reason.is_empty()).then_some(reason),
        "codec": parameters.map(|video| &video.rfc6381),
        "width": parameters.map(|video| video.width),
        "height": parameters.map(|video| video.height),
        "fps": if is_live { (status.fps * 100.0).round() / 100.0 } else { 0.0 },
        "bitrate": if is_live { status.bitrate } else { 0 },
        "keyframe_interval": status.keyframe_interval,
        "viewers": status.viewers,
        "rtsp_viewers": app.rtsp_output(&camera.name).map_or(0, |output| output.viewers()),
        "viewers_elsewhere": status.remote_viewers,
        "other_publisher": status.other_publisher.map(|other| json!({
            "started_ms": other.epoch / 1_000_000,
            "is_shown": other.is_newer,
        })),
        "frames": status.frames,
        "frames_skipped": status.frames_skipped,
        "frames_dropped": status.frames_dropped,
        "restarts": status.restarts,
        "decoder_restarts": camera.snapshots.decoder_restarts(),
        "controls_refused": *camera.handle.controls().rejected,
        "last_frame_age_ms": age_ms(&status),
        "delay_ms": round_to_tenths(app.latency_stats.median_ms(&camera.name)),
        "lines": {
            "good": latency_json(app.latency_stats.summary(&camera.name, false)),
            "slow": latency_json(app.latency_stats.summary(&camera.name, true)),
        },
    });
    if is_operator {
        out["source_text"] = json!(camera.source_text);
    }
    out
}

fn latency_json(class: LatencySummary) -> Value {
    json!({
        "viewers": class.viewers,
        "delay_ms": round_to_tenths(class.median_ms),
        "worst_delay_ms": round_to_tenths(class.worst_ms),
    })
}

fn round_to_tenths(ms: Option<f32>) -> Option<f64> {
    ms.map(|ms| (f64::from(ms) * 10.0).round() / 10.0)
}

fn age_ms(status: &HubStats) -> Option<u64> {
    status
        .last_frame_at
        .map(|at| Timestamp::now().since(at).as_millis() as u64)
}
