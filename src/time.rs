//! Clock of the program: nanoseconds of `CLOCK_MONOTONIC`, with which V4L2 stamps its buffers.

use std::ops::Add;
use std::time::{Duration, SystemTime};

/// Ticks per second of all media times in the MP4 output (ISO/IEC 14496-12, 8.4.2 `timescale`).
pub const TIMESCALE: u32 = 90_000;

/// Time on `CLOCK_MONOTONIC`, in nanoseconds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Timestamp(u64);

impl Timestamp {
    /// Returns the present time.
    pub fn now() -> Self {
        let t = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
        Self(t.tv_sec as u64 * 1_000_000_000 + t.tv_nsec as u64)
    }

    /// Creates the time `nanos` nanoseconds after the clock's zero.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Returns the nanoseconds since the clock's zero.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Returns the media ticks since the clock's zero, rounded down.
    pub const fn as_ticks(self) -> u64 {
        const SECOND: u64 = 1_000_000_000;
        let scale = TIMESCALE as u64;
        // Both products fit into 64 bits. A division of 128 bits takes 1800 instructions on ARMv6.
        self.0 / SECOND * scale + self.0 % SECOND * scale / SECOND
    }

    /// Returns the time from `earlier` to `self`; zero if `earlier` is the later one.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

/// Returns the Unix time at the zero of [`Timestamp`]'s clock. Both clocks are read several times, as the machine may stop the
/// thread between two readings.
pub fn unix_at_zero() -> Duration {
    const READINGS: usize = 5;
    let read = |_| {
        let before = Timestamp::now();
        let unix = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let spread = Timestamp::now().since(before);
        (spread, unix.unwrap_or_default(), before)
    };
    let best = (0..READINGS).map(read).min_by_key(|(spread, ..)| *spread);
    let (spread, unix, before) = best.unwrap_or_default();
    unix.saturating_sub(Duration::from_nanos(before.as_nanos()) + spread / 2)
}

impl From<Duration> for Timestamp {
    /// Returns the time that long after the clock's zero.
    fn from(since_zero: Duration) -> Self {
        Self::default() + since_zero
    }
}

impl From<Timestamp> for Duration {
    /// Returns the time since the clock's zero.
    fn from(time: Timestamp) -> Self {
        Self::from_nanos(time.as_nanos())
    }
}

impl Add<Duration> for Timestamp {
    type Output = Self;

    fn add(self, d: Duration) -> Self {
        Self(
            self.0
                .saturating_add(u64::try_from(d.as_nanos()).unwrap_or(u64::MAX)),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_exact() {
        let second = 1_000_000_000;
        for nanos in [
            0,
            11_111,
            11_112,
            second - 1,
            second,
            u64::MAX - 1,
            u64::MAX,
        ] {
            let exact = u128::from(nanos) * u128::from(TIMESCALE) / u128::from(second);
            let ticks = Timestamp::from_nanos(nanos).as_ticks();
            assert_eq!(u128::from(ticks), exact, "{nanos}");
        }
    }
}
