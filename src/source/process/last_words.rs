//! What a program writes to its standard error: line by line to the log, the last lines kept for the error message.
//! It is always read, so that a talkative program never blocks, but not everything is logged.

use super::budget::Budget;
use super::group::within;
use crate::shutdown::{ShutdownToken, WaitResult};
use crate::source::Context;
use crate::time::Timestamp;
use rustix::io::Errno;
use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// Lines kept.
const KEPT: usize = 10;
/// Lines of them in an error message.
const QUOTED: usize = 3;
/// Longer lines are cut.
const MAX_LINE_BYTES: usize = 500;
/// Without a line for so long, the reader looks up.
const IDLE: Duration = Duration::from_secs(10);
/// Time for the rest to arrive once the program has ended.
const PATIENCE: Duration = Duration::from_millis(100);

/// Reads until the program closes its standard error; dropping it ends the reading.
#[derive(Debug)]
pub(super) struct LastWords {
    kept: Arc<Mutex<VecDeque<String>>>,
    shutdown: ShutdownToken,
    thread: Option<JoinHandle<()>>,
}

impl LastWords {
    /// Starts to read `stderr` and to log its lines as those of the camera, within its budget.
    pub(super) fn listen(stderr: OwnedFd, context: &Context) -> io::Result<Self> {
        let shutdown = ShutdownToken::new()?;
        let kept = Arc::new(Mutex::new(VecDeque::with_capacity(KEPT)));
        let mut ear = Ear {
            camera: context.name.clone(),
            kept: Arc::clone(&kept),
            lines: Lines::default(),
            budget: context.program_log.clone(),
        };
        let thread = thread::Builder::new()
            .name(format!("{} stderr", context.name))
            .spawn({
                let shutdown = shutdown.clone();
                move || ear.listen(&stderr, &shutdown, IDLE)
            })?;
        Ok(Self {
            kept,
            shutdown,
            thread: Some(thread),
        })
    }

    /// The last lines, on one line, once the program has ended; empty if it said nothing.
    pub(super) fn quote(&mut self) -> String {
        self.newest(QUOTED)
    }

    /// All that is kept, on one line.
    pub(super) fn all(&mut self) -> String {
        self.newest(KEPT)
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

    /// Ends the reading, with a moment for what is still on its way: a stranger may hold the other end open for ever.
    fn finish(&mut self) {
        if let Some(thread) = self.thread.take() {
            within(PATIENCE, || thread.is_finished());
            self.shutdown.trigger();
            let _ = thread.join();
        }
    }
}

impl Drop for LastWords {
    fn drop(&mut self) {
        self.finish();
    }
}

/// The reading thread's part.
struct Ear {
    camera: String,
    kept: Arc<Mutex<VecDeque<String>>>,
    lines: Lines,
    budget: Budget,
}

impl Ear {
    fn listen(&mut self, stderr: &OwnedFd, shutdown: &ShutdownToken, idle: Duration) {
        let mut buffer = [0; 4096];
        loop {
            let length = match shutdown.wait_readable(stderr.as_fd(), idle) {
                WaitResult::Shutdown => break,
                // A read would block, and nobody could end it.
                WaitResult::TimedOut => 0,
                WaitResult::Ready => match rustix::io::read(stderr, &mut buffer[..]) {
                    Ok(0) => break,
                    Ok(length) => length,
                    Err(Errno::INTR | Errno::AGAIN) => 0,
                    Err(_) => break,
                },
            };
            let mut lines = Vec::new();
            self.lines
                .push(buffer.get(..length).unwrap_or_default(), |line| {
                    lines.push(line)
                });
            self.note(lines);
        }
        let last = self.lines.take();
        self.note(last.into_iter().collect());
    }

    fn note(&mut self, lines: Vec<String>) {
        let now = Timestamp::now();
        for line in lines {
            match self.budget.note(&line, now) {
                Some(line) => log::info!("camera {}: {line}", self.camera),
                None => log::debug!("camera {}: {line}", self.camera),
            }
            let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            if kept.len() == KEPT {
                kept.pop_front();
            }
            kept.push_back(line);
        }
    }
}

/// Cuts bytes into lines at line feeds and carriage returns (progress displays); what is not UTF-8 is replaced.
#[derive(Debug, Default)]
struct Lines {
    partial: Vec<u8>,
}

impl Lines {
    fn push(&mut self, bytes: &[u8], mut each: impl FnMut(String)) {
        for &byte in bytes {
            if matches!(byte, b'\n' | b'\r') {
                self.take().into_iter().for_each(&mut each);
            } else if self.partial.len() <= MAX_LINE_BYTES {
                self.partial.push(byte);
            }
        }
    }

    /// The line so far; `None` if it is blank.
    fn take(&mut self) -> Option<String> {
        let bytes = std::mem::take(&mut self.partial);
        let kept = bytes.get(..MAX_LINE_BYTES).unwrap_or(&bytes);
        // What is cut off shows no half of a password.
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
        let (mut lines, mut all) = (Lines::default(), Vec::new());
        for piece in pieces {
            lines.push(piece, |line| all.push(line));
        }
        all.extend(lines.take());
        all
    }

    #[test]
    fn lines_are_the_same_wherever_the_bytes_are_cut() {
        assert_eq!(
            lines(&[b"one\ntw", b"o\r\n\n  \nframe=1\rframe", b"=2\rrest"]),
            ["one", "two", "frame=1", "frame=2", "rest"]
        );
    }

    #[test]
    fn the_listening_ends_when_it_is_to_although_the_program_has_long_been_silent() {
        let (stderr, _program) = rustix::pipe::pipe().unwrap();
        let mut ear = Ear {
            camera: "test".to_owned(),
            kept: Arc::default(),
            lines: Lines::default(),
            budget: Budget::default(),
        };
        let shutdown = ShutdownToken::new().unwrap();
        let thread = thread::spawn({
            let shutdown = shutdown.clone();
            move || ear.listen(&stderr, &shutdown, Duration::from_millis(1))
        });
        thread::sleep(Duration::from_millis(50));
        shutdown.trigger();
        assert!(within(Duration::from_secs(10), || thread.is_finished()));
    }

    #[test]
    fn long_lines_are_cut_and_bad_bytes_replaced() {
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
