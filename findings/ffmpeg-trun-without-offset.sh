#!/usr/bin/env bash
# FFmpeg (seen with libavformat 59 and 62, here in PyAV 18.1): of two track runs in a fragment, the second one without a
# data offset, it takes the samples of the second from the beginning of the moof box: header bytes instead of pictures.
#
# Expected: a run without data offset begins right behind the data of the run before it (ISO/IEC 14496-12, 8.8.8.1). So
# mediabunny reads it, and mp4box.js. FFmpeg adds 0 to the base of the whole fragment. (Chromium 156 was tried by hand: it
# ends with an error, by src and by Media Source Extensions, where it has a parser of its own.)
# Needs ffmpeg with libx264, python3 with venv, node and npm. Fails if what is seen changes.
set -euo pipefail
for need in ffmpeg python3 node npm; do command -v "$need" >/dev/null || { echo "$need is needed"; exit 2; }; done
place=$(mktemp -d); trap 'rm -rf "$place"' EXIT
cd "$place"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check av==18.1.0
npm install --silent --no-save --ignore-scripts mediabunny@1.61.0 >/dev/null
ffmpeg -v error -f lavfi -i testsrc2=size=320x240:rate=25 -frames:v 20 -c:v libx264 -bf 0 \
    -movflags empty_moov+default_base_moof+frag_every_frame -y all.mp4
cat > run.py <<'P'
import json, struct, subprocess, sys
import av

data, boxes, at = open("all.mp4", "rb").read(), [], 0
while at < len(data):
    size, kind = struct.unpack("!I4s", data[at:at + 8])
    boxes.append((kind, data[at:at + size]))
    at += size
init = b"".join(box for kind, box in boxes if kind in (b"ftyp", b"moov"))
frames = [box[8:] for kind, box in boxes if kind == b"mdat"]

def box(kind, *parts):
    return struct.pack("!I4s", 8 + sum(map(len, parts)), kind) + b"".join(parts)

def run(indexes, offset):
    """A trun with duration, size and flags of each sample, and with a data offset if there is one."""
    head = struct.pack("!II", 0x700, len(indexes)) if offset is None else struct.pack("!IIi", 0x701, len(indexes), offset)
    return box(b"trun", head, *(struct.pack("!III", 512, len(frames[i]), 0x01010000 if i else 0x02000000) for i in indexes))

def fragment(first, says_offset):
    near, far = [first, first + 1, first + 2], [first + 3, first + 4]
    def moof(offset):
        behind = offset + sum(len(frames[i]) for i in near) if says_offset else None
        tfhd, tfdt = box(b"tfhd", struct.pack("!II", 0x020000, 1)), box(b"tfdt", struct.pack("!II", 0, first * 512))
        return box(b"moof", box(b"mfhd", struct.pack("!II", 0, first)), box(b"traf", tfhd, tfdt, run(near, offset), run(far, behind)))
    return moof(len(moof(0)) + 8) + box(b"mdat", *(frames[i] for i in near + far))

seen = []
for says_offset in [True, False]:
    with open("runs.mp4", "wb") as file:
        file.write(init + b"".join(fragment(first, says_offset) for first in range(0, 20, 5)))
    by_ffmpeg = [bytes(packet) for packet in av.open("runs.mp4").demux(video=0) if packet.size]
    by_mediabunny = json.loads(subprocess.run(["node", "read.mjs"], check=True, capture_output=True).stdout)
    for name, read in [("FFmpeg", by_ffmpeg), ("mediabunny", [bytes.fromhex(text) for text in by_mediabunny])]:
        wrong = [i for i in range(20) if read[i] != frames[i]]
        seen.append(wrong)
        print(f"second trun {'with' if says_offset else 'without'} data offset, by {name}: wrong frames {wrong}; expected none")
print("libavformat", *av.library_versions["libavformat"], "- frame 3 is read as", by_ffmpeg[3][:8])
sys.exit(seen != [[], [], [3, 4, 8, 9, 13, 14, 18, 19], []])
P
cat > read.mjs <<'J'
import { ALL_FORMATS, EncodedPacketSink, FilePathSource, Input } from "mediabunny";
const input = new Input({ source: new FilePathSource("runs.mp4"), formats: ALL_FORMATS });
const frames = [];
for await (const packet of new EncodedPacketSink(await input.getPrimaryVideoTrack()).packets()) {
  frames.push(Buffer.from(packet.data).toString("hex"));
}
console.log(JSON.stringify(frames));
J
timeout 50 venv/bin/python run.py
