//! The one thing about starting a program that needs `unsafe`: it dies when we die, even by SIGKILL.

use rustix::process::{Signal, getpid, getppid, set_parent_process_death_signal};
use std::os::unix::process::CommandExt;
use std::process::Command;

/// Has the program killed when the *thread* that starts it ends (prctl(2), `PR_SET_PDEATHSIG`): start it on a thread
/// that lives as long as the program shall. Does not reach the program's own children, nor a set-user-ID program.
#[allow(
    unsafe_code,
    reason = "Command has no safe way to call prctl(2) between fork and exec"
)]
pub(super) fn dies_with_us(command: &mut Command) {
    let us = getpid();
    let between_fork_and_exec = move || {
        set_parent_process_death_signal(Some(Signal::KILL))?;
        // Had we died before the line above, no signal would ever come.
        if getppid() == Some(us) {
            Ok(())
        } else {
            Err(rustix::io::Errno::SRCH.into())
        }
    };
    // SAFETY: after fork in a program with threads only async-signal-safe calls are allowed. The closure makes two
    // system calls, prctl(2) and getppid(2), and builds an error from a number: it takes no lock and no memory.
    unsafe { command.pre_exec(between_fork_and_exec) };
}
