//! The report of a run, as JSON.

use crate::crowd::Outcome;
use crate::options::Options;
use crate::viewer::{State, Viewer};
use bench::proc::Sample;
use hdrhistogram::Histogram;
use serde_json::{json, Value};

/// The whole report.
pub fn of(run: &Outcome, options: &Options) -> Value {
    Report {
        run,
        options,
        window_s: ms(run.after.at - run.before.at) / 1000.0,
    }
    .json()
}

struct Report<'a> {
    run: &'a Outcome,
    options: &'a Options,
    window_s: f64,
}

impl Report<'_> {
    /// Those that do not stall on purpose.
    fn normal(&self) -> impl Iterator<Item = &Viewer> {
        self.run.viewers.iter().skip(self.options.stall)
    }

    fn total(&self, figure: fn(&Viewer) -> u64) -> u64 {
        self.normal().map(figure).sum()
    }

    fn count(&self, is: fn(&Viewer) -> bool) -> usize {
        self.normal().filter(|viewer| is(viewer)).count()
    }

    fn pictures(&self) -> u64 {
        self.total(|viewer| viewer.seen.pictures)
    }

    fn json(&self) -> Value {
        let tally = &self.run.tally;
        let all = &self.run.viewers;
        let closed = || {
            all.iter()
                .filter(|viewer| viewer.state() == State::Closed && viewer.open_at != 0)
        };
        let bytes = self.total(|viewer| viewer.seen.bytes);
        let mut report = json!({
            "label": self.options.label, "url": self.options.urls.join(" "), "viewers": self.options.viewers,
            "window_s": rounded(self.window_s, 3),
            "connected": all.iter().filter(|viewer| viewer.open_at != 0).count(),
            "failed": tally.failed,
            "closed_by_server": closed().count(),
            "close_codes": closed().map(|viewer| viewer.close_code).take(4).collect::<Vec<_>>(),
            "protocol_errors": tally.protocol_errors,
            "messages": self.total(|viewer| viewer.seen.messages),
            "ws_frames": tally.frames,
            "frames": self.pictures(),
            "bytes": bytes,
            "mbit_per_s": rounded(bytes as f64 * 8.0 / 1e6 / self.window_s, 2),
            "message_bytes": {
                "min": if tally.largest_message > 0 { tally.smallest_message } else { 0 },
                "max": tally.largest_message,
            },
            "largest_ws_frame": tally.largest_frame,
            "missed": self.total(|viewer| viewer.seen.missed),
            "duplicates": self.total(|viewer| viewer.seen.duplicates),
            "unmarked_messages": self.total(|viewer| viewer.seen.unmarked),
            "init_segments": all.iter().map(|viewer| u64::from(viewer.seen.inits)).sum::<u64>(),
            "latency_ms": histogram(&tally.latency_us),
            "latency_key_ms": histogram(&tally.key_latency_us),
            "gap_ms": histogram(&tally.gap_us),
            "gaps_over_100ms": self.total(|viewer| viewer.seen.long_gaps),
            "open_ms": self.since_connecting(|viewer| viewer.open_at),
            "init_ms": self.since_connecting(|viewer| viewer.seen.init_at),
            "media_ms": self.since_connecting(|viewer| viewer.seen.media_at),
            "stalled": self.stalled(),
            "came": self.run.came,
            "loadavg": [self.run.load_before, bench::proc::load()],
            "text_messages": tally.texts,
        });
        self.add_spreads(&mut report);
        self.add_processors(&mut report);
        if self.options.per_viewer {
            report["per_viewer"] = all.iter().map(one).collect();
        }
        report
    }

    /// How the viewers differ.
    fn add_spreads(&self, report: &mut Value) {
        let seen = || self.normal().map(|viewer| &viewer.seen);
        let open = self.normal().filter(|viewer| viewer.open_at != 0);
        let fps = Spread::of(open.map(|viewer| viewer.seen.pictures as f64 / self.window_s));
        report["fps"] = json!({"min": fps.at(0.0), "p50": fps.at(0.5), "max": fps.at(1.0)});
        let gaps = Spread::of(
            seen()
                .filter(|seen| seen.messages > 1)
                .map(|seen| ms(seen.longest_gap_ns)),
        );
        report["max_gap_ms"] = json!({"p50": gaps.at(0.5), "max": gaps.at(1.0)});
        let marked = seen().filter(|seen| seen.first_is_key.is_some());
        let age = Spread::of(marked.map(|seen| ms(seen.first_age_ns)));
        report["first_media"] = json!({
            "key": self.count(|viewer| viewer.seen.first_is_key == Some(true)),
            "not_key": self.count(|viewer| viewer.seen.first_is_key == Some(false)),
            "age_ms_p50": age.at(0.5), "age_ms_max": age.at(1.0),
        });
    }

    /// What it cost: the processes, us, and what others took meanwhile.
    fn add_processors(&self, report: &mut Value) {
        let (before, after) = (&self.run.before, &self.run.after);
        let per_s = |seconds: f64| seconds / self.window_s;
        let own = per_s(after.own_cpu_s - before.own_cpu_s);
        let mut ours = own;
        let mut processes = vec![];
        let samples = before.processes.iter().zip(&after.processes);
        for ((name, pid), samples) in self.options.processes.iter().zip(samples) {
            processes.push(match samples {
                (Some(before), Some(after)) => {
                    ours += per_s(after.cpu_s - before.cpu_s);
                    self.process(name, *pid, before, after)
                }
                _ => json!({"name": name, "pid": pid, "gone": true}),
            });
        }
        let busy = per_s(after.busy_s - before.busy_s);
        report["own_cpu_s_per_s"] = json!(rounded(own, 4));
        report["procs"] = json!(processes);
        report["machine"] = json!({
            "cpus": std::thread::available_parallelism().map_or(1, usize::from),
            "busy_s_per_s": rounded(busy, 3), "others_s_per_s": rounded((busy - ours).max(0.0), 3),
        });
    }

    fn process(&self, name: &str, pid: u32, before: &Sample, after: &Sample) -> Value {
        let per_s = |figure: fn(&Sample) -> f64| (figure(after) - figure(before)) / self.window_s;
        let switches = |sample: &Sample| sample.ctx_voluntary + sample.ctx_involuntary;
        let pictures = self.pictures();
        let cost_us = (after.cpu_s - before.cpu_s) * 1e6 / pictures as f64;
        json!({
            "name": name, "pid": pid,
            "cpu_s_per_s": rounded(per_s(|sample| sample.cpu_s), 5),
            "stat_cpu_s_per_s": rounded(per_s(|sample| sample.stat_cpu_s), 4),
            "user_s_per_s": rounded(per_s(|sample| sample.utime_s), 4),
            "sys_s_per_s": rounded(per_s(|sample| sample.stime_s), 4),
            "us_per_viewer_frame": (pictures > 0).then(|| rounded(cost_us, 3)),
            "rss_kb_before": before.rss_kb, "rss_kb": after.rss_kb, "hwm_kb": after.hwm_kb, "pss_kb": after.pss_kb,
            "threads": after.threads,
            "ctx_switches_per_s": (switches(after).saturating_sub(switches(before)) as f64 / self.window_s).round(),
        })
    }

    /// How long after it began to connect each got so far.
    fn since_connecting(&self, at: fn(&Viewer) -> u64) -> Value {
        let there = self.normal().filter(|viewer| at(viewer) != 0);
        let times = Spread::of(there.map(|viewer| ms(at(viewer) - viewer.connected_at)));
        json!({"count": times.0.len(), "min": times.at(0.0), "p50": times.at(0.5), "p99": times.at(0.99), "max": times.at(1.0)})
    }

    fn stalled(&self) -> Vec<Value> {
        let end = self.run.after.at;
        let one = |viewer: &Viewer| {
            let (seen, closed_at) = (&viewer.seen, viewer.closed_at);
            json!({
                "stalled_s": ms(viewer.stall_until.min(end).saturating_sub(seen.media_at)) / 1000.0,
                "closed_by_server_after_s": (closed_at != 0).then(|| ms(closed_at - seen.media_at) / 1000.0),
                "close_code": viewer.close_code, "frames": seen.pictures, "missed": seen.missed,
                "max_gap_ms": ms(seen.longest_gap_ns),
            })
        };
        self.run
            .viewers
            .iter()
            .take(self.options.stall)
            .map(one)
            .collect()
    }
}

