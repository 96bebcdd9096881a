import assert from "node:assert/strict";
import { test } from "node:test";
import { insets, placed, sizeOf } from "../src/renderers/crop-geometry.js";

const picture = { width: 300, height: 168, left: 26, top: 60 };

test("the hidden edges are turned with the picture", () => {
  const [top, left] = [60 / 228, 26 / 326];
  assert.deepEqual(insets(picture, 0), [top, 0, 0, left]);
  assert.deepEqual(insets(picture, 90), [left, top, 0, 0]);
  assert.deepEqual(insets(picture, 180), [0, left, top, 0]);
  assert.deepEqual(insets(picture, 270), [0, 0, left, top]);
});

test("what is left has its own size", () => {
  assert.deepEqual(sizeOf(326, 228, insets(picture, 0)), [300, 168]);
  assert.deepEqual(sizeOf(228, 326, insets(picture, 90)), [168, 300]);
});

for (const [fit, part] of [["contain", [600, 336]], ["cover", [800, 448]], ["fill", [600, 448]]]) {
  test(`the part is in the middle of the box: ${fit}`, () => {
    const [box, whole] = [[600, 448], [326, 228]];
    const edges = insets(picture, 0);
    placed(box, whole, edges, fit).forEach(({ scale, move, from, to }, axis) => {
      // Where the whole is before anything is done, and the left or top edge of the part in it.
      const before = Math.min(box[0] / whole[0], box[1] / whole[1]);
      const middle = box[axis] / 2;
      const seenAt = (at) => middle + move + (at - middle) * scale;
      const start = middle - whole[axis] * before / 2 + [26, 60][axis] * before;
      const end = middle + whole[axis] * before / 2;
      const near = (a, b) => assert.ok(Math.abs(a - b) < 1e-9, `${a}, not ${b}`);
      near(seenAt(start), middle - part[axis] / 2);
      near(seenAt(end), middle + part[axis] / 2);
      const seen = Math.min(part[axis], box[axis]);
      near(seenAt(from), middle - seen / 2);
      near(seenAt(box[axis] - to), middle + seen / 2);
    });
  });
}
