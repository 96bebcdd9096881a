import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { StallDetector, updateFeed, judgeHealth } from "../src/playback/stall-detector.js";

const FRAME_MS = 33;
const feed = { at: 9990, since: 100, interval: FRAME_MS, usual: FRAME_MS };
const well = { now: 10_000, shownAt: 9980, visibleSince: 0, feed, frameMs: FRAME_MS, canShow: true, rebuilds: 0 };

test("a picture shown a moment ago is fine", () => {
  assert.equal(judgeHealth(well), "fine");
});

test("without anything new for more than a second the picture is frozen", () => {
  assert.equal(judgeHealth({ ...well, shownAt: 8900, feed: { ...feed, at: 8900 } }), "frozen");
});

test("data that come and are not shown for three seconds mean a stuck decoder", () => {
  assert.equal(judgeHealth({ ...well, shownAt: 7500 }), "frozen");
  assert.equal(judgeHealth({ ...well, shownAt: 6900 }), "stuck");
  assert.equal(judgeHealth({ ...well, shownAt: null }), "stuck");
});

test("a fresh buffer gets its time, and more of it when rebuilding did not help", () => {
  assert.equal(judgeHealth({ ...well, shownAt: 1000, feed: { ...feed, since: 9000 } }), "frozen");
  assert.equal(judgeHealth({ ...well, shownAt: 5000, rebuilds: 2 }), "frozen");
});

test("nothing is wrong with a picture that cannot be seen or was stopped on purpose", () => {
  assert.equal(judgeHealth({ ...well, shownAt: 0, canShow: false }), "fine");
});

test("a page that comes into sight again gets a second before its old picture counts as frozen", () => {
  assert.equal(judgeHealth({ ...well, shownAt: 1000, visibleSince: 9500 }), "fine");
  assert.equal(judgeHealth({ ...well, shownAt: 1000, visibleSince: 8500 }), "frozen");
});

test("before the first picture nothing is frozen", () => {
  assert.equal(judgeHealth({ ...well, shownAt: null, feed: null }), "fine");
});

test("after an outage the decoder has its three seconds from when data are back, not from the last picture", () => {
  let stream = updateFeed(null, 0, FRAME_MS);
  for (let now = 33; now <= 5000; now += 33) stream = updateFeed(stream, now, FRAME_MS);
  assert.equal(stream.since, 0);
  for (let now = 15_000; now <= 17_900; now += 33) stream = updateFeed(stream, now, FRAME_MS);
  assert.equal(stream.since, 15_000);
  assert.equal(judgeHealth({ ...well, now: 17_900, shownAt: 5000, feed: stream }), "frozen");
  assert.equal(judgeHealth({ ...well, now: 18_150, shownAt: 5000, feed: { ...stream, at: 18_140 } }), "stuck");
});

test("a camera of one picture in two seconds is neither frozen between two nor ever without patience", () => {
  const slow = { ...well, frameMs: 2000, shownAt: 8100 };
  assert.equal(judgeHealth(slow), "fine");
  assert.equal(judgeHealth({ ...slow, shownAt: 4900 }), "frozen");
  assert.equal(updateFeed({ at: 8000, since: 100, interval: 2000, usual: 2000 }, 10_000, 2000).since, 100);
});

test("long_intervals_in_a_row_are_the_rate", () => {
  let stream = null;
  for (const now of [0, 10_000, 20_000]) stream = updateFeed(stream, now, FRAME_MS);
  const seldom = { ...well, feed: stream, shownAt: 20_050 };
  assert.equal(judgeHealth({ ...seldom, now: 44_000 }), "fine");
  assert.equal(judgeHealth({ ...seldom, now: 46_000 }), "frozen");
  assert.equal(updateFeed(stream, 30_000, FRAME_MS).since, 20_000, "the third goes on");
});

test("first_frame_of_a_seldom_camera_has_four_steps", () => {
  const seldom = (frameMs) => ({ ...well, frameMs, shownAt: null, feed: { ...feed, at: 0, since: 0 } });
  const at = (frameMs, now, more = {}) => {
    const seen = seldom(frameMs);
    return judgeHealth({ ...seen, now, feed: { ...seen.feed, at: now - 10 }, ...more });
  };
  assert.equal(at(10_000, 42_000), "fine", "three steps until the fourth frame, and one to spare");
  assert.equal(at(10_000, 44_000), "stuck");
  assert.equal(at(20_000, 82_000, { rebuilds: 3 }), "fine", "never less than one pipeline needs");
  assert.equal(at(10_000, 42_000, { shownAt: 10_000 }), "stuck", "once frames were shown it takes two");
  assert.equal(at(FRAME_MS, 3200), "stuck", "an ordinary camera has no more than before");
});

test("one_long_interval_is_an_outage", () => {
  let stream = null;
  for (const now of [0, 33, 66, 10_066, 10_099]) stream = updateFeed(stream, now, FRAME_MS);
  assert.equal(judgeHealth({ ...well, feed: stream, shownAt: 10_099, now: 11_200 }), "frozen");
  assert.equal(stream.since, 10_066);
});

/** A <video> that shows a picture when the test says so, and what a watch tells of it. */
function watched(video) {
  const told = [];
  const callbacks = [];
  video.requestVideoFrameCallback = (callback) => callbacks.push(callback);
  new StallDetector(video, (_, count) => told.push(count)).start(new AbortController().signal);
  const show = (presentedFrames) => callbacks.splice(0).forEach((callback) => callback(0, { presentedFrames }));
  return { told, show };
}

test("a track is looked at ten times a second, and pictures between two looks are counted", () => {
  mock.timers.enable({ apis: ["setTimeout"] });
  try {
    const { told, show } = watched({ srcObject: {} });
    show(1);
    show(2);
    show(3);
    assert.deepEqual(told, [1]);
    mock.timers.tick(100);
    show(4);
    assert.deepEqual(told, [1, 3]);
    mock.timers.tick(100);
    show(5000);
    assert.deepEqual(told, [1, 3, 30], "nobody saw the page meanwhile");
  } finally {
    mock.timers.reset();
  }
});

test("of a buffer each picture is watched", () => {
  const { told, show } = watched({ srcObject: null });
  show(1);
  show(2);
  show(7);
  assert.deepEqual(told, [1, 1, 1]);
});
