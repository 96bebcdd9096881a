#!/usr/bin/env bash
# re_mp4 0.5.1: in fragmented MP4 it reads negative composition offsets as 2^32 more, and it takes `tfdt` of the first fragment only.
#
# Expected: offsets of a `trun` of version 1 are signed (ISO/IEC 14496-12, 8.8.8), and where `tfdt` is beyond the end of the fragment
# before, the last sample lasts until then (8.8.12). Seen: a file of 6 s is told to last 50 days, and after a gap, as a live
# recording has where fragments were lost, all pictures come too early. FFmpeg reads both as expected. Without fragments re_mp4 is right.
# Needs cargo (Rust 1.92), ffmpeg with libx264, and python3. Fails if what is seen changes.
set -euo pipefail
for need in cargo ffmpeg ffprobe python3; do command -v "$need" >/dev/null || { echo "$need is needed"; exit 2; }; done
place=$(mktemp -d); trap 'rm -rf "$place"' EXIT
cd "$place"
mkdir src
cat > Cargo.toml <<'T'
[package]
name = "times"
version = "0.0.0"
edition = "2021"
[dependencies]
re_mp4 = "=0.5.1"
T
cat > src/main.rs <<'R'
fn main() {
    for name in ["plain.mp4", "whole.mp4", "gap.mp4"] {
        let mp4 = re_mp4::Mp4::read_bytes(&std::fs::read(name).unwrap()).unwrap();
        let track = mp4.tracks().values().next().unwrap();
        let largest = track.samples.iter().map(|s| s.composition_timestamp - s.decode_timestamp).max().unwrap();
        let last_key = track.samples.iter().rfind(|s| s.is_sync).unwrap().decode_timestamp;
        println!("{name} {} {largest} {last_key}", track.duration / track.timescale);
    }
}
R
x264=(-v error -f lavfi -i testsrc2=s=160x120:r=10 -t 6 -c:v libx264 -g 10 -bf 2 -video_track_timescale 1000)
ffmpeg "${x264[@]}" plain.mp4 </dev/null
ffmpeg "${x264[@]}" -movflags empty_moov+default_base_moof+frag_keyframe+negative_cts_offsets whole.mp4 </dev/null
python3 - <<'P'
import struct
data, out, moofs, at = open("whole.mp4", "rb").read(), b"", 0, 0
while at < len(data):
    size, kind = struct.unpack(">I4s", data[at:at + 8])
    moofs += kind == b"moof"
    lost = kind == b"mfra" or kind in (b"moof", b"mdat") and moofs in (3, 4)
    out += b"" if lost else data[at:at + size]
    at += size
open("gap.mp4", "wb").write(out)
P
cargo run --quiet > seen
for name in plain whole gap; do
    keys=$(ffprobe -v error -show_entries packet=dts,flags -of csv=p=0 $name.mp4 | grep K | cut -d, -f1)
    read -r _ seconds largest last < <(grep "^$name" seen)
    echo "$name.mp4: FFmpeg has keyframes at" $keys "ms; re_mp4: lasts $seconds s, offset at most $largest ms, last keyframe at $last ms"
done
echo "expected: 6 s for all, at most 400 ms, and in the second and third the last keyframe at 5000 ms"
grep -q "^plain.mp4 6 [1-5]00 " seen
grep -qx "whole.mp4 42949[0-9]* 4294967[0-9]* 5000" seen && grep -qx "gap.mp4 42949[0-9]* 4294967[0-9]* 3000" seen
