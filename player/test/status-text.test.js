import assert from "node:assert/strict";
import { test } from "node:test";
import { ageText, holdDelay, overlayText, delayText, skippedText, statusText } from "../src/ui/status-text.js";

const playing = {
  connection: "open",
  camera: { state: "live", reason: "" },
  error: { code: "", message: "" },
  unsupported: null,
  ageMs: 20,
  delay: 84.2,
  isFrozen: false,
  isPaused: false,
  behindLive: 0,
  isAutoplayBlocked: false,
};
const none = { ...playing, ageMs: null };
const said = (facts) => statusText(facts).text;

test("the delay is told of live pictures only", () => {
  assert.equal(delayText(playing), "84 ms");
  assert.equal(delayText({ ...playing, delay: 1240 }), "1.2 s");
  for (const without of [{ delay: null }, { isFrozen: true }, { isPaused: true }, { behindLive: 4 }]) {
    assert.equal(delayText({ ...playing, ...without }), "");
  }
});

test("the delay that is told stands still while it is nearly true", () => {
  assert.equal(holdDelay(null, 84), 84);
  assert.equal(holdDelay(84, 86.9), 84);
  assert.equal(holdDelay(84, 81), 81);
  assert.equal(holdDelay(84, null), null);
});

test("who looks back is told how far", () => {
  assert.equal(overlayText({ ...playing, behindLive: 4.4 }), "4 s ago");
  assert.equal(overlayText({ ...playing, behindLive: 4.4, isPaused: true }), "Paused");
});

test("a picture that is behind or late is not called live", () => {
  const state = (facts) => Object.values(statusText({ ...playing, ...facts }));
  assert.deepEqual(state({ delay: 1400 }), ["live", ""]);
  assert.deepEqual(state({ delay: null }), ["live", ""]);
  assert.deepEqual(state({ delay: 3100 }), ["late", "", 3]);
  assert.deepEqual(state({ behindLive: 6.2 }), ["behind", "", 6]);
  assert.deepEqual(state({ behindLive: 6.2, delay: 6300 }), ["behind", "", 6]);
});

test("frame_of_a_seldom_camera_tells_its_age", () => {
  const seldom = { ...playing, ageMs: 7400, hasLongInterval: true };
  assert.equal(overlayText(seldom), "7 s old");
  assert.deepEqual(statusText(seldom), { tone: "live", text: "" });
  assert.equal(overlayText({ ...playing, ageMs: 900 }), "");
});

test("a live picture needs no words", () => {
  assert.deepEqual(statusText(playing), { tone: "live", text: "" });
});

test("a picture that waits for a click is not called live", () => {
  assert.deepEqual(statusText({ ...playing, isAutoplayBlocked: true }), { tone: "paused", text: "" });
});

test("each state before the picture has its words", () => {
  assert.equal(said({ ...none, connection: "connecting" }), "Connecting…");
  assert.equal(said({ ...none, camera: { state: "", reason: "" } }), "Waiting for the first picture…");
  assert.equal(said({ ...none, camera: { state: "starting", reason: "" } }), "Camera is starting…");
  const reason = "/dev/video0 does not exist";
  assert.equal(said({ ...none, camera: { state: "waiting", reason } }), `No signal: ${reason}`);
});

test("a camera that is lost is said when its last picture has grown old, not before", () => {
  const camera = { state: "lost", reason: "unplugged" };
  assert.equal(said({ ...playing, camera }), "");
  assert.equal(said({ ...playing, camera, ageMs: 1500, isFrozen: true }), "Camera lost: unplugged");
});

test("a server that is gone is said at once, over the last picture too", () => {
  assert.equal(said({ ...playing, connection: "gone" }), "Server gone, trying again…");
});

test("a frozen picture never passes for a live one", () => {
  assert.deepEqual(statusText({ ...playing, ageMs: 1500, isFrozen: true }), { tone: "trouble", text: "No new pictures" });
});

test("a state that is not known yet, from a newer server, is passed over", () => {
  assert.equal(said({ ...playing, camera: { state: "dreaming", reason: "" } }), "");
});

test("what the server or the browser refuses comes first", () => {
  assert.equal(said({ ...none, connection: "gone", error: { code: "full", message: "64 viewers are watching already" } }), "64 viewers are watching already");
});

test("ages are said in a unit that fits", () => {
  assert.deepEqual([1500, 119_000, 600_000, 3 * 3600_000].map(ageText), ["1 s old", "119 s old", "10 min old", "3 h old"]);
  assert.equal(skippedText(1), "Too slow: 1 picture skipped");
  assert.equal(skippedText(12), "Too slow: 12 pictures skipped");
});

test("a picture that is not live says so in its corner", () => {
  assert.equal(overlayText(playing), "");
  assert.equal(overlayText(none), "");
  assert.equal(overlayText({ ...playing, ageMs: 4200, isFrozen: true }), "Picture is 4 s old");
  assert.equal(overlayText({ ...playing, ageMs: 4200, isPaused: true }), "Paused");
  assert.deepEqual(statusText({ ...playing, ageMs: 4200, isPaused: true }), { tone: "paused", text: "" });
});
