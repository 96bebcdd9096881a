//! Tracking of parameter sets, and of the video parameters that viewers must know before a
//! keyframe.
//!
//! Parameter sets are repeated, added and changed in the stream. Viewers get them in the init
//! segment (`avcC`), and each new init segment costs them a new decoder. So:
//! * A [`VideoParameters`] holds all sets of the stream and stays the same `Arc` while they do.
//! * A new or changed set makes a new `VideoParameters` at the next keyframe.
//! * Until then, a picture parameter set goes in-band with its picture, because pictures before the
//!   keyframe may use it. A sequence parameter set never does, because only an IDR picture can
//!   activate it (7.4.1.2.1). A picture parameter set that refers to it waits with it: decoders
//!   fail on it otherwise.
//! * Contents that alternate under one id make a new `VideoParameters` only three times. After
//!   that, every keyframe carries all sets in-band, which override those of the init segment. Every
//!   decoder accepts this. A change of size, sample aspect, codec or reordering always makes a new
//!   `VideoParameters`, because decoders are set up for these.
//! * After any in-band set, the keyframes of the same `VideoParameters` carry all sets: decoders
//!   keep the newest, and late viewers have seen others.
//! * A changed sequence parameter set drops the picture parameter sets of its old content unless
//!   they are repeated or used. Ids bound the number of sets.

use super::bits::Error;
use super::nal::{NalHeader, NalUnitType};
use super::parameter_sets::ParameterSets;
use super::poc::ReorderStats;
use super::pps::Pps;
use super::slice::SliceHeader;
use super::sps::{Sps, SpsChanges};
use super::vui::BitstreamRestriction;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Changes of content under known ids that make new parameters, before such changes go in-band.
const MAX_CONTENT_CHANGES: u32 = 3;

/// Limits of an `avcC` box: the counts have 5 and 8 bits, the lengths 16 (ISO/IEC 14496-15,
/// 5.3.3.1.2).
const MAX_SPS: usize = 31;
const MAX_PPS: usize = 255;
const MAX_SET_BYTES: usize = u16::MAX as usize;

/// Video parameters that viewers must know before a keyframe.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VideoParameters {
    /// Sequence parameter sets for viewers, without start codes. The first one describes the
    /// pictures.
    pub sps: Vec<Vec<u8>>,
    /// Picture parameter sets.
    pub pps: Vec<Vec<u8>>,
    /// Displayed width, in pixels of the stream.
    pub width: u32,
    /// Displayed height, in pixels of the stream.
    pub height: u32,
    /// Columns at the left and rows at the top that are decoded but not displayed, in pixels of the
    /// stream.
    pub hidden: (u32, u32),
    /// Sample aspect ratio, width to height.
    pub sample_aspect: (u32, u32),
    /// `chroma_format_idc` (7.4.2.1.1): 1 is 4:2:0.
    pub chroma_format: u8,
    /// Bits of a luma sample.
    pub luma_bits: u8,
    /// Bits of a chroma sample.
    pub chroma_bits: u8,
    /// `codecs` parameter of RFC 6381, such as `avc1.64001f`.
    pub codec: String,
    /// Reorder depth: most pictures decoded before another one and displayed after it. Display is
    /// delayed by as many frame times.
    pub reorder: u32,
}

/// Tracker of a stream's parameter sets and the video parameters that they make.
#[derive(Debug, Default)]
pub(crate) struct ParameterTracker {
    sets: ParameterSets,
    sps: BTreeMap<u8, SpsEntry>,
    pps: BTreeMap<u8, PpsEntry>,
    current: Option<ActiveParameters>,
    content_changes: u32,
}

#[derive(Debug)]
struct SpsEntry {
    nal: Vec<u8>,
    reorder_stats: ReorderStats,
}

#[derive(Debug)]
struct PpsEntry {
    nal: Vec<u8>,
    /// True if its sequence parameter set has changed since.
    is_stale: bool,
}

#[derive(Debug)]
struct ActiveParameters {
    parameters: Arc<VideoParameters>,
    ids: ParameterIds,
    /// Active sequence parameter set; `None` if it was replaced since the keyframe.
    active_sps: Option<u8>,
    /// True if decoders may have other sets than these.
    is_overridden: bool,
}

/// Ids of the sets, in their order.
#[derive(Clone, PartialEq, Eq, Debug)]
struct ParameterIds {
    sps: Vec<u8>,
    pps: Vec<u8>,
}

impl ParameterTracker {
    /// Returns the parameter sets, for parsing slice headers.
    pub(crate) fn sets(&self) -> &ParameterSets {
        &self.sets
    }

    /// Returns the parameters of the last keyframe.
    pub(crate) fn current(&self) -> Option<&Arc<VideoParameters>> {
        self.current.as_ref().map(|current| &current.parameters)
    }

