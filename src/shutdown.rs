//! The word "stop", which every blocking wait of the program can hear at once.

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// Given to everything that blocks. Clones hear the same word; once said it stays said.
#[derive(Clone, Debug)]
pub struct ShutdownToken(Arc<OwnedFd>);

/// What ended a [`Stop::wait`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WaitResult {
    /// The descriptor is readable or has an error or hang-up pending: reading tells which.
    Ready,
    /// The time ran out.
    TimedOut,
    /// The program is to stop.
    Shutdown,
}

impl ShutdownToken {
    /// A stop word that has not been said. Errors when the process has no descriptors left.
    pub fn new() -> io::Result<Self> {
        Ok(Self(Arc::new(eventfd(
            0,
            EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK,
        )?)))
    }

    /// Says the word; every present and later wait returns at once.
    pub fn trigger(&self) {
        // An eventfd takes 2^64-2 such words before a write would block.
        let _ = rustix::io::write(&*self.0, &1u64.to_ne_bytes());
    }

    /// True once [`Stop::stop`] was called.
    pub fn is_triggered(&self) -> bool {
        self.sleep(Duration::ZERO)
    }

    /// Sleeps for `time`, or until the word is said; returns true if it was.
    pub fn sleep(&self, time: Duration) -> bool {
        self.wait(None, PollFlags::empty(), time) == WaitResult::Shutdown
    }

    /// Waits until `fd` can be read (or has an error), the word is said, or `time` is over.
    pub fn wait_readable(&self, fd: BorrowedFd<'_>, time: Duration) -> WaitResult {
        self.wait(Some(fd), PollFlags::IN, time)
    }

    /// The same for two descriptors, of which there may be none; each with what is waited for.
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
                // Not even poll works: let the caller's next read tell why.
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
