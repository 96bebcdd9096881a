import assert from "node:assert/strict";
import { test } from "node:test";
import { ServerClock } from "../src/net/clock-sync.js";
import { FrameStats } from "../src/playback/frame-stats.js";
import { CaptureTimeMap } from "../src/renderers/capture-time-map.js";

/** An exchange at `at` with a server that is `ahead` of the page. */
function exchange({ at, ahead, there, back }) {
  const received = at + there + ahead;
  return { sent: at, received, answered: received + 0.2, now: at + there + 0.2 + back };
}

test("the clocks agree within half of the shortest round trip, however uneven the others are", () => {
  const clock = new ServerClock();
  assert.equal(clock.offset(0), null);
  clock.add(exchange({ at: 0, ahead: 7_000_000, there: 80, back: 2 }));
  clock.add(exchange({ at: 1000, ahead: 7_000_000, there: 2, back: 1 }));
  clock.add(exchange({ at: 2000, ahead: 7_000_000, there: 1, back: 60 }));
  assert.ok(Math.abs(clock.offset(2000) - 7_000_000) <= 1.5);
});

test("clocks that drift apart are followed for hours", () => {
  const clock = new ServerClock();
  let [ahead, at] = [500, 0];
  for (; at < 6 * 3600 * 1000; at += 1000) {
    ahead += 0.05;
    clock.add(exchange({ at, ahead, there: 3 + (at % 7), back: 3 + (at % 11) }));
  }
  assert.ok(Math.abs(clock.offset(at) - ahead) < 6, `${clock.offset(at) - ahead} ms`);
});

test("after a standby the exchanges before it are not believed", () => {
  const clock = new ServerClock();
  clock.add(exchange({ at: 0, ahead: 100, there: 1, back: 1 }));
  clock.add(exchange({ at: 1000, ahead: 3_600_100, there: 9, back: 9 }));
  assert.equal(clock.count, 1);
  assert.ok(Math.abs(clock.offset(1000) - 3_600_100) < 1);
});

test("answers that make no sense change nothing", () => {
  const clock = new ServerClock();
  clock.add({ sent: 5, received: NaN, answered: 1, now: 6 });
  clock.add({ sent: 5, received: 0, answered: 100, now: 6 });
  assert.equal(clock.offset(10), null);
});

test("a picture shown has the capture time of the newest picture not after it", () => {
  const captures = new CaptureTimeMap();
  assert.equal(captures.capturedAt(1), null);
  captures.add(0, 500);
  captures.add(0.0333, 540);
  assert.deepEqual([captures.capturedAt(0.03), captures.capturedAt(0.033299), captures.capturedAt(9)], [500, 540, 540]);
  captures.forgetBefore(0.01);
  assert.equal(captures.capturedAt(0.005), null);
});

test("captures_of_reordered_frames_are_found", () => {
  const captures = new CaptureTimeMap();
  for (const [time, captured] of [[0.1, 100], [0.4, 200], [0.2, 233], [0.3, 266], [0.7, 300]]) captures.add(time, captured);
  assert.deepEqual([0.1, 0.2, 0.3, 0.4, 0.7].map((time) => captures.capturedAt(time)), [100, 233, 266, 200, 300]);
});

test("the delay is the median of the last second, null when nothing is shown", () => {
  const shown = new FrameStats();
  for (const [at, age] of [[0, 900], [1500, 40], [1600, null], [1700, 300], [1800, 41]]) shown.add(at, age);
  assert.deepEqual(shown.lastSecond(1900), { delay: 41, shown: 4 });
  assert.deepEqual(shown.lastSecond(9000), { delay: null, shown: 0 });
});

test("a delay by clocks that disagree is never negative", () => {
  const shown = new FrameStats();
  for (const at of [1500, 1600, 1700]) shown.add(at, -3);
  assert.equal(shown.lastSecond(1900).delay, 0);
});

test("pictures that nobody looked at are counted with the next one, and none is missed in any second", () => {
  const shown = new FrameStats();
  let total = 0;
  for (let at = 1017; at < 60_000; at += 117) {
    const count = Math.floor(at / 33.3) - total;
    total += count;
    shown.add(at, 40, count);
    const now = at + at % 110;
    if (at < 2500) continue;
    const seen = shown.lastSecond(now);
    assert.equal(seen.delay, 40);
    assert.ok(Math.abs(seen.shown - 30) <= 1, `${seen.shown} at ${now}`);
  }
  assert.equal(shown.lastSecond(60_500).shown < 25, true);
  assert.equal(shown.lastSecond(61_500).shown, 0);
});
