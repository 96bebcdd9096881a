//! Set-up of a child between fork and exec, which needs `unsafe`: death signal, default signal
//! handlers, one inherited descriptor.

use rustix::fd::{BorrowedFd, RawFd};
use rustix::io::{FdFlags, fcntl_setfd};
use rustix::process::{
    Resource, Signal, getpid, getppid, getrlimit, set_parent_process_death_signal, setrlimit,
};
use std::os::unix::process::CommandExt;
use std::process::Command;

/// Usual limit of descriptors. This process may have raised its own, and select(2) breaks with
/// higher numbers.
const DEFAULT_NOFILE: u64 = 1024;

/// Signals that end a program. Shells ignore the first two in background jobs, and programs would
/// inherit that.
const RESET_SIGNALS: [libc::c_int; 4] = [libc::SIGINT, libc::SIGQUIT, libc::SIGTERM, libc::SIGHUP];

/// Has the program killed when the *thread* that starts it ends (prctl(2), `PR_SET_PDEATHSIG`).
/// Does not reach the program's own children, nor a set-user-ID program.
///
/// The descriptor `kept` stays open in the program. It must be open until the program has started.
/// No other child that is started at the same time gets it.
#[allow(
    unsafe_code,
    reason = "Command has no safe way to call prctl(2) between fork and exec"
)]
pub(super) fn prepare(command: &mut Command, kept: Option<RawFd>) {
    let us = getpid();
    let between_fork_and_exec = move || {
        set_parent_process_death_signal(Some(Signal::KILL))?;
        for signal in RESET_SIGNALS {
            // SAFETY: async-signal-safe, and this program installs no handler that way.
            unsafe { libc::signal(signal, libc::SIG_DFL) };
        }
        let mut files = getrlimit(Resource::Nofile);
        files.current = files.current.map(|count| count.min(DEFAULT_NOFILE));
        setrlimit(Resource::Nofile, files)?;
        if let Some(fd) = kept {
            // SAFETY: the caller keeps it open, and the child has a copy of every descriptor.
            fcntl_setfd(unsafe { BorrowedFd::borrow_raw(fd) }, FdFlags::empty())?;
        }
        // Had the parent died before the line above, no signal would ever come.
        if getppid() == Some(us) {
            Ok(())
        } else {
            Err(rustix::io::Errno::SRCH.into())
        }
    };
    // SAFETY: after fork in a program with threads only async-signal-safe calls are allowed. The
    // closure makes a few system calls, prctl(2), signal(2), prlimit(2), fcntl(2) and getppid(2),
    // and builds an error from a number. It takes no lock and no memory.
    unsafe { command.pre_exec(between_fork_and_exec) };
}
