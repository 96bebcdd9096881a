//! The report in lines that people read.

use serde_json::Value;

/// What `report` says.
pub fn of(report: &Value) -> String {
    let r = report;
    let label = r["label"].as_str().unwrap_or_default();
    let (first, latency, key) = (&r["first_media"], &r["latency_ms"], &r["latency_key_ms"]);
    let (open, init, media) = (&r["open_ms"], &r["init_ms"], &r["media_ms"]);
    let window_s = r["window_s"].as_f64().unwrap_or_default();
    let mut lines = vec![
        format!(
            "{label:<14} {} viewers, {} connected, {} failed, {} closed by server, {} protocol errors; window {window_s:.1} s",
            r["viewers"], r["connected"], r["failed"], r["closed_by_server"], r["protocol_errors"]
        ),
        format!(
            "  delivered     {} frames in {} messages, {} Mbit/s; fps min {} median {}; missed {}, duplicates {}, unmarked {}",
            r["frames"],
            r["messages"],
            r["mbit_per_s"],
            r["fps"]["min"],
            r["fps"]["p50"],
            r["missed"],
            r["duplicates"],
            r["unmarked_messages"]
        ),
        format!(
            "  latency ms    min {} p50 {} p90 {} p99 {} p99.9 {} max {}   (key frames: p50 {} max {})",
            latency["min"], latency["p50"], latency["p90"], latency["p99"], latency["p999"], latency["max"], key["p50"], key["max"]
        ),
        format!(
            "  join ms       open p50 {} max {} | init p50 {} max {} | media p50 {} max {}; first is key {}, not {}; its age p50 {} max {}",
            open["p50"],
            open["max"],
            init["p50"],
            init["max"],
            media["p50"],
            media["max"],
            first["key"],
            first["not_key"],
            first["age_ms_p50"],
            first["age_ms_max"]
        ),
        format!(
            "  gaps ms       p99 {} max {}; over 100 ms: {}",
            r["gap_ms"]["p99"], r["max_gap_ms"]["max"], r["gaps_over_100ms"]
        ),
    ];
    lines.extend(list(&r["procs"]).map(process));
    lines.push(format!(
        "  viewers       CPU {} s/s of their own; machine busy {} of {} CPUs, {} by others",
        r["own_cpu_s_per_s"],
        r["machine"]["busy_s_per_s"],
        r["machine"]["cpus"],
        r["machine"]["others_s_per_s"]
    ));
    lines.extend(
        list(&r["stalled"])
            .take(5)
            .map(|viewer| format!("  stalled       {viewer}")),
    );
    lines.join("\n") + "\n"
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn process(p: &Value) -> String {
    format!(
        "  {:<13} CPU {} s/s (user {} sys {}), {} us per viewer-frame, RSS {} kB (peak {}), {} threads, {} ctx/s",
        p["name"].as_str().unwrap_or_default(),
        p["cpu_s_per_s"],
        p["user_s_per_s"],
        p["sys_s_per_s"],
        p["us_per_viewer_frame"],
        p["rss_kb"],
        p["hwm_kb"],
        p["threads"],
        p["ctx_switches_per_s"]
    )
}
