//! The queue of commands to a camera's thread, and the rules by which commands are merged or refused.

use super::Jpeg;
use super::restart_throttle::RestartThrottle;
use crate::controls::{ControlError, Request};
use crate::hub::KeyframeRequests;
use crate::time::Timestamp;
use std::collections::VecDeque;
use std::mem::discriminant;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Largest number of waiting requests for controls. More at once is abuse.
pub(super) const MAX_CONTROL_REQUESTS: usize = 16;

/// Command to a camera's thread.
#[derive(Debug)]
pub enum Command {
    /// Make a keyframe: it would serve viewers better than the frames since the last one.
    Keyframe,
    /// Send the newest JPEG here.
    Jpeg(SyncSender<Jpeg>),
    /// Read or set controls.
    Controls(Request),
    /// Close the source and open it again.
    Restart,
}

/// Queue of one camera.
#[derive(Debug, Default)]
pub(super) struct Queue {
    inner: Mutex<Inner>,
    /// True if commands wait, so that the camera's thread need not take the lock.
    has_commands: AtomicBool,
}

#[derive(Debug, Default)]
struct Inner {
    commands: VecDeque<Command>,
    /// The source is open and takes requests for controls.
    is_open: bool,
    /// The open source has JPEGs in the right orientation.
    has_jpegs: bool,
    restart_throttle: RestartThrottle,
}

impl Queue {
    /// Nothing panics while the lock is held; if it did, the queue would still be whole.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a command.
    pub(super) fn push(&self, command: Command) {
        self.push_locked(&mut self.lock(), command);
    }

    fn push_locked(&self, inner: &mut Inner, command: Command) {
        let is_merged = !matches!(command, Command::Controls(_));
        (inner.commands)
            .retain(|other| !(is_merged && discriminant(other) == discriminant(&command)));
        inner.commands.push_back(command);
        self.has_commands.store(true, Ordering::Release);
    }

    /// Adds a request for a JPEG, in place of an earlier one. Returns false if the source has none.
    pub(super) fn push_jpeg(&self, sender: SyncSender<Jpeg>) -> bool {
        let mut inner = self.lock();
        if inner.has_jpegs {
            self.push_locked(&mut inner, Command::Jpeg(sender));
        }
        inner.has_jpegs
    }

    /// Adds a request for controls, if the camera is open and not too many wait.
    pub(super) fn push_controls(&self, request: Request) -> Result<(), ControlError> {
        let mut inner = self.lock();
        let is_abandoned =
            |other: &Command| matches!(other, Command::Controls(other) if other.is_abandoned());
        inner.commands.retain(|other| !is_abandoned(other));
        if !inner.is_open {
            return Err(ControlError::closed());
        }
        let is_control = |other: &&Command| matches!(other, Command::Controls(_));
        if inner.commands.iter().filter(is_control).count() >= MAX_CONTROL_REQUESTS {
            return Err(ControlError::busy());
        }
        self.push_locked(&mut inner, Command::Controls(request));
        Ok(())
    }

    /// Adds a restart; else returns how long the client has to wait.
    pub(super) fn push_restart(&self, now: Timestamp) -> Result<(), Duration> {
        let mut inner = self.lock();
        inner.restart_throttle.take(now)?;
        self.push_locked(&mut inner, Command::Restart);
        Ok(())
    }

    /// Removes the commands that `is_kept` does not keep; returns true if it removed some.
    fn retain(&self, is_kept: impl Fn(&Command) -> bool) -> bool {
        if !self.has_commands.load(Ordering::Acquire) {
            return false;
        }
        let mut inner = self.lock();
        let before = inner.commands.len();
        inner.commands.retain(is_kept);
        before > inner.commands.len()
    }
}

impl KeyframeRequests for Queue {
    fn request(&self) {
        self.push(Command::Keyframe);
    }

    fn clear(&self) {
        self.retain(|command| !matches!(command, Command::Keyframe));
    }
}

/// End of the queue that the camera's thread holds.
#[derive(Debug)]
pub struct Commands(Arc<Queue>);

impl Commands {
    pub(super) fn new(queue: Arc<Queue>) -> Self {
        Self(queue)
    }

    /// Accepts requests for controls, and for JPEGs if there are any. Drops a restart, as the
    /// source has just been opened.
    pub fn open(&self, has_jpegs: bool) {
        let mut inner = self.0.lock();
        (inner.is_open, inner.has_jpegs) = (true, has_jpegs);
        inner
            .commands
            .retain(|command| !matches!(command, Command::Restart));
    }

    /// Rejects the requests that only an open source can answer, now and from now on.
    pub fn close(&self) {
        let mut inner = self.0.lock();
        (inner.is_open, inner.has_jpegs) = (false, false);
        // Who waits for one is told when its sender is dropped.
        inner
            .commands
            .retain(|command| matches!(command, Command::Keyframe | Command::Restart));
    }

    /// Takes all commands that wait.
    pub fn take(&self) -> VecDeque<Command> {
        if !self.0.has_commands.load(Ordering::Acquire) {
            return VecDeque::new();
        }
        let mut inner = self.0.lock();
        self.0.has_commands.store(false, Ordering::Release);
        std::mem::take(&mut inner.commands)
    }

    /// Takes only a restart; returns true if there was one.
    pub fn take_restart(&self) -> bool {
        self.0
            .retain(|command| !matches!(command, Command::Restart))
    }
}
