//! Synthetic streams for the tests of this module: parameter sets and slice headers that are right, and slice data
//! that is noise.
#![allow(clippy::unwrap_used)]

use crate::h264::ChunkEnd;
use crate::h264::access_unit::{AccessUnit, Assembler};
use crate::h264::bits::BitWriter;
use crate::h264::slice::PictureStructure;
use crate::time::Timestamp;

/// A sequence parameter set to be written. The default is High profile, 320x192, POC type 0, no VUI.
#[derive(Clone, Debug)]
pub(crate) struct SpsSpec {
    pub(crate) id: u32,
    pub(crate) profile: u8,
    pub(crate) order_type: u32,
    pub(crate) is_frames_only: bool,
    pub(crate) width_mbs: u32,
    /// Reorder and buffered frames.
    pub(crate) restriction: Option<(u32, u32)>,
}

impl Default for SpsSpec {
    fn default() -> Self {
        Self {
            id: 0,
            profile: 100,
            order_type: 0,
            is_frames_only: true,
            width_mbs: 20,
            restriction: None,
        }
    }
}

impl SpsSpec {
    pub(crate) fn nal(&self) -> Vec<u8> {
        let mut w = BitWriter::default();
        w.bits(8, u32::from(self.profile));
        w.bits(8, 0);
        w.bits(8, 31);
        w.ue(self.id);
        if self.profile == 100 {
            w.ue(1);
            w.ue(0);
            w.ue(0);
            w.bits(2, 0);
        }
        w.ue(4); // 8 bits of frame_num
        w.ue(self.order_type);
        match self.order_type {
            0 => w.ue(4), // 8 bits of pic_order_cnt_lsb
            1 => {
                w.flag(false);
                w.se(-1);
                w.se(1);
                w.ue(2);
                w.se(2);
                w.se(4);
            }
            _ => {}
        }
        w.ue(4);
        w.flag(false);
        w.ue(self.width_mbs - 1);
        w.ue(if self.is_frames_only { 11 } else { 5 });
        w.flag(self.is_frames_only);
        if !self.is_frames_only {
            w.flag(false);
        }
        w.flag(true);
        w.flag(false);
        w.flag(self.restriction.is_some());
        if let Some((reorder, buffered)) = self.restriction {
            w.bits(8, 0);
            w.flag(true);
            w.flag(true);
            w.ue(0);
            w.ue(0);
            w.ue(10);
            w.ue(10);
            w.ue(reorder);
            w.ue(buffered);
        }
        w.into_nal(0x67)
    }
}

/// A picture parameter set with `redundant_pic_cnt_present_flag`; `qp` makes contents different.
pub(crate) fn pps(id: u32, sps_id: u32, qp: i32) -> Vec<u8> {
    let mut w = BitWriter::default();
    w.ue(id);
    w.ue(sps_id);
    w.bits(2, 0);
    w.ue(0);
    w.ue(0);
    w.ue(0);
    w.flag(false);
    w.bits(2, 0);
    w.se(qp);
    w.se(0);
    w.se(0);
    w.bits(2, 0);
    w.flag(true);
    w.into_nal(0x68)
}

/// A slice of a stream with [`SpsSpec`] and [`pps`].
#[derive(Clone, Debug)]
pub(crate) struct SliceSpec {
    pub(crate) pps_id: u32,
    pub(crate) order_type: u32,
    pub(crate) is_frames_only: bool,
    pub(crate) first_mb: u32,
    pub(crate) idr_id: Option<u32>,
    /// I slice of a picture that is not IDR.
    pub(crate) is_intra: bool,
    pub(crate) is_reference: bool,
    pub(crate) frame_num: u32,
    /// Type 0: the low bits; type 1: the first difference.
    pub(crate) order: i32,
    pub(crate) structure: PictureStructure,
    pub(crate) redundant_count: u32,
    pub(crate) resets: bool,
    pub(crate) noise: Vec<u8>,
}

