//! Annex B file as a camera: one access unit after the other at the configured rate, in a loop.

use super::sniff::{Format, Sniffer};
use super::{Cause, Error, Input, Item, SILENCE_LIMIT, SourceContext};
use crate::h264::{AccessUnit, Assembler, BoundaryMode, ChunkEnd};
use crate::shutdown::ShutdownToken;
use crate::time::Timestamp;
use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Size of a read.
const READ_BYTES: usize = 64 << 10;

/// Lag after which the schedule restarts instead of catching up, as after a suspend.
const MAX_SCHEDULE_LAG: Duration = Duration::from_secs(1);

/// Bytes without a picture after which none is expected. An access unit is far smaller.
const MAX_BYTES_WITHOUT_FRAME: usize = 64 << 20;

/// Opens the file at `path`.
pub(super) fn open(path: &Path, context: &SourceContext) -> Result<Box<dyn Input>, Error> {
    Ok(Box::new(LoopedFile {
        path: path.to_owned(),
        file: open_regular(path)
            .map_err(|(kind, why)| Error::Unavailable(why).because(cause(kind)))?,
        assembler: Assembler::new(BoundaryMode::Inferred),
        queue: VecDeque::new(),
        current: Vec::new(),
        units_in_pass: 0,
        bytes_without_frame: 0,
        sniffer: Sniffer::default(),
        interval: context.settings.fps.interval(),
        due: Timestamp::now(),
        shutdown: context.shutdown.clone(),
    }))
}

/// Opens a regular file. Opening a FIFO would block without hearing the shutdown.
fn open_regular(path: &Path) -> Result<File, (ErrorKind, String)> {
    let why = |error: io::Error| {
        let kind = error.kind();
        (kind, explain(path, kind, &error.to_string()))
    };
    let kind = fs::metadata(path).map_err(why)?.file_type();
    let shown = path.display();
    if kind.is_dir() {
        let why = format!("{shown} is a directory; file: wants an H.264 file (Annex B)");
        Err((ErrorKind::IsADirectory, why))
    } else if !kind.is_file() {
        let why = format!(
            "{shown} is not a regular file; what writes H.264 into it is read with \"exec:cat {shown}\""
        );
        Err((ErrorKind::Other, why))
    } else {
        File::open(path).map_err(why)
    }
}

/// Returns the cause for viewers.
fn cause(kind: ErrorKind) -> Cause {
    match kind {
        ErrorKind::NotFound => Cause::NO_FILE,
        ErrorKind::PermissionDenied => Cause::NOT_PERMITTED,
        _ => Cause::UNREADABLE,
    }
}

fn explain(path: &Path, kind: ErrorKind, text: &str) -> String {
    let path = path.display();
    match kind {
        ErrorKind::NotFound => format!(
            "there is no file {path}. Is the path right, seen from where berrymse was started?"
        ),
        ErrorKind::PermissionDenied => {
            format!("{path} may not be read by this user. \"ls -l {path}\" tells who may")
        }
        _ => format!("cannot read {path}: {text}"),
    }
}

struct LoopedFile {
    path: PathBuf,
    file: File,
    assembler: Assembler,
    /// Access units that are read but not due, in Annex B.
    queue: VecDeque<Vec<u8>>,
    current: Vec<u8>,
    /// Access units in this pass through the file.
    units_in_pass: u64,
    /// Bytes read since the last access unit.
    bytes_without_frame: usize,
    sniffer: Sniffer,
    interval: Duration,
    /// Time of the next access unit.
    due: Timestamp,
    shutdown: ShutdownToken,
}

impl Input for LoopedFile {
    fn silence_limit(&self) -> Duration {
        SILENCE_LIMIT.max(self.interval * 2)
    }

    fn read(&mut self) -> Result<Option<Item<'_>>, Error> {
        if self.queue.is_empty() {
            self.read_chunk()?;
        }
        if self.queue.is_empty() {
            return if self.shutdown.is_triggered() {
                Err(Error::Stopped)
            } else {
                Ok(None)
            };
        }
        let now = Timestamp::now();
        if now.since(self.due) > MAX_SCHEDULE_LAG {
            self.due = now;
        }
        let wait = self.due.since(now);
        if self.shutdown.sleep(wait.min(Duration::from_millis(100))) {
            return Err(Error::Stopped);
        }
        if wait > Duration::from_millis(100) {
            return Ok(None);
        }
        self.current = self.queue.pop_front().unwrap_or_default();
        let captured_at = self.due;
        self.due = self.due + self.interval;
        Ok(Some(Item::AccessUnit {
            annexb: &self.current,
            captured_at,
        }))
    }
}

