//! Program that writes H.264 to its standard output, as a source (`exec:` and `rpicam`).
//!
//! The program runs without a shell, in its own process group, and ends with this process in every
//! case. It is killed when the thread that opened it ends: open it on the camera's own thread.

pub(super) mod log_quota;
mod process_group;
mod spawn;
mod stderr;

use super::pipe_reader::{PipeReader, PtsPipe, ReadEvent};
use super::silence::SilenceLimit;
use super::sniff::{Format, Sniffer};
use super::{Cause, Error, Input, Item, SourceContext};
use crate::h264::ChunkEnd;
use crate::time::Timestamp;
use process_group::ProcessGroup;
use std::io::{self, ErrorKind};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;
use stderr::StderrTail;
pub use stderr::stderr_lines;

/// Shortest silence after which a program that has sent data counts as stuck: many send only on
/// changes.
const STALL_TIMEOUT: Duration = Duration::from_secs(60);
/// Time until the first byte. Cameras are slow to start.
const START_TIMEOUT: Duration = Duration::from_secs(10);
/// Interval of checks of a program that has not sent data.
const START_POLL_INTERVAL: Duration = Duration::from_millis(20);
/// Silence after which an ended program counts as lost, although another process holds its output
/// open.
const ORPHAN_TIMEOUT: Duration = Duration::from_secs(1);
/// Time for a program that closed its output to exit, so that its own exit status is reported.
const EXIT_GRACE_TIMEOUT: Duration = Duration::from_millis(300);

/// Starts `argv` on a thread that lives at least as long as the source. The program's standard
/// error goes to the log, and into the error when it ends.
pub fn open_exec(argv: &[String], context: &SourceContext) -> Result<Box<dyn Input>, Error> {
    let [program, arguments @ ..] = argv else {
        return Err(Error::Unavailable(
            "exec: the command is missing".to_owned(),
        ));
    };
    Process::start(
        program,
        arguments,
        ProcessOptions::for_unknown_program(context),
        context,
    )
    .map(|process| Box::new(process) as _)
}

/// Options for running a program.
#[derive(Debug)]
pub(super) struct ProcessOptions {
    /// Limit of its silence.
    pub(super) silence: SilenceLimit,
    /// Function that explains its last lines of standard error.
    pub(super) explain: fn(&str) -> Option<Diagnosis>,
    /// Write end of the PTS pipe (same number in the program), and the reader of the other end.
    pub(super) pts: Option<(OwnedFd, PtsPipe)>,
}

impl ProcessOptions {
    /// Returns the options for a program without known behaviour.
    fn for_unknown_program(context: &SourceContext) -> Self {
        Self {
            silence: SilenceLimit::program(STALL_TIMEOUT, START_TIMEOUT, context),
            explain: |_| None,
            pts: None,
        }
    }
}

fn start(program: &str, arguments: &[String], kept: Option<&OwnedFd>) -> io::Result<Child> {
    let mut command = Command::new(program);
    command
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0);
    spawn::prepare(&mut command, kept.map(AsRawFd::as_raw_fd));
    command.spawn()
}

fn start_error(program: &str, e: &io::Error) -> String {
    let is_path = program.contains('/');
    match e.kind() {
        ErrorKind::NotFound if is_path => {
            format!(
                "exec: '{program}' does not exist, or the interpreter that its first line names does not"
            )
        }
        ErrorKind::NotFound => format!("exec: '{program}' is not installed or not in PATH"),
        ErrorKind::PermissionDenied => {
            format!("exec: '{program}' is not a program that this user may run")
        }
        _ => format!("exec: '{program}' cannot be started: {e}"),
    }
}

/// Running program.
#[derive(Debug)]
pub(super) struct Process {
    id: u32,
    // Dropped before the output, so that no process is left that could write to it.
    state: ProcessState,
    output: PipeReader,
    silence: SilenceLimit,
    sniffer: Sniffer,
}

