//! Packets that all clients of a camera share. A frame is written once for all of them, and never while there are none.
//!
//! All clients get the same numbers, so they get the same bytes. That needs a number for each frame before it is written: a
//! client that joins begins at the newest keyframe, which the others had long ago. So the cache counts the packets of all
//! frames since, and keeps the bytes of the newest.

use super::packetizer::{self, Numbers};
use crate::media::Frame;
use bytes::Bytes;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Most frames whose numbers are kept. A client that begins before them gets packets of its own.
const MAX_NUMBERED: usize = 4096;

/// Packets of one frame, on channel 0.
#[derive(Clone, Debug)]
pub(super) struct Packets {
    pub(super) bytes: Bytes,
    /// Number of the first packet.
    pub(super) sequence: u16,
    pub(super) timestamp: u32,
    pub(super) count: usize,
}

/// Packets of a camera's newest frame. Clones are the same.
#[derive(Clone, Debug)]
pub(super) struct PacketCache(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    has_delimiter: bool,
    ssrc: u32,
    /// RTP time at media time 0.
    time_offset: u32,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    newest: Option<(Frame, Packets)>,
    /// Numbers of the first packets of frames one after the other, the first of which is the fragment number `first`.
    numbered: VecDeque<u16>,
    first: u32,
    /// Number of the packet after them.
    next: u16,
}

impl PacketCache {
    pub(super) fn new(has_delimiter: bool, ssrc: u32, time_offset: u32) -> Self {
        Self(Arc::new(Shared {
            has_delimiter,
            ssrc,
            time_offset,
            inner: Mutex::default(),
        }))
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the RTP time of a frame.
    pub(super) fn timestamp(&self, frame: &Frame) -> u32 {
        // RTP times have 32 bits of the 64.
        (frame.presentation_time() as u32).wrapping_add(self.0.time_offset)
    }

    pub(super) fn ssrc(&self) -> u32 {
        self.0.ssrc
    }

    /// Numbers the frames with which a new client begins.
    pub(super) fn number(&self, frames: &[Frame]) {
        let mut inner = self.inner();
        for frame in frames {
            let count = packetizer::measure(frame, self.0.has_delimiter).0;
            inner.number(frame.sequence, count);
        }
    }

    /// Returns the packets of `frame`.
    pub(super) fn packets(&self, frame: &Frame) -> Packets {
        let mut inner = self.inner();
        let is_newer = match &inner.newest {
            Some((known, packets)) if known.shares_bytes_with(frame) => return packets.clone(),
            Some((known, _)) => frame.decode_time > known.decode_time,
            None => true,
        };
        let count = packetizer::measure(frame, self.0.has_delimiter).0;
        // One that a late client still needs does not displace what all others need next.
        let sequence = match is_newer {
            true => inner.number(frame.sequence, count),
            false => inner.number_of(frame.sequence).unwrap_or_default(),
        };
        let numbers = Numbers {
            ssrc: self.0.ssrc,
            sequence,
            timestamp: self.timestamp(frame),
        };
        let bytes = packetizer::packets(frame, self.0.has_delimiter, numbers);
        let packets = Packets {
            bytes: bytes.into(),
            sequence,
            timestamp: numbers.timestamp,
            count,
        };
        if is_newer {
            inner.newest = Some((frame.clone(), packets.clone()));
        }
        packets
    }
}

impl Inner {
    /// Returns the number of a frame's first packet, if it has one.
    fn number_of(&self, fragment: u32) -> Option<u16> {
        let index = fragment.wrapping_sub(self.first);
        self.numbered.get(usize::try_from(index).ok()?).copied()
    }

    /// Returns the number of the first of a frame's `count` packets. One that does not follow begins a new sequence.
    fn number(&mut self, fragment: u32, count: usize) -> u16 {
        if let Some(known) = self.number_of(fragment) {
            return known;
        }
        let follows = fragment.wrapping_sub(self.first) as usize == self.numbered.len();
        if !follows {
            self.numbered.clear();
        }
        if self.numbered.is_empty() {
            self.first = fragment;
        }
        let number = self.next;
        self.next = self.next.wrapping_add(count as u16);
        self.numbered.push_back(number);
        if self.numbered.len() > MAX_NUMBERED {
            self.numbered.pop_front();
            self.first = self.first.wrapping_add(1);
        }
        number
    }
}

#[cfg(test)]
mod tests {
    use super::super::packetizer::tests::frame;
    use super::*;

    fn gop(from: u32) -> Vec<Frame> {
        let kind = |n| if n == from { 0x65 } else { 0x41 };
        let frames = from..from + 10;
        frames
            .map(|n| frame(n, n == from, &[vec![kind(n); 1000 * (n as usize % 4 + 1)]]))
            .collect()
    }

    #[test]
    fn clients_that_join_anywhere_get_contiguous_numbers_of_the_same_bytes() {
        let cache = PacketCache::new(true, 0x01020304, 77);
        let gop = gop(5);
        // The first client begins when three frames are there, the second one at the end.
        cache.number(&gop[..3]);
        let first: Vec<Packets> = gop.iter().map(|frame| cache.packets(frame)).collect();
        cache.number(&gop);
        let second: Vec<Packets> = gop.iter().map(|frame| cache.packets(frame)).collect();
        let mut next = first[0].sequence;
        for (first, second) in first.iter().zip(&second) {
            assert_eq!(first.sequence, next);
            assert_eq!(first.bytes, second.bytes);
            next = next.wrapping_add(first.count as u16);
        }
        let newest = (first.last().unwrap(), second.last().unwrap());
        assert_eq!(newest.0.bytes.as_ptr(), newest.1.bytes.as_ptr());
        assert_eq!(first[1].timestamp, 6 * 3000 + 77);
    }

    #[test]
    fn numbers_go_on_after_frames_that_nobody_got() {
        let cache = PacketCache::new(false, 0x01020304, 0);
        let before = cache.packets(&gop(5)[0]);
        let after = cache.packets(&gop(500)[0]);
        assert_eq!(
            after.sequence,
            before.sequence.wrapping_add(before.count as u16)
        );
        // One from before has no number, and does not disturb the others.
        assert_eq!(cache.packets(&gop(5)[2]).sequence, 0);
        let next = cache.packets(&gop(500)[1]);
        assert_eq!(
            next.sequence,
            after.sequence.wrapping_add(after.count as u16)
        );
    }

    #[test]
    fn kept_numbers_are_bounded() {
        let cache = PacketCache::new(false, 0x01020304, 0);
        for n in 0..2 * MAX_NUMBERED as u32 {
            cache.packets(&frame(n, false, &[vec![0x41, 1]]));
        }
        assert_eq!(cache.inner().numbered.len(), MAX_NUMBERED);
        assert_eq!(cache.inner().number_of(0), None);
        let last = 2 * MAX_NUMBERED as u32 - 1;
        assert_eq!(cache.inner().number_of(last), Some(last as u16));
    }
}
