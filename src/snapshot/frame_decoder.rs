//! Keeps up with the hub: frames to the newest decoded picture. Has the state between one request and the next.

use super::budget::Budget;
use super::decoder::Decoder;
use super::decoder_process::{DecodeError, DecoderProcess, Stream};
use super::footprint::decoder_bytes;
use super::{JpegOptions, Snapshot, SnapshotError, is_live};
use crate::h264::nal::{NalHeader, NalUnitType};
use crate::h264::sps::Sps;
use crate::hub::Hub;
use crate::media::{Frame, Parameters};
use crate::time::Timestamp;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Time for decoding while the decoders of other cameras wait. The newest frame decoded by then is
/// returned, with its age.
const CONTENDED_DECODE_TIME: Duration = Duration::from_millis(400);

/// Rounds of decoding the frames that arrived during the last round, where decoding is too slow to
/// catch up.
const MAX_ROUNDS: usize = 3;

/// Frames that are decoded in one go: 10 s at 30 frames/s. A decoder further behind goes on in the next.
const STEP_FRAMES: u64 = 300;

/// The decoder of a camera, and where it is.
#[derive(Default)]
pub(super) struct FrameDecoder {
    video: Option<VideoDecoder>,
    /// Number of the newest frame that was decoded.
    last_seq: Option<u64>,
    /// It has more to decode than it could in one go.
    is_behind: bool,
    annexb: Vec<u8>,
    captured_at: Option<Timestamp>,
    /// JPEGs of the present frame, by what was asked for.
    snapshots: Vec<(JpegOptions, Snapshot)>,
}

/// Decoder for frames with the same parameters.
struct VideoDecoder {
    parameters: Arc<Parameters>,
    decoder: DecoderProcess,
    sps: Sps,
}

impl FrameDecoder {
    /// Returns the bytes that the decoder of the present frames needs; `None` if there is no frame
    /// so far.
    pub(super) fn bytes_needed(&self, hub: &Hub) -> Result<Option<u64>, SnapshotError> {
        let recent = hub.replay_frames(self.last_seq);
        if !is_live(&recent.status)? {
            return Ok(None);
        }
        let Some(newest) = recent.frames.last() else {
            let known = self.video.as_ref().filter(|_| self.captured_at.is_some());
            return Ok(known.map(|video| decoder_bytes(&video.sps)));
        };
        match self.video.as_ref() {
            Some(video) if Arc::ptr_eq(&video.parameters, &newest.parameters) => {
                Ok(Some(decoder_bytes(&video.sps)))
            }
            _ => Ok(Some(decoder_bytes(&sps_of(&newest.parameters)?))),
        }
    }

    /// Returns whether it has more to decode than it could in one go.
    pub(super) fn is_behind(&self) -> bool {
        self.is_behind
    }

    /// Returns whether a new decoder would have more to decode than it can in one go, or could not begin.
    pub(super) fn is_costly(hub: &Hub) -> bool {
        hub.replay_length()
            .is_none_or(|frames| frames > STEP_FRAMES)
    }

    /// Returns whether it has a decoder.
    pub(super) fn has_begun(&self) -> bool {
        self.video.is_some()
    }

