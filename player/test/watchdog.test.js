import assert from "node:assert/strict";
import { test } from "node:test";
import { judge } from "../watchdog.js";

const well = { now: 10_000, shownAt: 9980, awakeSince: 0, playingSince: 100, dataAt: 9990, canShow: true, rebuilds: 0 };

test("a picture shown a moment ago is fine", () => {
  assert.equal(judge(well), "fine");
});

test("without anything new for more than a second the picture is frozen", () => {
  assert.equal(judge({ ...well, shownAt: 8900, dataAt: 8900 }), "frozen");
});

test("data that come and are not shown for three seconds mean a stuck decoder", () => {
  assert.equal(judge({ ...well, shownAt: 7500 }), "frozen");
  assert.equal(judge({ ...well, shownAt: 6900 }), "stuck");
  assert.equal(judge({ ...well, shownAt: null }), "stuck");
});

test("a fresh buffer gets its time, and more of it when rebuilding did not help", () => {
  assert.equal(judge({ ...well, shownAt: 1000, playingSince: 9000 }), "frozen");
  assert.equal(judge({ ...well, shownAt: 5000, rebuilds: 2 }), "frozen");
});

test("nothing is wrong with a picture that cannot be seen or was stopped on purpose", () => {
  assert.equal(judge({ ...well, shownAt: 0, canShow: false }), "fine");
});

test("a page that comes into sight again gets a second before its old picture counts as frozen", () => {
  assert.equal(judge({ ...well, shownAt: 1000, awakeSince: 9500 }), "fine");
  assert.equal(judge({ ...well, shownAt: 1000, awakeSince: 8500 }), "frozen");
});

test("before the first picture nothing is frozen", () => {
  assert.equal(judge({ ...well, shownAt: null, playingSince: null, dataAt: null }), "fine");
});
