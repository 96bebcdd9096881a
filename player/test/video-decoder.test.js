/** The queue of the decoder, with a VideoDecoder whose queue the test empties. */

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { Decoder } from "../src/renderers/video-decoder.js";

let queue;
let now;

globalThis.EncodedVideoChunk = class {
  constructor(init) {
    Object.assign(this, init);
  }
};
globalThis.VideoDecoder = class {
  state = "unconfigured";
  configure() {
    this.state = "configured";
  }
  decode(chunk) {
    queue.push(chunk);
  }
  close() {
    this.state = "closed";
  }
  get decodeQueueSize() {
    return queue.length;
  }
};

beforeEach((t) => {
  queue = [];
  now = 5000;
  t.mock.method(performance, "now", () => now);
});

function started() {
  const responses = [];
  const decoder = new Decoder((response) => responses.push(response.type));
  decoder.handle({ type: "configure", config: {}, turn: 0, hidden: { left: 0, top: 0 } });
  const push = (isKeyframe) => decoder.handle({ type: "frame", timestamp: 0, isKeyframe, data: new Uint8Array(1) });
  push(true);
  return { push, responses };
}

/** Pushes that many frames, one every 40 ms, of which the decoder decodes `decoded` meanwhile. */
function live({ push }, count, decoded) {
  for (let i = 0; i < count; i += 1) {
    now += 40;
    queue.splice(0, decoded);
    push(false);
  }
}

test("decoder of a long replay decodes all of it", () => {
  const decoder = started();
  for (let i = 0; i < 1350; i += 1) decoder.push(false);
  assert.equal(queue.length, 1351);
  live(decoder, 200, 12);
  assert.deepEqual(decoder.responses, []);
  assert.equal(queue.length, 1, "it has caught up");
});

test("decoder behind its camera waits for a keyframe", () => {
  const decoder = started();
  live(decoder, 120, 0);
  // The 25 frames of the first second could be a replay.
  assert.deepEqual(decoder.responses, ["waiting"]);
  const before = queue.length;
  decoder.push(false);
  assert.equal(queue.length, before);
  decoder.push(true);
  assert.equal(queue.length, before + 1);
});

test("decoder that falls behind after a replay waits for a keyframe", () => {
  const decoder = started();
  for (let i = 0; i < 500; i += 1) decoder.push(false);
  live(decoder, 100, 20);
  assert.equal(queue.length, 1);
  live(decoder, 95, 0);
  assert.deepEqual(decoder.responses, ["waiting"]);
});