/// State of the program itself and its standard error.
#[derive(Debug)]
struct ProcessState {
    /// Name of the program without its directory.
    program: String,
    // Dropped in this order: the program first, so that its standard error ends soon.
    group: ProcessGroup,
    stderr: StderrTail,
    explain: fn(&str) -> Option<Diagnosis>,
}

/// Explanation of a program's last lines.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Diagnosis {
    /// Text for the log, with what to try.
    pub(super) message: String,
    /// Cause for viewers.
    pub(super) cause: Cause,
}

impl Process {
    /// Starts `program` on a thread that lives at least as long as the source.
    pub(super) fn start(
        program: &str,
        arguments: &[String],
        options: ProcessOptions,
        context: &SourceContext,
    ) -> Result<Self, Error> {
        let kept = options.pts.as_ref().map(|(fd, _)| fd);
        let child = start(program, arguments, kept).map_err(|e| {
            Error::Unavailable(start_error(program, &e)).because(Cause::NOT_STARTED)
        })?;
        let process = Self::new(program, child, options, context).map_err(|e| {
            Error::Unavailable(format!("exec: '{program}' cannot be listened to: {e}"))
                .because(Cause::NOT_STARTED)
        })?;
        log::debug!(
            "camera {}: {program} runs as process {}",
            context.name,
            process.id
        );
        Ok(process)
    }

    /// Waits for the first byte; the error says why none came.
    pub(super) fn wait_for_byte(&mut self) -> Result<(), Error> {
        let begin = Timestamp::now();
        loop {
            if self.output.wait_for_byte(START_POLL_INTERVAL)? {
                return Ok(());
            }
            let silence = Timestamp::now().since(begin);
            if self.state.group.has_exited() {
                return Err(self.state.exit_error(false));
            }
            if silence >= self.silence.limit() {
                return Err(self.state.stall_error(silence));
            }
        }
    }

    /// Returns all kept lines of standard error, and stops reading it.
    pub(super) fn stderr_text(&mut self) -> String {
        self.state.stderr.all_lines()
    }

    fn new(
        program: &str,
        mut child: Child,
        options: ProcessOptions,
        context: &SourceContext,
    ) -> io::Result<Self> {
        let id = child.id();
        let (output, stderr) = (child.stdout.take(), child.stderr.take());
        // An early return ends the program from here on.
        let group = ProcessGroup::new(child);
        let (Some(output), Some(stderr)) = (output, stderr) else {
            return Err(ErrorKind::BrokenPipe.into());
        };
        let output = OwnedFd::from(output);
        rustix::io::ioctl_fionbio(&output, true)?;
        // Our copy of the write end is closed here: the program has its own.
        let pts = options.pts.map(|(_, pts)| pts);
        Ok(Self {
            id,
            state: ProcessState {
                program: program.rsplit('/').next().unwrap_or(program).to_owned(),
                group,
                stderr: StderrTail::listen(stderr.into(), context)?,
                explain: options.explain,
            },
            output: PipeReader::new(output, context.shutdown.clone()).with_pts(pts),
            silence: options.silence,
            sniffer: Sniffer::default(),
        })
    }
}

impl ProcessState {
    /// Returns the error for a program that runs but sends nothing.
    fn stall_error(&mut self, silence: Duration) -> Error {
        match (self.explain)(&self.stderr.all_lines()) {
            Some(Diagnosis {
                message: words,
                cause,
            }) => {
                let last = self.stderr_suffix();
                Error::Lost(format!("no picture for {silence:.1?}: {words}{last}")).because(cause)
            }
            None => Error::Stalled(silence),
        }
    }

    /// Returns the error for a program that ended, with its exit status and last lines.
    fn exit_error(&mut self, has_begun: bool) -> Error {
        let program = &self.program;
        let by_itself = self.group.wait_for_exit(EXIT_GRACE_TIMEOUT);
        let (mut text, mut cause) = match self.group.end() {
            Some(status) if by_itself => (
                format!("{program} {}", exit_text(status)),
                Cause::Exited(status),
            ),
            _ if by_itself => (format!("{program} has ended"), Cause::ENDED),
            _ => (format!("{program} has closed its output"), Cause::CLOSED),
        };
        if !has_begun {
            text.push_str(" before it sent a byte");
        }
        if let Some(meaning) = (self.explain)(&self.stderr.all_lines()) {
            text = format!("{}. {text}", meaning.message);
            cause = meaning.cause;
        }
        Error::Lost(text + &self.stderr_suffix()).because(cause)
    }

