//! The recent frames, each under its number: the count of those before it. And where viewers can begin among them.
//!
//! A stream may have an IDR frame at its start only (intra refresh, open GOP). So the last one is kept for good:
//! whoever begins late gets it first, with a time right before that of the newest recovery point, and goes on from there.

use super::in_band::InBandSets;
use crate::media::{Frame, FrameHeader};
use crate::time::{TIMESCALE, Timestamp};
use std::collections::VecDeque;
use std::time::Duration;

/// Time for which frames are kept in addition to those since the newest keyframe. With less, a
/// viewer one frame behind would have to skip at each keyframe.
const RETENTION: Duration = Duration::from_secs(1);

/// Most bytes of frames kept for one camera: 40 s at 1.5 Mbit/s. With longer keyframe intervals a new
/// viewer waits for the next keyframe.
pub(super) const MAX_BYTES: usize = 8 << 20;

/// Frames since the newest keyframe, itself included, that are decoded before a new keyframe would
/// arrive.
const NEAR_KEYFRAME_FRAMES: u64 = 6;

/// With more frames since the keyframe than this, viewers begin at a recovery point after it.
const MAX_REPLAY_FRAMES: u64 = 60;

/// The same for an I frame that the stream does not mark: frames after it may refer to frames before it.
const MAX_REPLAY_FRAMES_UNMARKED: u64 = 300;

/// Frame at which a viewer can start.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum EntryPoint {
    /// At the keyframe with this number.
    Keyframe(u64),
    /// At the kept keyframe, then at the frame with this number.
    Recovery(u64),
}

/// Frames for a viewer that starts at a recovery point.
#[derive(Clone, Debug)]
pub(super) struct LeadIn {
    /// The kept keyframe; and the recovery point, if frames behind it are skipped.
    pub(super) frames: Vec<Frame>,
    /// The frame that follows.
    pub(super) next: u64,
}

/// A recovery point in the ring.
#[derive(Clone, Copy, Debug)]
struct RecoveryEntry {
    seq: u64,
    /// Presentation time in media ticks.
    shown_at: u64,
    /// The first frame behind it that is shown after it, once it is known which. Those between are shown before it and may
    /// refer to frames that a new viewer has not got.
    next: Option<u64>,
    /// Count of reference frames with which all frames are right.
    complete_at: u64,
    is_marked: bool,
}

/// A frame and its time of publication. That time shows who lags: a source may deliver a second
/// of frames at once.
#[derive(Debug)]
pub(super) struct BufferedFrame {
    pub(super) frame: Frame,
    pub(super) published_at: Timestamp,
}

/// The recent frames, with the newest keyframe among them.
#[derive(Debug, Default)]
pub(super) struct GopBuffer {
    frames: VecDeque<BufferedFrame>,
    oldest_seq: u64,
    bytes: usize,
    keyframe_seq: Option<u64>,
    keyframe_bytes: usize,
    keyframe_at: Option<Timestamp>,
    /// Bytes of the frames after it.
    gop_bytes: usize,
    /// The last keyframe and its number, also when it is not among `kept` any more.
    last_keyframe: Option<(u64, Frame)>,
    /// Recovery points among `kept` since the last keyframe.
    recovery_points: VecDeque<RecoveryEntry>,
    /// Parameter sets in the frames after the last keyframe.
    in_band: InBandSets,
    /// Reference frames so far.
    reference_count: u64,
    /// Lead-in for the recovery point with this number: made for the first viewer, shared by all.
    lead_in: Option<(u64, LeadIn)>,
    /// Viewers may begin at any frame, as the stream has neither keyframes nor recovery points.
    can_start_anywhere: bool,
}

impl GopBuffer {
    /// Adds the newest frame, and drops frames that no viewer needs.
    pub(super) fn push(&mut self, frame: Frame, now: Timestamp) {
        if frame.is_keyframe {
            self.keyframe_seq = Some(self.next_seq());
            self.keyframe_bytes = frame.len();
            self.keyframe_at = Some(now);
            self.gop_bytes = 0;
            self.last_keyframe = Some((self.next_seq(), frame.clone()));
            self.recovery_points.clear();
            self.in_band = InBandSets::default();
            self.lead_in = None;
            self.can_start_anywhere = false;
        } else {
            self.gop_bytes = self.gop_bytes.saturating_add(frame.len());
            let codec = frame.parameters.codec;
            self.in_band
                .learn(self.next_seq(), codec, frame.nals(), self.oldest_seq);
        }
        let number = self.next_seq();
        let shown_at = frame.presentation_time();
        if let Some(point) = self.recovery_points.back_mut()
            && shown_at > point.shown_at
        {
            point.next.get_or_insert(number);
        }
        if let Some(recovery) = frame.recovery {
            // Without reordering nothing behind it is shown before it.
            let next = frame.composition_offset.is_none().then_some(number + 1);
            self.recovery_points.push_back(RecoveryEntry {
                seq: number,
                shown_at,
                next,
                complete_at: self.reference_count + u64::from(recovery.frames) + 1,
                is_marked: recovery.is_marked,
            });
        }
        self.reference_count += u64::from(!frame.is_disposable);
        self.bytes += frame.len();
        self.frames.push_back(BufferedFrame {
            frame,
            published_at: now,
        });
        self.prune();
    }

