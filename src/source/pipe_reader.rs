//! Low-delay reader of a pipe, for programs (`process`) and standard input (here). It does not know
//! what the bytes mean.
//!
//! A pipe does not keep the borders of writes. But a write that fits into the pipe is there as a
//! whole when the reader wakes up. So the pipe is made large and read empty, and silence right
//! after the read shows that the write is complete: [`ChunkEnd::Pause`].

mod pts_pipe;

pub(super) use pts_pipe::PtsPipe;
pub use pts_pipe::capture_times;

use super::silence::SilenceLimit;
use super::sniff::{Format, Sniffer};
use super::{Error, Input, InputChunk, Item, SourceContext};
use crate::h264::ChunkEnd;
use crate::shutdown::{ShutdownToken, WaitResult};
use crate::time::Timestamp;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::FileType;
use rustix::io::Errno;
use std::io::IsTerminal;
use std::time::Duration;

/// Size that an unprivileged process may request (`/proc/sys/fs/pipe-max-size`), larger than any
/// access unit should be.
const PIPE_BYTES: usize = 1 << 20;
/// Silence that counts as a pause of the writer. Two writes of one access unit follow within some
/// 10 µs, the next access unit after at least 4 ms (240 fps).
const PAUSE_AFTER: Duration = Duration::from_millis(1);
/// Silence that completes the access unit, whatever was learned of the pauses.
const SILENCE_AFTER: Duration = Duration::from_millis(500);
/// Silence that counts as a pause if the pipe was full: its writer sleeps and must be scheduled
/// first.
const PAUSE_AFTER_WHEN_FULL: Duration = Duration::from_millis(50);
/// Longest wait of [`PipeReader::read`] without data.
const IDLE_TIMEOUT: Duration = Duration::from_millis(100);
/// Page size: pipes fill page by page, and the first may be used in part.
const PAGE_BYTES: usize = 4096;

/// Result of a read.
#[derive(Debug)]
pub(super) enum ReadEvent<'a> {
    /// Data, or the report of a pause.
    Data(InputChunk<'a>),
    /// No data for 0.1 s.
    Idle {
        /// Time since the last byte, or since the start.
        silence: Duration,
        /// True if data came before.
        has_begun: bool,
    },
    /// End of the stream.
    End {
        /// True if data came before.
        has_begun: bool,
    },
}

/// Read end of a pipe, socket or file.
#[derive(Debug)]
pub(super) struct PipeReader {
    fd: OwnedFd,
    shutdown: ShutdownToken,
    buffer: Vec<u8>,
    /// Size of a read from which on a writer may wait for room.
    full_threshold: usize,
    state: ReadState,
    last_byte_at: Timestamp,
    has_begun: bool,
    pts: Option<PtsPipe>,
}

/// State of the reader between two reads.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum ReadState {
    /// No data since the last silence, or none with an unknown end.
    Quiet,
    /// No data since the last pause; the silence is still to be reported.
    Paused,
    /// Data, and no pause yet.
    Receiving { pause_after: Duration },
}

impl PipeReader {
    /// Takes over `fd`, best non-blocking, and enlarges it if it is a pipe.
    pub(super) fn new(fd: OwnedFd, shutdown: ShutdownToken) -> Self {
        let capacity = enlarge_pipe(fd.as_fd());
        Self {
            fd,
            shutdown,
            buffer: vec![0; PIPE_BYTES],
            full_threshold: capacity.min(PIPE_BYTES).saturating_sub(PAGE_BYTES).max(1),
            state: ReadState::Quiet,
            last_byte_at: Timestamp::now(),
            has_begun: false,
            pts: None,
        }
    }

    /// Uses `pts` for the ends and times of access units.
    pub(super) fn with_pts(mut self, pts: Option<PtsPipe>) -> Self {
        self.pts = pts;
        self
    }

    /// Waits for the first byte without reading it; false after `time`, or at the end of the
    /// stream.
    pub(super) fn wait_for_byte(&self, time: Duration) -> Result<bool, Error> {
        match self.shutdown.wait_readable(self.fd.as_fd(), time) {
            WaitResult::Shutdown => Err(Error::Stopped),
            WaitResult::TimedOut => Ok(false),
            WaitResult::Ready => {
                Ok(rustix::io::ioctl_fionread(&self.fd).is_ok_and(|bytes| bytes > 0))
            }
        }
    }

