import assert from "node:assert/strict";
import { test } from "node:test";
import { detectEngine } from "../src/playback/engine.js";
import { Jitter } from "../src/playback/jitter.js";
import { computeSeekTarget, computeCorrection } from "../src/playback/live-edge.js";
import { newestRange, computeTimestampOffset, computeEvictionEnd } from "../src/renderers/mse-timeline.js";

const calm = { start: 0, end: 10, keyframe: 0, frameSeconds: 1 / 30, jitterSeconds: 0, target: null, isSeekable: true };

test("at the edge the clock runs into the end of the buffer, as fast as each engine bears", () => {
  const rate = (engine) => computeCorrection({ ...calm, engine, position: 9.97 }).rate;
  assert.deepEqual([rate("chromium"), rate("gecko"), rate("webkit")], [2, 1.5, 1]);
});

test("at a distance the clock goes as the pictures do, and makes up for what is wrong", () => {
  const rate = (position) => computeCorrection({ ...calm, engine: "chromium", position, target: 0.1 }).rate;
  assert.deepEqual([9.9, 9.88, 9.8, 9.95, 9.7].map(rate), [1, 1, 1.1, 0.95, 1.2]);
  assert.equal(rate(9.5), 8);
  assert.equal(computeCorrection({ ...calm, engine: "chromium", position: 8.5, target: 0.1 }).seekTo, 9.9);
  assert.equal(computeCorrection({ ...calm, engine: "chromium", position: 8.5, target: 2 }).rate, 0.5);
  assert.equal(computeCorrection({ ...calm, engine: "webkit", position: 9.8, target: 0.1 }).rate, 1);
});

test("the burst of a join is played through quickly and without a seek", () => {
  assert.deepEqual(computeCorrection({ ...calm, engine: "chromium", position: 9.2 }), { rate: 8, seekTo: null });
});

test("a keyframe made for a joining viewer ends the burst", () => {
  const { seekTo } = computeCorrection({ ...calm, engine: "chromium", position: 9.2, keyframe: 9.95 });
  assert.equal(seekTo, 9.97);
  assert.equal(computeSeekTarget({ ...calm, engine: "chromium", keyframe: 9.98 }), 9.98);
  assert.equal(computeCorrection({ ...calm, engine: "gecko", position: 9.2, keyframe: 9.95 }).seekTo, null);
  assert.equal(computeCorrection({ ...calm, engine: "chromium", position: 9.2, keyframe: 9.1 }).seekTo, null);
  assert.equal(computeCorrection({ ...calm, engine: "chromium", position: 9.9, keyframe: 9.95 }).seekTo, null);
});

test("more than a second behind is left with a jump to just before the end", () => {
  assert.deepEqual(computeCorrection({ ...calm, engine: "chromium", position: 8.5 }), { rate: 2, seekTo: 9.97 });
});

test("a play head before the buffered range, or far after it, jumps into it", () => {
  assert.equal(computeCorrection({ ...calm, engine: "gecko", position: 4, start: 9.99 }).seekTo, 9.99);
  assert.equal(computeCorrection({ ...calm, engine: "chromium", position: 500 }).seekTo, 9.97);
});

test("a play head that ran on past the end in a hidden tab comes back", () => {
  assert.equal(computeCorrection({ ...calm, engine: "chromium", position: 10.5 }).seekTo, 9.97);
  assert.equal(computeEvictionEnd({ position: 500, end: 11, keyframes: [0, 2, 4, 6, 8, 10], keepSeconds: 5 }), 6);
});

test("a camera of one picture in two seconds is never jumped after", () => {
  assert.deepEqual(computeCorrection({ ...calm, engine: "chromium", position: 8, frameSeconds: 2 }), { rate: 2, seekTo: null });
});

test("webkit keeps more distance on a jittery line", () => {
  assert.equal(computeSeekTarget({ ...calm, engine: "webkit" }), 9.95);
  assert.equal(computeSeekTarget({ ...calm, engine: "webkit", jitterSeconds: 0.1 }), 9.65);
});

/** The jitter after 200 arrivals more, `step(i)` seconds apart, of pictures that are `mediaStep` seconds long. */
function after(jitter, clock, step, mediaStep = () => 0.033) {
  for (let i = 0; i < 200; i += 1) jitter.add((clock.now += step(i)), (clock.media += mediaStep(i)), 0.033);
  return jitter.seconds;
}

test("jitter follows arrivals that are off and fades when they are even", () => {
  const [jitter, clock] = [new Jitter(), { now: 0, media: 0 }];
  const uneven = after(jitter, clock, (i) => (i % 2 ? 0.073 : 0));
  assert.ok(uneven > 0.03 && uneven < 0.04, `${uneven}`);
  const even = after(jitter, clock, () => 0.033);
  assert.ok(even < 0.001, `${even}`);
});

test("pictures that are left out are no jitter", () => {
  const [jitter, clock] = [new Jitter(), { now: 0, media: 0 }];
  const second = (i) => (i % 3 ? 0.066 : 0.033);
  const even = after(jitter, clock, second, second);
  assert.ok(even < 0.001, `${even}`);
  const full = after(jitter, clock, () => 0.033, second);
  assert.ok(full < 0.001, `${full}`);
});

test("an outage, a new connection and times that jump are no jitter", () => {
  const jitter = new Jitter();
  jitter.add(1, 1, 0.033);
  jitter.add(3, 1.033, 0.033);
  jitter.reset();
  jitter.add(3.4, 1.1, 0.033);
  jitter.add(3.433, 3600, 0.033);
  jitter.add(3.466, 3600.033, 0.033);
  assert.ok(jitter.seconds < 1e-9);
});

