//! Second pipe on which a program reports each written access unit and its capture time, as
//! `rpicam-vid --save-pts` does (timecode format v2: one line for each access unit, milliseconds
//! with three decimals). The first frame is at 0. Since rpicam-apps 1.8.0 its clock is the system's, which may be set in mid-stream:
//! the times then step, and may be negative.

use crate::shutdown::{ShutdownToken, WaitResult};
use crate::time::Timestamp;
use rustix::fd::{AsFd, OwnedFd};
use std::time::Duration;

/// Wait for a line. It follows its unit within some 10 µs; a busy machine may delay it.
const PTS_LINE_TIMEOUT: Duration = Duration::from_millis(5);
/// Units without a line after which none is waited for.
const MAX_MISSES: u32 = 10;
/// Part of a line's lateness by which the clock offset follows it: a wrong offset corrects itself
/// within half a minute.
const DRIFT_DIVISOR: i64 = 256;
/// Longest line; longer ones are no numbers.
const MAX_LINE_BYTES: usize = 32;

/// Read end of the pipe.
#[derive(Debug)]
pub(in crate::source) struct PtsPipe {
    fd: OwnedFd,
    lines: PtsLines,
    misses: u32,
    clock: ClockOffset,
}

/// Content of a line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct PtsRecord {
    /// Capture time. Intervals are the camera's; the transport counts as long as its shortest delay
    /// so far.
    pub(super) captured_at: Timestamp,
    /// True if the bytes before the line end with the unit's last byte and hold no part of another.
    pub(super) is_certain: bool,
}

impl PtsPipe {
    /// Takes over `fd`, which must be non-blocking. `picture_time` is the configured frame
    /// interval.
    pub(in crate::source) fn new(fd: OwnedFd, picture_time: Duration) -> Self {
        Self {
            fd,
            lines: PtsLines::default(),
            misses: 0,
            clock: ClockOffset::new(picture_time),
        }
    }

    /// Returns true while lines are waited for.
    fn is_hoped_for(&self) -> bool {
        self.misses < MAX_MISSES
    }

    /// Waits for the line of the unit whose bytes have arrived.
    pub(super) fn wait(
        &mut self,
        shutdown: &ShutdownToken,
        arrived_at: Timestamp,
    ) -> Option<PtsRecord> {
        let patience = if self.is_hoped_for() {
            PTS_LINE_TIMEOUT
        } else {
            Duration::ZERO
        };
        let times = match shutdown.wait_readable(self.fd.as_fd(), patience) {
            // Read even without waiting: a full pipe would block the program.
            WaitResult::Ready => self.read(),
            WaitResult::TimedOut | WaitResult::Shutdown => Vec::new(),
        };
        let Some(last) = times.last() else {
            self.misses = self.misses.saturating_add(1);
            return None;
        };
        self.misses = 0;
        let mut mark = self.clock.record(*last, arrived_at);
        // Two lines: more than one unit has arrived.
        mark.is_certain &= times.len() == 1;
        Some(mark)
    }

    /// Discards the lines that are there.
    pub(super) fn discard_pending(&mut self) {
        self.read();
    }

    /// Returns the times of all complete lines.
    fn read(&mut self) -> Vec<i64> {
        let mut times = Vec::new();
        let mut buffer = [0; 512];
        while let Ok(length @ 1..) = rustix::io::read(&self.fd, &mut buffer[..]) {
            let bytes = buffer.get(..length).unwrap_or_default();
            self.lines.push(bytes, |time| times.push(time));
        }
        times
    }
}

/// Splits bytes into lines, and parses them.
#[derive(Debug, Default)]
struct PtsLines {
    line: Vec<u8>,
}

impl PtsLines {
    fn push(&mut self, bytes: &[u8], mut each: impl FnMut(i64)) {
        for &byte in bytes {
            if byte == b'\n' {
                let time = parse_line(&std::mem::take(&mut self.line));
                time.into_iter().for_each(&mut each);
            } else if self.line.len() < MAX_LINE_BYTES {
                self.line.push(byte);
            }
        }
    }
}

