/**
 * A camera that goes wrong on purpose: the pictures of another server as H.264 on standard output, for `exec:`.
 * `node relay.mjs URL [lose=SHARE] [corrupt=EVERY] [next=URL after=SECONDS]`: loses that share of the pictures that are no
 * keyframes, writes noise over the slices of every Nth, or goes over to another server's pictures.
 */

import { get } from "node:http";
import "./host.mjs";

const [, , url, ...options] = process.argv;
const { lose = 0, corrupt = 0, next = "", after = 0 } = Object.fromEntries(options.map((option) => option.split("=")));
const START_CODE = Buffer.from([0, 0, 0, 1]);

let parameterSets = Buffer.alloc(0);
let isKeyframe = true;
let pictures = 0;

let taken = url;

function take(from) {
  get(from, (answer) => {
    let rest = Buffer.alloc(0);
    answer.on("data", (data) => {
      if (from !== taken) return;
      rest = Buffer.concat([rest, data]);
      while (rest.length >= 8 && rest.length >= rest.readUInt32BE(0)) {
        const size = rest.readUInt32BE(0);
        takeBox(rest.toString("latin1", 4, 8), rest.subarray(0, size));
        rest = rest.subarray(size);
      }
    });
    answer.on("close", () => process.exit(1));
  }).on("error", () => process.exit(1));
}

take(url);
if (next) {
  setTimeout(() => {
    taken = next;
    take(next);
  }, after * 1000);
}

// The reader is gone.
process.stdout.on("error", () => process.exit(0));

function takeBox(type, box) {
  if (type === "moov") parameterSets = parameterSetsOf(box);
  // The server's fragments have a fixed shape: this is the first byte of the first sample's flags.
  if (type === "moof") isKeyframe = box[92] === 2;
  if (type === "mdat") write(box.subarray(8));
}

/** The decoder configuration record, ISO/IEC 14496-15, 5.3.3.1. */
function parameterSetsOf(moov) {
  let at = moov.indexOf("avcC") + 4 + 5;
  const out = [];
  for (const mask of [0x1f, 0xff]) {
    let count = moov[at++] & mask;
    for (; count > 0; count -= 1) {
      const length = moov.readUInt16BE(at);
      out.push(START_CODE, moov.subarray(at + 2, at + 2 + length));
      at += 2 + length;
    }
  }
  return Buffer.concat(out);
}

function write(sample) {
  pictures += 1;
  if (!isKeyframe && Math.random() < lose) return;
  const isBroken = corrupt > 0 && pictures % corrupt === 0;
  const out = isKeyframe ? [parameterSets] : [];
  for (let at = 0; at + 4 <= sample.length;) {
    const length = sample.readUInt32BE(at);
    const unit = Buffer.from(sample.subarray(at + 4, at + 4 + length));
    const SLICES = [1, 5];
    if (isBroken && SLICES.includes(unit[0] & 31)) {
      // Never 0, so that no start code appears; the first bytes say which picture it is.
      for (let i = 12; i < unit.length; i += 1) unit[i] = 1 + Math.random() * 255;
    }
    out.push(START_CODE, unit);
    at += 4 + length;
  }
  process.stdout.write(Buffer.concat(out));
}
