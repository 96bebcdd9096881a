//! Writes log records as lines to standard error, and limits repeated ones.
//!
//! `2026-11-22T15:04:05.123Z INFO  camera front: …` for people; `<6>camera front: …` (sd-daemon(3))
//! for the journal of systemd, which adds the time itself.

mod client_quota;
mod rate_limit;
mod throttle;

pub use rate_limit::LogRateLimit;
pub use throttle::LogThrottle;

use crate::redact::mask;
use crate::time::Timestamp;
use client_quota::ClientQuota;
use log::{Level, LevelFilter, Log, Metadata, Record};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::cell::Cell;
use std::ffi::OsStr;
use std::fmt::{self, Write as _};
use std::io::{self, Write as _};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

/// Target of records that clients cause. At most 20 such lines a minute are written, the rest is
/// counted.
pub const CLIENT_TARGET: &str = "berrymse::clients";

/// Largest size of a line that clients cause, in bytes, with time and line feed.
pub const CLIENT_LINE_BYTES: usize = 256;

thread_local! {
    /// True if `info` records of this thread count as those of clients.
    static COUNTS_AS_CLIENT: Cell<bool> = const { Cell::new(false) };
}

/// Counts `info` records of this thread as those of clients, for cameras that viewers open.
pub fn count_info_as_client() {
    COUNTS_AS_CLIENT.set(true);
}

/// Starts logging to standard error. `main` calls it once. `journal_stream` is the value of
/// `JOURNAL_STREAM` in the environment.
pub fn init(level: LevelFilter, journal_stream: Option<&OsStr>) {
    let format = if is_journal(io::stderr().as_fd(), journal_stream) {
        OutputFormat::Journal
    } else {
        OutputFormat::Plain
    };
    // The facade keeps its logger for the life of the program.
    if log::set_logger(Box::leak(Box::new(Logger {
        format,
        skipped_lines: AtomicU64::new(0),
        quota: Mutex::new(ClientQuota::new()),
    })))
    .is_ok()
    {
        log::set_max_level(level);
    }
}

/// Changes the level of the log, from the next line on.
pub fn set_level(level: LevelFilter) {
    log::set_max_level(level);
}

/// Format of a line's beginning.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum OutputFormat {
    Plain,
    Journal,
}

struct Logger {
    format: OutputFormat,
    /// Lines skipped since the last written one, because standard error was full.
    skipped_lines: AtomicU64,
    /// Limits the lines of clients.
    quota: Mutex<ClientQuota>,
}

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        // Details of dependencies (each poll of a socket) help nobody here.
        let ours = metadata.target().starts_with(env!("CARGO_PKG_NAME"));
        metadata.level() <= log::max_level() && (ours || metadata.level() <= Level::Warn)
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        if !is_writable(io::stderr().as_fd()) {
            self.skipped_lines.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let is_of_client = record.target() == CLIENT_TARGET
            || record.level() == Level::Info && COUNTS_AS_CLIENT.get();
        if is_of_client && !self.admit(record.level()) {
            return;
        }
        let now = SystemTime::now();
        let mut text = String::new();
        let unwritten = self.skipped_lines.swap(0, Ordering::Relaxed);
        if unwritten > 0 {
            let words = format_args!("({unwritten} lines left out, because nobody read them)");
            text = format_line(self.format, Level::Warn, &words, now);
        }
        let mut line = format_line(self.format, record.level(), record.args(), now);
        if is_of_client {
            shorten(&mut line, CLIENT_LINE_BYTES);
        }
        text.push_str(&line);
        // Nobody is left to be told when even standard error fails.
        let _ = io::stderr().write_all(text.as_bytes());
    }

    /// Writes the count of skipped lines if it is due. Call it once a second.
    fn flush(&self) {
        let mut quota = self.quota.lock().unwrap_or_else(PoisonError::into_inner);
        let summary = quota.summary(Timestamp::now());
        drop(quota);
        if let Some(summary) = summary {
            log::warn!("{summary}");
        }
    }
}

impl Logger {
    fn admit(&self, level: Level) -> bool {
        let mut quota = self.quota.lock().unwrap_or_else(PoisonError::into_inner);
        quota.admit(level, Timestamp::now())
    }
}

/// Logs a warning that clients can cause at will, as far as `throttle` allows it.
pub fn warn_throttled(throttle: &Mutex<LogThrottle>, words: &str) {
    // Clients choose parts of it, such as their Origin.
    let words = truncated(words, CLIENT_LINE_BYTES);
    let mut throttle = throttle.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(line) = throttle.note(words, Timestamp::now()) {
        log::warn!(target: CLIENT_TARGET, "{line}");
    }
}

/// Returns the beginning of `text` that fits into `limit` bytes.
pub fn truncated(text: &str, limit: usize) -> &str {
    let fits = |end: &usize| text.is_char_boundary(*end);
    let end = (0..=limit.min(text.len())).rev().find(fits);
    text.get(..end.unwrap_or(0)).unwrap_or_default()
}

/// Cuts a line to `limit` bytes, line feed included.
fn shorten(line: &mut String, limit: usize) {
    const END: &str = "…\n";
    if line.len() > limit {
        line.truncate(truncated(line, limit.saturating_sub(END.len())).len());
        line.push_str(END);
    }
}