    fn prune(&mut self) {
        let Some(newest) = self.frames.back() else {
            return;
        };
        let newest_at = newest.published_at;
        let needed = match self.decoder_entry_point() {
            Some(EntryPoint::Keyframe(number)) => Some(number),
            Some(EntryPoint::Recovery(number)) if !self.can_start_anywhere => Some(number),
            _ => None,
        };
        while let Some(oldest) = self.frames.front() {
            let unused = needed.is_some_and(|needed| self.oldest_seq < needed)
                && newest_at.since(oldest.published_at) > RETENTION;
            if !unused && self.bytes <= MAX_BYTES {
                break;
            }
            self.bytes -= oldest.frame.len();
            if self.keyframe_seq == Some(self.oldest_seq) {
                self.keyframe_seq = None;
            }
            self.frames.pop_front();
            self.oldest_seq += 1;
        }
        while (self.recovery_points.front()).is_some_and(|point| point.seq < self.oldest_seq) {
            self.recovery_points.pop_front();
        }
    }

    /// Keeps viewers from starting at the present keyframe.
    pub(super) fn invalidate_keyframe(&mut self) {
        self.keyframe_seq = None;
        self.last_keyframe = None;
        self.recovery_points.clear();
        self.in_band = InBandSets::default();
        self.lead_in = None;
        self.can_start_anywhere = false;
    }

    /// Lets viewers begin at any frame until there is a keyframe.
    pub(super) fn allow_start_anywhere(&mut self) {
        self.can_start_anywhere = true;
    }

    /// Viewers may begin at any frame.
    pub(super) fn can_start_anywhere(&self) -> bool {
        self.can_start_anywhere
    }

    /// True if there are frames, and none at which a viewer could start and see the right picture.
    pub(super) fn lacks_entry_point(&self) -> bool {
        let is_right = !self.can_start_anywhere && self.entry_point().is_some();
        !self.frames.is_empty() && self.last_keyframe.is_some() && !is_right
    }

    /// Returns where a viewer starts: the newest keyframe, or the newest recovery point where that
    /// is long ago.
    pub(super) fn entry_point(&self) -> Option<EntryPoint> {
        let newest = self.usable_points().next_back().map(|point| point.seq);
        self.entry_point_at(newest)
    }

    /// Like `entry_point`, for a decoder that needs one right picture soon: a recovery point after
    /// which all is right by now, if there is one.
    pub(super) fn decoder_entry_point(&self) -> Option<EntryPoint> {
        let is_complete = |point: &&RecoveryEntry| point.complete_at <= self.reference_count;
        let complete = self.usable_points().rev().find(is_complete);
        if complete.is_none() && self.keyframe_seq.is_some() {
            return self.keyframe_seq.map(EntryPoint::Keyframe);
        }
        let newest = complete.or(self.usable_points().next());
        self.entry_point_at(newest.map(|point| point.seq))
    }

    fn entry_point_at(&self, point: Option<u64>) -> Option<EntryPoint> {
        let has_start = self.last_keyframe.is_some();
        let anywhere = || {
            let number = self.oldest_seq + self.frames.len() as u64 / 4;
            (has_start && self.can_start_anywhere).then_some(EntryPoint::Recovery(number))
        };
        match (point.filter(|_| has_start), self.keyframe_seq) {
            (Some(point), _) => Some(EntryPoint::Recovery(point)),
            (None, Some(keyframe)) => Some(EntryPoint::Keyframe(keyframe)),
            (None, None) => anywhere(),
        }
    }

    /// The recovery points to be preferred to the keyframe.
    fn usable_points(&self) -> impl DoubleEndedIterator<Item = &RecoveryEntry> {
        let since = self
            .last_keyframe
            .as_ref()
            .map(|(number, _)| self.next_seq() - number);
        self.recovery_points.iter().filter(move |point| {
            let most = if point.is_marked {
                MAX_REPLAY_FRAMES
            } else {
                MAX_REPLAY_FRAMES_UNMARKED
            };
            point.next.is_some() && since.is_some_and(|since| since > most)
        })
    }

    /// Number of the frame at which a viewer would begin.
    pub(super) fn entry_seq(&self) -> Option<u64> {
        self.entry_point().map(|entry| match entry {
            EntryPoint::Keyframe(number) | EntryPoint::Recovery(number) => number,
        })
    }

