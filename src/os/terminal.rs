//! Reads secrets from standard input, at a terminal without echo.

use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
use std::fs::File;
use std::io::{self, BufRead, IsTerminal, Write};

/// Longest line that is read.
const MAX_BYTES: u64 = 64 << 10;

/// Returns true if a person types.
pub(crate) fn is_interactive() -> bool {
    io::stdin().is_terminal()
}

/// Returns true if the program belongs to a terminal, whose end is told by a signal.
pub(crate) fn is_controlled() -> bool {
    File::open("/dev/tty").is_ok()
}

/// Reads a line without its end. A person at a terminal sees `prompt`, and not what is typed.
pub(crate) fn read_secret(prompt: &str) -> io::Result<String> {
    let stdin = io::stdin();
    if !is_interactive() {
        return read_from(stdin.lock());
    }
    let mut stderr = io::stderr();
    stderr.write_all(prompt.as_bytes())?;
    let normal = tcgetattr(&stdin)?;
    let mut silent = normal.clone();
    silent.local_modes.remove(LocalModes::ECHO);
    tcsetattr(&stdin, OptionalActions::Flush, &silent)?;
    let line = read_from(stdin.lock());
    tcsetattr(&stdin, OptionalActions::Flush, &normal)?;
    stderr.write_all(b"\n")?;
    line
}

/// Reads a line without its end, which is shown while it is typed.
pub(crate) fn read_line(prompt: &str) -> io::Result<String> {
    if is_interactive() {
        io::stderr().write_all(prompt.as_bytes())?;
    }
    read_from(io::stdin().lock())
}

/// Shows a line to the person at the terminal.
pub(crate) fn tell(text: &str) {
    // A person who has closed the terminal reads nothing.
    let _ = writeln!(io::stderr(), "{text}");
}

fn read_from(input: impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    if input.take(MAX_BYTES).read_line(&mut line)? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}
