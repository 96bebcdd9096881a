//! The server's end of a decoder's process: starts it, checks its replies, and ends it.

use super::protocol::{Reply, Request, Start};
use super::worker;
use crate::h264::sps::Sps;
use crate::media::orientation::Orientation;
use crate::os::procfs;
use crate::snapshot::JpegOptions;
use crate::snapshot::footprint::{address_space_bytes, max_jpeg_bytes};
use rustix::io::Errno;
use std::io::{self, IoSlice, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::Once;
use std::time::{Duration, Instant};

/// Timeout for one reply. Decoding the largest frame, and making a JPEG of it, takes a second or two on the slowest of machines.
const REPLY_TIMEOUT: Duration = Duration::from_secs(10);

/// How often the timeout begins again for a process that has work: it has a low priority, and on a busy machine it may be waiting
/// for a processor.
const MAX_EXTENSIONS: u32 = 5;

/// This executable. It stays the same one when the file is replaced by an upgrade.
const EXECUTABLE: &str = "/proc/self/exe";

/// The dynamic linker may need it; the rest of the environment has secrets.
const KEPT_VARIABLE: &str = "LD_LIBRARY_PATH";

/// What a decoder is for.
#[derive(Clone, Copy, Debug)]
pub(in crate::snapshot) struct Stream<'a> {
    pub(in crate::snapshot) sps: &'a Sps,
    /// The bytes of `sps`.
    pub(in crate::snapshot) sps_nal: &'a [u8],
    /// Columns at the left and rows at the top that are cropped, in pixels.
    pub(in crate::snapshot) hidden: (u32, u32),
    pub(in crate::snapshot) orientation: Orientation,
}

/// Reason for the lack of a picture.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::snapshot) enum DecodeError {
    /// No frame of this kind can be decoded.
    Unsupported,
    /// This one could not be decoded: the library's code.
    Damaged(i64),
    /// The process failed, and is of no use any more.
    Failed(String),
}

/// A decoder in a process of its own, which ends with this value.
#[derive(Debug)]
pub(in crate::snapshot) struct DecoderProcess {
    socket: UnixStream,
    host: Host,
    max_jpeg_bytes: usize,
}

impl DecoderProcess {
    /// Starts a decoder for these frames, which is held to its memory.
    pub(in crate::snapshot) fn start(stream: Stream<'_>) -> Result<Self, DecodeError> {
        let cannot_start = |error: io::Error| DecodeError::Failed(format!("no start: {error}"));
        let (socket, other) = UnixStream::pair().map_err(cannot_start)?;
        let mut process = Self {
            host: Host::start(other).map_err(cannot_start)?,
            socket,
            max_jpeg_bytes: max_jpeg_bytes(stream.sps),
        };
        let request = Request::Start(Start {
            memory: address_space_bytes(stream.sps),
            hidden: stream.hidden,
            orientation: stream.orientation,
            sps: stream.sps_nal.to_vec(),
        });
        match process.exchange(&request, &[])? {
            Reply::Ready { is_confined } => {
                if !is_confined {
                    warn_of_missing_filter();
                }
                Ok(process)
            }
            Reply::Unsupported => Err(DecodeError::Unsupported),
            _ => Err(process.fail(&io::ErrorKind::InvalidData.into())),
        }
    }

    /// Decodes an access unit (Annex B), and keeps its picture if that is wanted. Returns false if it yields none.
    pub(in crate::snapshot) fn decode(
        &mut self,
        annexb: &[u8],
        is_wanted: bool,
    ) -> Result<bool, DecodeError> {
        match self.exchange(&Request::Decode { is_wanted }, annexb)? {
            Reply::Decoded { has_picture } => Ok(has_picture),
            Reply::Damaged(code) => Err(DecodeError::Damaged(code)),
            Reply::Unsupported => Err(DecodeError::Unsupported),
            _ => Err(self.fail(&io::ErrorKind::InvalidData.into())),
        }
    }

    /// Returns the picture that was kept last as JPEG; `None` if there is none.
    pub(in crate::snapshot) fn jpeg(
        &mut self,
        options: JpegOptions,
    ) -> Result<Option<Vec<u8>>, DecodeError> {
        match self.exchange(&Request::Jpeg(options), &[])? {
            Reply::Jpeg(jpeg) => Ok(Some(jpeg)),
            Reply::NoJpeg => Ok(None),
            _ => Err(self.fail(&io::ErrorKind::InvalidData.into())),
        }
    }

    fn exchange(&mut self, request: &Request, annexb: &[u8]) -> Result<Reply, DecodeError> {
        let mut stream = TimedStream {
            socket: &self.socket,
            host: &self.host,
            deadline: Instant::now() + REPLY_TIMEOUT,
            extensions: MAX_EXTENSIONS,
        };
        let reply = request
            .write(&mut stream, annexb)
            .and_then(|()| Reply::read(&mut stream, self.max_jpeg_bytes));
        reply.map_err(|error| self.fail(&error))
    }

    /// Ends the process and returns the words for its failure.
    fn fail(&mut self, error: &io::Error) -> DecodeError {
        let end = self.host.end();
        DecodeError::Failed(match error.kind() {
            io::ErrorKind::TimedOut => format!("no reply for {} s", REPLY_TIMEOUT.as_secs()),
            io::ErrorKind::InvalidData => "false reply".to_owned(),
            _ => end,
        })
    }
}

