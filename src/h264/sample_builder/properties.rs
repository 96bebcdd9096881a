//! What holds for any way of putting pictures out of order.
use super::tests::Stream;
use crate::h264::tests::synthetic::SpsSpec;
use proptest::prelude::*;

/// Display indices, in decoding order, of the pictures after an IDR picture: groups of a P picture and the B pictures that
/// are shown before it, each half decoded from its middle out (`is_pyramid`) or in order.
fn decoding_order(groups: &[(i32, bool)]) -> Vec<i32> {
    fn inside(low: i32, high: i32, is_pyramid: bool, order: &mut Vec<i32>) {
        if low + 1 >= high {
            return;
        }
        let first = if is_pyramid {
            (low + high) / 2
        } else {
            low + 1
        };
        order.push(first);
        inside(low, first, is_pyramid, order);
        inside(first, high, is_pyramid, order);
    }
    let (mut order, mut last) = (Vec::new(), 0);
    for (length, is_pyramid) in groups {
        order.push(last + length);
        inside(last, last + length, *is_pyramid, &mut order);
        last += length;
    }
    order
}

/// Most pictures that come before another one and are shown after it.
fn depth(order: &[i32]) -> usize {
    let overtaken =
        |(n, shown): (usize, &i32)| order[..n].iter().filter(|earlier| *earlier > shown).count();
    order.iter().enumerate().map(overtaken).max().unwrap_or(0)
}

proptest! {
    #[test]
    fn display_order_follows_poc_after_decoding(
        groups in prop::collection::vec((1_i32..9, any::<bool>()), 1..9),
        step in 1_i32..=2,
    ) {
        let order = decoding_order(&groups);
        let depth = depth(&order);
        let announced = Some((depth as u32, 16));
        let (mut stream, _) = Stream::with(&SpsSpec { restriction: announced, ..SpsSpec::default() });
        let counts: Vec<i32> = order.iter().map(|shown| shown * step).collect();
        stream.group(&counts);
        let (format, shifts) = stream.group(&counts);
        prop_assert_eq!(format.reorder as usize, depth);
        if depth == 0 {
            prop_assert!(shifts.iter().all(|shift| *shift == 0));
        } else {
            let places: Vec<i32> = (0..).zip(&shifts).map(|(n, shift)| n + shift - depth as i32).collect();
            prop_assert!(shifts.iter().all(|shift| *shift >= 0));
            prop_assert_eq!(&places[1..], order.as_slice());
        }
    }
}
