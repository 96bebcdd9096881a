//! `/api/status`: state and figures of all cameras, as JSON.

use crate::hub::{CameraState, HubStats};
use crate::serve::config::Camera;
use crate::serve::http::state::AppState;
use crate::serve::latency_stats::LatencySummary;
use crate::time::Timestamp;
use serde_json::{Value, json};

/// `/api/status`
pub(crate) fn status(app: &AppState) -> String {
    let cameras: Vec<Value> = app.cameras.iter().map(|c| camera_json(app, c)).collect();
    let status = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "uptime_s": app.started_at.elapsed().as_secs(),
        "websocket": app.websocket_name,
        "cameras": cameras,
    });
    let mut text = format!("{status:#}");
    text.push('\n');
    text
}

fn camera_json(app: &AppState, camera: &Camera) -> Value {
    let status = camera.handle.hub().stats();
    let parameters = status.parameters.as_ref();
    let is_live = status.status.state == CameraState::Live;
    let reason = &status.status.reason;
    json!({
        "name": &*camera.name,
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
        "frames": status.frames,
        "frames_skipped": status.frames_skipped,
        "frames_dropped": status.frames_dropped,
        "restarts": status.restarts,
        "controls_refused": *camera.handle.controls().rejected,
        "last_frame_age_ms": age_ms(&status),
        "delay_ms": round_to_tenths(app.latency_stats.median_ms(&camera.name)),
        "lines": {
            "good": latency_json(app.latency_stats.summary(&camera.name, false)),
            "slow": latency_json(app.latency_stats.summary(&camera.name, true)),
        },
    })
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
