//! Age of frames when viewers receive them: as their players report it, else as the server
//! estimates it from their sockets.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Larger values are a player's mistake, not a delay: ten minutes, in milliseconds.
const MAX_DELAY_MS: f64 = 600_000.0;

/// Upper bounds of the histogram's buckets, in seconds.
pub(crate) const BUCKET_BOUNDS: [f32; 12] = [
    0.025, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0, 5.0,
];

/// Latency of all viewers of all cameras.
#[derive(Clone, Debug, Default)]
pub(crate) struct LatencyStats(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    /// Viewers by a running number. A viewer that leaves is removed at once: leftovers of thousands
    /// would keep the allocator from returning the memory around them.
    viewers: BTreeMap<u64, Arc<ViewerEntry>>,
    joined: u64,
    /// Histograms, which outlive the viewers whose delays they count.
    histograms: BTreeMap<Arc<str>, Arc<Mutex<Histogram>>>,
}

/// Delays once a second from each viewer, added up since the start.
#[derive(Clone, PartialEq, Debug, Default)]
pub(crate) struct Histogram {
    /// Counts of delays up to each bound; the last one counts those above all bounds.
    pub(crate) counts: [u64; BUCKET_BOUNDS.len() + 1],
    /// The sum of all, in seconds.
    pub(crate) sum: f64,
}

/// Number of viewers of one kind, and their delays.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub(crate) struct LatencySummary {
    pub(crate) viewers: usize,
    pub(crate) median_ms: Option<f32>,
    pub(crate) worst_ms: Option<f32>,
}

/// Latency of one viewer, which counts until this is dropped.
#[derive(Debug)]
pub(crate) struct ViewerLatency {
    entry: Arc<ViewerEntry>,
    number: u64,
    all: Arc<Mutex<Inner>>,
}

#[derive(Debug)]
struct ViewerEntry {
    camera: Arc<str>,
    /// Milliseconds as `f32`; not a number while unknown.
    reported: AtomicU32,
    estimated: AtomicU32,
    is_congested: AtomicBool,
    histogram: Arc<Mutex<Histogram>>,
}

impl LatencyStats {
    /// Adds a viewer of `camera`.
    pub(crate) fn join(&self, camera: Arc<str>) -> ViewerLatency {
        let mut all = lock(&self.0);
        let histogram = all.histograms.entry(camera.clone()).or_default().clone();
        let seen = Arc::new(ViewerEntry {
            camera,
            reported: AtomicU32::new(f32::NAN.to_bits()),
            estimated: AtomicU32::new(f32::NAN.to_bits()),
            is_congested: AtomicBool::new(false),
            histogram,
        });
        let number = all.joined;
        all.joined += 1;
        all.viewers.insert(number, seen.clone());
        ViewerLatency {
            entry: seen,
            number,
            all: self.0.clone(),
        }
    }

    /// Returns the median over the viewers of `camera` that report, in milliseconds.
    pub(crate) fn median_ms(&self, camera: &str) -> Option<f32> {
        median(self.filter_map_viewers(camera, |seen| load(&seen.reported)))
    }

    /// Summarises the viewers of `camera` on congested links, or those on the others.
    pub(crate) fn summary(&self, camera: &str, is_slow: bool) -> LatencySummary {
        let delays = self.filter_map_viewers(camera, |seen| {
            (seen.is_congested.load(Ordering::Relaxed) == is_slow).then(|| seen.delay_ms())
        });
        let known: Vec<f32> = delays.iter().copied().flatten().collect();
        LatencySummary {
            viewers: delays.len(),
            worst_ms: known.iter().copied().max_by(f32::total_cmp),
            median_ms: median(known),
        }
    }

    /// Returns all delays of `camera` so far.
    pub(crate) fn histogram(&self, camera: &str) -> Histogram {
        let histogram = lock(&self.0).histograms.get(camera).cloned();
        histogram.map_or_else(Histogram::default, |histogram| lock(&histogram).clone())
    }

    fn filter_map_viewers<T>(
        &self,
        camera: &str,
        look: impl Fn(&ViewerEntry) -> Option<T>,
    ) -> Vec<T> {
        let all = lock(&self.0);
        let viewers = all.viewers.values();
        viewers
            .filter(|seen| &*seen.camera == camera)
            .filter_map(|seen| look(seen))
            .collect()
    }
}

