//! Limits the log lines that clients cause, so that no stranger fills the log.

use crate::time::Timestamp;
use log::Level;
use std::collections::VecDeque;
use std::time::Duration;

/// Window in which at most [`MAX_WARNINGS`] + [`MAX_INFOS`] + [`MAX_DEBUGS`] lines and one summary
/// are written.
const WINDOW: Duration = Duration::from_secs(60);

/// Largest number of warnings in a window: refused requests.
const MAX_WARNINGS: usize = 6;

/// Largest number of `info` lines in a window: viewers who join and leave.
const MAX_INFOS: usize = 10;

/// Largest number of `--verbose` lines in a window.
const MAX_DEBUGS: usize = 2;

/// Counts the lines of clients and decides which are written.
#[derive(Debug)]
pub(super) struct ClientQuota {
    refusals: LevelQuota,
    visits: LevelQuota,
    details: LevelQuota,
    /// Time of the first skipped line that no summary has counted.
    incomplete_since: Option<Timestamp>,
}

/// Quota of one log level.
#[derive(Debug)]
struct LevelQuota {
    limit: usize,
    written_at: VecDeque<Timestamp>,
    skipped: u64,
}

impl ClientQuota {
    pub(super) const fn new() -> Self {
        Self {
            refusals: LevelQuota::new(MAX_WARNINGS),
            visits: LevelQuota::new(MAX_INFOS),
            details: LevelQuota::new(MAX_DEBUGS),
            incomplete_since: None,
        }
    }

    /// Returns true if a line of `level` may be written at `now`; otherwise counts it for the
    /// summary.
    pub(super) fn admit(&mut self, level: Level, now: Timestamp) -> bool {
        let share = match level {
            Level::Error | Level::Warn => &mut self.refusals,
            Level::Info => &mut self.visits,
            Level::Debug | Level::Trace => &mut self.details,
        };
        let is_admitted = share.admit(now);
        if !is_admitted {
            self.incomplete_since.get_or_insert(now);
        }
        is_admitted
    }

    /// Returns the summary of skipped lines, one window after the first of them.
    pub(super) fn summary(&mut self, now: Timestamp) -> Option<String> {
        let since = self.incomplete_since?;
        let elapsed = now.since(since);
        if elapsed < WINDOW {
            return None;
        }
        self.incomplete_since = None;
        let mut counts = Vec::new();
        for (share, name) in [
            (&mut self.refusals, "refusals"),
            (&mut self.visits, "joins and leaves"),
            (&mut self.details, "details"),
        ] {
            let count = std::mem::take(&mut share.skipped);
            if count > 0 {
                counts.push(format!("{count} {name}"));
            }
        }
        Some(format!(
            "clients: log lines left out in the last {} s ({}); /api/status counts the viewers",
            elapsed.as_secs(),
            counts.join(", ")
        ))
    }
}

impl LevelQuota {
    const fn new(limit: usize) -> Self {
        Self {
            limit,
            written_at: VecDeque::new(),
            skipped: 0,
        }
    }

    fn admit(&mut self, now: Timestamp) -> bool {
        while let Some(&oldest) = self.written_at.front()
            && now.since(oldest) >= WINDOW
        {
            self.written_at.pop_front();
        }
        if self.written_at.len() >= self.limit {
            self.skipped += 1;
            return false;
        }
        self.written_at.push_back(now);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_nanos(1_000_000_000 + millis * 1_000_000)
    }

    #[test]
    fn client_lines_are_at_most_20_per_minute() {
        let mut quota = ClientQuota::new();
        let mut written = Vec::new();
        for millis in (0..600_000).step_by(7) {
            let now = at(millis);
            if quota.summary(now).is_some() {
                written.push(millis);
            }
            for level in [Level::Warn, Level::Info, Level::Debug] {
                if quota.admit(level, now) {
                    written.push(millis);
                }
            }
        }
        for &start in &written {
            let within = |&&at: &&u64| at >= start && at < start + 60_000;
            let lines = written.iter().filter(within).count();
            assert!(lines <= 20, "{lines} lines from {start} ms on");
        }
        assert!(written.len() > 150, "{}", written.len());
    }

    #[test]
    fn summary_counts_each_skipped_level() {
        let mut quota = ClientQuota::new();
        for _ in 0..MAX_WARNINGS + 3 {
            quota.admit(Level::Warn, at(0));
        }
        for _ in 0..MAX_INFOS + 5 {
            quota.admit(Level::Info, at(1000));
        }
        assert_eq!(quota.summary(at(59_999)), None);
        let line = quota.summary(at(60_000)).unwrap();
        assert!(
            line.contains("in the last 60 s (3 refusals, 5 joins and leaves)"),
            "{line}"
        );
        assert_eq!(quota.summary(at(200_000)), None);
    }

    #[test]
    fn warnings_do_not_use_up_the_info_quota() {
        let mut quota = ClientQuota::new();
        for _ in 0..1000 {
            quota.admit(Level::Warn, at(0));
        }
        assert!(quota.admit(Level::Info, at(1)));
    }
}
