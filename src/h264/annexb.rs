//! Buffer that finds start codes (Annex B) in a stream of chunks and searches each byte once.

use memchr::memmem::Finder;

/// Capacity above which unused memory is released. A camera's keyframes stay below.
const SHRINK_ABOVE_BYTES: usize = 4 << 20;

/// Retained bytes of a stream, and how far they have been searched.
#[derive(Debug)]
pub struct AnnexBBuffer {
    bytes: Vec<u8>,
    searched: usize,
    finder: Finder<'static>,
}

/// Start code of three bytes. A `zero_byte` before it belongs to what is before.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StartCode {
    /// Index of its first byte.
    pub at: usize,
    /// Index of the first byte of the next NAL unit, which may not have arrived.
    pub nal: usize,
}

impl Default for AnnexBBuffer {
    fn default() -> Self {
        Self {
            bytes: Vec::new(),
            searched: 0,
            finder: Finder::new(&[0, 0, 1]),
        }
    }
}

impl AnnexBBuffer {
    /// Appends bytes.
    pub fn append(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Returns the next start code.
    pub fn next_start_code(&mut self) -> Option<StartCode> {
        let at = self
            .finder
            .find(self.bytes.get(self.searched..)?)
            .map(|found| self.searched + found);
        match at {
            Some(at) => {
                self.searched = at + 3;
                Some(StartCode { at, nal: at + 3 })
            }
            None => {
                // The last two bytes may begin a start code.
                self.searched = self.searched.max(self.bytes.len().saturating_sub(2));
                None
            }
        }
    }

    /// Marks all bytes as searched: no start code spans them and later ones.
    pub(crate) fn mark_searched(&mut self) {
        self.searched = self.bytes.len();
    }

    /// Returns the index after the last byte.
    pub fn end(&self) -> usize {
        self.bytes.len()
    }

    /// Returns all retained bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Returns the bytes between two indices without trailing zeros (`trailing_zero_8bits`, the
    /// `zero_byte` of the next start code): no NAL unit ends in a zero byte (7.4.1).
    pub fn nal(&self, start: usize, end: usize) -> &[u8] {
        let bytes = self.bytes.get(start..end).unwrap_or_default();
        let length = bytes
            .iter()
            .rposition(|&byte| byte != 0)
            .map_or(0, |last| last + 1);
        bytes.get(..length).unwrap_or_default()
    }

    /// Discards the bytes before `from`, except a possible start of a start code, if they are at
    /// least as many as the others: a start code alone is not worth moving the frame after it.
    /// Returns by how much all indices moved.
    pub fn discard_before(&mut self, from: usize) -> usize {
        let moved = from.min(self.searched).min(self.bytes.len());
        if moved < self.bytes.len() - moved {
            return 0;
        }
        self.bytes.drain(..moved);
        self.searched -= moved;
        if self.bytes.capacity() > SHRINK_ABOVE_BYTES && self.bytes.len() < SHRINK_ABOVE_BYTES / 4 {
            self.bytes.shrink_to(SHRINK_ABOVE_BYTES / 4);
        }
        moved
    }
}

/// Range of a NAL unit in a buffer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NalRange {
    /// Index of its first byte.
    pub start: usize,
    /// Index after its last byte.
    pub end: usize,
}

/// NAL units in one buffer.
#[derive(Clone, Copy, Debug, Default)]
pub struct Nals<'a> {
    /// The buffer.
    pub bytes: &'a [u8],
    /// Their ranges.
    pub ranges: &'a [NalRange],
}

impl<'a> Nals<'a> {
    /// Iterates over the NAL units, without start codes.
    pub fn iter(self) -> impl Iterator<Item = &'a [u8]> + Clone {
        self.ranges
            .iter()
            .map(move |span| self.bytes.get(span.start..span.end).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_bytes_before_many_are_not_discarded() {
        let mut stream = AnnexBBuffer::default();
        let nal = [0x65; 1000];
        stream.append(&[0, 0, 1]);
        stream.append(&nal);
        assert!(stream.next_start_code().is_some() && stream.next_start_code().is_none());
        assert_eq!(stream.discard_before(3), 0);
        assert_eq!(stream.end(), 1003);
        assert_eq!(stream.discard_before(stream.end()), 1001);
        assert_eq!(stream.bytes(), &nal[..2], "they may begin a start code");
    }

    #[test]
    fn single_byte_chunks_are_searched_in_linear_time() {
        let mut stream = AnnexBBuffer::default();
        let nal = [0x5a, 0, 0, 2].repeat(25_000);
        let (mut found, mut searched) = (0, 0);
        for byte in [&[0, 0, 1, 0x65][..], &nal, &[0, 0, 1]].concat() {
            stream.append(&[byte]);
            searched += stream.end() - stream.searched;
            found += usize::from(stream.next_start_code().is_some());
        }
        assert_eq!(found, 2);
        assert!(searched <= 3 * stream.end(), "{searched}");
    }
}
