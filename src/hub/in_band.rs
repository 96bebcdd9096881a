//! Parameter sets that came in frames after the last keyframe: viewers who begin later have not got those frames.

use crate::media::{Codec, ParameterSetId};
use std::collections::{BTreeMap, VecDeque};

/// The sets by id.
#[derive(Debug, Default)]
pub(super) struct InBandSets {
    sets: BTreeMap<ParameterSetId, VecDeque<Set>>,
}

#[derive(Debug)]
struct Set {
    /// Number of the frame that it came in.
    number: u64,
    nal: Vec<u8>,
}

impl InBandSets {
    /// Takes note of the sets among the NAL units of the frame `number`. Nobody begins before the frame `first`.
    pub(super) fn learn<'a>(
        &mut self,
        number: u64,
        codec: Codec,
        nals: impl Iterator<Item = &'a [u8]>,
        first: u64,
    ) {
        for nal in nals {
            let Some(id) = codec.parameter_set_id(nal) else {
                continue;
            };
            let versions = self.sets.entry(id).or_default();
            while versions.get(1).is_some_and(|newer| newer.number < first) {
                versions.pop_front();
            }
            let nal = nal.to_vec();
            versions.push_back(Set { number, nal });
        }
    }

    /// The newest of each id in frames before `number`: sequence parameter sets first.
    pub(super) fn before(&self, number: u64) -> Vec<&[u8]> {
        self.within(0, number)
    }

    /// The newest of each id in frames after `point` and before `number`.
    pub(super) fn between(&self, point: u64, number: u64) -> Vec<&[u8]> {
        self.within(point + 1, number)
    }

    fn within(&self, from: u64, to: u64) -> Vec<&[u8]> {
        let newest = |versions: &VecDeque<Set>| {
            let at = versions.partition_point(|set| set.number < to);
            at.checked_sub(1)
        };
        (self.sets.values())
            .filter_map(|versions| versions.get(newest(versions)?))
            .filter(|set| set.number >= from)
            .map(|set| &set.nal[..])
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::h264::tests::synthetic;

    fn pps(id: u8, qp: u8) -> Vec<u8> {
        synthetic::pps(u32::from(id), 0, i32::from(qp))
    }

    #[test]
    fn newest_of_each_id_before_a_frame_is_found() {
        let mut sets = InBandSets::default();
        let learn = |sets: &mut InBandSets, number, id, qp, first| {
            let nals = [vec![0x41, 9], pps(id, qp)];
            sets.learn(number, Codec::H264, nals.iter().map(Vec::as_slice), first);
        };
        learn(&mut sets, 5, 0, 1, 0);
        learn(&mut sets, 7, 1, 2, 0);
        learn(&mut sets, 9, 0, 3, 0);
        assert!(sets.before(5).is_empty());
        assert_eq!(sets.before(6), [pps(0, 1)]);
        assert_eq!(sets.before(9), [pps(0, 1), pps(1, 2)]);
        assert_eq!(sets.before(10), [pps(0, 3), pps(1, 2)]);
        assert_eq!(sets.between(5, 9), [pps(1, 2)]);
        assert!(sets.between(9, 20).is_empty());
        for number in 10..1000 {
            learn(&mut sets, number, 0, (number % 20) as u8, number);
        }
        assert_eq!(sets.before(1000), [pps(0, 19), pps(1, 2)]);
        let id = Codec::H264.parameter_set_id(&pps(0, 0)).unwrap();
        assert!(sets.sets[&id].len() < 4, "old ones are dropped");
    }
}