/// Says once that the kernel does not confine decoders.
fn warn_of_missing_filter() {
    static WARNING: Once = Once::new();
    WARNING.call_once(|| {
        log::warn!(
            "decoder: process not confined (no seccomp in this kernel); it still has no open files, and limited memory"
        );
    });
}

/// A socket on which all has to be done until the deadline.
struct TimedStream<'a> {
    socket: &'a UnixStream,
    host: &'a Host,
    deadline: Instant,
    extensions: u32,
}

impl TimedStream<'_> {
    /// Returns the time until the deadline, or the error that it has passed.
    fn time_left(&mut self) -> io::Result<Option<Duration>> {
        let now = Instant::now();
        if self.deadline <= now {
            if self.extensions == 0 || !self.host.has_work() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            self.extensions -= 1;
            self.deadline = now + REPLY_TIMEOUT;
        }
        Ok(Some(self.deadline - now))
    }
}

/// True for the error of a socket that waited until its timeout.
fn is_timeout<T>(result: &io::Result<T>) -> bool {
    matches!(result, Err(error) if error.kind() == io::ErrorKind::WouldBlock)
}

impl Read for TimedStream<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        loop {
            self.socket.set_read_timeout(self.time_left()?)?;
            let result = self.socket.read(out);
            if !is_timeout(&result) {
                return result;
            }
        }
    }
}

impl Write for TimedStream<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(bytes)])
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        loop {
            self.socket.set_write_timeout(self.time_left()?)?;
            let result = self.socket.write_vectored(slices);
            if !is_timeout(&result) {
                return result;
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What the decoder runs in.
#[derive(Debug)]
enum Host {
    Process(Child),
    /// A thread of this process. The kernel cannot execute the program of an emulator (qemu-user), and in tests of the library the
    /// executable is another.
    Thread,
}

impl Host {
    fn start(socket: UnixStream) -> io::Result<Self> {
        if cfg!(test) {
            return Ok(Self::start_thread(socket));
        }
        let own = socket.try_clone()?;
        match start_process(EXECUTABLE, socket) {
            Ok(child) => Ok(Self::Process(child)),
            Err(error) if Errno::from_io_error(&error) == Some(Errno::NOEXEC) => {
                static WARNING: Once = Once::new();
                WARNING.call_once(|| {
                    log::warn!(
                        "decoder: no process of its own (the kernel cannot execute this program)"
                    );
                });
                Ok(Self::start_thread(own))
            }
            Err(error) => Err(error),
        }
    }

    fn start_thread(mut socket: UnixStream) -> Self {
        std::thread::spawn(move || worker::serve(&mut socket, |_| Ok(true)));
        Self::Thread
    }

    /// Returns whether it computes, or waits for a processor or a page of memory; not one that sleeps or was stopped.
    fn has_work(&self) -> bool {
        match self {
            Self::Process(child) => procfs::is_running(child.id()),
            Self::Thread => true,
        }
    }

    /// Ends it, and waits until its memory is free. Returns the words for the way it ended.
    fn end(&mut self) -> String {
        match self {
            Self::Process(child) => {
                // One that has ended before keeps its status.
                let _ = child.kill();
                match child.wait() {
                    Ok(status) => format!("ended by {status}"),
                    Err(error) => error.to_string(),
                }
            }
            Self::Thread => "ended".to_owned(),
        }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.end();
    }
}

/// Starts the decoder's process, whose standard input is `socket`. It inherits the priority of this thread, and ends with it.
fn start_process(executable: &str, socket: UnixStream) -> io::Result<Child> {
    Command::new(executable)
        .arg0(env!("CARGO_PKG_NAME"))
        .arg(worker::COMMAND)
        .env_clear()
        .envs(std::env::var_os(KEPT_VARIABLE).map(|value| (KEPT_VARIABLE, value)))
        .stdin(Stdio::from(OwnedFd::from(socket)))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        // A signal of the terminal is for the server alone.
        .process_group(0)
        .spawn()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A decoder whose process answers with these bytes and closes.
    fn answering(bytes: &'static [u8]) -> DecoderProcess {
        let (socket, mut other) = UnixStream::pair().unwrap();
        std::thread::spawn(move || {
            let mut request = [0; 13];
            other.read_exact(&mut request).unwrap();
            other.write_all(bytes).unwrap();
        });
        DecoderProcess {
            socket,
            host: Host::Thread,
            max_jpeg_bytes: 100,
        }
    }

    #[test]
    fn false_reply_is_a_failure() {
        let false_reply = Err(DecodeError::Failed("false reply".to_owned()));
        // Decoded, in reply to a request for a JPEG.
        let mut decoder = answering(&[1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(decoder.jpeg(JpegOptions::default()), false_reply);
        // A JPEG of 4 GB.
        let mut decoder = answering(&[4, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 255, 255]);
        assert_eq!(decoder.jpeg(JpegOptions::default()), false_reply);
        // The end, in the middle of a reply.
        let mut decoder = answering(&[1, 1, 0]);
        let ended = Err(DecodeError::Failed("ended".to_owned()));
        assert_eq!(decoder.decode(&[], true), ended);
    }

    #[test]
    fn program_that_ends_is_a_failure_with_its_status() {
        let (socket, other) = UnixStream::pair().unwrap();
        let mut decoder = DecoderProcess {
            socket,
            host: Host::Process(start_process("/bin/false", other).unwrap()),
            max_jpeg_bytes: 100,
        };
        let error = decoder.decode(&[0; 1 << 20], true);
        let words = "ended by exit status: 1".to_owned();
        assert_eq!(error, Err(DecodeError::Failed(words)));
    }
}
