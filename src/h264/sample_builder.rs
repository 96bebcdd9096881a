//! Assembly of MP4 samples from access units.
//!
//! A sample holds the slices and SEI of its access unit, or of both fields of a frame (ISO/IEC
//! 14496-15, 5.2.2). Removed are delimiters, filler, end marks, parameter sets that are in the
//! [`VideoParameters`], redundant slices (a decoder with the primary ones ignores them), auxiliary
//! pictures, and other layers and views, whose sets viewers do not have.

use super::access_unit::AccessUnit;
use super::annexb::{NalRange, Nals};
use super::nal::{NalHeader, NalUnitType};
use super::parameter_tracker::{ParameterTracker, VideoParameters};
use super::poc::{DisplayOrder, PocDecoder};
use super::sei::{self, RecoveryPoint};
use super::slice::{PictureStructure, SliceHeader, SliceType};
use crate::time::Timestamp;
use std::sync::Arc;

/// Recovery point: decoding can begin here without an IDR picture, and is correct within some
/// frames.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Recovery {
    /// Reference frames until all pictures are correct.
    pub frames: u32,
    /// True if the stream marks it (D.1.8). Otherwise it has I slices alone, and later pictures may
    /// refer to earlier ones.
    pub is_marked: bool,
}

/// Coded picture: a frame, or the fields of a frame.
#[derive(Clone, Debug)]
pub struct CodedPicture<'a> {
    /// Capture time, or the arrival time of its first byte.
    pub captured_at: Timestamp,
    /// True for an IDR picture, at which decoding can begin.
    pub is_keyframe: bool,
    /// True if other pictures may refer to this one, or need parameter sets that it carries.
    pub is_reference: bool,
    /// Frame times from decoding to display: 0 without reordering, and never negative once the
    /// reorder depth is known.
    pub display_shift: i32,
    /// Recovery point; never set for an IDR picture.
    pub recovery: Option<Recovery>,
    /// Video parameters. The `Arc` changes only at a keyframe, and only if something in it has
    /// changed.
    pub parameters: Arc<VideoParameters>,
    /// In-band sets, an earlier field, rewritten SEI, the access unit.
    parts: [Nals<'a>; 4],
}

impl<'a> CodedPicture<'a> {
    /// Iterates over the NAL units to store, without start codes, none empty.
    pub fn nals(&self) -> impl Iterator<Item = &'a [u8]> + Clone + use<'a> {
        self.parts.into_iter().flat_map(Nals::iter)
    }
}

/// Builder that makes samples from access units.
#[derive(Debug, Default)]
pub struct SampleBuilder {
    parameters: ParameterTracker,
    poc: PocDecoder,
    display: DisplayOrder,
    /// True once a keyframe has come.
    is_started: bool,
    /// Sequence parameter set since the last keyframe.
    sequence_of: Option<u8>,
    /// NAL units of the access unit that are stored.
    ranges: Vec<NalRange>,
    has_unreadable_slices: bool,
    in_band: OwnedNals,
    /// First field of a frame, until the second one arrives.
    field: Option<PendingField>,
    field_nals: OwnedNals,
    /// NAL units of a released field.
    released_nals: OwnedNals,
    /// SEI of the access unit that were rewritten.
    rewritten: OwnedNals,
}

/// NAL units that outlive their access unit.
#[derive(Debug, Default)]
struct OwnedNals {
    bytes: Vec<u8>,
    ranges: Vec<NalRange>,
}

#[derive(Clone, Copy, Debug)]
struct PendingField {
    slice: SliceHeader,
    info: PictureInfo,
}

/// Properties of a picture apart from its NAL units.
#[derive(Clone, Copy, Debug)]
struct PictureInfo {
    captured_at: Timestamp,
    is_keyframe: bool,
    is_reference: bool,
    recovery: Option<Recovery>,
    sps_id: u8,
    /// Picture order count.
    count: i64,
    /// True if nothing before it is displayed after it.
    begins: bool,
}

impl SampleBuilder {
    /// Creates a builder at the beginning of a stream.
    pub fn new() -> Self {
        Self::default()
    }

    /// Forgets pending pictures after a loss; the next one must be a keyframe. Parameter sets are
    /// kept.
    pub fn reset(&mut self) {
        self.is_started = false;
        self.sequence_of = None;
        self.field = None;
        self.field_nals.clear();
    }

