#!/usr/bin/env bash
# rtc-rtp 0.21.1 (webrtc-rs): the H.264 payloader keeps one SPS and one PPS, the last ones. All that came before them are dropped.
#
# Expected: every parameter set is sent. A stream may hold several with different ids (H.264, 7.4.1.2.1), and RFC 6184 packs NAL units
# without looking into them. Here two encodings by x264 with the ids 0 and 1 take turns, with all parameter sets at the start. FFmpeg
# decodes all pictures of it, and half of them after the crate's payloader and depacketizer, with no error from either.
# Needs cargo and ffmpeg with libx264. Fails if what is seen changes.
set -euo pipefail
for need in cargo ffmpeg; do command -v "$need" >/dev/null || { echo "$need is needed"; exit 2; }; done
place=$(mktemp -d); trap 'rm -rf "$place"' EXIT
cd "$place"
mkdir src
cat > Cargo.toml <<'T'
[package]
name = "sets"
version = "0.0.0"
edition = "2021"
[dependencies]
bytes = "1"
rtc-rtp = "=0.21.1"
T
cat > src/main.rs <<'R'
use bytes::Bytes;
use rtc_rtp::codec::h264::{H264Packet, H264Payloader};
use rtc_rtp::packetizer::{Depacketizer, Payloader};

/// NAL units with start codes of four bytes; x264 ends none with a zero.
fn units(stream: &[u8]) -> Vec<Vec<u8>> {
    let starts: Vec<_> = (0..stream.len()).filter(|&i| stream[i..].starts_with(&[0, 0, 1])).chain([stream.len()]).collect();
    starts.windows(2).map(|two| {
        let unit = &stream[two[0] + 3..two[1]];
        let end = unit.iter().rposition(|&byte| byte != 0).unwrap() + 1;
        [&[0, 0, 0, 1], &unit[..end]].concat()
    }).collect()
}

fn main() {
    let both = [std::fs::read("0.264").unwrap(), std::fs::read("1.264").unwrap()].concat();
    let (sets, pictures): (Vec<_>, Vec<_>) = units(&both).into_iter().partition(|unit| matches!(unit[4] & 31, 7 | 8));
    let sent = [sets, pictures].concat();
    let (mut payloader, mut depacketizer, mut received) = (H264Payloader::default(), H264Packet::default(), Vec::new());
    for unit in &sent {
        for payload in payloader.payload(1200, &Bytes::copy_from_slice(unit)).unwrap() {
            received.extend_from_slice(&depacketizer.depacketize(&payload).unwrap());
        }
    }
    std::fs::write("sent.264", sent.concat()).unwrap();
    std::fs::write("received.264", &received).unwrap();
    let count = |units: &[Vec<u8>], kind| units.iter().filter(|unit| unit[4] & 31 == kind).count();
    let received = units(&received);
    println!("sent: {} SPS, {} PPS; received: {} SPS, {} PPS; expected 2 and 2", count(&sent, 7), count(&sent, 8), count(&received, 7), count(&received, 8));
}
R
for id in 0 1; do
    ffmpeg -v error -f lavfi -i testsrc2=s=160x120:r=10 -frames:v 10 -c:v libx264 -x264-params "sps-id=$id:bframes=0" "$id.264" </dev/null
done
cargo run --quiet
pictures() { ffmpeg -v quiet -i "$1" -f rawvideo -pix_fmt gray - </dev/null | wc -c | awk '{ print $1 / (160 * 120) }'; }
sent=$(pictures sent.264); received=$(pictures received.264)
echo "pictures that FFmpeg decodes: $sent as sent, $received as received; expected 20 for both"
[ "$sent $received" = "20 10" ]
