//! Pictures of cameras: no bytes make the decoder of baseline JPEG panic, nor what completes them ahead of it, and what it decodes
//! it decodes again to the same.
#![no_main]

use berrymse::jpeg::{BaselineDecoder, Yuv420Planes, SampleRange, complete};
use libfuzzer_sys::fuzz_target;

const WIDTH: usize = 64;
const HEIGHT: usize = 48;

/// The planes, if it is a picture.
fn decode(decoder: &mut BaselineDecoder, jpeg: &[u8], range: SampleRange) -> Option<[Vec<u8>; 3]> {
    let mut planes = [1, 4, 4].map(|part| vec![0; WIDTH * HEIGHT / part]);
    let mut to = Yuv420Planes {
        width: WIDTH,
        height: HEIGHT,
        planes: planes.each_mut().map(Vec::as_mut_slice),
    };
    decoder.decode(jpeg, range, &mut to).ok()?;
    Some(planes)
}

/// The headers of a picture of 64x48 pixels, 4:2:2, up to the data of its scan; the Huffman tables are those of the standard.
fn headers() -> Vec<u8> {
    let mut out = vec![0xff, 0xd8, 0xff, 0xdb, 0, 67, 0];
    out.extend([3; 64]);
    out.extend([0xff, 0xc0, 0, 17, 8, 0, HEIGHT as u8, 0, WIDTH as u8, 3]);
    out.extend([1, 0x21, 0, 2, 0x11, 0, 3, 0x11, 0]);
    out.extend([0xff, 0xda, 0, 12, 3, 1, 0, 2, 0x11, 3, 0x11, 0, 63, 0]);
    out
}

fuzz_target!(|data: &[u8]| {
    let mut decoder = BaselineDecoder::default();
    let mut behind_headers = headers();
    behind_headers.extend(data);
    behind_headers.extend([0xff, 0xd9]);
    for mut jpeg in [data.to_vec(), behind_headers] {
        complete(&mut jpeg);
        for range in [SampleRange::Full, SampleRange::Limited] {
            let first = decode(&mut decoder, &jpeg, range);
            assert_eq!(decode(&mut decoder, &jpeg, range), first);
            if let (Some([y, u, v]), SampleRange::Limited) = (first, range) {
                assert!(y.iter().all(|it| (16..=235).contains(it)));
                assert!(u.iter().chain(&v).all(|it| (16..=240).contains(it)));
            }
        }
    }
});
