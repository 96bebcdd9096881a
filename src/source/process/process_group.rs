//! A started program with all that it starts itself (its process group): asked to end, then killed, always reaped.

use crate::time::Timestamp;
use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, WaitOptions, kill_process_group, test_kill_process_group,
    waitid, waitpgid,
};
use std::process::{Child, ExitStatus};
use std::thread;
use std::time::Duration;

/// How a program is asked to end, and how long it has: rpicam-vid closes its camera on SIGINT, others know SIGTERM only.
const EXIT_SIGNALS: [(Signal, Duration); 2] = [
    (Signal::INT, Duration::from_millis(800)),
    (Signal::TERM, Duration::from_millis(200)),
];
/// Time for the killed rest of the group to be gone, so that it has let go of the camera.
const REAP_TIMEOUT: Duration = Duration::from_millis(100);
/// Between two looks.
const EXIT_POLL_INTERVAL: Duration = Duration::from_millis(2);

/// The leader of a process group of its own.
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

    /// True once the program itself has ended. Its number stays taken, so that signals reach the right group.
    pub(super) fn has_exited(&self) -> bool {
        let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        // An error: somebody else has reaped it.
        !matches!(waitid(WaitId::Pid(self.leader), look), Ok(None))
    }

    /// Waits up to `time` for the program to end by itself; returns whether it has.
    pub(super) fn wait_for_exit(&self, time: Duration) -> bool {
        poll_until(time, || self.has_exited())
    }

    /// Makes the program and its group end; returns how the program ended, `None` if that got lost.
    pub(super) fn end(&mut self) -> Option<ExitStatus> {
        if self.status.is_some() {
            return self.status;
        }
        let mut exited = self.has_exited();
        for (signal, time) in EXIT_SIGNALS {
            if exited {
                break;
            }
            // Fails only if nobody is left.
            let _ = kill_process_group(self.leader, signal);
            exited = self.wait_for_exit(time);
        }
        // The leader is not reaped yet: its number cannot stand for another group.
        let _ = kill_process_group(self.leader, Signal::KILL);
        self.status = self.child.wait().ok();
        self.reap_group();
        self.status
    }

    /// Waits for the killed rest of the group. As the first process of a container we inherit orphans and must reap them.
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

/// Looks until `is_true` or `time` is over; returns the last look.
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
