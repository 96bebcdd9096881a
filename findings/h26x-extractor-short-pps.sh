#!/usr/bin/env bash
# h26x-extractor 0.11.2: whether it finds the High profile's part of a PPS depends on the bits before it. Where that part begins within
# the last 7 bits of the PPS, transform_8x8_mode_flag is None, as in Baseline. The quantizer of x264 alone decides which of both it is.
#
# Expected: everything before the stop bit, the last bit that is set, is data (more_rbsp_data; H.264, 7.2), and the part can be as short as
# three bits (7.3.2.2). h26x-extractor takes it for absent where less than 8 bits are left. FFmpeg finds it in all.
# Needs ffmpeg with libx264, and python3 with venv. Fails if what is seen changes.
set -euo pipefail
for need in ffmpeg python3; do command -v "$need" >/dev/null || { echo "$need is needed"; exit 2; }; done
place=$(mktemp -d); trap 'rm -rf "$place"' EXIT
cd "$place"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check h26x-extractor==0.11.2 bitstring==4.4.0
# Both numbers are Exp-Golomb codes in the PPS, so they move what follows; no-psy leaves second_chroma_qp_index_offset at 0, one bit.
for number in 1 2 3 4; do
    case $number in
        1) options=qp=26:no-psy=1 ;;
        2) options=qp=20:no-psy=1 ;;
        3) options=crf=23:ref=1:no-psy=1 ;;
        4) options=crf=23:ref=3:no-psy=1 ;;
    esac
    ffmpeg -v error -f lavfi -i testsrc2=s=320x240:r=25 -frames:v 5 -c:v libx264 -profile:v high -x264-params $options $number.264 </dev/null
    ffmpeg -v trace -i $number.264 -c copy -bsf:v trace_headers -f null - </dev/null 2> trace
    flag=$(grep -m1 "transform_8x8_mode_flag" trace | grep -o "[01]$")
    echo "$number $options $flag" >> cases
done
cat > run.py <<'P'
import importlib.metadata, sys
from h26x_extractor.h26x_parser import H26xParser
print("h26x-extractor", importlib.metadata.version("h26x-extractor"))
seen = []
for line in open("cases"):
    number, options, ffmpeg = line.split()
    data, found = open(f"{number}.264", "rb").read(), []
    parser = H26xParser(f"{number}.264")
    parser.set_callback("pps", lambda pps, kind, start, end: found.append((data[start:end + 1].hex(), pps)))
    parser.parse()
    nal, pps = found[0]
    flag, offset = pps.transform_8x8_mode_flag, pps.second_chroma_qp_index_offset
    seen.append((flag, offset, int(ffmpeg)))
    print(f"x264 with {options}: PPS {nal.removeprefix('00000001')}: transform_8x8_mode_flag {flag}, second_chroma_qp_index_offset {offset};"
          f" FFmpeg and expected: {ffmpeg}, 0")
sys.exit(seen != [(None, None, 1), (1, 0, 1), (None, None, 1), (1, 0, 1)])
P
venv/bin/python run.py
