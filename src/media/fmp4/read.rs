//! Reads the endless MP4 of another server: init segments, and fragments of one sample each. Pushed bytes, cut anywhere.

use super::Sample;
use crate::media::orientation::Orientation;
use crate::media::recovery::Recovery;
use std::ops::Range;

/// Largest box that is no `mdat`; an init segment has a few hundred bytes.
const MAX_HEAD_BYTES: usize = 1 << 20;

/// Largest `mdat`: an access unit is never larger (`h264::access_unit`).
const MAX_SAMPLE_BYTES: usize = 9 << 20;

/// Reason why a stream cannot be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0}")]
pub struct ReadError(&'static str);

/// Track that an init segment describes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TrackDescription {
    /// The first sample entry, a whole box.
    pub sample_entry: Vec<u8>,
    /// Width and height of the track, in whole pixels.
    pub size: (u32, u32),
    /// How displays turn and mirror it.
    pub orientation: Orientation,
    /// Ticks per second of all its times.
    pub timescale: u32,
}

/// Next part of a stream.
#[derive(PartialEq, Eq, Debug)]
pub enum Segment {
    /// An init segment.
    Init(TrackDescription),
    /// A fragment of one sample, whose bytes [`Reader::data`] has.
    Fragment(Sample),
}

/// Reader of one stream.
///
/// ```
/// use berrymse::media::fmp4::read::{Reader, Segment};
/// use berrymse::media::{Description, Parameters};
///
/// let sample_entry = b"\0\0\0\x08avc1".to_vec();
/// let sent = Description { sample_entry, track_size: (640, 480), ..Description::default() };
/// let mut reader = Reader::default();
/// reader.push(&Parameters::new(sent).init().payload());
/// match reader.next_segment()? {
///     Some(Segment::Init(track)) => assert_eq!(track.size, (640, 480)),
///     other => panic!("{other:?}"),
/// }
/// # Ok::<(), berrymse::media::fmp4::read::ReadError>(())
/// ```
#[derive(Debug, Default)]
pub struct Reader {
    buffer: Vec<u8>,
    /// Bytes of the buffer that are read.
    used: usize,
    /// Where the last sample is.
    data: Range<usize>,
    sample: Option<(Sample, usize)>,
}

impl Reader {
    /// Takes in bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.drain(..self.used);
        (self.used, self.data) = (0, 0..0);
        self.buffer.extend_from_slice(bytes);
    }

    /// Returns the bytes of the last sample, until more is pushed.
    pub fn data(&self) -> &[u8] {
        self.buffer.get(self.data.clone()).unwrap_or_default()
    }

    /// Returns the next part that is whole.
    pub fn next_segment(&mut self) -> Result<Option<Segment>, ReadError> {
        loop {
            let rest = self.buffer.get(self.used..).unwrap_or_default();
            let Some((size, kind)) = box_header(rest) else {
                return Ok(None);
            };
            let most = if kind == *b"mdat" {
                MAX_SAMPLE_BYTES
            } else {
                MAX_HEAD_BYTES
            };
            if !(8..=most).contains(&size) {
                return Err(ReadError("a box has an impossible size"));
            }
            if rest.len() < size {
                return Ok(None);
            }
            let content = self.used + 8..self.used + size;
            self.used += size;
            let bytes = self.buffer.get(content.clone()).unwrap_or_default();
            match &kind {
                b"moov" => return movie(bytes).map(|track| Some(Segment::Init(track))),
                b"moof" => self.sample = Some(fragment(bytes)?),
                b"mdat" => {
                    let Some((sample, bytes)) = self.sample.take() else {
                        return Err(ReadError("there is media data without a fragment"));
                    };
                    if content.len() != bytes {
                        return Err(ReadError("a fragment is not one sample"));
                    }
                    self.data = content;
                    return Ok(Some(Segment::Fragment(sample)));
                }
                _ => {}
            }
        }
    }
}

/// Size and type of the box at the start of `bytes`.
fn box_header(bytes: &[u8]) -> Option<(usize, [u8; 4])> {
    let (size, rest) = bytes.split_first_chunk()?;
    Some((u32::from_be_bytes(*size) as usize, *rest.first_chunk()?))
}

/// Content of the first box of this type among the boxes in `bytes`.
fn find<'a>(mut bytes: &'a [u8], wanted: &[u8; 4]) -> Option<&'a [u8]> {
    loop {
        let (size, kind) = box_header(bytes)?;
        let (whole, rest) = bytes.split_at_checked(size)?;
        let content = whole.get(8..)?;
        if kind == *wanted {
            return Some(content);
        }
        bytes = rest;
    }
}