    /// Decodes the frames that arrived, with decoders of at most `bytes`; true if there is a frame
    /// then. It stops early, with an older frame, where that takes long while `is_short` reports
    /// that others wait, and without one after [`STEP_FRAMES`].
    pub(super) fn advance(
        &mut self,
        hub: &Hub,
        bytes: u64,
        is_short: &dyn Fn() -> bool,
    ) -> Result<bool, SnapshotError> {
        let begun = Instant::now();
        let has_to_stop = || begun.elapsed() > CONTENDED_DECODE_TIME && is_short();
        let mut decoded = 0;
        self.is_behind = false;
        for _ in 0..MAX_ROUNDS {
            let recent = hub.replay_frames(self.last_seq);
            let live = is_live(&recent.status);
            let is_lost =
                recent.frames.is_empty() && self.last_seq.is_some_and(|at| recent.first != at + 1);
            if live != Ok(true) || is_lost {
                *self = Self::default();
                return live.map(|is_live| is_live && !is_lost);
            }
            let Some(last) = recent.frames.len().checked_sub(1) else {
                break;
            };
            for (i, frame) in recent.frames.iter().enumerate() {
                let stops = has_to_stop();
                let is_wanted = i == last || stops;
                if !is_wanted && decoded >= STEP_FRAMES {
                    self.is_behind = true;
                    log::debug!("snapshot: {decoded} frames decoded, {} left", last - i + 1);
                    return Ok(false);
                }
                self.last_seq = Some(recent.first + i as u64);
                if !is_wanted && frame.is_disposable {
                    continue;
                }
                decoded += 1;
                if self.decode(frame, is_wanted, bytes)? && stops {
                    return Ok(true);
                }
            }
        }
        log::debug!("snapshot: {decoded} frames decoded, 0 left");
        Ok(self.captured_at.is_some())
    }

    /// Decodes a frame, and keeps it if it `is_wanted`. Returns true if it is kept.
    fn decode(
        &mut self,
        frame: &Frame,
        is_wanted: bool,
        bytes: u64,
    ) -> Result<bool, SnapshotError> {
        self.annexb.clear();
        if frame.is_keyframe {
            let known = self.video.as_ref();
            if !known.is_some_and(|video| Arc::ptr_eq(&video.parameters, &frame.parameters)) {
                self.captured_at = None;
                self.video = None;
                let sps = sps_of(&frame.parameters)?;
                if decoder_bytes(&sps) > bytes {
                    self.last_seq = None;
                    return Err(SnapshotError::NoFrame(
                        "the video has just changed".to_owned(),
                    ));
                }
                match VideoDecoder::new(&frame.parameters, sps) {
                    Ok(video) => self.video = Some(video),
                    Err(DecodeError::Failed(reason)) => return Err(self.fail(reason)),
                    Err(failure) => return Err(error_of(failure, &frame.parameters)),
                }
            }
            for nal in &frame.parameters.parameter_sets {
                let is_sps = NalHeader::of(nal).map(NalHeader::unit_type) == Some(NalUnitType::Sps);
                let sps = is_sps.then(|| Sps::parse(nal).ok()).flatten();
                let of_gaps = sps.and_then(|sps| sps.with_gaps_allowed(nal).ok());
                let nal = of_gaps.as_ref().unwrap_or(nal);
                append_nal(&mut self.annexb, nal);
                cap_level(&mut self.annexb, nal.len());
            }
        }
        let Some(video) = &mut self.video else {
            return Ok(false);
        };
        frame
            .nals()
            .for_each(|nal| append_nal(&mut self.annexb, nal));
        match video.decoder.decode(&self.annexb, is_wanted) {
            Ok(true) if is_wanted => {
                self.captured_at = Some(frame.captured_at);
                self.snapshots.clear();
                return Ok(true);
            }
            Ok(_) => {}
            Err(DecodeError::Failed(reason)) => return Err(self.fail(reason)),
            // A damaged frame: an older one is there, or the next keyframe brings one.
            Err(failure) if frame.is_keyframe && self.captured_at.is_none() => {
                self.video = None;
                self.last_seq = None;
                log::debug!("snapshot: {failure:?}");
                return Err(error_of(failure, &frame.parameters));
            }
            Err(failure) => log::debug!("snapshot: {failure:?}"),
        }
        Ok(false)
    }

    /// Returns the capture time of the present frame.
    pub(super) fn captured_at(&self) -> Option<Timestamp> {
        self.captured_at
    }