    /// Adds an access unit. Returns `None` without a usable picture: before the first keyframe,
    /// without its parameter sets, or for the first of two fields.
    pub fn push<'a>(&'a mut self, unit: AccessUnit<'a>) -> Option<CodedPicture<'a>> {
        let Some(CodedSlices {
            slice,
            resets,
            is_reference,
            recovery,
            ..
        }) = self.classify_nals(unit.nals)
        else {
            // Slices that cannot be read: what refers to them cannot be shown either.
            self.is_started &= !self.has_unreadable_slices;
            return None;
        };
        let is_second = self
            .field
            .is_some_and(|first| is_second_field(&first.slice, &slice));
        let is_keyframe = slice.idr_id.is_some();
        if is_keyframe {
            self.begin_sequence(&slice)?;
        }
        if !self.is_started {
            return None;
        }
        let count = self
            .parameters
            .reorder_stats(slice.sps_id)
            .map(|(sps, _)| self.poc.decode(&slice, resets, sps))?;
        let info = PictureInfo {
            captured_at: unit.captured_at,
            is_keyframe,
            is_reference,
            recovery: recovery.filter(|_| !is_keyframe),
            sps_id: slice.sps_id,
            count,
            begins: is_keyframe || resets,
        };
        match self.field.take() {
            Some(first) if is_second => {
                let has_sets = self.store_in_band();
                let both = PictureInfo {
                    recovery: first
                        .info
                        .recovery
                        .filter(|recovery| recovery.is_marked || info.recovery.is_some()),
                    is_reference: first.info.is_reference || is_reference || has_sets,
                    count: if resets {
                        0
                    } else {
                        first.info.count.min(count)
                    },
                    begins: first.info.begins || resets,
                    ..first.info
                };
                self.release_field();
                self.build(both, unit.nals.bytes)
            }
            first if slice.structure != PictureStructure::Frame => {
                // A field without a partner is a picture by itself.
                self.release_field();
                let is_reference = self.store_in_band() || is_reference;
                let info = PictureInfo {
                    is_reference,
                    ..info
                };
                self.field = Some(PendingField { slice, info });
                self.field_nals.extend(Nals {
                    bytes: unit.nals.bytes,
                    ranges: &self.ranges,
                });
                self.ranges.clear();
                first.and_then(|first| self.build(first.info, &[]))
            }
            first => {
                // The rare field without a partner before a frame goes with the frame, so that
                // what refers to it can be decoded.
                self.release_field();
                let info = first.map_or(info, |first| PictureInfo {
                    is_keyframe: first.info.is_keyframe || is_keyframe,
                    is_reference: first.info.is_reference || is_reference,
                    begins: first.info.begins || info.begins,
                    ..info
                });
                self.build(info, unit.nals.bytes)
            }
        }
    }

    /// Adds the parameter sets and selects the NAL units to store.
    fn classify_nals(&mut self, nals: Nals<'_>) -> Option<CodedSlices> {
        self.ranges.clear();
        self.in_band.clear();
        self.rewritten.clear();
        self.has_unreadable_slices = false;
        let mut coded: Option<CodedSlices> = None;
        let mut marked: Option<RecoveryPoint> = None;
        for (nal, span) in nals.iter().zip(nals.ranges) {
            let Some(header) = NalHeader::of(nal) else {
                continue;
            };
            match header.unit_type() {
                NalUnitType::Sps | NalUnitType::Pps if self.parameters.push_nal(nal) => {
                    self.in_band.push(nal)
                }
                NalUnitType::Sei => {
                    let point = sei::recovery_point(nal);
                    marked = marked.or(point);
                    self.ranges.push(*span);
                }
                NalUnitType::PartitionBc => self.ranges.push(*span),
                NalUnitType::Slice | NalUnitType::PartitionA | NalUnitType::IdrSlice => {
                    match SliceHeader::parse_with_marking(nal, self.parameters.sets()) {
                        Ok((slice, _)) if slice.redundant_count > 0 => continue,
                        Ok((slice, resets)) => {
                            self.parameters.mark_used(&slice);
                            let coded = coded.get_or_insert(CodedSlices {
                                slice,
                                resets,
                                is_reference: false,
                                recovery: None,
                                has_inter: false,
                            });
                            coded.is_reference |= slice.is_reference;
                            let is_intra = matches!(slice.slice_type, SliceType::I | SliceType::Si);
                            coded.has_inter |= !is_intra;
                        }
                        Err(_) => self.has_unreadable_slices = true,
                    }
                    self.ranges.push(*span);
                }
                _ => {}
            }
        }
        if let Some(coded) = &mut coded {
            coded.recovery = match marked {
                Some(point) => Some(Recovery {
                    frames: point.frames,
                    is_marked: true,
                }),
                None => (!coded.has_inter).then_some(Recovery {
                    frames: 0,
                    is_marked: false,
                }),
            };
            if marked.is_some() && coded.slice.idr_id.is_none() {
                self.remove_recovery_points(nals.bytes);
            }
        }
        coded
    }

