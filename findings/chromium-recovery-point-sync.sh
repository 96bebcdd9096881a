#!/usr/bin/env bash
# Chromium 156, Media Source Extensions: a P frame with a recovery point SEI (recovery_frame_cnt 0) begins a
# coded frame group, although the MP4 says that it is no sync sample; the same frame without the SEI, and
# marked as a sync sample in the MP4, is dropped.
#
# Expected: the sync flag of the MP4 (ISO/IEC 14496-12, 8.8.3.1) decides what a "random access point" is (Media
# Source Extensions, ISO BMFF byte stream format).
# Needs ffmpeg with libx264, python3, node, npm and Chromium (Debian's packages). Fails if that changes.
set -euo pipefail
chromium=$(command -v chromium || command -v chromium-browser) || { echo "chromium is needed"; exit 2; }
command -v ffmpeg >/dev/null || { echo "ffmpeg is needed"; exit 2; }
place=$(mktemp -d); trap 'rm -rf "$place"' EXIT
cd "$place" && npm install --silent --no-save --ignore-scripts puppeteer-core@24.10.0 >/dev/null
# One fragment for each frame; only the first is an IDR picture.
ffmpeg -v error -f lavfi -i testsrc2=size=320x240:rate=10:duration=2 -c:v libx264 -tune zerolatency -bf 0 -g 1000 \
    -movflags empty_moov+default_base_moof+frag_every_frame -y all.mp4
cat > cut.py <<'P'
import json, struct
data, boxes, at = open("all.mp4", "rb").read(), [], 0
while at < len(data):
    size, kind = struct.unpack("!I4s", data[at:at + 8])
    boxes.append((kind, data[at:at + size]))
    at += size
init = b"".join(box for kind, box in boxes if kind in (b"ftyp", b"moov"))
moofs = [box for kind, box in boxes if kind == b"moof"]
mdats = [box for kind, box in boxes if kind == b"mdat"]
SEI = bytes([6, 6, 1, 0xC4, 0x80])  # H.264, D.1.8: recovery_frame_cnt 0, exact_match_flag 1

def fragment(index, is_sync, has_sei):
    """The frame with our own moof: one sample, flags said outright."""
    payload = (struct.pack("!I", len(SEI)) + SEI if has_sei else b"") + mdats[index][8:]
    box = lambda kind, *parts: struct.pack("!I4s", 8 + sum(map(len, parts)), kind) + b"".join(parts)
    flags = 0x02000000 if is_sync else 0x01010000
    def moof(offset):
        trun = box(b"trun", struct.pack("!IIiIII", 0x000701, 1, offset, 1024, len(payload), flags))
        tfdt = box(b"tfdt", struct.pack("!IQ", 0x01000000, (index - 5) * 1024))
        return box(b"moof", box(b"mfhd", struct.pack("!II", 0, index)), box(b"traf", box(b"tfhd", struct.pack("!II", 0x020000, 1)), tfdt, trun))
    return moof(len(moof(0)) + 8) + box(b"mdat", payload)

def stream(is_sync, has_sei):
    later = b"".join(fragment(i, i == 5 and is_sync, i == 5 and has_sei) for i in range(5, 15))
    return (init + later).hex()

json.dump({"sei": stream(False, True), "flag": stream(True, False), "neither": stream(False, False)}, open("streams.json", "w"))
P
python3 cut.py
cat > run.mjs <<'J'
import { readFileSync } from "node:fs";
import puppeteer from "puppeteer-core";
const browser = await puppeteer.launch({ executablePath: process.argv[2], args: ["--no-sandbox", "--disable-gpu"] });
console.log(await browser.version());
const tab = await browser.newPage();
const seen = {};
for (const [name, hex] of Object.entries(JSON.parse(readFileSync("streams.json", "utf8")))) {
  seen[name] = await tab.evaluate(async (hex) => {
    const video = document.createElement("video"), source = new MediaSource();
    video.src = URL.createObjectURL(source);
    await new Promise((resolve) => (source.onsourceopen = resolve));
    const buffer = source.addSourceBuffer('video/mp4; codecs="avc1.64000d"');
    buffer.appendBuffer(Uint8Array.from(hex.match(/../g), (byte) => parseInt(byte, 16)));
    await new Promise((resolve) => (buffer.onupdateend = resolve));
    return buffer.buffered.length > 0;
  }, hex);
}
await browser.close();
console.log(`P frame, no sync sample, recovery point SEI: ${seen.sei ? "buffered" : "dropped"}; expected dropped`);
console.log(`P frame, sync sample, no SEI: ${seen.flag ? "buffered" : "dropped"}; expected buffered`);
console.log(`P frame, no sync sample, no SEI: ${seen.neither ? "buffered" : "dropped"}; expected dropped`);
process.exit(seen.sei && !seen.flag && !seen.neither ? 0 : 1);
J
timeout 80 node run.mjs "$chromium"
