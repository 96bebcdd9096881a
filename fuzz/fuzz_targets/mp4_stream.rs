//! The endless MP4 of another server, of any bytes cut anywhere: no panic, and no more is kept than a frame and its head.
//! What this program writes is read back.
#![no_main]

use berrymse::media::fmp4::avc1;
use berrymse::media::fmp4::read::{Reader, Segment};
use berrymse::media::{Description, Frame, FrameHeader, LengthPrefixed, Parameters, Recovery};
use berrymse::time::Timestamp;
use libfuzzer_sys::fuzz_target;
use std::sync::Arc;

fn read(reader: &mut Reader) -> Option<Segment> {
    reader.next_segment().ok().flatten()
}

fuzz_target!(|input: (u8, u16, bool, &[u8])| {
    let (cut, frames, is_marked, bytes) = input;
    let mut reader = Reader::default();
    for piece in bytes.chunks(usize::from(cut) + 1) {
        reader.push(piece);
        while let Some(segment) = read(&mut reader) {
            match segment {
                Segment::Init(track) => drop(avc1::parse(&track.sample_entry)),
                Segment::Fragment(_) => {
                    LengthPrefixed(reader.data()).for_each(|nal| assert!(nal.len() <= bytes.len()));
                }
            }
        }
    }
    let header = FrameHeader {
        parameters: Arc::new(Parameters::new(Description::default())),
        sequence: u32::from(frames),
        decode_time: u64::from(frames) << (cut % 48),
        composition_offset: (cut % 2 == 0).then_some(-i32::from(cut)),
        duration: 3000,
        nominal_duration: 3000,
        captured_at: Timestamp::default(),
        is_keyframe: false,
        is_disposable: is_marked,
        recovery: Some(Recovery { frames: u32::from(frames) / 2, is_marked }),
    };
    let nals = || bytes.chunks(usize::from(cut) + 1);
    let frame = Frame::new(header.clone(), nals());
    let mut reader = Reader::default();
    reader.push(&frame.fmp4());
    let Some(Segment::Fragment(sample)) = read(&mut reader) else {
        panic!("what was written is not read");
    };
    assert_eq!(sample.decode_time, header.decode_time);
    assert_eq!(sample.composition_offset, header.composition_offset);
    assert_eq!((sample.is_keyframe, sample.is_reference), (false, !is_marked));
    let read_frames = sample.recovery.map(|recovery| recovery.frames);
    assert_eq!(read_frames, Some((u32::from(frames) / 2).min(0x7ffe)));
    assert!(LengthPrefixed(reader.data()).eq(nals()));
});
