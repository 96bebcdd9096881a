//! Pace at which a viewer takes messages over plain HTTP. Pure.
//!
//! The socket is mostly that of a proxy on this machine, so its round trips tell nothing of the link. What counts is
//! how long each message waits until the socket has taken it.

use crate::camera_handle::CongestedLink;
use std::time::{Duration, Instant};

/// Time that a message may take: a keyframe on a good link.
const PROMPT: Duration = Duration::from_millis(60);

/// Time without a message beyond [`PROMPT`] after which the link is no longer congested.
const QUIET_PERIOD: Duration = Duration::from_secs(2);

/// Bytes and time over which the bandwidth is averaged: older ones count half after each.
const WINDOW: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
pub(super) struct Pace {
    /// Bytes that wait for the socket, and since when.
    waiting: Option<(Instant, usize)>,
    /// Time of the last message that took too long.
    slow_at: Option<Instant>,
    /// Bytes that the socket took while the link is congested, and the time for them.
    taken: (f64, Duration),
}

impl Pace {
    /// Notes a message on its way to the socket.
    pub(super) fn on_message(&mut self, bytes: usize, now: Instant) {
        let (since, waiting) = self.waiting.unwrap_or((now, 0));
        self.waiting = Some((since, waiting + bytes));
    }

    /// Notes that the socket has taken everything.
    pub(super) fn on_all_taken(&mut self, now: Instant) {
        let Some((since, bytes)) = self.waiting.take() else {
            return self.calm(now);
        };
        let took = now.saturating_duration_since(since);
        if took > PROMPT {
            self.slow_at = Some(now);
        }
        if self.slow_at.is_some() {
            let (all, time) = &mut self.taken;
            (*all, *time) = (*all + bytes as f64, *time + took);
            if *time > WINDOW {
                (*all, *time) = (*all / 2.0, *time / 2);
            }
        }
        self.calm(now);
    }

    fn calm(&mut self, now: Instant) {
        let is_over = |at: Instant| now.saturating_duration_since(at) > QUIET_PERIOD;
        if self.slow_at.is_some_and(is_over) {
            (self.slow_at, self.taken) = (None, (0.0, Duration::ZERO));
        }
    }

    /// Returns the congestion of the link.
    pub(super) fn congestion(&self) -> Option<CongestedLink> {
        self.slow_at?;
        let (bytes, time) = self.taken;
        let bits_per_second = bytes * 8.0 / time.as_secs_f64().max(0.001);
        Some(CongestedLink {
            bandwidth_bps: bits_per_second.clamp(1.0, f64::from(u32::MAX)) as u32,
            queue_delay: Duration::ZERO,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends this many messages of 10 kB, each of which takes `took`.
    fn send(pace: &mut Pace, from: Instant, count: u32, took: Duration) -> Instant {
        for i in 0..count {
            pace.on_message(10_000, from + took * i);
            pace.on_all_taken(from + took * (i + 1));
        }
        from + took * count
    }

    #[test]
    fn prompt_link_is_not_congested() {
        let mut pace = Pace::default();
        send(&mut pace, Instant::now(), 500, PROMPT);
        assert_eq!(pace.congestion(), None);
    }

    #[test]
    fn slow_link_is_congested_until_it_is_quiet() {
        let mut pace = Pace::default();
        let begin = Instant::now();
        let took = Duration::from_millis(100);
        let mut now = send(&mut pace, begin, 100, took);
        let link = pace.congestion().unwrap();
        assert!((760_000..840_000).contains(&link.bandwidth_bps), "{link:?}");
        now = send(&mut pace, now, 15, took / 10);
        assert!(pace.congestion().is_some());
        send(&mut pace, now, 200, took / 10);
        assert_eq!(pace.congestion(), None);
    }

    #[test]
    fn silence_ends_congestion() {
        let mut pace = Pace::default();
        let now = send(&mut pace, Instant::now(), 5, PROMPT * 2);
        pace.on_all_taken(now + QUIET_PERIOD * 2);
        assert_eq!(pace.congestion(), None);
    }
}