fn one(viewer: &Viewer) -> Value {
    let seen = &viewer.seen;
    json!({
        "frames": seen.pictures, "messages": seen.messages, "bytes": seen.bytes, "missed": seen.missed,
        "duplicates": seen.duplicates, "max_gap_ms": ms(seen.longest_gap_ns), "first_is_key": seen.first_is_key,
        "state": format!("{:?}", viewer.state()), "close_code": viewer.close_code,
    })
}

/// Figures in order.
struct Spread(Vec<f64>);

impl Spread {
    fn of(figures: impl Iterator<Item = f64>) -> Self {
        let mut figures: Vec<f64> = figures.collect();
        figures.sort_by(f64::total_cmp);
        Self(figures)
    }

    /// The figure that this part of them is not above; null without figures.
    fn at(&self, part: f64) -> Value {
        let last = self.0.len().saturating_sub(1) as f64;
        self.0
            .get((last * part).round() as usize)
            .map_or(Value::Null, |figure| json!(rounded(*figure, 3)))
    }
}

/// Of microseconds, in milliseconds.
fn histogram(us: &Histogram<u64>) -> Value {
    if us.is_empty() {
        return Value::Null;
    }
    let ms = |us: u64| us as f64 / 1000.0;
    let at = |part| ms(us.value_at_quantile(part));
    json!({
        "count": us.len(), "min": ms(us.min()), "mean": us.mean().round() / 1000.0, "p50": at(0.5), "p90": at(0.9),
        "p99": at(0.99), "p999": at(0.999), "max": ms(us.max()),
    })
}

fn ms(nanos: u64) -> f64 {
    nanos as f64 / 1e6
}

fn rounded(figure: f64, digits: i32) -> f64 {
    let scale = 10f64.powi(digits);
    (figure * scale).round() / scale
}
