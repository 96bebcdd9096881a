//! `/metrics` by Prometheus' rules, and by its own program where that is installed (./test installs it).

use super::live;
use crate::support::{Scratch, Server};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::process::{Command, Stdio};

/// Names that were there before, and go on for this version.
const DEPRECATED: [&str; 4] = [
    "berrymse_uptime_seconds",
    "berrymse_bits_per_second",
    "berrymse_keyframe_interval",
    "berrymse_viewers_on_slow_lines",
];

/// Names that stay as they are.
const LASTING: [&str; 13] = [
    "berrymse_build_info",
    "berrymse_camera_live",
    "berrymse_viewers",
    "berrymse_rtsp_viewers",
    "berrymse_frames_total",
    "berrymse_frames_skipped_total",
    "berrymse_frames_dropped_total",
    "berrymse_camera_restarts_total",
    "berrymse_frames_per_second",
    "berrymse_last_frame_age_seconds",
    "berrymse_delay_seconds",
    "berrymse_viewer_delay_seconds",
    "process_start_time_seconds",
];

/// Types and helps by name; checks each line on the way.
fn families(text: &str) -> BTreeMap<&str, (&str, &str)> {
    let mut families: BTreeMap<&str, (&str, &str)> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for line in text.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, help) = help.split_once(' ').unwrap();
            assert!(families.insert(name, ("", help)).is_none(), "{line}");
        } else if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').unwrap();
            families.get_mut(name).unwrap().0 = kind;
        } else {
            let (sample, value) = line.rsplit_once(' ').unwrap();
            let name = sample.split('{').next().unwrap();
            let ends = ["_bucket", "_sum", "_count"];
            let family = ends.iter().find_map(|end| name.strip_suffix(end));
            assert!(
                families.contains_key(name)
                    || family.is_some_and(|family| families[family].0 == "histogram"),
                "{line}"
            );
            assert!(value.parse::<f64>().unwrap() >= 0.0, "{line}");
            assert!(seen.insert(sample), "twice: {line}");
        }
    }
    families
}

#[test]
fn metrics_follow_the_rules_of_prometheus() {
    let server = live();
    let _viewer = server.watch("/video_websocket");
    let scratch = Scratch::new("metrics");
    let absent = format!("file:{}", scratch.join("none.h264").display());
    for text in [
        server.get("/metrics").1,
        Server::start(&["--source", &absent]).get("/metrics").1,
    ] {
        let families = families(&text);
        for (name, (kind, help)) in &families {
            assert_eq!(name.ends_with("_total"), *kind == "counter", "{name}");
            assert!(["counter", "gauge", "histogram"].contains(kind), "{name}");
            assert!(help.ends_with('.'), "{name}: {help}");
            assert_eq!(
                help.contains("Deprecated"),
                DEPRECATED.contains(name),
                "{help}"
            );
            let is_named = name.starts_with("berrymse_") || name.starts_with("process_");
            assert!(is_named, "{name}");
        }
        for name in LASTING.iter().chain(&DEPRECATED) {
            assert!(families.contains_key(name), "{name}");
        }
        let labels = format!(
            "version=\"{}\",commit=\"{}\",software_encoder=\"",
            env!("CARGO_PKG_VERSION"),
            env!("BERRYMSE_COMMIT")
        );
        assert!(text.contains(&format!("berrymse_build_info{{{labels}")));
        promtool(&text);
    }
}

/// Asks Prometheus' own program, if it is there; old names may break its rules.
fn promtool(text: &str) {
    let started = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .stdout(Stdio::null())
        .spawn();
    let Ok(mut child) = started else {
        println!("promtool is not installed: apt-get install prometheus");
        return;
    };
    child
        .stdin
        .take()
        .unwrap()
        .write_all(text.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    let complaints = String::from_utf8(output.stderr).unwrap();
    for line in complaints.lines() {
        let name = line.split(' ').next().unwrap();
        assert!(DEPRECATED.contains(&name), "{line}");
    }
}