    /// Returns the reordering seen with a sequence parameter set.
    pub(crate) fn reorder_stats(&mut self, sps_id: u8) -> Option<(&Sps, &mut ReorderStats)> {
        Some((
            self.sets.sps(sps_id)?,
            &mut self.sps.get_mut(&sps_id)?.reorder_stats,
        ))
    }

    /// Adds a parameter set. Returns true if pictures before the next keyframe may need it in-band.
    pub(crate) fn push_nal(&mut self, nal: &[u8]) -> bool {
        if nal.len() > MAX_SET_BYTES {
            return false;
        }
        match NalHeader::of(nal).map(NalHeader::unit_type) {
            Some(NalUnitType::Sps) => {
                if let Ok(sps) = Sps::parse(nal) {
                    self.add_sps(nal, sps);
                }
                false
            }
            Some(NalUnitType::Pps) => Pps::parse(nal).is_ok_and(|pps| self.add_pps(nal, pps)),
            _ => false,
        }
    }

    fn add_sps(&mut self, nal: &[u8], sps: Sps) {
        let id = sps.id;
        if self.sps.get(&id).is_some_and(|slot| slot.nal == nal) {
            return;
        }
        self.sps.insert(
            id,
            SpsEntry {
                nal: nal.to_vec(),
                reorder_stats: ReorderStats::default(),
            },
        );
        self.sets.put_sps(sps);
        for (pps_id, slot) in &mut self.pps {
            slot.is_stale |= self.sets.pps(*pps_id).is_some_and(|pps| pps.sps_id == id);
        }
        if let Some(current) = &mut self.current {
            current.active_sps = current.active_sps.filter(|active| *active != id);
        }
    }

    fn add_pps(&mut self, nal: &[u8], pps: Pps) -> bool {
        if let Some(slot) = self.pps.get_mut(&pps.id).filter(|slot| slot.nal == nal) {
            slot.is_stale = false;
            return false;
        }
        self.pps.insert(
            pps.id,
            PpsEntry {
                nal: nal.to_vec(),
                is_stale: false,
            },
        );
        self.sets.put_pps(pps);
        self.current
            .as_ref()
            .is_some_and(|current| current.active_sps == Some(pps.sps_id))
    }

    /// Records that a set went in-band.
    pub(crate) fn mark_in_band(&mut self) {
        if let Some(current) = &mut self.current {
            current.is_overridden = true;
        }
    }

    /// Records that a slice uses its picture parameter set.
    pub(crate) fn mark_used(&mut self, slice: &SliceHeader) {
        if let Some(slot) = self.pps.get_mut(&slice.pps_id) {
            slot.is_stale = false;
        }
    }

    /// Determines the parameters of the keyframe with this slice header, and passes the sets that
    /// it must carry in-band to `in_band`.
    pub(crate) fn keyframe(
        &mut self,
        slice: &SliceHeader,
        in_band: &mut dyn FnMut(&[u8]),
    ) -> Result<(), Error> {
        let (format, ids) = self.build(slice.sps_id)?;
        let Some(current) = &mut self.current else {
            self.current = Some(ActiveParameters::new(format, ids, slice.sps_id));
            return Ok(());
        };
        current.active_sps = Some(slice.sps_id);
        let is_same = *current.parameters == format;
        let is_content_change =
            current.parameters.has_same_description(&format) && current.ids == ids;
        if is_same || (is_content_change && self.content_changes >= MAX_CONTENT_CHANGES) {
            current.is_overridden |= !is_same;
            if current.is_overridden {
                format
                    .sps
                    .iter()
                    .chain(&format.pps)
                    .for_each(|nal| in_band(nal));
            }
        } else {
            // Sets that come or go are bounded by their ids, and of another description decoders must know.
            self.content_changes += u32::from(is_content_change);
            self.current = Some(ActiveParameters::new(format, ids, slice.sps_id));
        }
        Ok(())
    }