    /// Returns the lead-in of the frame `number`; `None` if that or the keyframe is not kept any
    /// more.
    pub(super) fn lead_in(&mut self, number: u64) -> Option<LeadIn> {
        if let Some((_, lead)) = self.lead_in.as_ref().filter(|(of, _)| *of == number) {
            return Some(lead.clone());
        }
        let point = self
            .recovery_points
            .iter()
            .find(|point| point.seq == number);
        let next = point.and_then(|point| point.next).unwrap_or(number + 1);
        let (start, entry) = (&self.last_keyframe.as_ref()?.1, &self.get(number)?.frame);
        let sets = self.in_band.before(number);
        let lead = if next == number + 1 {
            let kept = retimed_before(start, entry, entry, 1, &sets);
            match sets.is_empty() {
                true => LeadIn {
                    frames: vec![kept],
                    next: number,
                },
                false => LeadIn {
                    frames: vec![kept, with_sets(entry, &sets)],
                    next,
                },
            }
        } else {
            let after = &self.get(next)?.frame;
            let point = with_sets(&retimed_before(entry, entry, after, 1, &[]), &sets);
            let mut lead = LeadIn {
                frames: vec![retimed_before(start, entry, after, 2, &sets), point],
                next,
            };
            // Sets of the skipped frames.
            let skipped = self.in_band.between(number, next);
            if !skipped.is_empty() {
                lead.frames.push(with_sets(after, &skipped));
                lead.next += 1;
            }
            lead
        };
        self.lead_in = Some((number, lead.clone()));
        Some(lead)
    }

    /// Size of the newest keyframe, even if it is not kept any more.
    pub(super) fn keyframe_bytes(&self) -> usize {
        self.keyframe_bytes
    }

    /// Publication time of the newest keyframe.
    pub(super) fn keyframe_at(&self) -> Option<Timestamp> {
        self.keyframe_at
    }

    /// True if the frames after the newest keyframe outweigh it, or there is none: on a congested
    /// link a new keyframe would arrive sooner than all of them.
    pub(super) fn gop_outweighs_keyframe(&self) -> bool {
        self.keyframe_seq.is_none() || self.gop_bytes > self.keyframe_bytes
    }

    /// True if a viewer that starts at the newest keyframe catches up at once.
    pub(super) fn is_near_keyframe(&self) -> bool {
        self.keyframe_seq
            .is_some_and(|keyframe| self.next_seq() - keyframe <= NEAR_KEYFRAME_FRAMES)
    }

    pub(super) fn get(&self, number: u64) -> Option<&BufferedFrame> {
        self.frames
            .get(usize::try_from(number.checked_sub(self.oldest_seq)?).ok()?)
    }

    /// The frames from this number on.
    pub(super) fn from(&self, number: u64) -> impl Iterator<Item = &Frame> {
        let skipped = usize::try_from(number.saturating_sub(self.oldest_seq)).unwrap_or(usize::MAX);
        self.frames.iter().skip(skipped).map(|kept| &kept.frame)
    }

    pub(super) fn newest(&self) -> Option<&BufferedFrame> {
        self.frames.back()
    }

    /// Returns the number of the oldest frame that is kept.
    pub(super) fn oldest_seq(&self) -> u64 {
        self.oldest_seq
    }

    /// Returns the number of the next frame, which is the count of published ones.
    pub(super) fn next_seq(&self) -> u64 {
        self.oldest_seq + self.frames.len() as u64
    }
}

/// `frame`, which is the recovery point `entry` or goes before that, with a time `steps` frames before `next`. `sets`
/// are the parameter sets that came between the kept keyframe and the recovery point.
fn retimed_before(frame: &Frame, entry: &Frame, next: &Frame, steps: u32, sets: &[&[u8]]) -> Frame {
    let nominal = u64::from(next.nominal_duration);
    let ticks = nominal * u64::from(steps);
    let decode_time = next.decode_time.saturating_sub(ticks);
    let is_entry = !frame.is_keyframe;
    let before_entry = if is_entry { 0 } else { nominal };
    let shown_at = entry.presentation_time().saturating_sub(before_entry);
    // Below 0 where frames are shown before their time: an order count that once jumped back.
    let offset = shown_at.wrapping_sub(decode_time).cast_signed();
    let nanos = u128::from(ticks) * 1_000_000_000 / u128::from(TIMESCALE);
    let captured_at = next.captured_at.as_nanos();
    let captured_at = captured_at.saturating_sub(u64::try_from(nanos).unwrap_or(0));
    let header = FrameHeader {
        parameters: next.parameters.clone(),
        sequence: next.sequence.wrapping_sub(steps),
        decode_time,
        composition_offset: (frame.composition_offset).map(|_| i32::try_from(offset).unwrap_or(0)),
        duration: next.duration,
        nominal_duration: next.nominal_duration,
        captured_at: Timestamp::from_nanos(captured_at),
        is_keyframe: frame.is_keyframe,
        is_disposable: frame.is_disposable,
        recovery: frame.recovery,
    };
    if is_entry {
        return Frame::new(header, frame.nals());
    }
    let codec = frame.parameters.codec;
    let known_sets = frame.parameters.parameter_sets.iter().map(Vec::as_slice);
    let nals = codec.renumber_before(
        (frame.nals(), known_sets),
        (entry.nals(), sets.iter().copied()),
    );
    Frame::new(header, nals.iter().map(Vec::as_slice))
}

/// `frame` with `sets` before its other NAL units.
fn with_sets(frame: &Frame, sets: &[&[u8]]) -> Frame {
    if sets.is_empty() {
        return frame.clone();
    }
    let header = FrameHeader::clone(frame);
    Frame::new(header, sets.iter().copied().chain(frame.nals()))
}