/// Returns the capture times by the lines of a program that arrive in pieces of `piece` bytes, one frame after the other at
/// these intervals. For tests of any bytes.
pub fn capture_times(bytes: &[u8], piece: usize, interval: Duration) -> Vec<Timestamp> {
    let (mut lines, mut times) = (PtsLines::default(), Vec::new());
    for piece in bytes.chunks(piece.max(1)) {
        lines.push(piece, |time| times.push(time));
    }
    let mut clock = ClockOffset::new(interval);
    let mut arrived_at = Timestamp::default();
    let captured = times.into_iter().map(|time| {
        arrived_at = arrived_at + interval;
        clock.record(time, arrived_at).captured_at
    });
    captured.collect()
}

/// Parses a line into nanoseconds; `None` for the heading and other text. The program prints the sign of a negative time at
/// either part or both.
fn parse_line(line: &[u8]) -> Option<i64> {
    let (millis, micros) = std::str::from_utf8(line).ok()?.split_once('.')?;
    let is_negative = millis.starts_with('-') || micros.starts_with('-');
    let (millis, digits) = (
        millis.trim_start_matches('-'),
        micros.trim_start_matches('-'),
    );
    // Of a negative number the sign is one of the three places.
    if micros.len() < 3 || digits.len() > 3 {
        return None;
    }
    let (millis, micros) = (parse_digits(millis)?, parse_digits(digits)?);
    let nanos = millis.checked_mul(1_000_000)?.checked_add(micros * 1000)?;
    Some(if is_negative { -nanos } else { nanos })
}

/// Parses up to twelve digits: 31 years in milliseconds.
fn parse_digits(text: &str) -> Option<i64> {
    let is_number = text.len() <= 12 && text.bytes().all(|b| b.is_ascii_digit());
    is_number.then(|| text.parse().ok())?
}

/// Offset from the program's clock to ours.
#[derive(Debug)]
struct ClockOffset {
    /// Time at which its clock was 0, in our nanoseconds, by the quickest unit.
    zero: Option<i64>,
    /// Time of the last unit in its clock, and the time at which its clock was 0 if that took no time to arrive.
    last: Option<(i64, i64)>,
    picture_time: Duration,
}

impl ClockOffset {
    fn new(picture_time: Duration) -> Self {
        Self {
            zero: None,
            last: None,
            picture_time,
        }
    }

