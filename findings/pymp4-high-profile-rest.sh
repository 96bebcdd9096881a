#!/usr/bin/env bash
# pymp4 1.4.0: of an MP4 with H.264 of High profile it reads the boxes up to avcC and no more. No stts, no moof and no mdat are found,
# and no call fails. The same pictures in Main profile are read to the end of the file.
#
# Expected: a box ends where its size says (ISO/IEC 14496-12, 4.2), so bytes that a parser does not know are skipped. For High profile the
# avcC box has four bytes more, with chroma format and bit depths (ISO/IEC 14496-15, 5.3.3.1.2). They are read as the size of the next
# box, the open-ended list of boxes takes that for its end, and so do all lists around it.
# Needs ffmpeg with libx264, and python3 with venv. Fails if what is seen changes.
set -euo pipefail
for need in ffmpeg python3; do command -v "$need" >/dev/null || { echo "$need is needed"; exit 2; }; done
place=$(mktemp -d); trap 'rm -rf "$place"' EXIT
cd "$place"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check pymp4==1.4.0 construct==2.8.8
for profile in main high; do
    x264=(-v error -f lavfi -i testsrc2=s=320x240:r=25 -frames:v 25 -c:v libx264 -g 10 -profile:v $profile)
    ffmpeg "${x264[@]}" -movflags faststart $profile-plain.mp4 </dev/null
    ffmpeg "${x264[@]}" -movflags empty_moov+default_base_moof+frag_keyframe $profile-fragments.mp4 </dev/null
done
cat > run.py <<'P'
import importlib.metadata, struct, sys
from pymp4.parser import MP4

def from_sizes(data):
    """All top-level boxes, by nothing but their sizes: type and end."""
    found, at = [], 0
    while at < len(data):
        size, kind = struct.unpack(">I4s", data[at:at + 8])
        at += size
        found.append((kind.decode(), at))
    return found

def kinds(boxes):
    for box in boxes:
        yield box.type.decode()
        yield from kinds(box.get("children") or [])

print("pymp4", importlib.metadata.version("pymp4"), "with construct", importlib.metadata.version("construct"))
seen = []
for profile in ["main", "high"]:
    for name in ["plain", "fragments"]:
        data = open(f"{profile}-{name}.mp4", "rb").read()
        boxes, expected = MP4.parse(data), from_sizes(data)
        tops = [(box.type.decode(), box.end) for box in boxes]
        inner = list(kinds(boxes))
        wanted = "stts" if name == "plain" else "trun"
        print(f"{profile}-{name}.mp4, {len(data)} bytes: {[kind for kind, _ in tops]} to byte {tops[-1][1]}, {inner.count(wanted)} {wanted};"
              f" expected {[kind for kind, _ in expected]}")
        if profile == "main":
            seen.append(tops == expected and wanted in inner)
        else:
            moov = expected[1][1]
            seen.append([kind for kind, _ in tops] == ["ftyp", "moov"] and tops[1][1] < moov and "stsd" in inner
                        and not {"stts", "mvex", "moof", "mdat"} & set(inner))
sys.exit(not all(seen))
P
venv/bin/python run.py
