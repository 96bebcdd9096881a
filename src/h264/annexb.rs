//! Start codes in a byte stream (Annex B) that comes in pieces: each byte is looked at once.

use memchr::memmem::Finder;

/// More memory than this is given back when it is not needed any more: a camera's keyframes stay below.
const SHRINK_ABOVE_BYTES: usize = 4 << 20;

/// The bytes of a stream that are still of use, and how far they have been searched.
#[derive(Debug)]
pub struct AnnexBBuffer {
    bytes: Vec<u8>,
    searched: usize,
    finder: Finder<'static>,
}

/// A start code (three bytes; a `zero_byte` before it counts to what is before).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StartCode {
    /// Index of its first byte.
    pub at: usize,
    /// Index of the first byte of the NAL unit after it, which may not be there yet.
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
    /// Adds what has come.
    pub fn append(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The next start code that has not been returned yet.
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
                // The last two bytes may be the beginning of a start code.
                self.searched = self.searched.max(self.bytes.len().saturating_sub(2));
                None
            }
        }
    }

    /// Takes all bytes so far as searched: no start code begins in them and ends in later ones.
    pub fn mark_searched(&mut self) {
        self.searched = self.bytes.len();
    }

    /// Index after the last byte.
    pub fn end(&self) -> usize {
        self.bytes.len()
    }

    /// All bytes kept.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The bytes between two indices, without zeros at their end (`trailing_zero_8bits`, the `zero_byte` of the next
    /// start code): no NAL unit ends in a zero byte (7.4.1).
    pub fn nal(&self, start: usize, end: usize) -> &[u8] {
        let bytes = self.bytes.get(start..end).unwrap_or_default();
        let length = bytes
            .iter()
            .rposition(|&byte| byte != 0)
            .map_or(0, |last| last + 1);
        bytes.get(..length).unwrap_or_default()
    }

    /// Forgets the bytes before `from`, which become index 0, and returns how many bytes all indices moved by.
    /// What may be the beginning of a start code is kept.
    pub fn discard_before(&mut self, from: usize) -> usize {
        let moved = from.min(self.searched).min(self.bytes.len());
        self.bytes.drain(..moved);
        self.searched -= moved;
        if self.bytes.capacity() > SHRINK_ABOVE_BYTES && self.bytes.len() < SHRINK_ABOVE_BYTES / 4 {
            self.bytes.shrink_to(SHRINK_ABOVE_BYTES / 4);
        }
        moved
    }
}

/// Where a NAL unit lies in a buffer.
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
    /// Where in it.
    pub ranges: &'a [NalRange],
}

impl<'a> Nals<'a> {
    /// The NAL units, without start codes.
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
    fn single_bytes_are_searched_a_bounded_number_of_times() {
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
