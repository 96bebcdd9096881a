#!/usr/bin/env bash
# jMuxer 2.1.1: readFpsFromTrack has no effect on the video. It reads the rate from the SPS, writes it into its options, and
# gives each frame 33 ms all the same.
#
# Expected: frames of 100 ms for 10/s and of 20 ms for 50/s, as with the option fps (README: "Will read FPS from MP4 track data
# instead of using (above) fps value"). The remuxer keeps the duration that it was made with. So a live picture of 10/s is
# used up three times as fast as it comes, and one of 50/s falls behind by 0.65 s in each second.
# Needs ffmpeg with libx264, node and npm. Fails if the durations change.
set -euo pipefail
for need in ffmpeg node npm; do command -v "$need" >/dev/null || { echo "$need is needed"; exit 2; }; done
place=$(mktemp -d); trap 'rm -rf "$place"' EXIT
cd "$place" && npm install --silent --no-save --ignore-scripts jmuxer@2.1.1 >/dev/null
cp node_modules/jmuxer/dist/jmuxer.js jmuxer.cjs  # as require() of the package itself finds nothing in Node
for rate in 10 50; do
    ffmpeg -v error -f lavfi -i "testsrc2=size=320x240:rate=$rate" -frames:v 40 -c:v libx264 -tune zerolatency \
        -x264-params slices=1:sliced-threads=0 -y "$rate.264"
    echo "ffprobe of $rate.264: $(ffprobe -v error -show_entries stream=r_frame_rate -of csv=p=0 "$rate.264")"
done
cat > run.cjs <<'J'
const { readFileSync } = require("node:fs");
const JMuxer = require("./jmuxer.cjs");
/** The sample durations of all trun boxes; jMuxer writes four words for each sample. */
function durations(data) {
  const found = [];
  for (let at = data.indexOf("trun"); at >= 0; at = data.indexOf("trun", at + 4)) {
    for (let sample = 0; sample < data.readUInt32BE(at + 8); sample++) {
      found.push(data.readUInt32BE(at + 16 + 16 * sample));
    }
  }
  return found;
}
const seen = [];
for (const rate of [10, 50]) {
  for (const option of [{ readFpsFromTrack: true }, { fps: rate }]) {
    const parts = [];
    const muxer = new JMuxer({ mode: "video", flushingTime: 0, onData: (data) => parts.push(Buffer.from(data)), ...option });
    const stream = readFileSync(`${rate}.264`);
    for (let at = 0; at < stream.length; at += 1000) {
      muxer.feed({ video: new Uint8Array(stream.subarray(at, at + 1000)) });
    }
    const found = durations(Buffer.concat(parts)), each = [...new Set(found)].join();
    seen.push(each);
    console.log(`${rate}/s with ${JSON.stringify(option)}: ${found.length} frames of ${each} ms, options.fps is ${muxer.options.fps}; expected ${1000 / rate} ms`);
    muxer.destroy();
  }
}
process.exit(seen.join(" ") === "33 100 33 20" ? 0 : 1);
J
timeout 40 node run.cjs
