//! Classification of driver buffers: whole frames, damage and losses.

use crate::h264::ChunkEnd;
use crate::time::Timestamp;
use memchr::memmem;
use std::fmt;
use std::time::Duration;

/// Smallest NAL unit with its start code, in bytes.
const MIN_NAL_BYTES: usize = 5;
/// Interval of log lines about losses; it doubles while they go on.
const LOG_INTERVAL_MIN: Duration = Duration::from_secs(1);
const LOG_INTERVAL_MAX: Duration = Duration::from_secs(60);
/// Cut keyframes in a row after which the keyframes are known not to fit.
const MAX_CUT_IN_A_ROW: u32 = 2;

/// Kind of a buffer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum BufferKind {
    /// H.264.
    Frame,
    /// Marked as damaged by the driver.
    Damaged,
    /// Full to the last byte: cut or stale.
    Full,
    /// Empty, or nearly so.
    Empty,
    /// Smaller than a raw frame.
    Short,
    /// Without a start code.
    NoH264,
}

impl BufferKind {
    /// Classifies the bytes of a buffer that the driver calls good.
    pub(super) fn of(bytes: &[u8]) -> Self {
        if bytes.len() < MIN_NAL_BYTES {
            Self::Empty
        } else if nal_units(bytes).next().is_none() {
            Self::NoH264
        } else {
            Self::Frame
        }
    }
}

/// Loss counter of one camera, and whether its buffers hold whole frames.
#[derive(Default, Debug)]
pub(super) struct BufferClassifier {
    last_sequence: Option<u32>,
    has_frames: bool,
    delivers_slices: bool,
    losses: LossCounter,
    lost: u64,
    logged_at: Option<Timestamp>,
    /// Time from the last log line about losses to the next.
    log_pause: Duration,
    /// Full buffers since the last whole keyframe.
    cut: u32,
}

impl BufferClassifier {
    /// Records a buffer; returns false if frames were lost with or before it.
    pub(super) fn record(&mut self, sequence: u32, kind: BufferKind) -> bool {
        let expected = self.last_sequence.map(|last| last.wrapping_add(1));
        self.last_sequence = Some(sequence);
        // Buffers before the first frame are no loss: v4l2loopback always begins with a stale one.
        let skipped = match expected {
            Some(expected) if self.has_frames => gap(expected, sequence),
            _ => 0,
        };
        self.losses.skipped = self.losses.skipped.saturating_add(skipped);
        self.lost += u64::from(skipped);
        if skipped > 0 {
            log::debug!("{skipped} pictures missing before buffer {sequence}");
        }
        // v4l2loopback counts from 0 again when another program opens the node, and has a stale
        // buffer then.
        if kind == BufferKind::Full && sequence != 0 {
            self.cut = self.cut.saturating_add(1);
        }
        if kind == BufferKind::Frame {
            self.has_frames = true;
            return skipped == 0;
        }
        if self.has_frames {
            self.losses.add(kind);
            self.lost += 1;
            log::debug!("buffer {sequence} thrown away ({kind:?})");
        } else {
            log::debug!("buffer {sequence} ahead of the first picture thrown away ({kind:?})");
        }
        !self.has_frames
    }

    /// Returns what the end of this buffer means for the access unit.
    pub(super) fn chunk_end(&mut self, bytes: &[u8]) -> ChunkEnd {
        let mut has_slice = false;
        for nal in nal_units(bytes).filter(|nal| is_slice(nal)) {
            if is_idr(nal) {
                self.cut = 0;
            }
            // The first slice of a buffer is the first of a picture (first_mb_in_slice, the Exp-Golomb code "1", is 0),
            // unless the driver gives slices one by one. Then the next one may belong to the picture too.
            if !has_slice
                && nal.get(1).is_some_and(|byte| byte & 0x80 == 0)
                && !self.delivers_slices
            {
                log::debug!("pictures come in several buffers: each waits for the next one");
                self.delivers_slices = true;
            }
            has_slice = true;
        }
        // Headers without a picture (the first buffer of the legacy Raspberry Pi driver) belong to
        // the next one.
        if has_slice && !self.delivers_slices {
            ChunkEnd::Complete
        } else {
            ChunkEnd::Open
        }
    }

    /// Returns the number of lost frames.
    pub(super) fn lost(&self) -> u64 {
        self.lost
    }

