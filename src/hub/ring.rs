//! The recent fragments, each under its number: the count of those before it. And where viewers can begin among them.
//!
//! A stream may have an IDR frame at its start only (intra refresh, open GOP). So the last one is kept for good:
//! whoever begins late gets it first, with a time right before that of the newest recovery point, and goes on from there.

use super::Fragment;
use crate::fmp4::{Times, composition_offset, fragment_with, nal_units, times_of};
use crate::h264::kept;
use crate::h264::parameter_sets::ParameterSets;
use crate::message::Message;
use crate::time::{TIMESCALE, Timestamp};
use std::collections::VecDeque;
use std::time::Duration;

/// Beside the pictures since the newest keyframe, those of the last second are kept: with less, a viewer who
/// is one picture behind when a keyframe comes would have to skip for nothing.
const KEPT: Duration = Duration::from_secs(1);

/// Most bytes of fragments kept for one camera: 40 s at 1.5 Mbit/s. With longer keyframe intervals a new
/// viewer waits for the next keyframe.
pub(super) const KEPT_BYTES: usize = 8 << 20;

/// So many pictures since the newest keyframe, itself included, are decoded before a new one would be there.
const SHORT: u64 = 6;

/// With more frames since the keyframe than this, viewers begin at a recovery point after it.
const REPLAY_FRAMES: u64 = 60;

/// The same for an I frame that the stream does not mark: frames after it may refer to frames before it.
const REPLAY_FRAMES_UNMARKED: u64 = 300;

/// Where a viewer can begin.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Entry {
    /// At the keyframe with this number.
    Keyframe(u64),
    /// At the kept keyframe, then at the frame with this number.
    Recovery(u64),
}

/// How a viewer begins at a recovery point.
#[derive(Clone, Debug)]
pub(super) struct Lead {
    /// The kept keyframe; and the recovery point, if frames behind it are left out.
    pub(super) fragments: Vec<Fragment>,
    /// The frame that follows.
    pub(super) next: u64,
}

/// A recovery point in the ring.
#[derive(Clone, Copy, Debug)]
struct Point {
    number: u64,
    /// When it is shown, in media ticks.
    shown_at: u64,
    /// The first frame behind it that is shown after it, once it is known which. Those between are shown before it and may
    /// refer to frames that a new viewer has not got.
    next: Option<u64>,
    /// Count of reference frames with which all frames are right.
    complete_at: u64,
    is_marked: bool,
}

/// A fragment and when it was given to viewers. That, and not when it was taken, tells who is slow: a source may
/// give a second of pictures at once.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) fragment: Fragment,
    pub(super) published_at: Timestamp,
}

/// The recent fragments, with the newest keyframe among them.
#[derive(Debug, Default)]
pub(super) struct Ring {
    kept: VecDeque<Kept>,
    first: u64,
    bytes: usize,
    keyframe: Option<u64>,
    keyframe_bytes: usize,
    /// Of what came after it.
    group_bytes: usize,
    /// The last keyframe and its number, also when it is not among `kept` any more.
    start: Option<(u64, Fragment)>,
    /// Recovery points among `kept` since the last keyframe.
    points: VecDeque<Point>,
    /// Reference frames so far.
    references: u64,
    /// What goes out before the viewer's next frame, for the recovery point with this number: made for the first viewer,
    /// shared by all.
    lead: Option<(u64, Lead)>,
    /// Viewers may begin at any frame, as the stream has neither keyframes nor recovery points.
    is_open_anywhere: bool,
}

impl Ring {
    /// Adds the newest, and lets go of what nobody needs any more.
    pub(super) fn push(&mut self, fragment: Fragment, now: Timestamp) {
        if fragment.is_keyframe {
            self.keyframe = Some(self.end());
            self.keyframe_bytes = fragment.message.len();
            self.group_bytes = 0;
            self.start = Some((self.end(), fragment.clone()));
            self.points.clear();
            self.lead = None;
            self.is_open_anywhere = false;
        } else {
            self.group_bytes = self.group_bytes.saturating_add(fragment.message.len());
        }
        let number = self.end();
        let shown_at = shown_at(&fragment);
        if let Some(point) = self.points.back_mut()
            && shown_at > point.shown_at
        {
            point.next.get_or_insert(number);
        }
        if let Some(recovery) = fragment.recovery {
            // Without reordering nothing behind it is shown before it.
            let next = (shown_at <= fragment.decode_time).then_some(number + 1);
            self.points.push_back(Point {
                number,
                shown_at,
                next,
                complete_at: self.references + u64::from(recovery.frames) + 1,
                is_marked: recovery.is_marked,
            });
        }
        self.references += u64::from(fragment.is_reference);
        self.bytes += fragment.message.len();
        self.kept.push_back(Kept {
            fragment,
            published_at: now,
        });
        self.prune();
    }

