import assert from "node:assert/strict";
import { test } from "node:test";
import { ageWords, calm, cornerWords, delayWords, skippedWords, words } from "../src/ui/status-text.js";

const playing = {
  connection: "open",
  camera: { state: "live", reason: "" },
  trouble: "",
  ageMs: 20,
  delay: 84.2,
  isFrozen: false,
  isPaused: false,
  behind: 0,
  isRefused: false,
};
const none = { ...playing, ageMs: null };
const said = (facts) => words(facts).text;

test("the delay is told of live pictures only", () => {
  assert.equal(delayWords(playing), "84 ms");
  assert.equal(delayWords({ ...playing, delay: 1240 }), "1.2 s");
  for (const without of [{ delay: null }, { isFrozen: true }, { isPaused: true }, { behind: 4 }]) {
    assert.equal(delayWords({ ...playing, ...without }), "");
  }
});

test("the delay that is told stands still while it is nearly true", () => {
  assert.equal(calm(null, 84), 84);
  assert.equal(calm(84, 86.9), 84);
  assert.equal(calm(84, 81), 81);
  assert.equal(calm(84, null), null);
});

test("who looks back is told how far", () => {
  assert.equal(cornerWords({ ...playing, behind: 4.4 }), "4 s ago");
  assert.equal(cornerWords({ ...playing, behind: 4.4, isPaused: true }), "Paused");
});

test("a picture that is behind or late is not called live", () => {
  const state = (facts) => Object.values(words({ ...playing, ...facts }));
  assert.deepEqual(state({ delay: 1400 }), ["live", ""]);
  assert.deepEqual(state({ delay: null }), ["live", ""]);
  assert.deepEqual(state({ delay: 3100 }), ["late", "", 3]);
  assert.deepEqual(state({ behind: 6.2 }), ["behind", "", 6]);
  assert.deepEqual(state({ behind: 6.2, delay: 6300 }), ["behind", "", 6]);
});

test("frame_of_a_seldom_camera_tells_its_age", () => {
  const seldom = { ...playing, ageMs: 7400, isSeldom: true };
  assert.equal(cornerWords(seldom), "7 s old");
  assert.deepEqual(words(seldom), { tone: "live", text: "" });
  assert.equal(cornerWords({ ...playing, ageMs: 900 }), "");
});

test("a live picture needs no words", () => {
  assert.deepEqual(words(playing), { tone: "live", text: "" });
});

test("a picture that waits for a click is not called live", () => {
  assert.deepEqual(words({ ...playing, isRefused: true }), { tone: "paused", text: "" });
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
  assert.deepEqual(words({ ...playing, ageMs: 1500, isFrozen: true }), { tone: "trouble", text: "No new pictures" });
});

test("a state that is not known yet, from a newer server, is passed over", () => {
  assert.equal(said({ ...playing, camera: { state: "dreaming", reason: "" } }), "");
});

test("what the server or the browser refuses comes first", () => {
  assert.equal(said({ ...none, connection: "gone", trouble: "64 viewers are watching already" }), "64 viewers are watching already");
});

test("ages are said in a unit that fits", () => {
  assert.deepEqual([1500, 119_000, 600_000, 3 * 3600_000].map(ageWords), ["1 s old", "119 s old", "10 min old", "3 h old"]);
  assert.equal(skippedWords(1), "Too slow: 1 picture skipped");
  assert.equal(skippedWords(12), "Too slow: 12 pictures skipped");
});

test("a picture that is not live says so in its corner", () => {
  assert.equal(cornerWords(playing), "");
  assert.equal(cornerWords(none), "");
  assert.equal(cornerWords({ ...playing, ageMs: 4200, isFrozen: true }), "Picture is 4 s old");
  assert.equal(cornerWords({ ...playing, ageMs: 4200, isPaused: true }), "Paused");
  assert.deepEqual(words({ ...playing, ageMs: 4200, isPaused: true }), { tone: "paused", text: "" });
});
