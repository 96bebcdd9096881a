//! Rules of a codec that the hub needs: which NAL units are parameter sets, and how a kept keyframe goes right before
//! a later frame.

use crate::h264::kept_idr;
use crate::h264::nal::{NalHeader, NalUnitType};
use crate::h264::parameter_sets::ParameterSets;
use crate::h264::pps::Pps;
use crate::h264::sps::Sps;

/// How frames are coded.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Codec {
    /// ITU-T H.264.
    #[default]
    H264,
}

/// NAL units, without start codes.
pub(crate) trait NalUnits<'a>: Iterator<Item = &'a [u8]> + Clone {}

impl<'a, T: Iterator<Item = &'a [u8]> + Clone> NalUnits<'a> for T {}

/// Kind and id of a parameter set. Decoders need them in this order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct ParameterSetId {
    kind: u8,
    id: u8,
}

impl Codec {
    /// Returns which parameter set `nal` is; `None` for other and for unreadable NAL units.
    pub(crate) fn parameter_set_id(self, nal: &[u8]) -> Option<ParameterSetId> {
        let (kind, id) = match self {
            Self::H264 => match NalHeader::of(nal)?.unit_type() {
                NalUnitType::Sps => (0, Sps::parse(nal).ok()?.id),
                NalUnitType::Pps => (1, Pps::parse(nal).ok()?.id),
                _ => return None,
            },
        };
        Some(ParameterSetId { kind, id })
    }

    /// Returns the NAL units of the keyframe `kept`, for decoders that get the frame `next` right after it. `sets` are the
    /// stream's parameter sets, `later_sets` those that came between the two.
    pub(crate) fn renumber_before<'a>(
        self,
        (kept, sets): (impl NalUnits<'a>, impl NalUnits<'a>),
        (next, later_sets): (impl NalUnits<'a>, impl NalUnits<'a>),
    ) -> Vec<Vec<u8>> {
        match self {
            Self::H264 => {
                let mut before = ParameterSets::default();
                sets.chain(kept.clone()).for_each(|nal| before.add(nal));
                let mut after = before.clone();
                later_sets
                    .chain(next.clone())
                    .for_each(|nal| after.add(nal));
                kept_idr::renumber_before((kept, &before), (next, &after))
            }
        }
    }
}