    /// Returns the error for a program whose output is no H.264.
    fn not_h264_error(&self, format: Format) -> Error {
        let (program, quotation) = (&self.program, format.quotation());
        let remedy = format.remedy_for_output();
        Error::NotH264 {
            text: format!("{program} sends {format}{quotation}, not H.264 (Annex B); {remedy}"),
            format,
        }
    }

    fn stderr_suffix(&mut self) -> String {
        let words = self.stderr.last_lines();
        if words.is_empty() {
            words
        } else {
            format!("; its last words: {words}")
        }
    }
}

impl Input for Process {
    fn read(&mut self) -> Result<Option<Item<'_>>, Error> {
        match self.output.read() {
            Ok(ReadEvent::Data(chunk)) => {
                if !chunk.annexb.is_empty() {
                    self.silence.on_data(Timestamp::now());
                }
                let format = match chunk.end {
                    ChunkEnd::Silence => self.sniffer.pause(),
                    _ => self.sniffer.push(chunk.annexb),
                };
                match format {
                    Some(format) => Err(self.state.not_h264_error(format)),
                    None => Ok(Some(Item::Bytes(chunk))),
                }
            }
            Ok(ReadEvent::Idle { silence, has_begun }) => {
                if silence >= ORPHAN_TIMEOUT && self.state.group.has_exited() {
                    Err(self.state.exit_error(has_begun))
                } else if silence >= self.silence.limit() {
                    Err(self.state.stall_error(silence))
                } else {
                    Ok(None)
                }
            }
            Ok(ReadEvent::End { has_begun }) => {
                let lost = self.state.exit_error(has_begun);
                Err(match self.sniffer.pause() {
                    Some(format) => Error::NotH264 {
                        text: format!("{lost}; it sent {format}{}, not H.264", format.quotation()),
                        format,
                    },
                    None => lost,
                })
            }
            Err(Error::Lost(why)) => Err(Error::Lost(format!(
                "the output of {} {why}",
                self.state.program
            ))),
            Err(other) => Err(other),
        }
    }

    fn skip_next_pause(&mut self) {
        self.output.spare_pause();
    }

    fn silence_limit(&self) -> Duration {
        self.silence.limit()
    }
}

fn exit_text(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("ended with exit status {code}"),
        (None, Some(signal)) => format!("was killed by signal {signal}"),
        (None, None) => "has ended".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing;
    use super::*;
    use crate::frame_rate::FrameRate;

    fn error(script: &str, stall_after: Option<Duration>, at_start: Duration) -> Error {
        let mut context = testing::context(FrameRate::whole(30));
        context.stall_after = stall_after;
        let options = ProcessOptions {
            silence: SilenceLimit::program(STALL_TIMEOUT, at_start, &context),
            explain: |_| None,
            pts: None,
        };
        let arguments = ["-c".to_owned(), script.to_owned()];
        let mut process = Process::start("sh", &arguments, options, &context).unwrap();
        loop {
            if let Err(e) = process.read() {
                return e;
            }
        }
    }

    #[test]
    fn silence_is_a_stall_after_the_first_byte() {
        let short = Duration::from_millis(150);
        let start = Duration::from_millis(400);
        let silent = error("exec sleep 1000", Some(short), start);
        assert!(matches!(silent, Error::Stalled(silence) if silence >= start));
        let stuck = error(
            "printf x; exec sleep 1000",
            Some(short),
            Duration::from_secs(60),
        );
        assert!(matches!(stuck, Error::Stalled(silence) if silence >= short));
    }
}
