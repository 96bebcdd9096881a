//! Signals that end the program or have it read its configuration again.

use crate::os::terminal;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Meaning of a signal.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Request {
    /// End the program, for this reason.
    Stop(&'static str),
    /// Read the configuration again.
    Reload,
}

/// Signals that end the program. It listens before it opens the first camera, so that child processes always end in order.
#[derive(Debug)]
pub struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Option<Signal>,
    /// The end of the terminal is a reason to stop. A service has none, and reads its configuration again.
    has_terminal: bool,
}

impl Signals {
    /// Begins to listen. It needs the runtime.
    pub fn listen() -> Result<Self, String> {
        let handler =
            |kind| signal(kind).map_err(|error| format!("cannot listen for signals: {error}"));
        let hangup = (!is_hangup_ignored()).then(|| handler(SignalKind::hangup()));
        Ok(Self {
            interrupt: handler(SignalKind::interrupt())?,
            terminate: handler(SignalKind::terminate())?,
            hangup: hangup.transpose()?,
            has_terminal: terminal::is_controlled(),
        })
    }

    /// Waits for the next one. Dropping the future loses none.
    pub async fn next(&mut self) -> Request {
        let closed = async {
            match &mut self.hangup {
                Some(hangup) => hangup.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.interrupt.recv() => Request::Stop("SIGINT"),
            _ = self.terminate.recv() => Request::Stop("SIGTERM"),
            _ = closed => match self.has_terminal {
                true => Request::Stop("SIGHUP, the terminal is closed"),
                false => Request::Reload,
            },
        }
    }
}

/// Returns true if the program must outlive its terminal (`nohup`).
fn is_hangup_ignored() -> bool {
    const HANGUP: u64 = 1 << 0;
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    ignored.is_some_and(|mask| mask & HANGUP != 0)
}
