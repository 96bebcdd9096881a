//! What programs ask: status, liveness, metrics.

use super::delays::{BOUNDS, Class};
use super::{Camera, Site};
use crate::hub::{State, Status};
use crate::time::Timestamp;
use serde_json::{Value, json};
use std::fmt::Write;

/// `/api/status`
pub(super) fn status(site: &Site) -> String {
    let cameras: Vec<Value> = site.cameras.iter().map(|c| camera(site, c)).collect();
    let status = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "uptime_s": site.started.elapsed().as_secs(),
        "websocket": site.websocket,
        "cameras": cameras,
    });
    let mut text = format!("{status:#}");
    text.push('\n');
    text
}

fn camera(site: &Site, camera: &Camera) -> Value {
    let status = camera.audience.status();
    let init = status.init.as_ref();
    let is_live = status.condition.state == State::Live;
    let reason = &status.condition.reason;
    json!({
        "name": &*camera.name,
        "source": camera.source,
        "state": status.condition.state.word(),
        "error": (!is_live && !reason.is_empty()).then_some(reason),
        "codec": init.map(|init| &init.codec),
        "width": init.map(|init| init.width),
        "height": init.map(|init| init.height),
        "fps": if is_live { (status.fps * 100.0).round() / 100.0 } else { 0.0 },
        "bitrate": if is_live { status.bitrate } else { 0 },
        "keyframe_interval": status.keyframe_interval,
        "viewers": status.viewers,
        "frames": status.frames,
        "frames_skipped": status.frames_skipped,
        "frames_dropped": status.frames_dropped,
        "restarts": status.restarts,
        "controls_refused": *camera.remote.view().refused,
        "last_frame_age_ms": age_ms(&status),
        "delay_ms": tenths(site.delays.median_ms(&camera.name)),
        "lines": {
            "good": class(site.delays.class(&camera.name, false)),
            "slow": class(site.delays.class(&camera.name, true)),
        },
    })
}

fn class(class: Class) -> Value {
    json!({
        "viewers": class.viewers,
        "delay_ms": tenths(class.median_ms),
        "worst_delay_ms": tenths(class.worst_ms),
    })
}

fn tenths(ms: Option<f32>) -> Option<f64> {
    ms.map(|ms| (f64::from(ms) * 10.0).round() / 10.0)
}

fn age_ms(status: &Status) -> Option<u64> {
    status
        .last_frame_at
        .map(|at| Timestamp::now().since(at).as_millis() as u64)
}

type Figure = (&'static str, &'static str, &'static str, fn(&Status) -> f64);

/// Name, type, help and value of each figure of a camera.
const FIGURES: [Figure; 10] = [
    (
        "berrymse_camera_live",
        "gauge",
        "1 while pictures come.",
        |s| f64::from(u8::from(s.condition.state == State::Live)),
    ),
    (
        "berrymse_viewers",
        "gauge",
        "Viewers that are connected.",
        |s| s.viewers as f64,
    ),
    (
        "berrymse_frames_total",
        "counter",
        "Pictures published.",
        |s| s.frames as f64,
    ),
    (
        "berrymse_frames_skipped_total",
        "counter",
        "Pictures that slow viewers were not given.",
        |s| s.frames_skipped as f64,
    ),
    (
        "berrymse_frames_dropped_total",
        "counter",
        "Pictures of the camera that came to nothing.",
        |s| s.frames_dropped as f64,
    ),
    (
        "berrymse_camera_restarts_total",
        "counter",
        "How often the source was opened anew.",
        |s| s.restarts as f64,
    ),
    (
        "berrymse_frames_per_second",
        "gauge",
        "Pictures per second over the last seconds.",
        |s| s.fps,
    ),
    (
        "berrymse_bits_per_second",
        "gauge",
        "Bit rate over the last seconds.",
        |s| s.bitrate as f64,
    ),
    (
        "berrymse_keyframe_interval",
        "gauge",
        "Pictures from one keyframe to the next.",
        |s| s.keyframe_interval as f64,
    ),
    (
        "berrymse_last_frame_age_seconds",
        "gauge",
        "Age of the newest picture; -1 before the first.",
        |s| age_ms(s).map_or(-1.0, |ms| ms as f64 / 1000.0),
    ),
];

/// `/metrics`: Prometheus' text format, version 0.0.4. Names of cameras need no escaping: they are checked.
pub(super) fn metrics(site: &Site) -> String {
    let mut out = String::new();
    let statuses: Vec<(&str, Status)> = site
        .cameras
        .iter()
        .map(|c| (&*c.name, c.audience.status()))
        .collect();
    // Writing to a String cannot fail.
    let _ = writeln!(
        out,
        "# HELP berrymse_uptime_seconds Time since the start.\n# TYPE berrymse_uptime_seconds counter"
    );
    let _ = writeln!(
        out,
        "berrymse_uptime_seconds {}",
        site.started.elapsed().as_secs()
    );
    for (name, kind, help, value) in FIGURES {
        let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
        for (camera, status) in &statuses {
            let _ = writeln!(out, "{name}{{camera=\"{camera}\"}} {}", value(status));
        }
    }
    let (name, help) = (
        "berrymse_delay_seconds",
        "Age of pictures when they are shown: the median of the viewers who report it.",
    );
    let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} gauge");
    for (camera, _) in &statuses {
        if let Some(ms) = site.delays.median_ms(camera) {
            let _ = writeln!(out, "{name}{{camera=\"{camera}\"}} {}", ms / 1000.0);
        }
    }
    let cameras = statuses.iter().map(|(camera, _)| *camera);
    viewer_delays(site, cameras, &mut out);
    out
}

fn viewer_delays<'a>(
    site: &Site,
    cameras: impl Iterator<Item = &'a str> + Clone,
    out: &mut String,
) {
    let (name, help) = (
        "berrymse_viewers_on_slow_lines",
        "Viewers whose lines carry less than the stream.",
    );
    let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} gauge");
    for camera in cameras.clone() {
        let slow = site.delays.class(camera, true).viewers;
        let _ = writeln!(out, "{name}{{camera=\"{camera}\"}} {slow}");
    }
    let (name, help) = (
        "berrymse_viewer_delay_seconds",
        "Age of the newest picture at each WebSocket viewer, once a second.",
    );
    let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} histogram");
    for camera in cameras {
        let histogram = site.delays.histogram(camera);
        let mut sum = 0;
        for (bound, count) in BOUNDS.iter().zip(histogram.counts) {
            sum += count;
            let _ = writeln!(
                out,
                "{name}_bucket{{camera=\"{camera}\",le=\"{bound}\"}} {sum}"
            );
        }
        let count: u64 = histogram.counts.iter().sum();
        let _ = writeln!(
            out,
            "{name}_bucket{{camera=\"{camera}\",le=\"+Inf\"}} {count}"
        );
        let _ = writeln!(
            out,
            "{name}_sum{{camera=\"{camera}\"}} {:.3}",
            histogram.sum
        );
        let _ = writeln!(out, "{name}_count{{camera=\"{camera}\"}} {count}");
    }
}
