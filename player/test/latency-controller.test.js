import assert from "node:assert/strict";
import { test } from "node:test";
import { parseLatency } from "../src/playback/latency.js";
import { LatencyController } from "../src/playback/latency-controller.js";

const line = { frameSeconds: 1 / 30, jitterSeconds: 0.001 };
const good = { ...line, arrived: 30, shown: 29 };
const jittery = { ...good, jitterSeconds: 0.027 };
const dropping = { ...good, shown: 15 };

function paceAfter(...seconds) {
  const controller = new LatencyController("chromium");
  for (const second of seconds) controller.update(second);
  return controller;
}

test("what is written is min, smooth, or seconds", () => {
  assert.deepEqual(["min", "smooth", "0.5", null, "", "-1", "nonsense", "1e9"].map(parseLatency),
    ["min", "smooth", 0.5, "min", "min", "min", "min", 60]);
});

test("a good line is played into the edge, and one bad second changes nothing", () => {
  assert.equal(paceAfter(good, jittery, jittery, good, dropping).target(line), null);
});

test("three jittery seconds make the picture steady, at a distance that follows the jitter", () => {
  const controller = paceAfter(jittery, jittery, jittery);
  assert.ok(Math.abs(controller.target({ ...line, jitterSeconds: 0.027 }) - 0.141) < 0.001);
  assert.equal(controller.target(line), 0.05);
});

test("a line that has been calm for a while is played into the edge again, later each time", () => {
  const controller = paceAfter(jittery, jittery, jittery);
  const calmSeconds = () => {
    for (let n = 0; ; n += 1) {
      if (controller.target(line) === null) return n;
      controller.update(good);
    }
  };
  assert.equal(calmSeconds(), 10);
  for (let n = 0; n < 3; n += 1) controller.update(jittery);
  assert.equal(calmSeconds(), 20);
});

test("pictures that arrive and are not shown make it steady too, unless that does not help", () => {
  const controller = paceAfter(dropping, dropping, dropping);
  assert.equal(controller.target(line), 0.05);
  for (let n = 0; n < 5; n += 1) controller.update(dropping);
  assert.equal(controller.target(line), null);
  for (let n = 0; n < 100; n += 1) controller.update(dropping);
  assert.equal(controller.target(line), null);
});

test("one picture a second proves nothing", () => {
  const slow = { arrived: 1, shown: 0, jitterSeconds: 0 };
  assert.equal(paceAfter(slow, slow, slow, slow).target(line), null);
});

test("who asks for smooth or for seconds gets it", () => {
  const controller = new LatencyController("chromium");
  controller.latency = "smooth";
  assert.equal(controller.target(line), 0.1);
  controller.latency = 1.5;
  assert.equal(controller.target({ ...line, jitterSeconds: 0.2 }), 1.5);
});

/** A stream with two B frames in Firefox: as it is where it drains, and where it does not. */
const reordered = { ...line, jitterSeconds: 0, reorderSeconds: 0.1 };
const drained = { ...reordered, arrived: 30, shown: 11 };
const filled = { ...drained, shown: 29 };
const distanceAfter = (...seconds) => {
  const controller = new LatencyController("gecko");
  for (const second of seconds) controller.update(second);
  return controller.target(reordered).toFixed(2);
};

test("firefox_with_reordered_frames_keeps_a_distance", () => {
  const target = (engine, latency) => {
    const controller = Object.assign(new LatencyController(engine), { latency });
    for (let n = 0; n < 2; n += 1) controller.update(filled);
    return controller.target(reordered);
  };
  assert.deepEqual(["min", "smooth", 0.2, 2].map((latency) => target("gecko", latency).toFixed(2)), ["0.60", "0.60", "0.60", "2.00"]);
  assert.equal(target("chromium", "min"), null);
});

test("firefox_that_drains_is_given_more_until_it_does_not", () => {
  assert.equal(distanceAfter(), "1.60");
  assert.equal(distanceAfter(drained, drained, filled), "1.60");
  assert.equal(distanceAfter(drained, drained, filled, filled), "0.60");
  assert.equal(distanceAfter(filled, filled, drained, drained, filled), "0.60");
  assert.equal(distanceAfter(filled, filled, drained, drained, drained), "1.60");
});

test("firefox_that_drains_at_any_distance_stays_near", () => {
  assert.equal(distanceAfter(...Array(12).fill(drained)), "0.60");
  assert.equal(distanceAfter(...Array(100).fill(drained)), "0.60");
});

test("long_frames_bear_more_jitter", () => {
  const slow = { ...jittery, arrived: 5, shown: 5, frameSeconds: 0.2 };
  assert.equal(paceAfter(slow, slow, slow).target(line), null);
  const worse = { ...slow, jitterSeconds: 0.09 };
  assert.notEqual(paceAfter(worse, worse, worse).target(line), null);
});
