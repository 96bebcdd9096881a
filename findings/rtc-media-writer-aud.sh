#!/usr/bin/env bash
# rtc-media 0.21.1 (webrtc-rs): H26xWriter, which saves RTP as a .264 file, writes nothing at all of an H.264 stream whose access units
# begin with a delimiter (AUD) in a STAP-A, as FFmpeg sends them. No call fails.
#
# Expected: the file begins at the first keyframe. The writer waits for an SPS, but of a STAP-A it looks at the first unit only, and an
# AUD comes before the SPS by rule (H.264, 7.4.1.2.3). The crate's own depacketizer gives all pictures of the same packets.
# Needs cargo and ffmpeg with libx264. Fails if what is seen changes.
set -euo pipefail
for need in cargo ffmpeg; do command -v "$need" >/dev/null || { echo "$need is needed"; exit 2; }; done
place=$(mktemp -d); trap 'rm -rf "$place"' EXIT
cd "$place"
mkdir src
cat > Cargo.toml <<'T'
[package]
name = "writer"
version = "0.0.0"
edition = "2021"
[dependencies]
rtc-media = "=0.21.1"
rtc-rtp = "=0.21.1"
rtc-shared = { version = "=0.21.1", default-features = false, features = ["marshal"] }
T
cat > src/main.rs <<'R'
use rtc_media::io::{h26x_writer::H26xWriter, Writer};
use rtc_rtp::{codec::h264::H264Packet, packetizer::Depacketizer, Packet};
use rtc_shared::marshal::Unmarshal;
use std::{net::UdpSocket, process::Command};

fn main() {
    for aud in 0..2 {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = socket.local_addr().unwrap().port();
        let command = format!("ffmpeg -v error -f lavfi -i testsrc2=s=160x120:r=10 -frames:v 20 -c:v libx264 -tune zerolatency -g 10 \
            -x264-params repeat-headers=1:aud={aud} -f rtp rtp://127.0.0.1:{port}?pkt_size=1200");
        assert!(Command::new("sh").args(["-c", &format!("{command} </dev/null >sdp")]).status().unwrap().success());
        socket.set_nonblocking(true).unwrap();
        let (mut written, mut depacketizer, mut all, mut first) = (Vec::new(), H264Packet::default(), Vec::new(), Vec::new());
        let mut writer = H26xWriter::new(&mut written, false);
        let mut buffer = [0; 2000];
        while let Ok(length) = socket.recv(&mut buffer) {
            let packet = Packet::unmarshal(&mut &buffer[..length]).unwrap();
            if first.is_empty() {
                first = packet.payload[..4].to_vec();
            }
            writer.write_rtp(&packet).unwrap();
            all.extend_from_slice(&depacketizer.depacketize(&packet.payload).unwrap());
        }
        writer.close().unwrap();
        drop(writer);
        println!("aud={aud}: the first packet is {first:02x?}; {} bytes written, {} depacketized; expected the same", written.len(), all.len());
        std::fs::write(format!("written{aud}.264"), written).unwrap();
        std::fs::write(format!("all{aud}.264"), all).unwrap();
    }
}
R
cargo run --quiet
pictures() { ffmpeg -v quiet -i "$1" -f rawvideo -pix_fmt gray - </dev/null | wc -c | awk '{ print $1 / (160 * 120) }'; }
seen="$(pictures written0.264) $(pictures all0.264) $(pictures written1.264 || true) $(pictures all1.264)"
echo "pictures written and depacketized, without AUD, then with: $seen; expected 20 20 20 20"
[ "$seen" = "20 20 0 20" ] && [ ! -s written1.264 ]
