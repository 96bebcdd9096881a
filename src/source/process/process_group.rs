//! Process group of a started program: asked to exit, then killed, always reaped.

use crate::time::Timestamp;
use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, WaitOptions, kill_process_group, test_kill_process_group,
    waitid, waitpgid,
};
use std::process::{Child, ExitStatus};
use std::thread;
use std::time::Duration;

/// Exit signals with their grace times: rpicam-vid closes its camera on SIGINT, others know only
/// SIGTERM.
const EXIT_SIGNALS: [(Signal, Duration); 2] = [
    (Signal::INT, Duration::from_millis(800)),
    (Signal::TERM, Duration::from_millis(200)),
];
/// Time for the killed group to disappear, so that it releases the camera.
const REAP_TIMEOUT: Duration = Duration::from_millis(100);
/// Interval of exit checks.
const EXIT_POLL_INTERVAL: Duration = Duration::from_millis(2);

/// Leader of its own process group.
#[derive(Debug)]
pub(super) struct ProcessGroup {
    child: Child,
    leader: Pid,
    status: Option<ExitStatus>,
}

impl ProcessGroup {
    /// Takes over a child that was started as the leader of its own process group.
    pub(super) fn new(child: Child) -> Self {
        let leader = Pid::from_child(&child);
        Self {
            child,
            leader,
            status: None,
        }
    }

    /// Returns true once the program has ended. It stays unreaped, so that signals reach the right
    /// group.
    pub(super) fn has_exited(&self) -> bool {
        let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        // An error: another thread has reaped it.
        !matches!(waitid(WaitId::Pid(self.leader), look), Ok(None))
    }

    /// Waits up to `time` for the program to exit; returns true if it did.
    pub(super) fn wait_for_exit(&self, time: Duration) -> bool {
        poll_until(time, || self.has_exited())
    }

    /// Ends the program and its group; returns its exit status, or `None` if that was lost.
    pub(super) fn end(&mut self) -> Option<ExitStatus> {
        if self.status.is_some() {
            return self.status;
        }
        let mut exited = self.has_exited();
        for (signal, time) in EXIT_SIGNALS {
            if exited {
                break;
            }
            // Fails only if no process is left.
            let _ = kill_process_group(self.leader, signal);
            exited = self.wait_for_exit(time);
        }
        // The leader is not reaped yet: its number cannot belong to another group.
        let _ = kill_process_group(self.leader, Signal::KILL);
        self.status = self.child.wait().ok();
        self.reap_group();
        self.status
    }

    /// Reaps the killed group. As the first process of a container, this one inherits orphans.
    fn reap_group(&self) {
        poll_until(REAP_TIMEOUT, || {
            while let Ok(Some(_)) = waitpgid(self.leader, WaitOptions::NOHANG) {}
            test_kill_process_group(self.leader).is_err()
        });
    }
}

impl Drop for ProcessGroup {
    fn drop(&mut self) {
        self.end();
    }
}

/// Polls until `is_true` or `time` is over; returns the last result.
pub(super) fn poll_until(time: Duration, is_true: impl Fn() -> bool) -> bool {
    let end = Timestamp::now() + time;
    while !is_true() {
        if Timestamp::now() >= end {
            return false;
        }
        thread::sleep(EXIT_POLL_INTERVAL);
    }
    true
}
