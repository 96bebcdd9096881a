//! Detection of other formats than H.264 by their first bytes: containers, other codecs, text,
//! compressed files. Bytes in, a format out: no I/O.
//!
//! It runs in parallel to the assembler and delays nothing. Real H.264 is never taken for another
//! format, wherever it is cut: short magic numbers count only at the very start.

mod format;
mod magic;
mod nals;

pub use format::Format;

use nals::NalScanner;

/// Bytes from the start that are searched for containers. Three RTP packets fit.
const MAX_HEAD_BYTES: usize = 8192;

/// Bytes without a start code after which there will be none: an access unit is smaller.
const MAX_BYTES_WITHOUT_NALS: usize = 9 << 20;

/// The head is looked at again when it has grown by this part: a pipe may deliver single bytes.
const GROWTH: usize = 8;

/// Text needs this many bytes to be known as text while more may follow: x264 writes 700 into its stream …
const TEXT_BYTES: usize = 2048;
/// … and this many when nothing follows.
const SHORT_TEXT_BYTES: usize = 4;

/// Sniffer that watches a stream from its first byte until its format is known.
///
/// ```
/// use berrymse::source::sniff::Sniffer;
///
/// let mut sniffer = Sniffer::default();
/// let found = sniffer.push(b"\x89PNG\r\n\x1a\n");
/// assert_eq!(found.map(|format| format.name()), Some("PNG pictures"));
/// ```
#[derive(Debug, Default)]
pub struct Sniffer {
    head: Vec<u8>,
    /// Length of the head at which it is looked at next.
    next_look: usize,
    /// Bytes of the head that were looked at, each time counted.
    #[cfg(test)]
    looked_bytes: usize,
    nals: NalScanner,
    seen_bytes: usize,
    is_done: bool,
}

impl Sniffer {
    /// Adds bytes; returns the format once it is known not to be H.264.
    pub fn push(&mut self, bytes: &[u8]) -> Option<Format> {
        if self.is_done || bytes.is_empty() {
            return None;
        }
        let had = self.head.len();
        let room = MAX_HEAD_BYTES - had;
        self.head
            .extend_from_slice(bytes.get(..room).unwrap_or(bytes));
        self.seen_bytes = self.seen_bytes.saturating_add(bytes.len());
        self.nals.push(bytes);
        let is_due = self.head.len() >= self.next_look || self.head.len() == MAX_HEAD_BYTES;
        let by_head = (is_due && room > 0).then(|| self.look()).flatten();
        let first = self.head.get(..TEXT_BYTES).filter(|_| had < TEXT_BYTES);
        let text = first.and_then(magic::text);
        let found = by_head.or(text).or_else(|| self.nals.other_codec());
        let found = found.or_else(|| {
            (self.nals.is_empty() && self.seen_bytes >= MAX_BYTES_WITHOUT_NALS)
                .then_some(Format::NoStartCode)
        });
        let is_h264 = self.nals.has_h264() && self.head.len() == MAX_HEAD_BYTES;
        if found.is_some() || is_h264 {
            self.is_done = true;
            self.head = Vec::new();
        }
        found
    }

    /// Returns the format of a short stream that has ended or paused.
    pub fn pause(&mut self) -> Option<Format> {
        if self.is_done || self.head.len() < SHORT_TEXT_BYTES {
            return None;
        }
        let found = self.look().or_else(|| magic::text(&self.head));
        self.is_done |= found.is_some();
        found
    }

    /// Returns the format that begins with the head.
    fn look(&mut self) -> Option<Format> {
        self.next_look = self.head.len() + (self.head.len() / GROWTH).max(1);
        #[cfg(test)]
        {
            self.looked_bytes += self.head.len();
        }
        magic::known(&self.head)
    }
}

#[cfg(test)]
mod tests;