impl LoopedFile {
    /// Reads on; at the end, re-opens the file of that name.
    fn read_chunk(&mut self) -> Result<(), Error> {
        let mut chunk = vec![0; READ_BYTES];
        let count = match self.file.read(&mut chunk) {
            Ok(count) => count,
            Err(error) => {
                let path = self.path.display();
                let lost = Error::Lost(format!("cannot read {path}: {error}"));
                return Err(lost.because(Cause::UNREADABLE));
            }
        };
        let (queue, units) = (&mut self.queue, &mut self.units_in_pass);
        let mut keep = |unit: AccessUnit<'_>| {
            *units += 1;
            queue.push_back(annexb(&unit));
        };
        if count > 0 {
            let chunk = chunk.get(..count).unwrap_or_default();
            if let Some(format) = self.sniffer.push(chunk) {
                return Err(self.not_h264(format));
            }
            self.assembler
                .push(chunk, self.due, ChunkEnd::Open, &mut keep);
            self.bytes_without_frame += count;
            if !self.queue.is_empty() {
                self.bytes_without_frame = 0;
            }
            if self.bytes_without_frame > MAX_BYTES_WITHOUT_FRAME {
                return Err(self.no_picture_error());
            }
            return Ok(());
        }
        self.assembler.flush(&mut keep);
        if std::mem::take(&mut self.units_in_pass) == 0 {
            return Err(match self.sniffer.pause() {
                Some(format) => self.not_h264(format),
                None => self.no_picture_error(),
            });
        }
        self.file = open_regular(&self.path)
            .map_err(|(kind, why)| Error::Lost(why).because(cause(kind)))?;
        self.sniffer = Sniffer::default();
        Ok(())
    }

    fn not_h264(&self, format: Format) -> Error {
        let path = self.path.display().to_string();
        let (quotation, remedy) = (format.quotation(), format.remedy_for_file(&path));
        Error::NotH264 {
            text: format!("{path} is {format}{quotation}, not H.264 (Annex B); {remedy}"),
            format,
        }
    }

    fn no_picture_error(&self) -> Error {
        let path = self.path.display();
        Error::Lost(format!(
            "{path} holds no H.264 picture. It has to be a raw H.264 stream (Annex B); \
             \"ffmpeg -i VIDEO -c copy -bsf:v h264_mp4toannexb -f h264 {path}.h264\" makes one of an MP4"
        ))
        .because(Cause::NO_H264)
    }
}

fn annexb(unit: &AccessUnit<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    for nal in unit.nals.iter() {
        out.extend_from_slice(&[0, 0, 0, 1]);
        out.extend_from_slice(nal);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::Settings;
    use super::*;
    use std::num::NonZeroU32;

    fn context() -> SourceContext {
        SourceContext::new(
            "test",
            Settings {
                width: 1280,
                height: 720,
                fps: crate::frame_rate::FrameRate::MAX,
                bitrate: None,
                rotation: None,
                flips: crate::source::Flips::default(),
                keyframe_interval: NonZeroU32::new(60).unwrap(),
            },
            ShutdownToken::new().unwrap(),
        )
    }

    fn fixture(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/fixtures/streams")
            .join(name)
    }

    fn error(source: &mut dyn Input) -> String {
        loop {
            if let Err(error) = source.read() {
                return error.to_string();
            }
        }
    }

    #[test]
    fn non_regular_files_are_rejected() {
        for (path, why) in [
            ("/dev/zero", "exec:cat /dev/zero"),
            ("/", "is a directory"),
            ("/nonexistent", "there is no file"),
        ] {
            let error = open(Path::new(path), &context()).err().unwrap().to_string();
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn endless_file_without_frames_stops_on_shutdown() {
        let path = std::env::temp_dir().join(format!("berrymse-barren-{}", std::process::id()));
        File::create(&path).unwrap().set_len(1 << 40).unwrap();
        let context = context();
        let mut source = open(&path, &context).unwrap();
        assert!(source.read().unwrap().is_none());
        assert!(error(&mut *source).contains("data without start codes"));
        context.shutdown.trigger();
        let mut source = open(&path, &context).unwrap();
        assert_eq!(source.read().unwrap_err(), Error::Stopped);
        fs::remove_file(&path).unwrap();
    }

    #[test]
    fn replaced_file_plays_from_the_next_pass() {
        let path = std::env::temp_dir().join(format!("berrymse-replaced-{}", std::process::id()));
        let other = path.with_extension("new");
        fs::copy(fixture("Error_I_P.264"), &path).unwrap();
        fs::copy(fixture("Static.264"), &other).unwrap();
        let mut source = open(&path, &context()).unwrap();
        fs::rename(&other, &path).unwrap();
        let wanted = fs::read(fixture("Static.264")).unwrap();
        let mut units = 0;
        while units < 20 {
            let Some(Item::AccessUnit { annexb, .. }) = source.read().unwrap() else {
                continue;
            };
            units += 1;
            if annexb.len() > 100 && wanted.windows(64).any(|w| w == &annexb[20..84]) {
                fs::remove_file(&path).unwrap();
                return;
            }
        }
        panic!("still the old file after {units} access units");
    }
}
