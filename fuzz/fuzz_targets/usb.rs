//! What a USB camera says of itself, and the buffers that it sends: descriptors of any bytes, and H.264 cut into buffers anyhow.
//! Nothing panics, and an extension unit is found only by its name.
#![no_main]

use berrymse::source::v4l2::buffer_ends;
use libfuzzer_sys::fuzz_target;
use v4l2::uvc_h264_xu::h264_unit;

/// {A29E7641-DE04-47E3-8B2B-F4341AFF003B}, the H.264 extension unit.
const GUID: [u8; 16] = [
    0x41, 0x76, 0x9e, 0xa2, 0x04, 0xde, 0xe3, 0x47, 0x8b, 0x2b, 0xf4, 0x34, 0x1a, 0xff, 0x00, 0x3b,
];

fuzz_target!(|input: (u8, u8, &[u8])| {
    let (interface, cut, bytes) = input;
    let found = h264_unit(bytes, interface);
    assert!(found.is_none() || bytes.windows(GUID.len()).any(|name| name == GUID));
    // A unit behind descriptors that end well is found, and only for its interface.
    let control = [9, 4, interface, 0, 1, 0x0e, 1, 0, 0];
    let unit = [&[27, 0x24, 6, cut][..], &GUID, &[0; 7]].concat();
    let whole = [&control[..], &unit, bytes].concat();
    assert_eq!(h264_unit(&whole, interface), Some(cut));
    let buffers: Vec<&[u8]> = bytes.chunks(usize::from(cut).max(1)).collect();
    let (ends, _) = buffer_ends(&buffers);
    assert!(ends.len() <= buffers.len());
});
