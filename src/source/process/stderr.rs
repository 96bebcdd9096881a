//! Reader of a program's standard error: lines go to the log within a quota, the last ones into the
//! error message. It always reads, so that the program never blocks.

use super::log_quota::LogQuota;
use super::process_group::poll_until;
use crate::shutdown::{ShutdownToken, WaitResult};
use crate::source::SourceContext;
use crate::time::Timestamp;
use rustix::io::Errno;
use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// Number of kept lines.
const KEPT_LINES: usize = 10;
/// Number of lines in an error message.
const QUOTED_LINES: usize = 3;
/// Longest line; longer ones are cut.
const MAX_LINE_BYTES: usize = 500;
/// Interval of checks without a line.
const IDLE_INTERVAL: Duration = Duration::from_secs(10);
/// Time for the rest to arrive once the program has ended.
const STDERR_DRAIN_TIMEOUT: Duration = Duration::from_millis(100);

/// Reads until the program closes its standard error. Dropping it ends the reading.
#[derive(Debug)]
pub(super) struct StderrTail {
    kept: Arc<Mutex<VecDeque<String>>>,
    shutdown: ShutdownToken,
    thread: Option<JoinHandle<()>>,
}

impl StderrTail {
    /// Starts to read `stderr` and to log its lines within the camera's quota.
    pub(super) fn listen(stderr: OwnedFd, context: &SourceContext) -> io::Result<Self> {
        let shutdown = ShutdownToken::new()?;
        let kept = Arc::new(Mutex::new(VecDeque::with_capacity(KEPT_LINES)));
        let mut ear = StderrReader {
            camera: context.name.clone(),
            kept: Arc::clone(&kept),
            splitter: LineSplitter::default(),
            quota: context.log_quota.clone(),
        };
        let thread = thread::Builder::new()
            .name(format!("{} stderr", context.name))
            .spawn({
                let shutdown = shutdown.clone();
                move || ear.listen(&stderr, &shutdown, IDLE_INTERVAL)
            })?;
        Ok(Self {
            kept,
            shutdown,
            thread: Some(thread),
        })
    }

    /// Returns the last lines, joined, once the program has ended; empty without output.
    pub(super) fn last_lines(&mut self) -> String {
        self.newest(QUOTED_LINES)
    }

    /// Returns all kept lines, joined.
    pub(super) fn all_lines(&mut self) -> String {
        self.newest(KEPT_LINES)
    }

    fn newest(&mut self, count: usize) -> String {
        self.finish();
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let skipped = kept.len().saturating_sub(count);
        kept.iter()
            .skip(skipped)
            .map(String::as_str)
            .collect::<Vec<_>>()
            .join(" | ")
    }

    /// Ends the reading after a short wait for the rest: another process may hold the other end
    /// open for ever.
    fn finish(&mut self) {
        if let Some(thread) = self.thread.take() {
            poll_until(STDERR_DRAIN_TIMEOUT, || thread.is_finished());
            self.shutdown.trigger();
            let _ = thread.join();
        }
    }
}

impl Drop for StderrTail {
    fn drop(&mut self) {
        self.finish();
    }
}

/// State of the reading thread.
struct StderrReader {
    camera: String,
    kept: Arc<Mutex<VecDeque<String>>>,
    splitter: LineSplitter,
    quota: LogQuota,
}

impl StderrReader {
    fn listen(&mut self, stderr: &OwnedFd, shutdown: &ShutdownToken, idle: Duration) {
        let mut buffer = [0; 4096];
        loop {
            let length = match shutdown.wait_readable(stderr.as_fd(), idle) {
                WaitResult::Shutdown => break,
                // A read would block, and nothing could end it.
                WaitResult::TimedOut => 0,
                WaitResult::Ready => match rustix::io::read(stderr, &mut buffer[..]) {
                    Ok(0) => break,
                    Ok(length) => length,
                    Err(Errno::INTR | Errno::AGAIN) => 0,
                    Err(_) => break,
                },
            };
            let mut lines = Vec::new();
            self.splitter
                .push(buffer.get(..length).unwrap_or_default(), |line| {
                    lines.push(line)
                });
            self.record(lines);
        }
        let last = self.splitter.take();
        self.record(last.into_iter().collect());
    }

