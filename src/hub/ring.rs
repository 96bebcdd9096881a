//! The recent fragments, each under its number: the count of those before it.

use super::Fragment;
use crate::time::Timestamp;
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
}

impl Ring {
    /// Adds the newest, and lets go of what nobody needs any more.
    pub(super) fn push(&mut self, fragment: Fragment, now: Timestamp) {
        if fragment.is_keyframe {
            self.keyframe = Some(self.end());
            self.keyframe_bytes = fragment.message.len();
            self.group_bytes = 0;
        } else {
            self.group_bytes = self.group_bytes.saturating_add(fragment.message.len());
        }
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
        while let Some(oldest) = self.kept.front() {
            let unused = self.keyframe.is_some_and(|keyframe| self.first < keyframe)
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
    }

    /// Nobody begins at the keyframe there is, from now on.
    pub(super) fn forget_keyframe(&mut self) {
        self.keyframe = None;
    }

    /// Number of the newest keyframe, if one may begin there.
    pub(super) fn keyframe(&self) -> Option<u64> {
        self.keyframe
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
