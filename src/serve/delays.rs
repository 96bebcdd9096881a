//! How old pictures are when viewers see them, as their players say.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// Larger values are a player's mistake, not a delay: ten minutes, in milliseconds.
const MOST_MS: f64 = 600_000.0;

/// The last reports of all viewers of all cameras.
#[derive(Debug, Default)]
pub(super) struct Delays(Mutex<Vec<(Arc<str>, Weak<AtomicU32>)>>);

/// One viewer's last report; it counts until this is dropped.
#[derive(Debug)]
pub(super) struct Report(Arc<AtomicU32>);

impl Delays {
    /// A new viewer of `camera`, who has reported nothing.
    pub(super) fn join(&self, camera: Arc<str>) -> Report {
        let report = Report(Arc::new(AtomicU32::new(f32::NAN.to_bits())));
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|(_, report)| report.strong_count() > 0);
        all.push((camera, Arc::downgrade(&report.0)));
        report
    }

    /// The median over the viewers of `camera` who have reported, in milliseconds.
    pub(super) fn median_ms(&self, camera: &str) -> Option<f32> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut reported: Vec<f32> = all
            .iter()
            .filter(|(name, _)| &**name == camera)
            .filter_map(|(_, report)| report.upgrade())
            .map(|bits| f32::from_bits(bits.load(Ordering::Relaxed)))
            .filter(|ms| !ms.is_nan())
            .collect();
        reported.sort_unstable_by(f32::total_cmp);
        reported.get(reported.len() / 2).copied()
    }
}

impl Report {
    /// What the player says; anything but a plausible number of milliseconds means that it shows nothing.
    pub(super) fn set(&self, delay_ms: Option<f64>) {
        let ms = delay_ms.filter(|ms| (0.0..=MOST_MS).contains(ms));
        let value = ms.map_or(f32::NAN, |ms| ms as f32);
        self.0.store(value.to_bits(), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_viewers_who_are_there_and_see_something_count() {
        let delays = Delays::default();
        let [one, other, blind, elsewhere] =
            ["door", "door", "door", "yard"].map(|name| delays.join(name.into()));
        assert_eq!(delays.median_ms("door"), None);
        one.set(Some(40.0));
        other.set(Some(90.0));
        blind.set(None);
        elsewhere.set(Some(7.0));
        assert_eq!(delays.median_ms("door"), Some(90.0));
        drop(other);
        assert_eq!(delays.median_ms("door"), Some(40.0));
        one.set(Some(-3.0));
        assert_eq!(delays.median_ms("door"), None);
    }
}
