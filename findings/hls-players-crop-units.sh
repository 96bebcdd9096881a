#!/usr/bin/env bash
# mux.js 7.1 (below video.js) and Shaka Player 5.2 crop 1080i in MPEG-TS by half of what they should: it is shown as
# 1920x1084. Both, and hls.js 1.7, crop 4:2:2 by twice as much: 1080p is written as 1072 lines, and shown as 1934x1080.
#
# Expected: cropping counts in units of SubHeightC * (2 - frame_mbs_only_flag) lines (CropUnitY; H.264, 7.4.2.1.1): 4 for
# interlaced 4:2:0, 1 for progressive 4:2:2. The three have 2 built in; only hls.js has 4 for interlaced. Chromium (seen with
# 148 and 156) takes the shape from the sample entry that they write. The same streams in ffmpeg's MP4 are 1920x1080 there.
# Needs ffmpeg with libx264, node, npm and Chromium (Debian's packages). Fails if the sizes change.
set -euo pipefail
chromium=$(command -v chromium || command -v chromium-browser) || { echo "chromium is needed"; exit 2; }
command -v ffmpeg >/dev/null || { echo "ffmpeg is needed"; exit 2; }
place=$(mktemp -d); trap 'rm -rf "$place"' EXIT
cd "$place" && npm install --silent --no-save --ignore-scripts puppeteer-core@24.10.0 hls.js@1.7.4 mux.js@7.1.0 shaka-player@5.2.12 >/dev/null
make() {
    ffmpeg -v error -f lavfi -i testsrc2=size=1920x1080:rate=25:duration=0.4 -c:v libx264 -preset ultrafast "${@:2}" -y "$1.ts"
    ffmpeg -v error -i "$1.ts" -c copy -y "$1.mp4"
    printf '#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:1\n#EXTINF:0.4,\n%s.ts\n#EXT-X-ENDLIST\n' "$1" > "$1.m3u8"
}
make 1080i -flags +ildct+ilme -x264-params tff=1
make 422 -pix_fmt yuv422p
cat > run.mjs <<'J'
import http from "node:http";
import { readFileSync } from "node:fs";
import puppeteer from "puppeteer-core";
const scripts = ["hls.js/dist/hls.js", "mux.js/dist/mux.js", "shaka-player/dist/shaka-player.compiled.js"];
const types = { m3u8: "application/vnd.apple.mpegurl", ts: "video/mp2t", mp4: "video/mp4", js: "text/javascript" };
const server = http.createServer((request, response) => {
  const name = request.url.slice(1) || "page.html", file = name.includes("/") ? `node_modules/${name}` : name;
  response.setHeader("Content-Type", types[name.split(".").pop()] ?? "text/html");
  try {
    response.end(name === "page.html" ? `<!doctype html><video muted></video>${scripts.map((s) => `<script src="/${s}"></script>`).join("")}` : readFileSync(file));
  } catch {
    response.writeHead(404).end();
  }
}).listen(0, "127.0.0.1");
await new Promise((resolve) => server.once("listening", resolve));
const browser = await puppeteer.launch({ executablePath: process.argv[2], args: ["--no-sandbox", "--disable-gpu"] });
console.log(await browser.version());
const seen = {};
for (const name of ["1080i", "422"]) {
  for (const player of ["ffmpeg", "hls.js", "mux.js", "shaka"]) {
    const tab = await browser.newPage();
    await tab.goto(`http://127.0.0.1:${server.address().port}/`);
    seen[`${name} ${player}`] = await tab.evaluate(async (name, player) => {
      const video = document.querySelector("video");
      const isLoaded = new Promise((resolve, reject) => {
        video.onloadeddata = resolve;
        setTimeout(() => reject(new Error(`${player} shows nothing`)), 8000);
      });
      if (player === "ffmpeg") {
        video.src = `/${name}.mp4`;
      } else if (player === "hls.js") {
        const hls = new Hls();
        hls.loadSource(`/${name}.m3u8`);
        hls.attachMedia(video);
      } else if (player === "shaka") {
        shaka.polyfill.installAll();
        const it = new shaka.Player();
        it.attach(video).then(() => it.load(`/${name}.m3u8`));
      } else {
        const source = new MediaSource(), transmuxer = new muxjs.mp4.Transmuxer();
        video.src = URL.createObjectURL(source);
        await new Promise((resolve) => (source.onsourceopen = resolve));
        const buffer = source.addSourceBuffer('video/mp4; codecs="avc1.7a0028"');
        transmuxer.on("data", (part) => buffer.appendBuffer(new Uint8Array([...part.initSegment, ...part.data])));
        transmuxer.push(new Uint8Array(await (await fetch(`/${name}.ts`)).arrayBuffer()));
        transmuxer.flush();
      }
      await isLoaded;
      return `${video.videoWidth}x${video.videoHeight}`;
    }, name, player);
    console.log(`${name} by ${player}: ${seen[`${name} ${player}`]}; expected 1920x1080`);
    await tab.close();
  }
}
await browser.close();
server.close();
const sizes = ["1920x1080", "1920x1080", "1920x1084", "1920x1084", "1920x1080", "1934x1080", "1934x1080", "1934x1080"];
process.exit(Object.values(seen).join() === sizes.join() ? 0 : 1);
J
timeout 55 node run.mjs "$chromium"
