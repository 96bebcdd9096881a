//! Renumbering of a kept IDR picture that is decoded right before a much later one.
//!
//! Decoders put pictures out by their order counts. After the old IDR picture the low bits of a later one may mean a count
//! below it (8.2.1.1): decoders then hold that picture back, or the later ones, for up to half the range of the low bits. With
//! low bits right below those of the later picture nothing is out of order.

use super::bits::{BitReader, BitWriter};
use super::nal::NalHeader;
use super::parameter_sets::ParameterSets;
use super::slice::{PocFields, SliceHeader};

/// Order count from the kept picture to the next: room for pictures that are shown before that one.
const POC_DISTANCE: u32 = 64;

/// Returns the NAL units of the kept picture with order counts just below those of the picture in
/// `next`. They are as
/// they were where order counts are not sent (types 1 and 2), or something cannot be read. Each comes with its
/// parameter sets, which may have changed between the two.
pub fn renumber_before<'a>(
    (kept, sets): (impl Iterator<Item = &'a [u8]>, &ParameterSets),
    (next, next_sets): (impl Iterator<Item = &'a [u8]>, &ParameterSets),
) -> Vec<Vec<u8>> {
    let kept: Vec<&[u8]> = kept.collect();
    let first = kept.iter().find_map(|nal| PocLsb::of(nal, sets));
    let target = next.into_iter().find_map(|nal| PocLsb::of(nal, next_sets));
    let distance = first.zip(target).map(|(first, target)| {
        let wanted = target
            .value
            .wrapping_sub(POC_DISTANCE.min(target.range() / 2 - 2));
        wanted.wrapping_sub(first.value)
    });
    let moved = |nal: &&[u8]| match (PocLsb::of(nal, sets), distance) {
        (Some(lsb), Some(distance)) => lsb.with_offset(nal, distance),
        _ => nal.to_vec(),
    };
    kept.iter().map(moved).collect()
}

/// `pic_order_cnt_lsb` of a slice.
#[derive(Clone, Copy, Debug)]
struct PocLsb {
    value: u32,
    /// Position in bits after the header byte, without emulation prevention.
    at: usize,
    /// 4 to 16.
    bits: u32,
}

impl PocLsb {
    fn of(nal: &[u8], sets: &ParameterSets) -> Option<Self> {
        if !NalHeader::of(nal)?.unit_type().has_slice_header() {
            return None;
        }
        let slice = SliceHeader::parse(nal, sets).ok()?;
        let PocFields::Type0 { lsb: value, .. } = slice.poc else {
            return None;
        };
        let (at, bits) = SliceHeader::poc_lsb_position(nal, sets).ok()??;
        Some(Self { value, at, bits })
    }

    fn range(self) -> u32 {
        1 << self.bits
    }

    fn with_offset(self, nal: &[u8], distance: u32) -> Vec<u8> {
        let value = self.value.wrapping_add(distance) & (self.range() - 1);
        let mut reader = BitReader::after_header(nal);
        let mut writer = BitWriter::default();
        let head = (self.at + self.bits as usize).next_multiple_of(8);
        while reader.position() < head {
            let is_lsb = reader.position() == self.at;
            let count = if is_lsb { self.bits } else { 1 };
            let Ok(bits) = reader.bits(count, "slice_header") else {
                break;
            };
            writer.bits(count, if is_lsb { value } else { bits });
        }
        let rest = std::iter::from_fn(|| reader.bits(8, "slice_data").ok());
        writer.into_nal_with(*nal.first().unwrap_or(&0), rest.map(|byte| byte as u8))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::h264::tests::synthetic::{SliceSpec, SpsSpec, pps};

    fn sets() -> ParameterSets {
        let mut sets = ParameterSets::default();
        sets.add(&SpsSpec::default().nal());
        sets.add(&pps(0, 0, 0));
        sets
    }

    fn moved(kept: &[Vec<u8>], next: &SliceSpec) -> Vec<Vec<u8>> {
        let next = [next.nal()];
        renumber_before(
            (kept.iter().map(Vec::as_slice), &sets()),
            (next.iter().map(Vec::as_slice), &sets()),
        )
    }

    #[test]
    fn poc_is_just_below_the_next_picture() {
        for (order, expected) in [(100, 36), (10, 202), (200, 136), (64, 0)] {
            let next = SliceSpec {
                order,
                ..SliceSpec::p(7)
            };
            for noise in [vec![0; 3000], vec![0x5a; 100], vec![1], vec![0, 0, 3]] {
                let kept = SliceSpec {
                    noise,
                    ..SliceSpec::idr(3)
                };
                let wanted = SliceSpec {
                    order: expected,
                    ..kept.clone()
                };
                let sei = vec![6, 5, 1, 1, 0x80];
                let found = moved(&[sei.clone(), kept.nal()], &next);
                assert_eq!(found, [sei, wanted.nal()], "{order}");
            }
        }
    }

    #[test]
    fn poc_that_is_not_sent_is_unchanged() {
        let kept = SliceSpec::idr(3).nal();
        let found = renumber_before(
            ([&kept[..]].into_iter(), &sets()),
            ([&[0x41_u8, 0][..]].into_iter(), &sets()),
        );
        assert_eq!(found, std::slice::from_ref(&kept));
        assert_eq!(
            renumber_before(
                ([&kept[..]].into_iter(), &ParameterSets::default()),
                ([&kept[..]].into_iter(), &ParameterSets::default()),
            ),
            [kept]
        );
    }
}
