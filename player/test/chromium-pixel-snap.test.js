import assert from "node:assert/strict";
import { test } from "node:test";
import { isInexact } from "../src/renderers/chromium-pixel-snap.js";

test("windows whose size Chromium's arithmetic does not bring back to one are known", () => {
  assert.deepEqual([899, 1299, 1303, 1919].map(isInexact), [true, true, true, true]);
  assert.deepEqual([719, 720, 1080, 1279, 1280, 1920, 2048].map(isInexact).filter(Boolean), []);
});