/// Content of the box at the end of `path`, each in the one before.
fn find_at<'a>(bytes: &'a [u8], path: &[&[u8; 4]]) -> Option<&'a [u8]> {
    path.iter().try_fold(bytes, |bytes, kind| find(bytes, kind))
}

fn four(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn eight(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn movie(moov: &[u8]) -> Result<TrackDescription, ReadError> {
    let read = || {
        let trak = find(moov, b"trak")?;
        let tkhd = find(trak, b"tkhd")?;
        // 14496-12, 8.3.2: version 1 has times of 64 bits.
        let matrix = if *tkhd.first()? == 1 { 52 } else { 40 };
        let mdhd = find_at(trak, &[b"mdia", b"mdhd"])?;
        let timescale = four(mdhd, if *mdhd.first()? == 1 { 20 } else { 12 })?;
        let stsd = find_at(trak, &[b"mdia", b"minf", b"stbl", b"stsd"])?;
        let entries = stsd.get(8..)?;
        let (size, _) = box_header(entries)?;
        Some(TrackDescription {
            sample_entry: entries.get(..size)?.to_vec(),
            size: (
                four(tkhd, matrix + 36)? >> 16,
                four(tkhd, matrix + 40)? >> 16,
            ),
            orientation: orientation(tkhd.get(matrix..)?)?,
            timescale,
        })
    };
    let track = read().ok_or(ReadError("the init segment cannot be read"))?;
    if track.timescale == 0 {
        return Err(ReadError("the init segment has no time scale"));
    }
    Ok(track)
}

/// The turn and mirror of a matrix (14496-12, 6.2.2); `None` for any other.
fn orientation(matrix: &[u8]) -> Option<Orientation> {
    const ONE: i32 = 0x0001_0000;
    let value = |n: usize| four(matrix, 4 * n).map(u32::cast_signed);
    let steps = [(value(0)?, value(1)?), (value(3)?, value(4)?)];
    let all = [0, 90, 180, 270]
        .into_iter()
        .flat_map(|degrees| [false, true].map(|mirror| Orientation::new(degrees, mirror, false)));
    let scaled = |(right, down): (i8, i8)| (i32::from(right) * ONE, i32::from(down) * ONE);
    all.into_iter()
        .find(|orientation| orientation.steps().map(scaled) == steps)
}

/// The sample of a `moof` and its size in bytes.
fn fragment(moof: &[u8]) -> Result<(Sample, usize), ReadError> {
    let read = || {
        let sequence = four(find(moof, b"mfhd")?, 4)?;
        let traf = find(moof, b"traf")?;
        let tfdt = find(traf, b"tfdt")?;
        let decode_time = match tfdt.first()? {
            1 => eight(tfdt, 4)?,
            _ => u64::from(four(tfdt, 4)?),
        };
        let trun = find(traf, b"trun")?;
        let flags = four(trun, 0)? & 0x00ff_ffff;
        // 14496-12, 8.8.8: duration, size and the flags of the one sample are told here.
        if four(trun, 4)? != 1 || flags & 0x0305 != 0x0305 {
            return None;
        }
        let sample_flags = four(trun, 12)?;
        let (duration, size) = (four(trun, 16)?, four(trun, 20)? as usize);
        let has_offset = flags & 0x0800 != 0;
        let composition_offset = has_offset.then(|| four(trun, 24).map(u32::cast_signed));
        Some((
            Sample {
                sequence,
                decode_time,
                duration,
                composition_offset: match composition_offset {
                    Some(offset) => Some(offset?),
                    None => None,
                },
                is_keyframe: sample_flags & 0x0001_0000 == 0,
                // 8.8.3.1: `sample_is_depended_on` is 2 where nothing depends on it.
                is_reference: sample_flags & 0x00c0_0000 != 0x0080_0000,
                recovery: Recovery::from_priority(sample_flags as u16),
            },
            size,
        ))
    };
    read().ok_or(ReadError("a fragment cannot be read"))
}

/// The sample of a whole fragment.
#[cfg(test)]
pub(crate) fn sample_of(bytes: &[u8]) -> Option<Sample> {
    let mut reader = Reader::default();
    reader.push(bytes);
    match reader.next_segment() {
        Ok(Some(Segment::Fragment(sample))) => Some(sample),
        _ => None,
    }
}