    fn record(&mut self, lines: Vec<String>) {
        let now = Timestamp::now();
        for line in lines {
            match self.quota.admit(&line, now) {
                Some(line) => log::info!("camera {}: {line}", self.camera),
                None => log::debug!("camera {}: {line}", self.camera),
            }
            let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            if kept.len() == KEPT_LINES {
                kept.pop_front();
            }
            kept.push_back(line);
        }
    }
}

/// Returns the lines of a standard error that arrives in pieces of `piece` bytes, and the number of them that are logged, if
/// all come at once. For tests of any bytes.
pub fn stderr_lines(bytes: &[u8], piece: usize) -> (Vec<String>, usize) {
    let (mut splitter, mut lines) = (LineSplitter::default(), Vec::new());
    for piece in bytes.chunks(piece.max(1)) {
        splitter.push(piece, |line| lines.push(line));
    }
    lines.extend(splitter.take());
    let quota = LogQuota::default();
    let logged = lines
        .iter()
        .filter_map(|line| quota.admit(line, Timestamp::default()));
    let logged = logged.count();
    (lines, logged)
}

/// Splits bytes at line feeds and carriage returns (progress displays), and replaces bad UTF-8.
#[derive(Debug, Default)]
struct LineSplitter {
    partial: Vec<u8>,
}

impl LineSplitter {
    fn push(&mut self, bytes: &[u8], mut each: impl FnMut(String)) {
        for &byte in bytes {
            if matches!(byte, b'\n' | b'\r') {
                self.take().into_iter().for_each(&mut each);
            } else if self.partial.len() <= MAX_LINE_BYTES {
                self.partial.push(byte);
            }
        }
    }

    /// Returns the line so far, or `None` if it is blank.
    fn take(&mut self) -> Option<String> {
        let bytes = std::mem::take(&mut self.partial);
        let kept = bytes.get(..MAX_LINE_BYTES).unwrap_or(&bytes);
        // A cut at a blank shows no half of a password.
        let blank = |b: &u8| b.is_ascii_whitespace();
        let end = (bytes.len() > MAX_LINE_BYTES)
            .then(|| kept.iter().rposition(blank))
            .flatten();
        let text = String::from_utf8_lossy(end.and_then(|end| kept.get(..end)).unwrap_or(kept));
        let text = text.trim();
        let more = if bytes.len() > MAX_LINE_BYTES {
            "…"
        } else {
            ""
        };
        (!text.is_empty()).then(|| format!("{text}{more}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(pieces: &[&[u8]]) -> Vec<String> {
        let (mut lines, mut all) = (LineSplitter::default(), Vec::new());
        for piece in pieces {
            lines.push(piece, |line| all.push(line));
        }
        all.extend(lines.take());
        all
    }

    #[test]
    fn lines_do_not_depend_on_read_sizes() {
        assert_eq!(
            lines(&[b"one\ntw", b"o\r\n\n  \nframe=1\rframe", b"=2\rrest"]),
            ["one", "two", "frame=1", "frame=2", "rest"]
        );
    }

    #[test]
    fn shutdown_ends_reading_of_silent_stderr() {
        let (stderr, _program) = rustix::pipe::pipe().unwrap();
        let mut ear = StderrReader {
            camera: "test".to_owned(),
            kept: Arc::default(),
            splitter: LineSplitter::default(),
            quota: LogQuota::default(),
        };
        let shutdown = ShutdownToken::new().unwrap();
        let thread = thread::spawn({
            let shutdown = shutdown.clone();
            move || ear.listen(&stderr, &shutdown, Duration::from_millis(1))
        });
        thread::sleep(Duration::from_millis(50));
        shutdown.trigger();
        assert!(poll_until(Duration::from_secs(10), || thread.is_finished()));
    }

    #[test]
    fn long_lines_are_cut_and_bad_utf8_replaced() {
        let long = vec![b'x'; 2000];
        assert_eq!(
            lines(&[&long, b"\n\xffy"]),
            [
                format!("{}…", "x".repeat(MAX_LINE_BYTES)),
                "\u{fffd}y".to_owned()
            ]
        );
    }
}