    /// Returns the next event: data at once, a pause, or idle after 0.1 s.
    pub(super) fn read(&mut self) -> Result<ReadEvent<'_>, Error> {
        let patience = match self.state {
            ReadState::Quiet => IDLE_TIMEOUT,
            ReadState::Paused => SILENCE_AFTER
                .saturating_sub(self.silence())
                .min(IDLE_TIMEOUT),
            ReadState::Receiving { pause_after } => pause_after.saturating_sub(self.silence()),
        };
        self.discard_stale_pts();
        match self.shutdown.wait_readable(self.fd.as_fd(), patience) {
            WaitResult::Shutdown => return Err(Error::Stopped),
            WaitResult::TimedOut => return Ok(self.pause().unwrap_or(self.idle())),
            WaitResult::Ready => {}
        }
        let arrived_at = Timestamp::now();
        match rustix::io::read(&self.fd, &mut self.buffer[..]) {
            // The end of the stream completes what came before.
            Ok(0) => Ok(self.pause().unwrap_or(ReadEvent::End {
                has_begun: self.has_begun,
            })),
            Ok(length) => {
                let pause_after = if length >= self.full_threshold {
                    PAUSE_AFTER_WHEN_FULL
                } else {
                    PAUSE_AFTER
                };
                self.state = ReadState::Receiving { pause_after };
                self.last_byte_at = arrived_at;
                self.has_begun = true;
                Ok(self.chunk(length))
            }
            Err(Errno::AGAIN | Errno::INTR) => Ok(self.idle()),
            Err(e) => Err(Error::Lost(format!("cannot be read: {e}"))),
        }
    }

    /// Skips the report of the next pause, so that the thread need not wake up.
    pub(super) fn spare_pause(&mut self) {
        self.state = ReadState::Quiet;
    }

    /// Discards late PTS lines while no data comes: they must not be taken for the next unit's.
    fn discard_stale_pts(&mut self) {
        let Some(pts) = self
            .pts
            .as_mut()
            .filter(|_| matches!(self.state, ReadState::Quiet | ReadState::Paused))
        else {
            return;
        };
        if self.shutdown.wait_readable(self.fd.as_fd(), Duration::ZERO) == WaitResult::TimedOut {
            pts.discard_pending();
        }
    }

    /// Returns the data just read, with its PTS line.
    fn chunk(&mut self, mut length: usize) -> ReadEvent<'_> {
        let arrived_at = self.last_byte_at;
        let mark = self
            .pts
            .as_mut()
            .and_then(|pts| pts.wait(&self.shutdown, arrived_at));
        // A read that ends before the buffer, with room left in the pipe, ended with a write.
        let mut end = if length >= self.full_threshold {
            ChunkEnd::Open
        } else {
            ChunkEnd::Drained
        };
        if let Some(mark) = mark {
            // The line follows the unit's last byte, so that byte is there now.
            while let Some(room) = self
                .buffer
                .get_mut(length..)
                .filter(|room| !room.is_empty())
            {
                match rustix::io::read(&self.fd, room) {
                    Ok(0) | Err(_) => break,
                    Ok(more) => length += more,
                }
            }
            if mark.is_certain && length < self.buffer.len() {
                (end, self.state) = (ChunkEnd::Complete, ReadState::Quiet);
            }
        }
        ReadEvent::Data(InputChunk {
            annexb: self.buffer.get(..length).unwrap_or_default(),
            captured_at: mark.map_or(arrived_at, |mark| mark.captured_at),
            end,
        })
    }

    fn silence(&self) -> Duration {
        Timestamp::now().since(self.last_byte_at)
    }

    /// Returns the pause, once after data, and the silence that it becomes.
    fn pause(&mut self) -> Option<ReadEvent<'static>> {
        let end = match self.state {
            ReadState::Receiving { .. } => ChunkEnd::Pause,
            ReadState::Paused if self.silence() >= SILENCE_AFTER => ChunkEnd::Silence,
            ReadState::Paused | ReadState::Quiet => return None,
        };
        self.state = if end == ChunkEnd::Pause {
            ReadState::Paused
        } else {
            ReadState::Quiet
        };
        Some(ReadEvent::Data(InputChunk {
            annexb: &[],
            captured_at: self.last_byte_at,
            end,
        }))
    }

    fn idle(&self) -> ReadEvent<'static> {
        ReadEvent::Idle {
            silence: self.silence(),
            has_begun: self.has_begun,
        }
    }
}

