#!/usr/bin/env bash
# scuffle-h264 0.2.2: `Sps::build` writes an SPS without an end. After the last field that it knows come neither the rest of the VUI nor
# the stop bit, so an ordinary SPS of x264 that is parsed and built again, unchanged, is no valid SPS any more.
#
# Expected: what the crate does not keep (HRD, bitstream_restriction) is told to be absent, which takes five bits, and the stop bit of
# rbsp_trailing_bits follows (H.264, 7.3.2.1, 7.3.2.11 and E.1.1). Without VUI the stop bit is missing, too. The crate itself reads it
# back as it was, which hides it; h264-reader 0.9.0 refuses it, and FFmpeg reads beyond its end.
# Needs cargo and ffmpeg with libx264. Fails if what is seen changes.
set -euo pipefail
for need in cargo ffmpeg ffprobe; do command -v "$need" >/dev/null || { echo "$need is needed"; exit 2; }; done
place=$(mktemp -d); trap 'rm -rf "$place"' EXIT
cd "$place"
mkdir src
cat > Cargo.toml <<'T'
[package]
name = "sps"
version = "0.0.0"
edition = "2021"
[dependencies]
h264-reader = "=0.9.0"
scuffle-h264 = "=0.2.2"
T
cat > src/main.rs <<'R'
use h264_reader::nal::{sps::SeqParameterSet, Nal, RefNal};
use scuffle_h264::Sps;

fn read(nal: &[u8]) -> Result<(u32, u32), String> {
    let sps = SeqParameterSet::from_bits(RefNal::new(nal, &[], true).rbsp_bits()).map_err(|error| format!("{error:?}"))?;
    Ok(sps.pixel_dimensions().unwrap())
}

fn main() {
    let stream = std::fs::read("in.264").unwrap();
    let start = stream.windows(4).position(|bytes| bytes == [0, 0, 1, 0x67]).unwrap() + 3;
    let length = stream[start..].windows(4).position(|bytes| bytes == [0, 0, 0, 1]).unwrap();
    let nal = &stream[start..start + length];
    let mut sps = Sps::parse_with_emulation_prevention(nal).unwrap();
    let (mut built, mut plain) = (Vec::new(), Vec::new());
    sps.clone().build_with_emulation_prevention(&mut built).unwrap();
    assert_eq!(Sps::parse_with_emulation_prevention(&built[..]).unwrap(), sps);
    println!("x264:  {nal:02x?}\n       h264-reader: {:?}", read(nal));
    println!("built: {built:02x?}\n       h264-reader: {:?}", read(&built));
    (sps.sample_aspect_ratio, sps.color_config, sps.timing_info) = (None, None, None);
    sps.build_with_emulation_prevention(&mut plain).unwrap();
    println!("built without VUI: {plain:02x?}\n       h264-reader: {:?}", read(&plain));
    std::fs::write("built.264", [&stream[..start], &built, &stream[start + length..]].concat()).unwrap();
    assert!(read(nal) == Ok((640, 360)) && read(&built).is_err() && read(&plain).is_err());
}
R
ffmpeg -v error -f lavfi -i testsrc2=s=640x360:r=25 -frames:v 25 -c:v libx264 in.264 </dev/null
cargo run --quiet
for name in in built; do
    warnings=$(ffprobe -v warning $name.264 2>&1 | grep -c "Overread VUI" || true)
    echo "$name.264: FFmpeg warns $warnings time(s) of a VUI beyond the end; expected 0, and that h264-reader takes all three"
    [ $((warnings > 0)) = $([ $name = in ] && echo 0 || echo 1) ]
done
