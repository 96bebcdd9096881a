//! Bytes from a pipe with as little delay as there can be, for programs (`process`) and for standard
//! input (here). Does not know what the bytes mean.
//!
//! A pipe has no marks between its writes. But a write that fits into the pipe is there as a whole when
//! the reader wakes up, so the pipe is made large, all there is gets read at once, and silence right behind
//! it tells that the writer has written what it had: [`ChunkEnd::Pause`].

mod pts_pipe;

pub(super) use pts_pipe::PtsPipe;

use super::silence::SilenceLimit;
use super::sniff::{Format, Sniffer};
use super::{Error, InputChunk, Source, SourceContext};
use crate::h264::ChunkEnd;
use crate::shutdown::{ShutdownToken, WaitResult};
use crate::time::Timestamp;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::FileType;
use rustix::io::Errno;
use std::io::IsTerminal;
use std::time::Duration;

/// What an unprivileged process may ask for (`/proc/sys/fs/pipe-max-size`), and more than any access unit should have.
const PIPE_BYTES: usize = 1 << 20;
/// Silence after which the writer counts as having paused. Two writes of one access unit follow each other
/// within some 10 µs; the next access unit is 4 ms away at 240 pictures per second.
const PAUSE_AFTER: Duration = Duration::from_millis(1);
/// Silence after which the access unit counts as complete, whatever was learned of the pauses.
const SILENCE_AFTER: Duration = Duration::from_millis(500);
/// The same when the pipe was full: its writer sleeps in the middle of a write and must first be scheduled again.
const PAUSE_AFTER_WHEN_FULL: Duration = Duration::from_millis(50);
/// How long [`PipeReader::read`] blocks when nothing comes.
const IDLE_TIMEOUT: Duration = Duration::from_millis(100);
/// A pipe is filled page by page, the first of which may be in part used up.
const PAGE_BYTES: usize = 4096;

/// What a read gave.
#[derive(Debug)]
pub(super) enum ReadEvent<'a> {
    /// Bytes, or the news of a pause.
    Data(InputChunk<'a>),
    /// Nothing for a tenth of a second.
    Idle {
        /// Time since the last byte, or since the beginning.
        silence: Duration,
        /// True if there was a byte before.
        has_begun: bool,
    },
    /// There will be no more bytes.
    End {
        /// True if there was a byte before.
        has_begun: bool,
    },
}

/// The reading end of a pipe (or a socket, or a file).
#[derive(Debug)]
pub(super) struct PipeReader {
    fd: OwnedFd,
    shutdown: ShutdownToken,
    buffer: Vec<u8>,
    /// From so many bytes in one read on there may be a writer that waits for room.
    full_threshold: usize,
    state: ReadState,
    last_byte_at: Timestamp,
    has_begun: bool,
    pts: Option<PtsPipe>,
}

/// Whether the last word to the caller was a byte.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum ReadState {
    /// No bytes since the last silence, or none of which the end is not known.
    Quiet,
    /// No bytes since the last pause. The silence that it may become is still to be told.
    Paused,
    /// Bytes, and no pause yet; it is one after so much silence.
    Receiving { pause_after: Duration },
}

impl PipeReader {
    /// Takes over `fd`, which is best non-blocking, and enlarges it if it is a pipe.
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

    /// Believes `marks` about the ends and times of the access units.
    pub(super) fn with_pts(mut self, pts: Option<PtsPipe>) -> Self {
        self.pts = pts;
        self
    }

    /// Waits for the first byte, without taking it; false after `time`, and at the end of a stream without one.
    pub(super) fn wait_for_byte(&self, time: Duration) -> Result<bool, Error> {
        match self.shutdown.wait_readable(self.fd.as_fd(), time) {
            WaitResult::Shutdown => Err(Error::Stopped),
            WaitResult::TimedOut => Ok(false),
            WaitResult::Ready => {
                Ok(rustix::io::ioctl_fionread(&self.fd).is_ok_and(|bytes| bytes > 0))
            }
        }
    }

    /// The next piece: bytes as soon as there are some, the news that they have paused, or after a tenth of a second
    /// the news that there is nothing.
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
            // What stands before the end is complete.
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

    /// The next pause would be no news: the thread need not wake up for it.
    pub(super) fn spare_pause(&mut self) {
        self.state = ReadState::Quiet;
    }

    /// While there are no bytes, no mark can be theirs: what has come late is not to be taken for the next unit's.
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

    /// The bytes just read, with what the marks say of them.
    fn chunk(&mut self, mut length: usize) -> ReadEvent<'_> {
        let arrived_at = self.last_byte_at;
        let mark = self
            .pts
            .as_mut()
            .and_then(|pts| pts.wait(&self.shutdown, arrived_at));
        // A read that ends before the buffer, and with room left in the pipe, ended with a write.
        let mut end = if length >= self.full_threshold {
            ChunkEnd::Open
        } else {
            ChunkEnd::Drained
        };
        if let Some(mark) = mark {
            // The mark follows the unit's last byte, so that byte is there now.
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

    /// The news of a pause, once after bytes, and of the silence that it has become.
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

/// Makes a pipe as large as it may be; returns how much it holds, "without end" for what is no pipe.
fn enlarge_pipe(fd: BorrowedFd<'_>) -> usize {
    let Ok(capacity) = rustix::pipe::fcntl_getpipe_size(fd) else {
        return usize::MAX;
    };
    let mut wanted = PIPE_BYTES;
    // A user with many pipes, or an administrator's lower limit: take what is allowed.
    while wanted > capacity {
        match rustix::pipe::fcntl_setpipe_size(fd, wanted) {
            Ok(_) => break,
            Err(_) => wanted /= 2,
        }
    }
    rustix::pipe::fcntl_getpipe_size(fd).unwrap_or(capacity)
}

/// Opens standard input: a pipe, a socket or a file; a terminal is refused. It ends for good
/// ([`Error::Ended`]) and never stalls: nobody could open it anew.
pub fn open_stdin(context: &SourceContext) -> Result<Box<dyn Source>, Error> {
    let stdin = std::io::stdin();
    if stdin.is_terminal() {
        return Err(Error::Ended(
            "standard input is a terminal; pipe H.264 into it: rpicam-vid -t 0 -n --inline --flush -o - | berrymse -d -"
                .to_owned(),
        ));
    }
    // Not made non-blocking: the flag would be that of every process that shares this input. It is read
    // only when there is something.
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

/// Shortest silence after which the camera on standard input counts as lost.
const STDIN_STALL_TIMEOUT: Duration = Duration::from_secs(60);

/// Standard input as a source.
struct Stdin {
    input: PipeReader,
    silence: SilenceLimit,
    sniffer: Sniffer,
}

impl Source for Stdin {
    fn read(&mut self) -> Result<Option<InputChunk<'_>>, Error> {
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
                    None => Ok(Some(chunk)),
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

    /// What the next read gives, as text.
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
