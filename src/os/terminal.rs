//! Reads secrets from standard input, at a terminal without echo, and writes to standard output.

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use std::fs::File;
use std::io::{self, BufRead, IsTerminal, Write};
use std::sync::mpsc;
use tokio::signal::unix::{SignalKind, signal};

/// Longest line that is read.
const MAX_BYTES: u64 = 64 << 10;

/// Exit code of a program that a signal ends, without the signal's number.
const SIGNAL_EXIT: i32 = 128;

/// Writes to standard output, at once.
pub fn print(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout();
    stdout.write_all(text.as_bytes())?;
    stdout.flush()
}

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
    let normal = tcgetattr(&stdin)?;
    let mut silent = normal.clone();
    silent.local_modes.remove(LocalModes::ECHO);
    restore_on_signal(normal.clone())?;
    tcsetattr(&stdin, OptionalActions::Flush, &silent)?;
    stderr.write_all(prompt.as_bytes())?;
    let line = read_from(stdin.lock());
    tcsetattr(&stdin, OptionalActions::Flush, &normal)?;
    stderr.write_all(b"\n")?;
    line
}

/// Has a signal that ends the program set the terminal to `normal` before: else it stays without echo. Signals end the program
/// in this way from now on.
fn restore_on_signal(normal: Termios) -> io::Result<()> {
    let (ready, is_ready) = mpsc::channel();
    std::thread::Builder::new()
        .name("signals".into())
        .spawn(move || {
            let listening = listen(ready);
            if let Ok(number) = listening {
                // Nobody is left to tell of an error.
                let _ = tcsetattr(io::stdin(), OptionalActions::Now, &normal);
                let _ = io::stderr().write_all(b"\n");
                std::process::exit(SIGNAL_EXIT + number);
            }
        })?;
    // The thread ends without a word if it cannot listen.
    is_ready.recv().map_err(io::Error::other)
}

/// Waits for a signal; returns its number. Says that it listens before it waits.
fn listen(ready: mpsc::Sender<()>) -> io::Result<i32> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()?;
    runtime.block_on(async {
        let listen_to = |kind: SignalKind| Ok::<_, io::Error>((signal(kind)?, kind.as_raw_value()));
        let mut interrupt = listen_to(SignalKind::interrupt())?;
        let mut terminate = listen_to(SignalKind::terminate())?;
        let mut hangup = listen_to(SignalKind::hangup())?;
        // A reader that is gone ends the program itself.
        let _ = ready.send(());
        drop(ready);
        Ok(tokio::select! {
            _ = interrupt.0.recv() => interrupt.1,
            _ = terminate.0.recv() => terminate.1,
            _ = hangup.0.recv() => hangup.1,
        })
    })
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