    fn prune(&mut self) {
        let Some(newest) = self.kept.back() else {
            return;
        };
        let newest_at = newest.published_at;
        let needed = match self.entry_for_decoder() {
            Some(Entry::Keyframe(number)) => Some(number),
            Some(Entry::Recovery(number)) if !self.is_open_anywhere => Some(number),
            _ => None,
        };
        while let Some(oldest) = self.kept.front() {
            let unused = needed.is_some_and(|needed| self.first < needed)
                && newest_at.since(oldest.published_at) > KEPT;
            if !unused && self.bytes <= KEPT_BYTES {
                break;
            }
            self.bytes -= oldest.fragment.message.len();
            if self.keyframe == Some(self.first) {
                self.keyframe = None;
            }
            self.kept.pop_front();
            self.first += 1;
        }
        while (self.points.front()).is_some_and(|point| point.number < self.first) {
            self.points.pop_front();
        }
    }

    /// Nobody begins at the keyframe there is, from now on.
    pub(super) fn forget_keyframe(&mut self) {
        self.keyframe = None;
        self.start = None;
        self.points.clear();
        self.lead = None;
        self.is_open_anywhere = false;
    }

    /// Lets viewers begin at any frame until there is a keyframe.
    pub(super) fn open_anywhere(&mut self) {
        self.is_open_anywhere = true;
    }

    /// Viewers may begin at any frame.
    pub(super) fn is_open_anywhere(&self) -> bool {
        self.is_open_anywhere
    }

    /// There are frames, and none at which a viewer could begin and see the right picture.
    pub(super) fn lacks_entry(&self) -> bool {
        let is_right = !self.is_open_anywhere && self.entry().is_some();
        !self.kept.is_empty() && self.start.is_some() && !is_right
    }

    /// Where a viewer begins: the newest keyframe, or the newest recovery point where that is long ago.
    pub(super) fn entry(&self) -> Option<Entry> {
        let newest = self.usable_points().next_back().map(|point| point.number);
        self.entry_at(newest)
    }

    /// The same for who needs one right picture soon: a recovery point after which all is right by now, if there is one.
    pub(super) fn entry_for_decoder(&self) -> Option<Entry> {
        let is_complete = |point: &&Point| point.complete_at <= self.references;
        let complete = self.usable_points().rev().find(is_complete);
        if complete.is_none() && self.keyframe.is_some() {
            return self.keyframe.map(Entry::Keyframe);
        }
        let newest = complete.or(self.usable_points().next());
        self.entry_at(newest.map(|point| point.number))
    }

    fn entry_at(&self, point: Option<u64>) -> Option<Entry> {
        let has_start = self.start.is_some();
        let anywhere = || {
            let number = self.first + self.kept.len() as u64 / 4;
            (has_start && self.is_open_anywhere).then_some(Entry::Recovery(number))
        };
        match (point.filter(|_| has_start), self.keyframe) {
            (Some(point), _) => Some(Entry::Recovery(point)),
            (None, Some(keyframe)) => Some(Entry::Keyframe(keyframe)),
            (None, None) => anywhere(),
        }
    }

    /// The recovery points to be preferred to the keyframe.
    fn usable_points(&self) -> impl DoubleEndedIterator<Item = &Point> {
        let since = self.start.as_ref().map(|(number, _)| self.end() - number);
        self.points.iter().filter(move |point| {
            let most = if point.is_marked {
                REPLAY_FRAMES
            } else {
                REPLAY_FRAMES_UNMARKED
            };
            point.next.is_some() && since.is_some_and(|since| since > most)
        })
    }

    /// Number of the frame at which a viewer would begin.
    pub(super) fn entry_number(&self) -> Option<u64> {
        self.entry().map(|entry| match entry {
            Entry::Keyframe(number) | Entry::Recovery(number) => number,
        })
    }

