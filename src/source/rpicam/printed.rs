//! Text that rpicam-vid prints and then ends, such as its help.

use std::io::{self, Read};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// A program that takes longer hangs.
const PRINT_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest text. Helps have about 12 kB.
const MAX_PRINTED_BYTES: u64 = 1 << 16;

/// Runs the program with one argument. Returns what it prints.
pub(super) fn printed(program: &Path, argument: &str) -> io::Result<String> {
    let mut child = Command::new(program)
        .arg(argument)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let stdout = child.stdout.take();
    let (sender, receiver) = mpsc::channel();
    // Ends at the latest when the program is killed.
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let read = stdout.map_or(Ok(0), |stdout| {
            stdout.take(MAX_PRINTED_BYTES).read_to_end(&mut bytes)
        });
        let _ = sender.send(read.map(|_| String::from_utf8_lossy(&bytes).into_owned()));
    });
    let text = receiver.recv_timeout(PRINT_TIMEOUT);
    let _ = child.kill();
    child.wait()?;
    text.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
}
