import assert from "node:assert/strict";
import { test } from "node:test";
import { backOffMs, socketUrl } from "../connection.js";

test("the first attempt comes at once, later ones no more than two seconds apart", () => {
  assert.deepEqual([0, 1, 2, 3, 4, 50].map((failures) => backOffMs(failures, 1)), [0, 250, 500, 1000, 2000, 2000]);
});

test("a hundred viewers do not come back in step", () => {
  assert.ok(backOffMs(4, 0) < 0.7 * backOffMs(4, 1));
});

test("a WebSocket URL may be written in every way that pages use", () => {
  const cases = [
    ["video_websocket", "http://pi:2020/", "ws://pi:2020/video_websocket"],
    ["live/front", "https://host/cams/", "wss://host/cams/live/front"],
    ["live/front", "https://host/cams/wall.html?x#y", "wss://host/cams/live/front"],
    ["/video_websocket", "http://pi/a/b/", "ws://pi/video_websocket"],
    ["ws://other:2020/video_websocket", "http://pi/", "ws://other:2020/video_websocket"],
    ["http://other:2020/live/a", "http://pi/", "ws://other:2020/live/a"],
    ["ws:/websocket", "http://pi:2020/old/", "ws://pi:2020/websocket"],
    ["wss:/websocket", "http://pi/", "ws://pi/websocket"],
    ["ws://host/video_websocket", "https://host/", "wss://host/video_websocket"],
    ["wss://cam/live/a", "http://pi/", "wss://cam/live/a"],
  ];
  for (const [written, base, url] of cases) assert.equal(socketUrl(written, base), url);
});
