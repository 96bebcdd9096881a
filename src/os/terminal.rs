//! Reads secrets from standard input, at a terminal without echo.

use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
use std::io::{self, BufRead, IsTerminal, Write};

/// Longest line that is read.
const MAX_BYTES: u64 = 64 << 10;

/// Returns true if a person types.
pub(crate) fn is_interactive() -> bool {
    io::stdin().is_terminal()
}

/// Reads a line without its end. A person at a terminal sees `prompt`, and not what is typed.
pub(crate) fn read_secret(prompt: &str) -> io::Result<String> {
    let stdin = io::stdin();
    if !is_interactive() {
        return read_line(stdin.lock());
    }
    let mut stderr = io::stderr();
    stderr.write_all(prompt.as_bytes())?;
    let normal = tcgetattr(&stdin)?;
    let mut silent = normal.clone();
    silent.local_modes.remove(LocalModes::ECHO);
    tcsetattr(&stdin, OptionalActions::Flush, &silent)?;
    let line = read_line(stdin.lock());
    tcsetattr(&stdin, OptionalActions::Flush, &normal)?;
    stderr.write_all(b"\n")?;
    line
}

fn read_line(input: impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    input.take(MAX_BYTES).read_line(&mut line)?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}
