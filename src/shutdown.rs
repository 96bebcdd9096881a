//! Shutdown signal that wakes every blocking wait of the program.

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// Token passed to everything that blocks. Clones share one signal, which stays set.
#[derive(Clone, Debug)]
pub struct ShutdownToken(Arc<OwnedFd>);

/// Reason why [`ShutdownToken::wait`] returned.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WaitResult {
    /// The descriptor is readable, or has an error or hang-up pending: reading tells which.
    Ready,
    /// The time is over.
    TimedOut,
    /// The program is shutting down.
    Shutdown,
}

impl ShutdownToken {
    /// Creates a token that is not triggered. Fails if the process has no descriptors left.
    pub fn new() -> io::Result<Self> {
        Ok(Self(Arc::new(eventfd(
            0,
            EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK,
        )?)))
    }

    /// Triggers the shutdown: every present and later wait returns at once.
    pub fn trigger(&self) {
        // An eventfd takes 2^64-2 such writes before one would block.
        let _ = rustix::io::write(&*self.0, &1u64.to_ne_bytes());
    }

    /// Returns true once [`ShutdownToken::trigger`] was called.
    pub fn is_triggered(&self) -> bool {
        self.sleep(Duration::ZERO)
    }

    /// Sleeps for `time` or until the shutdown; returns true on shutdown.
    pub fn sleep(&self, time: Duration) -> bool {
        self.wait(None, PollFlags::empty(), time) == WaitResult::Shutdown
    }

    /// Waits until `fd` is readable (or has an error), the shutdown, or `time` is over.
    pub fn wait_readable(&self, fd: BorrowedFd<'_>, time: Duration) -> WaitResult {
        self.wait(Some(fd), PollFlags::IN, time)
    }

    /// Waits for up to two descriptors, each with its own flags.
    pub fn wait_any(
        &self,
        wanted: &[Option<(BorrowedFd<'_>, PollFlags)>; 2],
        time: Duration,
    ) -> WaitResult {
        let end = crate::time::Timestamp::now() + time;
        let mut left = time;
        loop {
            let timeout = Timespec {
                tv_sec: left.as_secs() as _,
                tv_nsec: left.subsec_nanos() as _,
            };
            let own = PollFd::from_borrowed_fd(self.0.as_fd(), PollFlags::IN);
            let mut fds = [own.clone(), own.clone(), own];
            let mut used = 1;
            for &(fd, flags) in wanted.iter().flatten() {
                fds[used] = PollFd::from_borrowed_fd(fd, flags);
                used += 1;
            }
            match poll(&mut fds[..used], Some(&timeout)) {
                Ok(_) if !fds[0].revents().is_empty() => return WaitResult::Shutdown,
                Ok(0) => return WaitResult::TimedOut,
                Ok(_) => return WaitResult::Ready,
                Err(Errno::INTR) => left = end.since(crate::time::Timestamp::now()),
                // Poll itself fails: the caller's next read reports the reason.
                Err(_) => return WaitResult::Ready,
            }
        }
    }

    /// Waits for any of `flags` on `fd`.
    pub fn wait(&self, fd: Option<BorrowedFd<'_>>, flags: PollFlags, time: Duration) -> WaitResult {
        self.wait_any(&[fd.map(|fd| (fd, flags)), None], time)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trigger_wakes_sleeper_and_is_permanent() {
        let shutdown = ShutdownToken::new().unwrap();
        assert!(!shutdown.is_triggered());
        assert!(!shutdown.sleep(Duration::from_millis(1)));
        let sleeper = std::thread::spawn({
            let shutdown = shutdown.clone();
            move || shutdown.sleep(Duration::from_secs(60))
        });
        shutdown.trigger();
        assert!(sleeper.join().unwrap());
        assert!(shutdown.is_triggered());
    }
}
