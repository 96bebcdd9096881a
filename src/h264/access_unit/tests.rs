#![allow(clippy::unwrap_used)]
use super::*;
use crate::h264::slice::PictureStructure;
use crate::h264::tests::synthetic::{Seen, SliceSpec, SpsSpec, annexb, flush, pps, push};

pub(super) fn sets() -> [Vec<u8>; 2] {
    [SpsSpec::default().nal(), pps(0, 0, 0)]
}

/// Parameter sets and an IDR picture.
fn keyframe(noise: usize) -> Vec<u8> {
    let [sps, pps] = sets();
    annexb(&[sps, pps, SliceSpec::idr(0).with_noise(noise).nal()])
}

fn p(n: u32) -> Vec<u8> {
    annexb(&[SliceSpec::p(n).nal()])
}

/// The `n`th picture in two slices.
fn two_slices(n: u32) -> [Vec<u8>; 2] {
    let second = SliceSpec {
        first_mb: 100,
        ..SliceSpec::p(n)
    };
    [annexb(&[SliceSpec::p(n).nal()]), annexb(&[second.nal()])]
}

mod boundaries;

mod device;

mod program;

mod memory;
