#!/usr/bin/env bash
# Chromium 156: an H.264 stream that is tagged with a matrix (BT.601) and full range, and with
# "unspecified" primaries and transfer, is drawn as BT.709 in limited range: both tags are ignored.
# With all three tags they count. And an untagged stream below 720 lines is BT.709 by Media Source
# Extensions, and BT.601 where the same file is the video's src.
#
# Expected: each syntax element of the VUI (H.264, E.2.1) means what it says; "unspecified" primaries
# leave the matrix alone. ffmpeg tags what it makes of MJPEG cameras like that (bt470bg/unknown/unknown, pc).
# Needs ffmpeg with libx264, node, npm and Chromium (Debian's packages). Fails if the colours change.
set -euo pipefail
chromium=$(command -v chromium || command -v chromium-browser) || { echo "chromium is needed"; exit 2; }
command -v ffmpeg >/dev/null || { echo "ffmpeg is needed"; exit 2; }
place=$(mktemp -d); trap 'rm -rf "$place"' EXIT
cd "$place" && npm install --silent --no-save --ignore-scripts puppeteer-core@24.10.0 >/dev/null
# One flat colour as Y, Cb, Cr: what it is in RGB is the decoder's choice of matrix and range.
make() {
    ffmpeg -v error -f lavfi -i "color=black:size=320x240:rate=10:duration=1,format=yuv420p,lutyuv=y=120:u=90:v=100" \
        -c:v libx264 -qp 10 -bsf:v "h264_metadata=$2" -movflags empty_moov+default_base_moof+frag_keyframe -y "$1.mp4"
}
make matrix "colour_primaries=2:transfer_characteristics=2:matrix_coefficients=5:video_full_range_flag=1"
make all "colour_primaries=5:transfer_characteristics=6:matrix_coefficients=5:video_full_range_flag=1"
make untagged "video_full_range_flag=0"
cat > run.mjs <<'J'
import { readFileSync } from "node:fs";
import puppeteer from "puppeteer-core";
const browser = await puppeteer.launch({ executablePath: process.argv[2], args: ["--no-sandbox", "--disable-gpu"] });
console.log(await browser.version());
const tab = await browser.newPage();
await tab.setViewport({ width: 400, height: 300 });
const seen = {};
for (const name of ["matrix", "all", "untagged", "source"]) {
  const data = readFileSync(name === "source" ? "untagged.mp4" : `${name}.mp4`).toString("base64");
  await tab.setContent(`<body style="margin:0"><video muted style="display:block"></video>`);
  await tab.evaluate(async (data, bySource) => {
    const video = document.querySelector("video");
    const isShown = new Promise((resolve) => {
      video.requestVideoFrameCallback(() => requestAnimationFrame(() => setTimeout(resolve, 300)));
    });
    if (bySource) {
      video.src = "data:video/mp4;base64," + data;
    } else {
      const source = new MediaSource();
      video.src = URL.createObjectURL(source);
      await new Promise((resolve) => (source.onsourceopen = resolve));
      source.addSourceBuffer('video/mp4; codecs="avc1.64000d"').appendBuffer(Uint8Array.from(atob(data), (c) => c.charCodeAt(0)));
    }
    video.play();
    await isShown;
  }, data, name === "source");
  const png = await tab.screenshot({ encoding: "base64", clip: { x: 100, y: 100, width: 4, height: 4 } });
  seen[name] = await tab.evaluate(async (png) => {
    const image = await createImageBitmap(await (await fetch("data:image/png;base64," + png)).blob());
    const canvas = new OffscreenCanvas(4, 4).getContext("2d");
    canvas.drawImage(image, 0, 0);
    return [...canvas.getImageData(1, 1, 1, 1).data.slice(0, 3)];
  }, png);
}
await browser.close();
// ITU-T H.273 for Y 120, Cb 90, Cr 100.
const [y, cb, cr] = [120, 90 - 128, 100 - 128];
const clamp = (v) => Math.max(0, Math.min(255, Math.round(v)));
const rgb = (kr, kb, isFull) => {
  const [Y, c] = isFull ? [y, 1] : [((y - 16) * 255) / 219, 255 / 224];
  const kg = 1 - kr - kb;
  const [r, b] = [2 * (1 - kr) * cr * c, 2 * (1 - kb) * cb * c];
  return [clamp(Y + r), clamp(Y - (kr * r + kb * b) / kg), clamp(Y + b)];
};
const full601 = rgb(0.299, 0.114, true), limited601 = rgb(0.299, 0.114, false), limited709 = rgb(0.2126, 0.0722, false);
const near = (a, b) => a.every((v, i) => Math.abs(v - b[i]) <= 5);
console.log(`BT.601 full range is ${full601}, limited ${limited601}, BT.709 limited range ${limited709}`);
console.log(`matrix and full range alone: ${seen.matrix}; expected BT.601 full range`);
console.log(`with primaries and transfer: ${seen.all}; expected BT.601 full range`);
console.log(`untagged, by Media Source Extensions: ${seen.untagged}`);
console.log(`untagged, the same file by src: ${seen.source}; expected the same`);
process.exit(near(seen.matrix, limited709) && near(seen.all, full601) && near(seen.untagged, limited709) && near(seen.source, limited601) ? 0 : 1);
J
timeout 80 node run.mjs "$chromium"
