//! Frames that came in chunks are put together. Pure, with tests.

use super::wire::{FrameHeader, MAX_FRAME_BYTES};
use bytes::Bytes;

/// A frame, put together.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Assembled {
    /// Header of its first chunk that came.
    pub header: FrameHeader,
    /// Init segment, if any, and fragment.
    pub bytes: Bytes,
}

/// Frames of which some chunks are missing. Bounded in number and bytes: the oldest gives way.
#[derive(Debug, Default)]
pub struct Assembly {
    partial: Vec<Partial>,
}

#[derive(Debug)]
struct Partial {
    header: FrameHeader,
    chunks: Vec<Bytes>,
    missing: usize,
    bytes: usize,
}

impl Assembly {
    /// Most frames that wait for chunks.
    const MAX_FRAMES: usize = 8;

    /// Most bytes of all of them.
    const MAX_BYTES: usize = 2 * MAX_FRAME_BYTES;

    /// Takes a frame or chunk; returns the frame once it is whole.
    pub fn push(&mut self, header: FrameHeader, bytes: Bytes) -> Option<Assembled> {
        if bytes.is_empty() || bytes.len() > MAX_FRAME_BYTES {
            return None;
        }
        if header.chunks == 1 {
            return Some(Assembled { header, bytes });
        }
        let is_same = |other: &Partial| {
            let other = &other.header;
            (other.epoch, other.number, other.chunks)
                == (header.epoch, header.number, header.chunks)
        };
        let at = match self.partial.iter().position(is_same) {
            Some(at) => at,
            None => {
                if self.partial.len() >= Self::MAX_FRAMES {
                    self.partial.remove(0);
                }
                let chunks = usize::from(header.chunks);
                self.partial.push(Partial {
                    header,
                    chunks: vec![Bytes::new(); chunks],
                    missing: chunks,
                    bytes: 0,
                });
                self.partial.len() - 1
            }
        };
        let partial = self.partial.get_mut(at)?;
        let slot = partial.chunks.get_mut(usize::from(header.chunk))?;
        if slot.is_empty() {
            partial.bytes += bytes.len();
            partial.missing -= 1;
            *slot = bytes;
        }
        if partial.bytes > MAX_FRAME_BYTES {
            self.partial.remove(at);
            return None;
        }
        if partial.missing > 0 {
            while self.partial.iter().map(|other| other.bytes).sum::<usize>() > Self::MAX_BYTES {
                self.partial.remove(0);
            }
            return None;
        }
        let whole = self.partial.remove(at);
        Some(Assembled {
            header: whole.header,
            bytes: whole.chunks.concat().into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nats::wire::tests::header;

    #[test]
    fn chunks_in_any_order_make_the_frame() {
        let mut assembly = Assembly::default();
        let part = |text: &'static str| Bytes::from_static(text.as_bytes());
        assert_eq!(assembly.push(header(1, 2, 3), part("c")), None);
        assert_eq!(assembly.push(header(2, 0, 2), part("x")), None);
        assert_eq!(assembly.push(header(1, 0, 3), part("a")), None);
        assert_eq!(assembly.push(header(1, 0, 3), part("again")), None);
        let whole = assembly.push(header(1, 1, 3), part("b")).unwrap();
        assert_eq!(&whole.bytes[..], b"abc");
        assert_eq!(assembly.partial.len(), 1);
    }

    #[test]
    fn unfinished_frames_are_bounded() {
        let mut assembly = Assembly::default();
        let piece = Bytes::from(vec![0; 1 << 20]);
        for number in 0..1000 {
            for chunk in 0..15 {
                assembly.push(header(number, chunk, 16), piece.clone());
            }
            let bytes: usize = assembly.partial.iter().map(|p| p.bytes).sum();
            assert!(assembly.partial.len() <= 8 && bytes <= Assembly::MAX_BYTES);
        }
        assert_eq!(assembly.push(header(0, 0, 1), Bytes::new()), None);
    }
}
