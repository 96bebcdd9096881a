//! Signs of life of the program's loops, for the watchdog of the service manager.

use crate::time::Timestamp;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Count of a thread that has ended as intended.
const FINISHED: u64 = u64::MAX;

/// Counts the rounds of a loop. Clones share the count.
#[derive(Clone, Debug, Default)]
pub struct Heartbeat(Arc<AtomicU64>);

impl Heartbeat {
    /// Counts a round.
    pub fn beat(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// Reports that the loop has ended as intended and beats no more.
    pub fn finish(&self) {
        self.0.store(FINISHED, Ordering::Relaxed);
    }
}

/// Finds loops that no longer come round.
#[derive(Debug)]
pub struct HeartbeatMonitor {
    limit: Duration,
    loops: Vec<Loop>,
}

#[derive(Debug)]
struct Loop {
    name: String,
    heartbeat: Heartbeat,
    count: u64,
    changed_at: Timestamp,
}

impl HeartbeatMonitor {
    /// Creates a monitor without loops. A loop is stuck after `limit` without a round.
    pub const fn new(limit: Duration) -> Self {
        Self {
            limit,
            loops: Vec::new(),
        }
    }

    /// Watches a loop from `now` on.
    pub fn watch(&mut self, name: &str, heartbeat: Heartbeat, now: Timestamp) {
        self.loops.push(Loop {
            name: name.to_owned(),
            count: heartbeat.0.load(Ordering::Relaxed),
            heartbeat,
            changed_at: now,
        });
    }

    /// Returns the name of a stuck loop. Call it several times within the limit.
    pub fn stuck_loop(&mut self, now: Timestamp) -> Option<&str> {
        for watched in &mut self.loops {
            let count = watched.heartbeat.0.load(Ordering::Relaxed);
            if count != watched.count || count == FINISHED {
                (watched.count, watched.changed_at) = (count, now);
            }
        }
        let limit = self.limit;
        let is_stuck = |watched: &&Loop| now.since(watched.changed_at) > limit;
        let stuck = self.loops.iter().find(is_stuck);
        stuck.map(|watched| watched.name.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loop_without_rounds_is_stuck_until_it_comes_round() {
        let start = Timestamp::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let (camera, fanout) = (Heartbeat::default(), Heartbeat::default());
        let mut monitor = HeartbeatMonitor::new(Duration::from_secs(10));
        monitor.watch("camera", camera.clone(), at(0));
        monitor.watch("fan-out", fanout.clone(), at(0));
        assert_eq!(monitor.stuck_loop(at(10)), None);
        fanout.beat();
        assert_eq!(monitor.stuck_loop(at(11)), Some("camera"));
        camera.beat();
        assert_eq!(monitor.stuck_loop(at(21)), None);
        fanout.finish();
        camera.beat();
        assert_eq!(monitor.stuck_loop(at(30)), None);
        camera.beat();
        assert_eq!(monitor.stuck_loop(at(60)), None, "fan-out has ended");
        assert_eq!(monitor.stuck_loop(at(71)), Some("camera"));
    }
}