    /// Returns true if the keyframes do not fit into the driver's buffers.
    pub(super) fn are_too_small(&self) -> bool {
        self.cut >= MAX_CUT_IN_A_ROW
    }

    /// Logs new losses, unless it did so recently.
    pub(super) fn log(&mut self, camera: &str, now: Timestamp) {
        if self.losses == LossCounter::default() {
            return;
        }
        let silent = self.logged_at.map(|at| now.since(at));
        let pause = self.log_pause.max(LOG_INTERVAL_MIN);
        match silent {
            Some(silent) if silent < pause => return,
            Some(silent) if silent < pause * 2 => {
                log::warn!("{camera}: lost {} in {} s", self.losses, silent.as_secs());
                self.log_pause = (pause * 2).min(LOG_INTERVAL_MAX);
            }
            _ => {
                log::warn!("{camera}: lost {}", self.losses);
                self.log_pause = LOG_INTERVAL_MIN;
            }
        }
        self.losses = LossCounter::default();
        self.logged_at = Some(now);
    }
}

/// Returns the steps from `expected` to `found`; 0 backwards, for a driver that restarted its
/// count.
fn gap(expected: u32, found: u32) -> u32 {
    let steps = found.wrapping_sub(expected);
    if steps <= u32::MAX / 2 { steps } else { 0 }
}

/// Frames lost since the last report, by cause.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
struct LossCounter {
    skipped: u32,
    damaged: u32,
    full: u32,
    empty: u32,
    short: u32,
    no_h264: u32,
}

impl LossCounter {
    fn add(&mut self, kind: BufferKind) {
        let count = match kind {
            BufferKind::Frame => return,
            BufferKind::Damaged => &mut self.damaged,
            BufferKind::Full => &mut self.full,
            BufferKind::Empty => &mut self.empty,
            BufferKind::Short => &mut self.short,
            BufferKind::NoH264 => &mut self.no_h264,
        };
        *count = count.saturating_add(1);
    }
}

impl fmt::Display for LossCounter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let causes = [
            (self.skipped, "skipped by the camera or its driver"),
            (self.damaged, "marked as damaged by the driver"),
            (self.full, "too large for the driver's buffers"),
            (self.empty, "empty"),
            (self.short, "shorter than they should be"),
            (self.no_h264, "without H.264 in them"),
        ];
        let mut comma = "";
        for (count, cause) in causes.iter().filter(|(count, _)| *count > 0) {
            let noun = if *count == 1 { "picture" } else { "pictures" };
            write!(f, "{comma}{count} {noun} {cause}")?;
            comma = ", ";
        }
        Ok(())
    }
}

/// Iterates over the NAL units, each up to the end of the buffer.
/// Returns what the end of each buffer of a driver means, and whether its keyframes fit into the buffers. For tests of any
/// bytes.
pub fn buffer_ends(buffers: &[&[u8]]) -> (Vec<ChunkEnd>, bool) {
    let mut classifier = BufferClassifier::default();
    let mut ends = Vec::new();
    for (sequence, bytes) in (0..).zip(buffers) {
        let kind = BufferKind::of(bytes);
        classifier.record(sequence, kind);
        if kind == BufferKind::Frame {
            ends.push(classifier.chunk_end(bytes));
        }
    }
    (ends, !classifier.are_too_small())
}

fn nal_units(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    memmem::find_iter(bytes, &[0, 0, 1])
        .filter_map(move |at| bytes.get(at.checked_add(3)?..))
        .filter(|nal| !nal.is_empty())
}

/// `nal_unit_type` 1 to 5 (table 7-1), of which 3 and 4 go with a 2 that has the header.
fn is_slice(nal: &[u8]) -> bool {
    nal.first()
        .is_some_and(|byte| matches!(byte & 0x1f, 1 | 2 | 5))
}

