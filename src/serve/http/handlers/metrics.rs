//! `/metrics`: Prometheus' text format, version 0.0.4, by the rules of `promtool check metrics`.
//!
//! Unknown values have no sample. A renamed metric keeps its old name, too, for one version; HELP
//! says so.

use crate::build_info::{self, COMMIT, VERSION};
use crate::hub::{CameraState, HubStats};
use crate::serve::http::state::AppState;
use crate::serve::latency_stats::BUCKET_BOUNDS;
use crate::serve::limits::Limit;
use crate::time::Timestamp;
use rustix::process::{Resource, getrlimit};
use std::fmt::{self, Write};
use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

/// Value of `Content-Type`.
pub(crate) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Name, type, help and value of a metric of a camera; `None` if the value is not known.
type Metric = (
    &'static str,
    &'static str,
    &'static str,
    fn(&HubStats) -> Option<f64>,
);

const CAMERA_METRICS: [Metric; 11] = [
    (
        "berrymse_camera_live",
        "gauge",
        "1 while the camera gives frames.",
        |s| Some(f64::from(u8::from(s.status.state == CameraState::Live))),
    ),
    ("berrymse_viewers", "gauge", "Viewers connected.", |s| {
        Some(s.viewers as f64)
    }),
    (
        "berrymse_frames_total",
        "counter",
        "Frames published.",
        |s| Some(s.frames as f64),
    ),
    (
        "berrymse_frames_skipped_total",
        "counter",
        "Frames not sent to viewers on congested links or to recorders that did not read.",
        |s| Some(s.frames_skipped as f64),
    ),
    (
        "berrymse_frames_dropped_total",
        "counter",
        "Frames of the camera that were lost, damaged or not encoded in time.",
        |s| Some(s.frames_dropped as f64),
    ),
    (
        "berrymse_camera_restarts_total",
        "counter",
        "Times a source that had worked was opened again.",
        |s| Some(s.restarts as f64),
    ),
    (
        "berrymse_frames_per_second",
        "gauge",
        "Frame rate over the last four seconds.",
        |s| Some(s.fps),
    ),
    (
        "berrymse_video_bytes_per_second",
        "gauge",
        "Data rate of the video over the last four seconds.",
        |s| Some(s.bitrate as f64 / 8.0),
    ),
    (
        "berrymse_keyframe_interval_frames",
        "gauge",
        "Frames from one keyframe to the next, as last seen.",
        |s| (s.keyframe_interval > 0).then_some(s.keyframe_interval as f64),
    ),
    (
        "berrymse_last_frame_age_seconds",
        "gauge",
        "Time since the newest frame was captured.",
        |s| {
            let at = s.last_frame_at?;
            Some(Timestamp::now().since(at).as_millis() as f64 / 1000.0)
        },
    ),
    (
        "berrymse_last_frame_timestamp_seconds",
        "gauge",
        "Unix time at which the newest frame was captured.",
        |s| {
            let age = Timestamp::now().since(s.last_frame_at?);
            Some(unix_seconds(SystemTime::now().checked_sub(age)?))
        },
    ),
];

/// Names that a better one replaces.
const DEPRECATED: [Metric; 2] = [
    (
        "berrymse_bits_per_second",
        "gauge",
        "Deprecated: use berrymse_video_bytes_per_second.",
        |s| Some(s.bitrate as f64),
    ),
    (
        "berrymse_keyframe_interval",
        "gauge",
        "Deprecated: use berrymse_keyframe_interval_frames.",
        |s| Some(s.keyframe_interval as f64),
    ),
];

/// Returns all metrics. Names of cameras need no escaping: they are checked.
pub(crate) fn metrics(app: &AppState) -> String {
    let all = app.cameras.all();
    let cameras: Vec<(&str, HubStats)> = all
        .iter()
        .map(|camera| (&*camera.name, camera.handle.hub().stats()))
        .collect();
    let mut text = Text::default();
    text.family(
        "berrymse_build_info",
        "gauge",
        "Version, commit and built-in parts of the program.",
    );
    let parts = build_info::parts();
    let mut labels = vec![("version", VERSION), ("commit", COMMIT)];
    labels.extend(parts.iter().map(|(name, text)| (*name, &**text)));
    text.sample("berrymse_build_info", &labels, 1);
    text.family(
        "berrymse_congestion_control_info",
        "gauge",
        "TCP congestion control of connections, and of those that lose packets.",
    );
    let (initial, on_loss) = app.congestion_control.names();
    let algorithms = [("algorithm", initial), ("on_loss", on_loss)];
    text.sample("berrymse_congestion_control_info", &algorithms, 1);
    let name = "berrymse_limited_total";
    text.family(name, "counter", "Times a limit for clients was reached.");
    for (limit, label) in Limit::ALL {
        let count = app.limit_counters.get(limit);
        text.sample(name, &[("limit", label)], count);
    }
    write_process_metrics(app, &mut text);
    for (name, kind, help, value) in CAMERA_METRICS.iter().chain(&DEPRECATED) {
        text.family(name, kind, help);
        for (camera, status) in &cameras {
            if let Some(value) = value(status) {
                text.sample(name, &[("camera", camera)], value);
            }
        }
    }
    let name = "berrymse_decoder_restarts_total";
    let help = "Times the decoder of snapshots failed and was started again.";
    text.family(name, "counter", help);
    for camera in all.iter() {
        let restarts = camera.snapshots.decoder_restarts();
        text.sample(name, &[("camera", &camera.name)], restarts);
    }
    let names: Vec<&str> = cameras.iter().map(|(name, _)| *name).collect();
    write_latency_metrics(app, &names, &mut text);
    text.0
}