    /// How a viewer begins at the frame `number`. `None` if that or the keyframe is not kept any more.
    pub(super) fn lead(&mut self, number: u64) -> Option<Lead> {
        if let Some((_, lead)) = self.lead.as_ref().filter(|(of, _)| *of == number) {
            return Some(lead.clone());
        }
        let point = self.points.iter().find(|point| point.number == number);
        let next = point.and_then(|point| point.next).unwrap_or(number + 1);
        let (start, entry) = (&self.start.as_ref()?.1, &self.get(number)?.fragment);
        let lead = if next == number + 1 {
            Lead {
                fragments: vec![before(start, entry, entry, 1)?],
                next: number,
            }
        } else {
            let after = &self.get(next)?.fragment;
            let point = before(entry, entry, after, 1)?;
            Lead {
                fragments: vec![before(start, entry, after, 2)?, point],
                next,
            }
        };
        self.lead = Some((number, lead.clone()));
        Some(lead)
    }

    /// Size of the newest keyframe, even if it is not kept any more.
    pub(super) fn keyframe_bytes(&self) -> usize {
        self.keyframe_bytes
    }

    /// What has come after the newest keyframe outweighs it: on a line that limits, a new one would be there sooner than all that. True
    /// while there is none.
    pub(super) fn is_worn(&self) -> bool {
        self.keyframe.is_none() || self.group_bytes > self.keyframe_bytes
    }

    /// Whoever begins at the newest keyframe has caught up at once.
    pub(super) fn is_short(&self) -> bool {
        self.keyframe
            .is_some_and(|keyframe| self.end() - keyframe <= SHORT)
    }

    pub(super) fn get(&self, number: u64) -> Option<&Kept> {
        self.kept
            .get(usize::try_from(number.checked_sub(self.first)?).ok()?)
    }

    /// The fragments from this number on.
    pub(super) fn from(&self, number: u64) -> impl Iterator<Item = &Fragment> {
        let skipped = usize::try_from(number.saturating_sub(self.first)).unwrap_or(usize::MAX);
        self.kept.iter().skip(skipped).map(|kept| &kept.fragment)
    }

    pub(super) fn newest(&self) -> Option<&Kept> {
        self.kept.back()
    }

    /// Number of the oldest that is kept.
    pub(super) fn first(&self) -> u64 {
        self.first
    }

    /// Number of the next one: so many were published.
    pub(super) fn end(&self) -> u64 {
        self.first + self.kept.len() as u64
    }
}

/// When a frame is shown, in media ticks.
fn shown_at(fragment: &Fragment) -> u64 {
    let offset = composition_offset(&fragment.message.payload());
    fragment.decode_time.saturating_add_signed(offset.into())
}

/// `fragment`, which is the recovery point `entry` or goes before that, with a time `steps` frames before `next`.
fn before(fragment: &Fragment, entry: &Fragment, next: &Fragment, steps: u32) -> Option<Fragment> {
    let (payload, entry_payload) = (fragment.message.payload(), entry.message.payload());
    let next_times = times_of(&next.message.payload())?;
    let frame = u64::from(next.frame_ticks);
    let ticks = frame * u64::from(steps);
    let decode_time = next_times.decode_time.saturating_sub(ticks);
    let times = Times {
        sequence: next_times.sequence.wrapping_sub(steps),
        decode_time,
        duration: next_times.duration,
    };
    let is_entry = !fragment.is_keyframe;
    let shown_at = shown_at(entry).saturating_sub(if is_entry { 0 } else { frame });
    // Below 0 where frames are shown before their time: an order count that once jumped back.
    let offset = shown_at.wrapping_sub(decode_time).cast_signed();
    let offset = i32::try_from(offset).unwrap_or(0);
    let nals = if is_entry {
        nal_units(&payload).map(<[u8]>::to_vec).collect()
    } else {
        let mut sets = ParameterSets::default();
        let all_sets = fragment.init.parameter_sets.iter().map(Vec::as_slice);
        all_sets
            .chain(nal_units(&payload))
            .for_each(|nal| sets.learn(nal));
        kept::right_before(nal_units(&payload), nal_units(&entry_payload), &sets)
    };
    let message = Message::build(payload.len(), |out| {
        let nals = nals.iter().map(Vec::as_slice);
        fragment_with(out, &payload, times, offset, nals);
    });
    let nanos = u128::from(ticks) * 1_000_000_000 / u128::from(TIMESCALE);
    let captured_at = next.captured_at.as_nanos();
    let captured_at = captured_at.saturating_sub(u64::try_from(nanos).unwrap_or(0));
    Some(Fragment {
        init: next.init.clone(),
        message,
        decode_time,
        frame_ticks: next.frame_ticks,
        captured_at: Timestamp::from_nanos(captured_at),
        ..fragment.clone()
    })
}
