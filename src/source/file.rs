//! An Annex B file as if it were a camera: one access unit after the other at the asked rate, over and over.

use super::{Chunk, Context, Error, Source};
use crate::h264::{AccessUnit, Assembler, End, Ends};
use crate::stop::Stop;
use crate::time::Timestamp;
use std::collections::VecDeque;
use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How much is read at once.
const PIECE_BYTES: usize = 64 << 10;

/// Later than this (the machine slept), the schedule begins anew instead of being caught up.
const LATE: Duration = Duration::from_secs(1);

/// Opens the file at `path`.
pub(super) fn open(path: &Path, context: &Context) -> Result<Box<dyn Source>, Error> {
    let file = File::open(path)
        .map_err(|error| Error::Unavailable(explain(path, error.kind(), &error.to_string())))?;
    if file.metadata().is_ok_and(|metadata| metadata.is_dir()) {
        return Err(Error::Unavailable(format!(
            "{} is a directory; file: wants an H.264 file (Annex B)",
            path.display()
        )));
    }
    Ok(Box::new(Recording {
        path: path.to_owned(),
        file,
        assembler: Assembler::new(Ends::Learned),
        queue: VecDeque::new(),
        current: Vec::new(),
        units_this_time: 0,
        interval: Duration::from_secs(1) / context.settings.fps.get(),
        due: Timestamp::now(),
        stop: context.stop.clone(),
    }))
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

struct Recording {
    path: PathBuf,
    file: File,
    assembler: Assembler,
    /// Access units that are read but not due yet, in Annex B.
    queue: VecDeque<Vec<u8>>,
    current: Vec<u8>,
    /// Access units found since the beginning of the file.
    units_this_time: u64,
    interval: Duration,
    /// When the next access unit is to be given.
    due: Timestamp,
    stop: Stop,
}

impl Source for Recording {
    fn read(&mut self) -> Result<Option<Chunk<'_>>, Error> {
        while self.queue.is_empty() {
            self.read_piece()?;
        }
        let now = Timestamp::now();
        if now.since(self.due) > LATE {
            self.due = now;
        }
        let wait = self.due.since(now);
        if self.stop.sleep(wait.min(Duration::from_millis(100))) {
            return Err(Error::Stopped);
        }
        if wait > Duration::from_millis(100) {
            return Ok(None);
        }
        self.current = self.queue.pop_front().unwrap_or_default();
        let captured_at = self.due;
        self.due = self.due + self.interval;
        Ok(Some(Chunk {
            annexb: &self.current,
            captured_at,
            end: End::Complete,
        }))
    }
}

impl Recording {
    /// Reads on, from the start again after the end.
    fn read_piece(&mut self) -> Result<(), Error> {
        let lost = |error: std::io::Error| {
            Error::Lost(format!("cannot read {}: {error}", self.path.display()))
        };
        let mut piece = vec![0; PIECE_BYTES];
        let count = self.file.read(&mut piece).map_err(lost)?;
        let (queue, units) = (&mut self.queue, &mut self.units_this_time);
        let mut keep = |unit: AccessUnit<'_>| {
            *units += 1;
            queue.push_back(annexb(&unit));
        };
        if count > 0 {
            let piece = piece.get(..count).unwrap_or_default();
            self.assembler.push(piece, self.due, End::Open, &mut keep);
            return Ok(());
        }
        self.assembler.flush(&mut keep);
        if std::mem::take(&mut self.units_this_time) == 0 {
            let path = self.path.display();
            return Err(Error::Lost(format!(
                "{path} holds no H.264 picture. It has to be a raw H.264 stream (Annex B); \
                 \"ffmpeg -i VIDEO -c copy -bsf:v h264_mp4toannexb -f h264 {path}.h264\" makes one of an MP4"
            )));
        }
        self.file.seek(SeekFrom::Start(0)).map_err(lost)?;
        Ok(())
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