/// Returns true if a line can be written without blocking. The threads that log also deliver
/// frames: they must not wait for a stopped terminal (Ctrl-S) or an unread pipe.
fn is_writable(fd: impl AsFd) -> bool {
    let mut fds = [PollFd::new(&fd, PollFlags::OUT)];
    // The write reports the error.
    !matches!(poll(&mut fds, Some(&Timespec::default())), Ok(0))
}

/// Returns true if `fd` leads to the journal. A child of a service inherits the variable, but not
/// always the descriptor (systemd.exec(5), `$JOURNAL_STREAM`).
fn is_journal(fd: impl AsFd, journal_stream: Option<&OsStr>) -> bool {
    let Some((device, inode)) = journal_stream
        .and_then(OsStr::to_str)
        .and_then(|text| text.split_once(':'))
    else {
        return false;
    };
    // Compared as text: the width of these fields differs between the targets.
    rustix::fs::fstat(fd)
        .is_ok_and(|stat| device == stat.st_dev.to_string() && inode == stat.st_ino.to_string())
}

/// Formats one record as one line. Control characters, which cameras' programs write too, are
/// escaped.
fn format_line(
    format: OutputFormat,
    level: Level,
    message: &fmt::Arguments<'_>,
    now: SystemTime,
) -> String {
    let mut line = String::with_capacity(128);
    // Writing to a String cannot fail.
    let _ = match format {
        OutputFormat::Plain => write!(line, "{} {level:<5} ", Utc(now)),
        OutputFormat::Journal => write!(line, "<{}>", severity(level)),
    };
    // Every text passes here last.
    let _ = match message.as_str() {
        Some(text) => SingleLine(&mut line).write_str(&mask(text)),
        None => SingleLine(&mut line).write_str(&mask(&message.to_string())),
    };
    line.push('\n');
    line
}

/// Returns the severity of syslog(3).
const fn severity(level: Level) -> u8 {
    match level {
        Level::Error => 3,
        Level::Warn => 4,
        Level::Info => 6,
        Level::Debug | Level::Trace => 7,
    }
}

/// Writer that escapes control characters.
struct SingleLine<'a>(&'a mut String);

impl fmt::Write for SingleLine<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for c in text.chars() {
            if c.is_control() {
                self.0.extend(c.escape_default());
            } else {
                self.0.push(c);
            }
        }
        Ok(())
    }
}

/// Time as RFC 3339 writes it, in UTC with milliseconds.
struct Utc(SystemTime);

impl fmt::Display for Utc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let since_1970 = self.0.duration_since(UNIX_EPOCH).unwrap_or_default();
        let seconds = since_1970.as_secs();
        let (year, month, day) = date(seconds / 86_400);
        let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
        let millis = since_1970.subsec_millis();
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z"
        )
    }
}

/// Returns year, month and day of the Gregorian calendar, `days` after 1970-01-01. Counts from
/// March, so that the leap day is the last of its year, in eras of 400 years (146097 days).
const fn date(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_based = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_based + 2) / 5 + 1;
    let month = if march_based < 10 {
        march_based + 3
    } else {
        march_based - 9
    };
    (era * 400 + year_of_era + (month <= 2) as u64, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn line_has_time_level_and_escapes_controls() {
        let now = UNIX_EPOCH + Duration::from_millis(1_795_359_845_123);
        let plain = format_line(
            OutputFormat::Plain,
            Level::Info,
            &format_args!("a\nb\x1b[0mé"),
            now,
        );
        assert_eq!(plain, "2026-11-22T15:04:05.123Z INFO  a\\nb\\u{1b}[0mé\n");
        assert_eq!(
            format_line(OutputFormat::Journal, Level::Warn, &format_args!("x"), now),
            "<4>x\n"
        );
    }

    #[test]
    fn client_line_is_cut_to_its_limit() {
        let mut line = format!("{}\n", "é".repeat(200));
        shorten(&mut line, 256);
        assert!((253..=256).contains(&line.len()), "{}", line.len());
        assert!(line.ends_with("é…\n"));
        let mut short = "é\n".to_owned();
        shorten(&mut short, 256);
        assert_eq!(short, "é\n");
    }

    #[test]
    fn unread_pipe_stops_being_writable() {
        let (reader, writer) = rustix::pipe::pipe().unwrap();
        assert!(is_writable(&writer));
        rustix::io::ioctl_fionbio(&writer, true).unwrap();
        while rustix::io::write(&writer, &[0; 1000]).is_ok() {}
        assert!(!is_writable(&writer));
        rustix::io::read(&reader, &mut [0; 65_536]).unwrap();
        assert!(is_writable(&writer));
        drop(reader);
        assert!(is_writable(&writer), "the write tells");
    }

    #[test]
    fn dates_match_the_calendar() {
        for (days, civil) in [
            (0, (1970, 1, 1)),
            (59, (1970, 3, 1)),
            (789, (1972, 2, 29)),
            (11_016, (2000, 2, 29)),
            (47_541, (2100, 3, 1)),
        ] {
            assert_eq!(date(days), civil, "{days}");
        }
    }

    #[test]
    fn journal_is_detected_by_its_descriptor() {
        let (reader, _writer) = rustix::pipe::pipe().unwrap();
        let stat = rustix::fs::fstat(&reader).unwrap();
        let right = format!("{}:{}", stat.st_dev, stat.st_ino);
        assert!(is_journal(&reader, Some(OsStr::new(&right))));
        for wrong in ["0:0", "", "x", ":"] {
            assert!(!is_journal(&reader, Some(OsStr::new(wrong))), "{wrong}");
        }
        assert!(!is_journal(&reader, None));
    }
}