    /// Converts a time. A unit later than its successor is due may already include a part of that.
    fn record(&mut self, time: i64, arrived_at: Timestamp) -> PtsRecord {
        let arrived = i64::try_from(arrived_at.as_nanos()).unwrap_or(i64::MAX);
        let zero_by_this = arrived.saturating_sub(time);
        let mut zero = *self.zero.get_or_insert(zero_by_this);
        let last = self.last.replace((time, zero_by_this));
        // Frames never go back: the clock was set back. This unit counts as delayed as the last one.
        if let Some((_, zero_by_last)) = last.filter(|(last, _)| time < *last) {
            zero = zero.saturating_add(zero_by_this.saturating_sub(zero_by_last));
        }
        let lateness = zero_by_this.saturating_sub(zero).max(0);
        // A unit before the estimate corrects it at once, and so does a clock that was set forward.
        self.zero = Some(if lateness == 0 {
            zero_by_this
        } else {
            zero.saturating_add(lateness / DRIFT_DIVISOR)
        });
        let captured = zero.saturating_add(time).clamp(0, arrived);
        PtsRecord {
            captured_at: Timestamp::from_nanos(captured.unsigned_abs()),
            is_certain: u128::from(lateness.unsigned_abs()) < self.picture_time.as_nanos(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::pipe::{PipeFlags, pipe_with};

    const PICTURE: Duration = Duration::from_millis(40);

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_nanos(millis * 1_000_000)
    }

    const MS: i64 = 1_000_000;

    #[test]
    fn pts_line_has_milliseconds_and_three_digits() {
        for (line, micros) in [
            ("33.333", 33_333),
            ("0.000", 0),
            ("-3599960.-123", -3_599_960_123),
            ("0.-50", -50),
            ("-7.000", -7000),
        ] {
            assert_eq!(parse_line(line.as_bytes()), Some(micros * 1000), "{line}");
        }
        for line in [
            "# timecode format v2",
            "",
            "1",
            "1.1",
            "1.00x",
            "1.0000",
            "+1.000",
            "9999999999999.000",
            "-.000",
        ] {
            assert_eq!(parse_line(line.as_bytes()), None, "{line}");
        }
    }

    #[test]
    fn capture_time_ignores_transport_delay() {
        let mut clock = ClockOffset::new(PICTURE);
        let mut place = |time, arrived| clock.record(time * MS, at(arrived)).captured_at;
        assert_eq!(place(0, 1005), at(1005));
        assert_eq!(place(40, 1042), at(1042), "a quicker way");
        let third = place(80, 1090);
        assert_eq!(third, at(1082), "8 ms late");
    }

    #[test]
    fn line_late_by_a_frame_is_uncertain() {
        let mut clock = ClockOffset::new(PICTURE);
        assert!(clock.record(0, at(1000)).is_certain);
        assert!(clock.record(40 * MS, at(1065)).is_certain);
        assert!(!clock.record(40 * MS, at(1090)).is_certain);
        let nonsense = clock.record(9_999_000 * MS, at(1));
        assert_eq!(nonsense.captured_at, at(1));
    }

    #[test]
    fn wrong_offset_corrects_itself() {
        let mut clock = ClockOffset::new(PICTURE);
        clock.record(0, at(1000));
        let first_good = (1..3000).find(|&n| {
            let mark = clock.record(40 * MS * n, at(1500 + 40 * n.unsigned_abs()));
            mark.is_certain
        });
        assert!(first_good.is_some_and(|n| n < 1500), "{first_good:?}");
    }

    #[test]
    fn clock_step_leaves_the_intervals() {
        let hour = 3_600_000;
        // 60 s after boot, by up to an hour and ten years.
        for step in [-hour, -1000, -50, 50, 1000, hour, 87_600 * hour] {
            let mut clock = ClockOffset::new(PICTURE);
            let mut last: Option<Timestamp> = None;
            for n in 0..100_i64 {
                let jitter = [3, 0, 5][n.unsigned_abs() as usize % 3];
                let arrived = at(60_000 + 40 * n.unsigned_abs() + jitter);
                let stepped = if n < 50 { 0 } else { step };
                let record = clock.record((40 * n + stepped) * MS, arrived);
                assert!(record.is_certain, "{step} {n}");
                if let Some(last) = last.replace(record.captured_at) {
                    let interval = record.captured_at.since(last);
                    let deviation = interval.abs_diff(PICTURE);
                    assert!(
                        deviation <= Duration::from_millis(10),
                        "{step} {n}: {interval:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn one_line_is_a_record_two_are_none() {
        let shutdown = ShutdownToken::new().unwrap();
        let (reading, writing) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).unwrap();
        let mut marks = PtsPipe::new(reading, PICTURE);
        let write = |text: &str| assert!(rustix::io::write(&writing, text.as_bytes()).is_ok());
        write("# timecode format v2\n0.0");
        assert_eq!(marks.wait(&shutdown, at(1000)), None);
        write("00\n");
        assert_eq!(
            marks.wait(&shutdown, at(1000)),
            Some(PtsRecord {
                captured_at: at(1000),
                is_certain: true
            })
        );
        write("40.000\n80.000\n");
        assert!(!marks.wait(&shutdown, at(1080)).unwrap().is_certain);
        for _ in 0..MAX_MISSES {
            assert_eq!(marks.wait(&shutdown, at(1120)), None);
        }
        assert!(!marks.is_hoped_for());
        for _ in 0..100 {
            assert_eq!(marks.wait(&shutdown, at(1160)), None);
        }
    }
}
