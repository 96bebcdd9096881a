import assert from "node:assert/strict";
import { test } from "node:test";
import { arrangeGrid, tileRatio } from "../src/page/grid-layout.js";

const screen = { width: 1416, height: 840, ratio: 16 / 9, caption: 40, gap: 12 };

test("one camera fills the screen as far as its shape allows", () => {
  assert.deepEqual(arrangeGrid({ ...screen, count: 1 }), { columns: 1, tile: 1416 });
  assert.deepEqual(arrangeGrid({ ...screen, count: 1, height: 400 }), { columns: 1, tile: 640 });
});

test("four cameras stand two by two, and nothing has to be scrolled", () => {
  const { columns, tile } = arrangeGrid({ ...screen, count: 4 });
  assert.equal(columns, 2);
  assert.ok(2 * (tile / screen.ratio + screen.caption) + screen.gap <= screen.height);
});

test("on a phone cameras stand one below the other at full width", () => {
  assert.deepEqual(arrangeGrid({ ...screen, count: 6, width: 390 }), { columns: 1, tile: 390 });
});

test("a wide and flat wall puts all side by side", () => {
  assert.equal(arrangeGrid({ ...screen, count: 5, width: 5000, height: 600 }).columns, 5);
});

test("a hundred cameras have tiles that can be seen, and the page scrolls", () => {
  assert.deepEqual(arrangeGrid({ ...screen, count: 100 }), { columns: 5, tile: 273 });
  assert.deepEqual(arrangeGrid({ ...screen, count: 1000, width: 720 }), { columns: 2, tile: 354 });
  // Few cameras in a flat window.
  assert.equal(arrangeGrid({ ...screen, count: 3, height: 100 }).tile, 106);
});

test("a picture that nearly fits is shown as large as it is, neither blurred nor larger than the screen", () => {
  const narrow = { ...screen, count: 1, own: 1280 };
  assert.equal(arrangeGrid({ ...narrow, width: 1279 }).tile, 1280);
  assert.equal(arrangeGrid({ ...narrow, width: 1300 }).tile, 1280);
  assert.equal(arrangeGrid({ ...narrow, width: 1260 }).tile, 1260);
  assert.equal(arrangeGrid({ ...narrow, width: 1400 }).tile, 1400);
  assert.equal(arrangeGrid({ ...narrow, width: 1279, height: 700 }).tile, 1173);
  assert.equal(arrangeGrid({ ...narrow, width: 1310, count: 4, own: 640 }).tile, 640);
});

test("tiles have the shape of a single camera, and stand upright if all do", () => {
  assert.equal(tileRatio([4 / 3]), 4 / 3);
  assert.equal(tileRatio([NaN]), 16 / 9);
  assert.equal(tileRatio([4 / 3, 16 / 9]), 16 / 9);
  assert.equal(tileRatio([9 / 16, 3 / 4, NaN]), 3 / 4);
  assert.equal(tileRatio([9 / 16, 16 / 9]), 16 / 9);
});
