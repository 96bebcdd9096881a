import assert from "node:assert/strict";
import { test } from "node:test";
import { pushAndTrim } from "../src/renderers/replay-buffer.js";

const init = (name) => ({ kind: "init", name });
const picture = (isKeyframe, decodeTicks) => ({ kind: "fragment", isKeyframe, decodeTicks, durationTicks: 10 });

/** This many frames after an init segment, every `interval`th a keyframe. */
function stream(count, interval, limits) {
  let past = [];
  let longest = 0;
  past = pushAndTrim(past, init("first"), limits);
  for (let i = 0; i < count; i += 1) {
    past = pushAndTrim(past, picture(i % interval === 0, i * 10), limits);
    longest = Math.max(longest, past.length);
  }
  return { past, longest };
}

test("what is kept begins with its init segment and a keyframe, and is at least as long as wanted", () => {
  const { past, longest } = stream(1000, 30, { keep: 500, most: 5000 });
  assert.equal(past[0].kind, "init");
  assert.ok(past[1].isKeyframe);
  assert.ok(past.length - 1 >= 50 && past.length - 1 < 50 + 30, `${past.length}`);
  assert.ok(longest <= 1 + 50 + 60, `${longest}`);
});

test("without a second keyframe the past does not grow for ever", () => {
  const { past, longest } = stream(10_000, Infinity, { keep: 500, most: 2000 });
  assert.equal(past[0].kind, "init");
  assert.ok(longest < 300, `${longest}`);
});

test("after a change of the picture what is kept begins with the init segment of its first keyframe", () => {
  const limits = { keep: 100, most: 1000 };
  let { past } = stream(12, 5, limits);
  past = pushAndTrim(past, init("second"), limits);
  for (let i = 0; i < 30; i += 1) past = pushAndTrim(past, picture(i % 5 === 0, i * 10), limits);
  assert.deepEqual(past.filter(({ kind }) => kind === "init").map(({ name }) => name), ["second"]);
  assert.equal(past[0].kind, "init");
});