test("webkit, which cannot play faster, jumps when others would not yet", () => {
  const seekTo = (engine, position) => computeCorrection({ ...calm, engine, position, keyframe: 0 }).seekTo;
  assert.deepEqual([seekTo("webkit", 9.5), seekTo("webkit", 9.7), seekTo("chromium", 9.5)], [9.95, null, null]);
});

test("every browser on iOS is webkit", () => {
  const cases = {
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36": "chromium",
    "Mozilla/5.0 (X11; Linux x86_64; rv:153.0) Gecko/20100101 Firefox/153.0": "gecko",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/19.0 Safari/605.1.15": "webkit",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/156.0 Mobile/15E148 Safari/604.1": "webkit",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) FxiOS/153.0 Mobile/15E148 Safari/604.1": "webkit",
  };
  for (const [userAgent, engine] of Object.entries(cases)) assert.equal(detectEngine(userAgent), engine, userAgent);
});

const frame = { duration: 1 / 30 };

test("a late viewer's timeline begins at zero", () => {
  assert.equal(computeTimestampOffset({ ...frame, offset: 0, end: 0, start: 5000 }), -5000);
});

test("a restarted server's times go on where the old ones ended", () => {
  assert.equal(computeTimestampOffset({ ...frame, offset: -5000, end: 60, start: 0 }), 60);
  // Shown before it is decoded: a picture order count once jumped back.
  const early = { ...frame, start: 5000, shift: -0.75 };
  assert.ok(computeTimestampOffset({ ...early, offset: 0, end: 0 }) + early.start + early.shift > 0);
  assert.equal(computeTimestampOffset({ ...early, offset: -5000, end: 60, start: 5060 }), -5000);
});

test("times that follow, early or late by less than two pictures, are left alone", () => {
  for (const late of [-0.03, 0, 0.03]) {
    assert.equal(computeTimestampOffset({ ...frame, offset: -5000, end: 60, start: 5060 + late }), -5000);
  }
});

test("times that jump, ahead or back, go on where the last picture ended", () => {
  const after = { offset: 0, end: 10, duration: 1 / 30 };
  assert.equal(computeTimestampOffset({ ...after, start: 3610 }), -3600);
  assert.equal(computeTimestampOffset({ ...after, start: 4 }), 6);
});

test("the buffer is cut at a keyframe well behind the play head", () => {
  const keyframes = [0, 2, 4, 6, 8, 10];
  assert.equal(computeEvictionEnd({ position: 11, end: 11, keyframes, keepSeconds: 5 }), 6);
  assert.equal(computeEvictionEnd({ position: 7, end: 11, keyframes, keepSeconds: 5 }), null);
});

test("a play head that stands does not make the buffer grow for ever", () => {
  const keyframes = Array.from({ length: 100 }, (_, i) => 2 * i);
  assert.equal(computeEvictionEnd({ position: 1, end: 200, keyframes, keepSeconds: 5 }), 140);
});

test("one keyframe in a whole stream is never cut away", () => {
  assert.equal(computeEvictionEnd({ position: 500, end: 500, keyframes: [0], keepSeconds: 5 }), null);
  assert.equal(computeEvictionEnd({ position: 0, end: 0, keyframes: [], keepSeconds: 5 }), null);
});

/** As a <video> has them. */
const ranges = (...list) => ({ length: list.length, start: (i) => list[i][0], end: (i) => list[i][1] });

test("gap_of_frames_still_to_come_is_no_hole", () => {
  const reordered = ranges([0, 1], [3, 10], [10.067, 10.1]);
  assert.deepEqual(newestRange(reordered, 0.1), { start: 3, end: 10.1 });
  assert.deepEqual(newestRange(reordered, 0), { start: 10.067, end: 10.1 });
  assert.equal(newestRange(ranges(), 0.1), null);
});

test("gap_that_is_not_filled_is_a_hole", () => {
  assert.deepEqual(newestRange(ranges([0, 10], [10.067, 10.3]), 0.1), { start: 10.067, end: 10.3 });
});

test("long_frames_in_firefox_are_walked_through_fast", () => {
  const rate = (engine, frameSeconds) => computeCorrection({ ...calm, engine, position: 9.97, frameSeconds }).rate;
  assert.deepEqual([1 / 60, 1 / 30, 1 / 25].map((seconds) => rate("gecko", seconds)), [1.5, 1.5, 1.5]);
  assert.deepEqual([0.06, 0.15, 1, 10].map((seconds) => +rate("gecko", seconds).toFixed(3)), [4, 10, 16, 16]);
  assert.equal(rate("chromium", 1), 2);
  assert.equal(computeCorrection({ ...calm, engine: "gecko", position: 9, frameSeconds: 0.2 }).rate > 13, true, "also to catch up");
});

test("behind_a_recovery_point_only_a_keyframe_is_sought", () => {
  const open = { ...calm, engine: "chromium", isSeekable: false };
  const at = (position, keyframe) => computeCorrection({ ...open, position, keyframe });
  assert.deepEqual(at(8.5, 9.5), { rate: 8, seekTo: 9.5, isLost: false });
  assert.deepEqual(at(8.5, 2), { rate: 8, seekTo: null, isLost: false }, "a little late: faster");
  assert.deepEqual(at(4, 2), { rate: 8, seekTo: null, isLost: true });
  assert.deepEqual(at(500, 2), { rate: 8, seekTo: null, isLost: true });
  assert.deepEqual(at(500, 9.5), { rate: 8, seekTo: 9.5, isLost: false });
  assert.equal(at(9.97, 2).seekTo, null);
  assert.equal(computeCorrection({ ...open, engine: "gecko", position: 8.5 }).rate, 4);
});