impl ViewerLatency {
    /// Sets the delay that the player reports; anything but a plausible number of milliseconds
    /// means that it shows nothing.
    pub(crate) fn set_reported(&self, delay_ms: Option<f64>) {
        let ms = delay_ms.filter(|ms| (0.0..=MAX_DELAY_MS).contains(ms));
        store(&self.entry.reported, ms.map_or(f32::NAN, |ms| ms as f32));
    }

    /// Sets the delay estimated from the socket, and whether the link is congested.
    pub(crate) fn set_estimated(&self, delay: Option<Duration>, is_slow: bool) {
        let ms = delay.map_or(f32::NAN, |delay| delay.as_secs_f32() * 1000.0);
        store(&self.entry.estimated, ms);
        self.entry.is_congested.store(is_slow, Ordering::Relaxed);
    }

    /// Adds the present delay to the histogram. Called once a second.
    pub(crate) fn observe(&self) {
        if let Some(ms) = self.entry.delay_ms() {
            lock(&self.entry.histogram).add(ms / 1000.0);
        }
    }
}

impl Drop for ViewerLatency {
    fn drop(&mut self) {
        lock(&self.all).viewers.remove(&self.number);
    }
}

impl ViewerEntry {
    /// Returns the reported delay, else the estimated one.
    fn delay_ms(&self) -> Option<f32> {
        load(&self.reported).or_else(|| load(&self.estimated))
    }
}

impl Histogram {
    fn add(&mut self, seconds: f32) {
        let bucket = BUCKET_BOUNDS.iter().position(|bound| seconds <= *bound);
        if let Some(count) = self.counts.get_mut(bucket.unwrap_or(BUCKET_BOUNDS.len())) {
            *count += 1;
        }
        self.sum += f64::from(seconds);
    }
}

fn median(mut all: Vec<f32>) -> Option<f32> {
    all.sort_unstable_by(f32::total_cmp);
    all.get(all.len() / 2).copied()
}

fn load(bits: &AtomicU32) -> Option<f32> {
    Some(f32::from_bits(bits.load(Ordering::Relaxed))).filter(|ms| !ms.is_nan())
}

fn store(bits: &AtomicU32, ms: f32) {
    bits.store(ms.to_bits(), Ordering::Relaxed);
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn median_counts_only_present_reporting_viewers() {
        let delays = LatencyStats::default();
        let [one, other, blind, elsewhere] =
            ["door", "door", "door", "yard"].map(|name| delays.join(name.into()));
        assert_eq!(delays.median_ms("door"), None);
        one.set_reported(Some(40.0));
        other.set_reported(Some(90.0));
        blind.set_reported(None);
        elsewhere.set_reported(Some(7.0));
        assert_eq!(delays.median_ms("door"), Some(90.0));
        drop(other);
        assert_eq!(delays.median_ms("door"), Some(40.0));
        one.set_reported(Some(-3.0));
        assert_eq!(delays.median_ms("door"), None);
    }

    #[test]
    fn summary_splits_congested_and_prefers_reports() {
        let delays = LatencyStats::default();
        let [good, quick, slow, new] = ["door"; 4].map(|name| delays.join(name.into()));
        good.set_estimated(Some(Duration::from_millis(20)), false);
        good.set_reported(Some(50.0));
        quick.set_estimated(Some(Duration::from_millis(10)), false);
        slow.set_estimated(Some(Duration::from_millis(900)), true);
        let class = |viewers, median, worst| LatencySummary {
            viewers,
            median_ms: Some(median),
            worst_ms: Some(worst),
        };
        assert_eq!(delays.summary("door", false), class(3, 50.0, 50.0));
        assert_eq!(delays.summary("door", true), class(1, 900.0, 900.0));
        drop((slow, new));
        assert_eq!(delays.summary("door", true), LatencySummary::default());
        assert_eq!(delays.summary("door", false).viewers, 2);
    }

    #[test]
    fn the_histogram_outlives_the_viewers() {
        let delays = LatencyStats::default();
        for (ms, times) in [(20, 3), (100, 2), (7000, 1)] {
            let viewer = delays.join("door".into());
            viewer.observe();
            viewer.set_estimated(Some(Duration::from_millis(ms)), false);
            (0..times).for_each(|_| viewer.observe());
        }
        let histogram = delays.histogram("door");
        assert_eq!(histogram.counts, [3, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
        assert!((histogram.sum - 7.26).abs() < 1e-3, "{}", histogram.sum);
        assert_eq!(delays.histogram("yard"), Histogram::default());
    }
}