    /// Returns the present frame as JPEG, which is encoded once.
    pub(super) fn snapshot(
        &mut self,
        options: JpegOptions,
        budget: &Budget,
    ) -> Result<Snapshot, SnapshotError> {
        let mut made = self.snapshots.iter();
        if let Some((_, snapshot)) = made.find(|(known, _)| *known == options) {
            return Ok(snapshot.clone());
        }
        let none = || SnapshotError::NoFrame("no picture so far".to_owned());
        let (Some(video), Some(captured_at)) = (&mut self.video, self.captured_at) else {
            return Err(none());
        };
        if !budget.jpegs().has_room() {
            self.snapshots.clear();
            return Err(SnapshotError::Busy);
        }
        let jpeg = match video.decoder.jpeg(options) {
            Ok(jpeg) => jpeg.ok_or_else(none)?,
            Err(DecodeError::Failed(reason)) => return Err(self.fail(reason)),
            Err(failure) => return Err(error_of(failure, &video.parameters)),
        };
        let snapshot = Snapshot {
            jpeg: budget.jpegs().count(jpeg.into()),
            captured_at,
        };
        self.snapshots.push((options, snapshot.clone()));
        Ok(snapshot)
    }

    /// Starts again after a failure of the decoder's process.
    fn fail(&mut self, reason: String) -> SnapshotError {
        *self = Self::default();
        SnapshotError::DecoderFailed(reason)
    }
}

impl VideoDecoder {
    fn new(parameters: &Arc<Parameters>, sps: Sps) -> Result<Self, DecodeError> {
        let sets = parameters.parameter_sets.iter();
        let sps_nal = sets.clone().find(|nal| Sps::parse(nal).is_ok());
        let decoder = DecoderProcess::start(Stream {
            sps: &sps,
            sps_nal: sps_nal.map_or(&[], |nal| nal),
            hidden: parameters.hidden,
            orientation: parameters.orientation,
        })?;
        Ok(Self {
            parameters: parameters.clone(),
            decoder,
            sps,
        })
    }
}

/// Returns the words for a frame that cannot be decoded.
fn error_of(failure: DecodeError, parameters: &Parameters) -> SnapshotError {
    match failure {
        DecodeError::Unsupported => {
            unsupported(parameters, "the decoder does not take their parameter sets")
        }
        DecodeError::Damaged(_) => {
            let words = "the newest keyframe is damaged; the next one may be whole";
            SnapshotError::NoFrame(words.to_owned())
        }
        DecodeError::Failed(reason) => SnapshotError::DecoderFailed(reason),
    }
}

/// Returns the sequence parameter set of frames that can be decoded; else the reason against it.
fn sps_of(parameters: &Parameters) -> Result<Sps, SnapshotError> {
    let sps = parameters
        .parameter_sets
        .iter()
        .find_map(|nal| Sps::parse(nal).ok())
        .ok_or_else(|| unsupported(parameters, "their parameter sets are not understood"))?;
    match Decoder::unsupported(&sps) {
        Some(reason) => Err(unsupported(parameters, reason)),
        None => Ok(sps),
    }
}

fn unsupported(parameters: &Parameters, reason: &str) -> SnapshotError {
    let codec = &parameters.rfc6381;
    SnapshotError::Unsupported(format!(
        "these pictures ({codec}) cannot be decoded here: {reason}"
    ))
}

fn append_nal(annexb: &mut Vec<u8>, nal: &[u8]) {
    annexb.extend_from_slice(&[0, 0, 0, 1]);
    annexb.extend_from_slice(nal);
}

/// Lowers the level of the sequence parameter set at the end of `annexb`: openh264 takes none above 5.2, and could decode.
fn cap_level(annexb: &mut [u8], length: usize) {
    const SPS: u8 = 7;
    const HIGHEST_LEVEL: u8 = 52;
    let start = annexb.len().saturating_sub(length);
    if let Some([header, _, _, level, ..]) = annexb.get_mut(start..)
        && *header & 0x1f == SPS
    {
        *level = (*level).min(HIGHEST_LEVEL);
    }
}