/// Metrics of the process, by the names that Prometheus' client libraries give them.
fn write_process_metrics(app: &AppState, text: &mut Text) {
    let uptime = app.started_at.elapsed();
    let started = SystemTime::now().checked_sub(uptime).unwrap_or(UNIX_EPOCH);
    let resident = fs::read_to_string("/proc/self/status")
        .ok()
        .and_then(|status| resident_bytes(&status));
    let open = fs::read_dir("/proc/self/fd")
        .ok()
        // One of them is the directory itself.
        .map(|entries| entries.count().saturating_sub(1) as f64);
    let limit = getrlimit(Resource::Nofile).current;
    for (name, help, value) in [
        (
            "process_start_time_seconds",
            "Unix time of the start of the process.",
            Some(unix_seconds(started)),
        ),
        (
            "process_resident_memory_bytes",
            "Resident memory size.",
            resident,
        ),
        ("process_open_fds", "Open file descriptors.", open),
        (
            "process_max_fds",
            "Most file descriptors that may be open.",
            limit.map(|limit| limit as f64),
        ),
        (
            "berrymse_uptime_seconds",
            "Deprecated: use time() - process_start_time_seconds.",
            Some(uptime.as_secs() as f64),
        ),
    ] {
        if let Some(value) = value {
            text.family(name, "gauge", help);
            text.sample(name, &[], value);
        }
    }
}

fn write_latency_metrics(app: &AppState, cameras: &[&str], text: &mut Text) {
    let name = "berrymse_delay_seconds";
    text.family(
        name,
        "gauge",
        "Age of frames when they are shown: median of the viewers who report it.",
    );
    for camera in cameras {
        if let Some(ms) = app.latency_stats.median_ms(camera) {
            text.sample(name, &[("camera", camera)], ms / 1000.0);
        }
    }
    for (name, help) in [
        (
            "berrymse_congested_viewers",
            "Viewers whose links carry less than the stream.",
        ),
        (
            "berrymse_viewers_on_slow_lines",
            "Deprecated: use berrymse_congested_viewers.",
        ),
    ] {
        text.family(name, "gauge", help);
        for camera in cameras {
            let congested = app.latency_stats.summary(camera, true).viewers;
            text.sample(name, &[("camera", camera)], congested);
        }
    }
    let name = "berrymse_rtsp_viewers";
    text.family(name, "gauge", "Viewers connected by RTSP.");
    for camera in cameras {
        let viewers = app.rtsp_output(camera).map_or(0, |output| output.viewers());
        text.sample(name, &[("camera", camera)], viewers);
    }
    let name = "berrymse_viewer_delay_seconds";
    text.family(
        name,
        "histogram",
        "Age of the newest frame at each WebSocket viewer, once a second.",
    );
    for camera in cameras {
        let histogram = app.latency_stats.histogram(camera);
        let bounds = BUCKET_BOUNDS.iter().map(ToString::to_string);
        let mut sum = 0;
        for (bound, count) in bounds.chain(["+Inf".to_owned()]).zip(histogram.counts) {
            sum += count;
            let labels = [("camera", *camera), ("le", &*bound)];
            text.sample(&format!("{name}_bucket"), &labels, sum);
        }
        let labels = [("camera", *camera)];
        let total = format!("{:.3}", histogram.sum);
        text.sample(&format!("{name}_sum"), &labels, total);
        text.sample(&format!("{name}_count"), &labels, sum);
    }
}

/// The text as it grows. Writing to a String cannot fail.
#[derive(Default)]
struct Text(String);

impl Text {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl fmt::Display) {
        let labels: Vec<String> = labels
            .iter()
            .map(|(label, value)| format!("{label}=\"{value}\""))
            .collect();
        let _ = match labels.join(",") {
            labels if labels.is_empty() => writeln!(self.0, "{name} {value}"),
            labels => writeln!(self.0, "{name}{{{labels}}} {value}"),
        };
    }
}

/// Returns the resident memory in `/proc/self/status` (proc(5)).
fn resident_bytes(status: &str) -> Option<f64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024.0)
}

fn unix_seconds(time: SystemTime) -> f64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_millis() as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resident_memory_is_read_in_bytes() {
        let status = "Name:\tberrymse\nVmPeak:\t  9 kB\nVmRSS:\t    1234 kB\n";
        assert_eq!(resident_bytes(status), Some(1_263_616.0));
        assert_eq!(resident_bytes("Name:\tberrymse\n"), None);
    }
}
