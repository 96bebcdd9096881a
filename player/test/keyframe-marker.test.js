import assert from "node:assert/strict";
import { test } from "node:test";
import { markAsKeyframe } from "../src/renderers/keyframe-marker.js";
import { readMessage } from "../src/net/mp4.js";
import { fragment } from "./boxes.js";

test("marked_frame_is_a_sync_sample_with_recovery_point", () => {
  const units = [[9, 0x10], [0x41, 1, 2, 3]];
  const before = new Uint8Array(fragment({ decodeTicks: 7, isKeyframe: false, units }));
  const marked = markAsKeyframe(before);
  const after = new Uint8Array(fragment({ decodeTicks: 7, isKeyframe: true, units: [units[0], [6, 6, 1, 0xc4, 0x80], units[1]] }));
  assert.deepEqual(marked, after);
  assert.equal(readMessage(marked.buffer).isKeyframe, true);
  assert.equal(before[92], 1, "the frame itself stays as it was");
});

test("frame_without_slices_is_not_marked", () => {
  for (const units of [[], [[9, 0x10]], [[6, 1, 1, 0, 0x80]]]) {
    const bytes = new Uint8Array(fragment({ decodeTicks: 0, isKeyframe: false, units }));
    assert.equal(markAsKeyframe(bytes), bytes);
  }
});