    /// Builds the parameters of the newest sets, with `sps_id` active.
    fn build(&self, sps_id: u8) -> Result<(VideoParameters, ParameterIds), Error> {
        let (sps, nal, reorder) = self.for_init_segment(sps_id)?;
        let mut pps_ids = Vec::new();
        let mut sps_ids = vec![sps_id];
        for (id, slot) in &self.pps {
            let Some(pps) = self.sets.pps(*id) else {
                continue;
            };
            let has_room = sps_ids.contains(&pps.sps_id) || sps_ids.len() < MAX_SPS;
            if slot.is_stale
                || !has_room
                || pps_ids.len() == MAX_PPS
                || !self.sps.contains_key(&pps.sps_id)
            {
                continue;
            }
            pps_ids.push(*id);
            if !sps_ids.contains(&pps.sps_id) {
                sps_ids.push(pps.sps_id);
            }
        }
        let mut format = VideoParameters {
            sps: vec![nal],
            pps: pps_ids
                .iter()
                .filter_map(|id| self.pps.get(id))
                .map(|slot| slot.nal.clone())
                .collect(),
            width: sps.width,
            height: sps.height,
            hidden: (sps.cropping.left, sps.cropping.top),
            sample_aspect: sps.sample_aspect,
            chroma_format: sps.chroma_format,
            luma_bits: sps.luma_bits,
            chroma_bits: sps.chroma_bits,
            codec: sps.codec(),
            reorder,
        };
        self.order_sps_ids(&format, &mut sps_ids);
        format.sps = sps_ids
            .iter()
            .filter_map(|id| self.for_init_segment(*id).ok())
            .map(|(_, nal, _)| nal)
            .collect();
        Ok((
            format,
            ParameterIds {
                sps: sps_ids,
                pps: pps_ids,
            },
        ))
    }

    /// Sorts the ids. The first set describes the pictures. If another one says the same, the first
    /// of the current parameters stays, because sets used in turn must not make new parameters.
    fn order_sps_ids(&self, format: &VideoParameters, sps_ids: &mut [u8]) {
        let Some(used) = sps_ids.first().copied() else {
            return;
        };
        let describing = self
            .current
            .as_ref()
            .and_then(|current| current.ids.sps.first().copied())
            .filter(|id| {
                sps_ids.contains(id)
                    && self.for_init_segment(*id).is_ok_and(|(sps, _, reorder)| {
                        sps.width == format.width
                            && sps.height == format.height
                            && (sps.cropping.left, sps.cropping.top) == format.hidden
                            && sps.sample_aspect == format.sample_aspect
                            && sps.codec() == format.codec
                            && reorder == format.reorder
                    })
            });
        let first = describing.unwrap_or(used);
        sps_ids.sort_unstable_by_key(|id| (*id != first, *id));
    }

    /// Returns a sequence parameter set, its NAL unit (rewritten if needed), and the reorder depth.
    fn for_init_segment(&self, sps_id: u8) -> Result<(&Sps, Vec<u8>, u32), Error> {
        const MISSING: Error = Error::Missing("seq_parameter_set_id");
        let sps = self.sets.sps(sps_id).ok_or(MISSING)?;
        let slot = self.sps.get(&sps_id).ok_or(MISSING)?;
        let announced = sps
            .restriction
            .map(|restriction| restriction.reorder_frames);
        let depth = slot.reorder_stats.depth;
        let has_none = depth == 0
            && (sps.cannot_reorder()
                || announced == Some(0)
                || slot
                    .reorder_stats
                    .confirms_no_reordering(announced.is_some()));
        let (reorder, rewritten) = match (has_none, sps.restriction) {
            (
                true,
                Some(BitstreamRestriction {
                    reorder_frames: 0, ..
                }),
            ) => (0, None),
            (true, _) => (
                0,
                Some(BitstreamRestriction {
                    reorder_frames: 0,
                    buffered_frames: sps.max_ref_frames,
                }),
            ),
            (false, Some(said)) if said.reorder_frames < depth => {
                let buffered_frames = said.buffered_frames.max(depth).max(sps.max_ref_frames);
                (
                    depth,
                    Some(BitstreamRestriction {
                        reorder_frames: depth,
                        buffered_frames,
                    }),
                )
            }
            // Nothing is said: decoders then expect the most there can be, which is never wrong.
            (false, said) => (depth.max(said.map_or(0, |said| said.reorder_frames)), None),
        };
        let colour = sps.colour.for_viewers();
        // Chromium and Firefox leave out as many columns and rows, but at the right and at the bottom.
        let mut cropping = sps.cropping;
        (cropping.left, cropping.top) = (0, 0);
        let changes = SpsChanges {
            cropping: (cropping != sps.cropping).then_some(cropping),
            colour: (colour != sps.colour).then_some(colour),
            is_square: sps.has_implausible_aspect,
            restriction: rewritten,
        };
        let nal = if changes == SpsChanges::default() {
            slot.nal.clone()
        } else {
            sps.rewrite(&slot.nal, &changes)?
        };
        Ok((sps, nal, reorder))
    }
}

impl ActiveParameters {
    fn new(format: VideoParameters, ids: ParameterIds, active_sps: u8) -> Self {
        Self {
            parameters: Arc::new(format),
            ids,
            active_sps: Some(active_sps),
            is_overridden: false,
        }
    }
}

impl VideoParameters {
    fn has_same_description(&self, other: &Self) -> bool {
        self.width == other.width
            && self.height == other.height
            && self.hidden == other.hidden
            && self.sample_aspect == other.sample_aspect
            && self.codec == other.codec
            && self.reorder == other.reorder
    }
}