/// Makes a pipe as large as allowed; returns its capacity, or `usize::MAX` for other files.
fn enlarge_pipe(fd: BorrowedFd<'_>) -> usize {
    let Ok(capacity) = rustix::pipe::fcntl_getpipe_size(fd) else {
        return usize::MAX;
    };
    let mut wanted = PIPE_BYTES;
    // A user with many pipes, or a lower limit: take what is allowed.
    while wanted > capacity {
        match rustix::pipe::fcntl_setpipe_size(fd, wanted) {
            Ok(_) => break,
            Err(_) => wanted /= 2,
        }
    }
    rustix::pipe::fcntl_getpipe_size(fd).unwrap_or(capacity)
}

/// Opens standard input: a pipe, a socket or a file, but no terminal. It ends for good
/// ([`Error::Ended`]) and never stalls, because it cannot be re-opened.
pub fn open_stdin(context: &SourceContext) -> Result<Box<dyn Input>, Error> {
    let stdin = std::io::stdin();
    if stdin.is_terminal() {
        return Err(Error::Ended(
            "standard input is a terminal; pipe H.264 into it: rpicam-vid -t 0 -n --inline --flush -o - | berrymse -d -"
                .to_owned(),
        ));
    }
    // Stays blocking: the flag would apply to every process that shares this input. It is read only
    // when data is there.
    let fd = rustix::io::fcntl_dupfd_cloexec(stdin.as_fd(), 3)
        .map_err(|e| Error::Ended(format!("standard input cannot be used: {e}")))?;
    let kind = rustix::fs::fstat(&fd).map(|stat| FileType::from_raw_mode(stat.st_mode));
    if kind == Ok(FileType::RegularFile) {
        log::warn!(
            "camera {}: standard input is a file and plays as fast as it can be read; file:PATH plays at --fps",
            context.name
        );
    }
    Ok(Box::new(Stdin {
        input: PipeReader::new(fd, context.shutdown.clone()),
        silence: SilenceLimit::program(STDIN_STALL_TIMEOUT, STDIN_STALL_TIMEOUT, context),
        sniffer: Sniffer::default(),
    }))
}

/// Shortest silence after which standard input counts as lost.
const STDIN_STALL_TIMEOUT: Duration = Duration::from_secs(60);

/// Standard input as a source.
struct Stdin {
    input: PipeReader,
    silence: SilenceLimit,
    sniffer: Sniffer,
}

impl Input for Stdin {
    fn read(&mut self) -> Result<Option<Item<'_>>, Error> {
        match self.input.read() {
            Ok(ReadEvent::Data(chunk)) => {
                if !chunk.annexb.is_empty() {
                    self.silence.on_data(Timestamp::now());
                }
                let format = match chunk.end {
                    ChunkEnd::Silence => self.sniffer.pause(),
                    _ => self.sniffer.push(chunk.annexb),
                };
                match format {
                    Some(format) => Err(not_h264(format)),
                    None => Ok(Some(Item::Bytes(chunk))),
                }
            }
            Ok(ReadEvent::Idle { .. }) => Ok(None),
            Ok(ReadEvent::End { has_begun: true }) => Err(match self.sniffer.pause() {
                Some(format) => not_h264(format),
                None => Error::Ended("standard input has ended".to_owned()),
            }),
            Ok(ReadEvent::End { has_begun: false }) => {
                Err(Error::Ended("standard input is empty".to_owned()))
            }
            Err(Error::Lost(why)) => Err(Error::Ended(format!("standard input {why}"))),
            Err(other) => Err(other),
        }
    }

    fn skip_next_pause(&mut self) {
        self.input.spare_pause();
    }

    fn silence_limit(&self) -> Duration {
        self.silence.limit()
    }
}