    /// Removes recovery points. Browsers take them for keyframes whatever the MP4 says: Chromium
    /// (156) those of I pictures, Firefox (153) all. After a seek, and Firefox also after each wait
    /// for data, they begin to decode there and fail at references to earlier pictures. Without the
    /// SEI they begin at the IDR picture.
    fn remove_recovery_points(&mut self, bytes: &[u8]) {
        let rewritten = &mut self.rewritten;
        self.ranges.retain(|span| {
            let nal = bytes.get(span.start..span.end).unwrap_or_default();
            let is_sei = NalHeader::of(nal).map(NalHeader::unit_type) == Some(NalUnitType::Sei);
            let Some(point) = is_sei.then(|| sei::recovery_point(nal)).flatten() else {
                return true;
            };
            if !point.is_alone
                && let Some(rest) = sei::without_recovery_point(nal)
            {
                rewritten.push(&rest);
            }
            false
        });
    }

    /// Starts a sequence at an IDR picture: determines the parameters and resets all counting.
    fn begin_sequence(&mut self, slice: &SliceHeader) -> Option<()> {
        if let Some((_, stats)) = self
            .sequence_of
            .and_then(|sps_id| self.parameters.reorder_stats(sps_id))
        {
            stats.sequence_ended();
        }
        self.field = None;
        self.field_nals.clear();
        self.in_band.clear();
        let in_band = &mut self.in_band;
        let settled = self
            .parameters
            .keyframe(slice, &mut |nal| in_band.push(nal));
        self.is_started = settled.is_ok();
        self.sequence_of = settled.ok().map(|()| slice.sps_id);
        self.sequence_of.map(|_| ())
    }

    /// Stores the in-band sets with their field; returns true if there are any.
    fn store_in_band(&mut self) -> bool {
        let has_sets = !self.in_band.ranges.is_empty();
        if has_sets {
            self.parameters.mark_in_band();
        }
        self.field_nals.extend(self.in_band.nals());
        self.in_band.clear();
        self.field_nals.extend(self.rewritten.nals());
        self.rewritten.clear();
        has_sets
    }

    fn release_field(&mut self) {
        std::mem::swap(&mut self.field_nals, &mut self.released_nals);
        self.field_nals.clear();
    }

    fn build<'a>(
        &'a mut self,
        info: PictureInfo,
        unit_bytes: &'a [u8],
    ) -> Option<CodedPicture<'a>> {
        let has_sets = !self.in_band.ranges.is_empty();
        if has_sets {
            self.parameters.mark_in_band();
        }
        let format = self.parameters.current().cloned()?;
        let (_, stats) = self.parameters.reorder_stats(info.sps_id)?;
        let distance = self.display.display_offset(info.count, info.begins, stats);
        // Counts with gaps must not delay a stream that has no reordering.
        let is_in_order = stats.depth == 0 && format.reorder == 0;
        let shift = if is_in_order {
            0
        } else {
            distance.saturating_add(i64::from(format.reorder))
        };
        Some(CodedPicture {
            captured_at: info.captured_at,
            is_keyframe: info.is_keyframe,
            is_reference: info.is_reference || has_sets,
            recovery: info.recovery,
            display_shift: i32::try_from(shift).unwrap_or(0),
            parameters: format,
            parts: [
                self.in_band.nals(),
                self.released_nals.nals(),
                self.rewritten.nals(),
                Nals {
                    bytes: unit_bytes,
                    ranges: &self.ranges,
                },
            ],
        })
    }
}

/// Properties of the slices of an access unit.
struct CodedSlices {
    slice: SliceHeader,
    resets: bool,
    is_reference: bool,
    recovery: Option<Recovery>,
    has_inter: bool,
}

/// Returns true if the two fields make a frame (3.30, 3.31). In a sample, a reference and a
/// non-reference field do too.
fn is_second_field(first: &SliceHeader, second: &SliceHeader) -> bool {
    let is_opposite = matches!(
        (first.structure, second.structure),
        (PictureStructure::TopField, PictureStructure::BottomField)
            | (PictureStructure::BottomField, PictureStructure::TopField)
    );
    is_opposite && first.frame_num == second.frame_num && second.idr_id.is_none()
}

impl OwnedNals {
    fn clear(&mut self) {
        self.bytes.clear();
        self.ranges.clear();
    }

    fn push(&mut self, nal: &[u8]) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(nal);
        self.ranges.push(NalRange {
            start,
            end: self.bytes.len(),
        });
    }

    fn extend(&mut self, nals: Nals<'_>) {
        nals.iter().for_each(|nal| self.push(nal));
    }

    fn nals(&self) -> Nals<'_> {
        Nals {
            bytes: &self.bytes,
            ranges: &self.ranges,
        }
    }
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