/// `nal_unit_type` 5: a slice of a keyframe.
fn is_idr(nal: &[u8]) -> bool {
    nal.first().is_some_and(|byte| byte & 0x1f == 5)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPS: &[u8] = &[0, 0, 0, 1, 0x67, 0x42];
    const FIRST_SLICE: &[u8] = &[0, 0, 1, 0x65, 0x88];
    const LATER_SLICE: &[u8] = &[0, 0, 1, 0x65, 0x40];

    #[test]
    fn buffers_without_start_code_are_not_h264() {
        assert_eq!(BufferKind::of(&[0, 0, 0, 1]), BufferKind::Empty);
        assert_eq!(BufferKind::of(&[7; 100]), BufferKind::NoH264);
        assert_eq!(BufferKind::of(&[9, 9, 0, 0, 1]), BufferKind::NoH264);
        assert_eq!(BufferKind::of(FIRST_SLICE), BufferKind::Frame);
    }

    #[test]
    fn sequence_gaps_are_counted_across_wraparound() {
        let mut buffers = BufferClassifier::default();
        for sequence in [u32::MAX - 1, u32::MAX, 0, 3] {
            buffers.record(sequence, BufferKind::Frame);
        }
        assert_eq!(
            buffers.losses,
            LossCounter {
                skipped: 2,
                ..LossCounter::default()
            }
        );
        assert!(
            buffers.record(1, BufferKind::Frame),
            "a driver that starts again has lost nothing"
        );
        assert!(!buffers.record(9, BufferKind::Frame));
    }

    #[test]
    fn buffers_before_the_first_frame_are_no_loss() {
        let mut buffers = BufferClassifier::default();
        assert!(buffers.record(0, BufferKind::Full));
        assert!(buffers.record(70, BufferKind::Frame));
        assert_eq!(buffers.losses, LossCounter::default());
        assert!(!buffers.record(71, BufferKind::Damaged));
        assert_eq!(
            buffers.losses.to_string(),
            "1 picture marked as damaged by the driver"
        );
    }

    #[test]
    fn buffer_completes_a_unit_unless_headers_only() {
        let mut buffers = BufferClassifier::default();
        assert_eq!(buffers.chunk_end(SPS), ChunkEnd::Open);
        assert_eq!(
            buffers.chunk_end(&[SPS, FIRST_SLICE, LATER_SLICE].concat()),
            ChunkEnd::Complete
        );
        assert_eq!(buffers.chunk_end(FIRST_SLICE), ChunkEnd::Complete);
    }

    #[test]
    fn driver_that_delivers_slices_is_detected() {
        let mut buffers = BufferClassifier::default();
        buffers.chunk_end(FIRST_SLICE);
        assert_eq!(buffers.chunk_end(LATER_SLICE), ChunkEnd::Open);
        assert_eq!(buffers.chunk_end(FIRST_SLICE), ChunkEnd::Open);
    }

    #[test]
    fn continued_losses_are_logged_less_often() {
        let mut buffers = BufferClassifier::default();
        buffers.record(0, BufferKind::Frame);
        let mut told_at = Vec::new();
        for second in 0..=200 {
            buffers.record(second + 1, BufferKind::Empty);
            buffers.log(
                "test",
                Timestamp::from_nanos(u64::from(second) * 1_000_000_000),
            );
            if buffers.losses == LossCounter::default() {
                told_at.push(second);
            }
        }
        assert_eq!(told_at, [0, 1, 3, 7, 15, 31, 63, 123, 183]);
    }

    #[test]
    fn losses_after_a_quiet_period_are_logged_at_once() {
        let mut buffers = BufferClassifier::default();
        buffers.record(0, BufferKind::Frame);
        for (sequence, seconds) in [(1, 0), (2, 1), (3, 3), (4, 30), (5, 31)] {
            buffers.record(sequence, BufferKind::Empty);
            buffers.log("test", Timestamp::from_nanos(seconds * 1_000_000_000));
            assert_eq!(buffers.losses, LossCounter::default(), "{seconds}");
        }
    }

    #[test]
    fn repeatedly_cut_keyframes_do_not_fit() {
        let mut buffers = BufferClassifier::default();
        buffers.record(0, BufferKind::Full);
        buffers.record(7, BufferKind::Full);
        assert!(!buffers.are_too_small(), "the first one was stale");
        buffers.chunk_end(FIRST_SLICE);
        buffers.record(8, BufferKind::Full);
        assert!(!buffers.are_too_small(), "a whole keyframe came in between");
        buffers.chunk_end(&[0, 0, 1, 0x41, 0x9a]);
        buffers.record(9, BufferKind::Full);
        assert!(buffers.are_too_small());
    }
}