impl Default for SliceSpec {
    fn default() -> Self {
        Self {
            pps_id: 0,
            order_type: 0,
            is_frames_only: true,
            first_mb: 0,
            idr_id: None,
            is_intra: false,
            is_reference: true,
            frame_num: 0,
            order: 0,
            structure: PictureStructure::Frame,
            redundant_count: 0,
            resets: false,
            noise: vec![0x5a; 20],
        }
    }
}

impl SliceSpec {
    pub(crate) fn idr(id: u32) -> Self {
        Self {
            idr_id: Some(id),
            ..Self::default()
        }
    }

    /// The `n`th picture after an IDR picture, each the reference of the next.
    pub(crate) fn p(n: u32) -> Self {
        Self {
            frame_num: n % 256,
            order: (2 * n % 256) as i32,
            ..Self::default()
        }
    }

    pub(crate) fn with_noise(mut self, length: usize) -> Self {
        self.noise = vec![0x5a; length];
        self
    }

    pub(crate) fn nal(&self) -> Vec<u8> {
        let is_idr = self.idr_id.is_some();
        let mut w = BitWriter::default();
        w.ue(self.first_mb);
        w.ue(if is_idr || self.is_intra { 7 } else { 5 });
        w.ue(self.pps_id);
        w.bits(8, self.frame_num);
        if !self.is_frames_only {
            w.flag(self.structure != PictureStructure::Frame);
            if self.structure != PictureStructure::Frame {
                w.flag(self.structure == PictureStructure::BottomField);
            }
        }
        if let Some(id) = self.idr_id {
            w.ue(id);
        }
        match self.order_type {
            0 => w.bits(8, self.order as u32 & 255),
            1 => w.se(self.order),
            _ => {}
        }
        w.ue(self.redundant_count);
        if !is_idr && !self.is_intra {
            w.flag(false);
            w.flag(false);
        }
        if self.is_reference {
            if is_idr {
                w.bits(2, 0);
            } else {
                w.flag(self.resets);
                if self.resets {
                    w.ue(5);
                    w.ue(0);
                }
            }
        }
        self.noise
            .iter()
            .for_each(|byte| w.bits(8, u32::from(*byte)));
        w.into_nal(u8::from(self.is_reference) << 6 | if is_idr { 5 } else { 1 })
    }
}

/// The NAL units with start codes.
pub(crate) fn annexb<T: AsRef<[u8]>>(nals: &[T]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for nal in nals {
        bytes.extend_from_slice(&[0, 0, 0, 1]);
        bytes.extend_from_slice(nal.as_ref());
    }
    bytes
}

/// A unit as the tests compare it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Seen {
    pub(crate) nals: Vec<Vec<u8>>,
    pub(crate) captured_at: u64,
    pub(crate) is_early: bool,
}

impl Seen {
    pub(crate) fn of(unit: AccessUnit<'_>) -> Self {
        Self {
            nals: unit.nals.iter().map(<[u8]>::to_vec).collect(),
            captured_at: unit.captured_at.as_nanos(),
            is_early: unit.is_early,
        }
    }

    /// `nal_unit_type`s.
    pub(crate) fn types(&self) -> Vec<u8> {
        self.nals.iter().map(|nal| nal[0] & 31).collect()
    }
}

/// Pushes one chunk and returns the units that come.
pub(crate) fn push(assembler: &mut Assembler, bytes: &[u8], at: u64, end: ChunkEnd) -> Vec<Seen> {
    let mut seen = Vec::new();
    assembler.push(bytes, Timestamp::from_nanos(at), end, &mut |unit| {
        seen.push(Seen::of(unit))
    });
    seen
}

/// What is left at the end.
pub(crate) fn flush(assembler: &mut Assembler) -> Vec<Seen> {
    let mut seen = Vec::new();
    assembler.flush(&mut |unit| seen.push(Seen::of(unit)));
    seen
}