fn not_h264(format: Format) -> Error {
    let (quotation, remedy) = (format.quotation(), format.remedy_for_output());
    Error::NotH264 {
        text: format!("standard input is {format}{quotation}, not H.264 (Annex B); {remedy}"),
        format,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::pipe::{PipeFlags, pipe_with};

    fn pipe() -> (PipeReader, OwnedFd) {
        let (reader, writer) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).unwrap();
        (
            PipeReader::new(reader, ShutdownToken::new().unwrap()),
            writer,
        )
    }

    /// Returns the next event as text.
    fn next(reader: &mut PipeReader) -> String {
        match reader.read() {
            Ok(ReadEvent::Data(chunk)) => format!("{} {:?}", chunk.annexb.len(), chunk.end),
            Ok(ReadEvent::Idle { has_begun, .. }) => format!("idle {has_begun}"),
            Ok(ReadEvent::End { has_begun }) => format!("end {has_begun}"),
            Err(e) => e.to_string(),
        }
    }

    #[test]
    fn write_is_data_then_one_pause() {
        let (mut reader, writer) = pipe();
        assert_eq!(next(&mut reader), "idle false");
        rustix::io::write(&writer, b"abc").unwrap();
        let read: Vec<_> = (0..3).map(|_| next(&mut reader)).collect();
        assert_eq!(read, ["3 Drained", "0 Pause", "idle true"]);
    }

    #[test]
    fn pause_becomes_silence_once() {
        let (mut reader, writer) = pipe();
        rustix::io::write(&writer, b"abc").unwrap();
        let mut read: Vec<_> = (0..20).map(|_| next(&mut reader)).collect();
        read.retain(|news| news != "idle true");
        assert_eq!(read, ["3 Drained", "0 Pause", "0 Silence"]);
    }

    #[test]
    fn writes_without_pause_are_read_together() {
        let (mut reader, writer) = pipe();
        rustix::io::write(&writer, b"abc").unwrap();
        rustix::io::write(&writer, b"de").unwrap();
        assert_eq!(next(&mut reader), "5 Drained");
        rustix::io::write(&writer, b"f").unwrap();
        assert_eq!(next(&mut reader), "1 Drained");
        assert_eq!(next(&mut reader), "0 Pause");
    }

    #[test]
    fn skipped_pause_is_not_reported() {
        let (mut reader, writer) = pipe();
        rustix::io::write(&writer, b"abc").unwrap();
        assert_eq!(next(&mut reader), "3 Drained");
        reader.spare_pause();
        assert_eq!(next(&mut reader), "idle true");
        rustix::io::write(&writer, b"de").unwrap();
        let read: Vec<_> = (0..2).map(|_| next(&mut reader)).collect();
        assert_eq!(read, ["2 Drained", "0 Pause"]);
    }

    #[test]
    fn end_of_stream_is_a_pause_first() {
        let (mut reader, writer) = pipe();
        rustix::io::write(&writer, b"abc").unwrap();
        drop(writer);
        let read: Vec<_> = (0..4).map(|_| next(&mut reader)).collect();
        assert_eq!(read, ["3 Drained", "0 Pause", "end true", "end true"]);
    }

    #[test]
    fn full_pipe_delays_the_pause() {
        let (mut reader, writer) = pipe();
        let written = rustix::io::write(&writer, &vec![0; 2 * PIPE_BYTES]).unwrap();
        let before = Timestamp::now();
        assert_eq!(next(&mut reader), format!("{written} Open"));
        assert_eq!(next(&mut reader), "0 Pause");
        assert!(Timestamp::now().since(before) >= PAUSE_AFTER_WHEN_FULL);
    }

    #[test]
    fn unit_with_pts_is_complete_at_once() {
        let (reader, writer) = pipe();
        let (pts, program) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).unwrap();
        let mut reader = reader.with_pts(Some(PtsPipe::new(pts, Duration::from_secs(5))));
        let write =
            |fd: &OwnedFd, bytes: &[u8]| assert_eq!(rustix::io::write(fd, bytes), Ok(bytes.len()));
        write(&writer, b"abc");
        write(&writer, b"de");
        write(&program, b"0.000\n");
        assert_eq!(next(&mut reader), "5 Complete");
        assert_eq!(next(&mut reader), "idle true", "and no pause on top");
        write(&writer, b"f");
        assert_eq!(next(&mut reader), "1 Drained");
        write(&writer, b"gh");
        write(&program, b"33.333\n66.667\n");
        assert_eq!(
            next(&mut reader),
            "2 Drained",
            "two units, or part of a third"
        );
    }

    #[test]
    fn shutdown_ends_the_wait() {
        let (mut reader, _writer) = pipe();
        reader.shutdown.trigger();
        assert_eq!(next(&mut reader), "stopping");
    }
}
