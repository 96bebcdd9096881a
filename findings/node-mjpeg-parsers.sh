#!/usr/bin/env bash
# pipe2jpeg 0.3.0 hands over two pictures as one if the first has less than 500 bytes, or if its last two bytes come in two reads.
# mjpeg-consumer 2.0.0 hands over a picture twice if it comes in one read with its header, and loses the second of two in a read.
#
# Expected: as many pictures as came, however the bytes were read (Node's streams have no other borders). An EOI marker ends a JPEG (ITU-T
# T.81, B.1.1.3 and B.2.1), and Content-Length a part. pipe2jpeg looks for the EOI from byte 500 on; its README says "All jpegs will be found
# regardless of size". A dark picture of FFmpeg has 341 bytes. If header and picture come in two reads, mjpeg-consumer is right.
# Needs ffmpeg, node and npm. Fails if what is seen changes.
set -euo pipefail
for need in ffmpeg node npm; do command -v "$need" >/dev/null || { echo "$need is needed"; exit 2; }; done
place=$(mktemp -d); trap 'rm -rf "$place"' EXIT
cd "$place" && npm install --silent --no-save --ignore-scripts pipe2jpeg@0.3.0 mjpeg-consumer@2.0.0 >/dev/null
ffmpeg -v error -f lavfi -i color=black:s=160x120:r=5 -frames:v 10 -c:v mjpeg dark%d.jpg </dev/null
ffmpeg -v error -f lavfi -i testsrc2=s=160x120:r=5 -frames:v 10 -c:v mjpeg bright%d.jpg </dev/null
cat > run.cjs <<'J'
const { readFileSync } = require("node:fs");
const Pipe2Jpeg = require("pipe2jpeg");
const MjpegConsumer = require("mjpeg-consumer");
const read = (name) => [...Array(10).keys()].map((number) => readFileSync(`${name}${number + 1}.jpg`));
const dark = read("dark"), bright = read("bright");
const head = (picture) => Buffer.from(`--frame\r\nContent-Type: image/jpeg\r\nContent-Length: ${picture.length}\r\n\r\n`);
const part = (picture) => Buffer.concat([head(picture), picture, Buffer.from("\r\n")]);
const pairs = (items) => items.filter((_, at) => at % 2 === 0).map((item, at) => Buffer.concat([item, items[2 * at + 1]]));
const whole = Buffer.concat(bright), inside = bright[0].length - 1;

const cases = [
  ["pipe2jpeg", "jpeg", `dark pictures of ${dark[0].length} bytes, in one read`, dark, [Buffer.concat(dark)]],
  ["pipe2jpeg", "jpeg", "bright pictures, in one read", bright, [whole]],
  ["pipe2jpeg", "jpeg", "bright pictures, in two reads, parted inside of the first EOI", bright, [whole.subarray(0, inside), whole.subarray(inside)]],
  ["mjpeg-consumer", "data", "bright pictures, header and picture in two reads", bright, bright.flatMap((picture) => [head(picture), picture])],
  ["mjpeg-consumer", "data", "bright pictures, one part in a read", bright, bright.map(part)],
  ["mjpeg-consumer", "data", "bright pictures, two parts in a read", bright, pairs(bright.map(part))],
];
(async () => {
  const seen = [];
  for (const [name, event, text, pictures, reads] of cases) {
    const parser = name === "pipe2jpeg" ? new Pipe2Jpeg() : new MjpegConsumer(), found = [];
    parser.on(event, (picture) => found.push(picture));
    for (const bytes of reads) {
      await new Promise((done) => parser.write(bytes, done));
    }
    await new Promise((done) => setTimeout(done, 50));
    const times = pictures.map((picture) => found.filter((other) => other.equals(picture)).length);
    const lengths = found.map((picture) => picture.length).join("+");
    seen.push(pictures === dark ? `${found.length},${lengths === Array(5).fill(2 * dark[0].length).join("+")}` : `${found.length},${times.join("")}`);
    const detail = pictures === dark ? `${lengths} bytes` : `each ${times.join(" ")} times`;
    console.log(`${name} ${require(`${name}/package.json`).version}, 10 ${text}: ${found.length} came out, ${detail}; expected 10`);
  }
  process.exit(seen.join(" ") === "5,true 10,1111111111 9,0011111111 10,1111111111 19,2222222221 9,2020202010" ? 0 : 1);
})();
J
timeout 40 node run.cjs
