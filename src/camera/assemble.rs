//! Items of a source to what becomes a frame, whatever it gives: bytes, access units or ready frames.

use super::liveness::LivenessMonitor;
use crate::h264::nal::NalHeader;
use crate::h264::{
    AccessUnit, Assembler, BoundaryMode, ChunkEnd, CodedPicture, Oversize, SampleBuilder,
};
use crate::source::{Item, ReadyFrame};
use crate::time::Timestamp;

/// Picture or ready frame.
pub(super) enum Assembled<'a> {
    /// A picture of H.264 that was parsed here.
    Picture(CodedPicture<'a>),
    /// A frame of a stream that is described.
    Ready(ReadyFrame<'a>),
}

/// Assembles the items of one opening of a source.
pub(super) struct Assemble {
    assembler: Assembler,
    builder: SampleBuilder,
    /// A keyframe has come: nothing is of use before.
    has_begun: bool,
}

impl Assemble {
    pub(super) fn new() -> Self {
        Self {
            // Devices are silent only between access units.
            assembler: Assembler::new(BoundaryMode::Inferred),
            builder: SampleBuilder::new(),
            has_begun: false,
        }
    }

    /// Takes in an item, and gives `out` what is complete with it. The first is a keyframe.
    pub(super) fn push(
        &mut self,
        item: Item<'_>,
        liveness: &mut LivenessMonitor,
        out: &mut dyn FnMut(Assembled<'_>),
    ) {
        let now = Timestamp::now();
        let (annexb, captured_at, end) = match item {
            Item::Bytes(chunk) => (chunk.annexb, chunk.captured_at, chunk.end),
            Item::AccessUnit {
                annexb,
                captured_at,
            } => (annexb, captured_at, ChunkEnd::Complete),
            Item::Frame(frame) => {
                liveness.on_data(now);
                liveness.on_slice();
                self.has_begun |= frame.is_keyframe || frame.recovery.is_some();
                if self.has_begun {
                    liveness.on_frame(now);
                    out(Assembled::Ready(frame));
                }
                return;
            }
        };
        if !annexb.is_empty() {
            liveness.on_data(now);
        }
        let builder = &mut self.builder;
        self.assembler.push(annexb, captured_at, end, &mut |unit| {
            if has_slices(&unit) {
                liveness.on_slice();
            }
            if let Some(picture) = builder.push(unit) {
                liveness.on_frame(now);
                out(Assembled::Picture(picture));
            }
        });
    }

    /// Returns whether the bytes so far are known to end an access unit.
    pub(super) fn has_given_all(&self) -> bool {
        self.assembler.is_drained()
    }

    /// Returns why a frame was dropped since the last call.
    pub(super) fn take_oversize(&mut self) -> Option<Oversize> {
        self.assembler.take_oversize()
    }
}

fn has_slices(unit: &AccessUnit<'_>) -> bool {
    let mut headers = unit.nals.iter().filter_map(NalHeader::of);
    headers.any(|header| header.unit_type().has_slice_header())
}
