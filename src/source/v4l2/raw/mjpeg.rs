//! Decoding of a camera's JPEGs for an encoder; keeps the latest JPEG for snapshots.

use crate::encode::{FrameMemory, I420, JpegDecoder};
use crate::time::Timestamp;
use v4l2::{BufferGuard, NegotiatedFormat};

/// Decoder of a camera that delivers JPEG.
pub(super) struct MjpegStage {
    decoder: JpegDecoder,
    size: (u32, u32),
    /// Latest JPEG of the camera that decoded without error.
    jpeg: Vec<u8>,
    captured_at: Option<Timestamp>,
    /// Number of damaged JPEGs.
    pub(super) damaged: u64,
}

impl MjpegStage {
    pub(super) fn new(agreed: &NegotiatedFormat) -> Self {
        Self {
            decoder: JpegDecoder::default(),
            size: (agreed.width, agreed.height),
            jpeg: Vec::new(),
            captured_at: None,
            damaged: 0,
        }
    }

    /// Copies the JPEG out of the camera's buffer and decodes it into `memory`; counts a damaged
    /// one and returns `None`.
    pub(super) fn decode(
        &mut self,
        held: BufferGuard,
        captured_at: Timestamp,
        memory: Vec<u8>,
    ) -> Option<FrameMemory> {
        self.jpeg.clear();
        held.copy(0, 0..held.plane_len(0), &mut self.jpeg);
        drop(held);
        let mut picture = I420::new(self.size.0, self.size.1, memory);
        match self.decoder.decode(&mut self.jpeg, &mut picture) {
            Ok(()) => {
                self.captured_at = Some(captured_at);
                Some(FrameMemory::Owned([
                    picture.into_bytes(),
                    Vec::new(),
                    Vec::new(),
                ]))
            }
            Err(error) => {
                self.captured_at = None;
                self.damaged += 1;
                log::debug!("a JPEG of the camera is thrown away: {error}");
                None
            }
        }
    }

    pub(super) fn latest(&self) -> Option<(Timestamp, &[u8])> {
        Some((self.captured_at?, &self.jpeg))
    }
}
