/** `renderer="webcodecs"`: the same picture by the other way, and back to Media Source Extensions when that fails. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { isByCodecs, isLive, noTracks, quantile } from "./clock.mjs";
import { inOneOf } from "./driven-page.mjs";
import { serve } from "./server.mjs";
import { prepareTab } from "./tab.mjs";

const tab = prepareTab();

/** @param {Function[]} scripts run in the page before its own */
function open(scripts = [], options = {}) {
  const element = `<berry-video renderer="webcodecs" src="cam/video_websocket" show-delay controls></berry-video>`;
  return tab.open(element, { prefix: "/cam/", script: "cam/berrymse.js", scripts, ...options });
}

/** What the pictures are seen in: the last of them. Runs in the page. */
function surfaces() {
  return [...document.querySelector("berry-video").shadowRoot.querySelectorAll(".video")].map(({ localName }) => localName);
}

const isMse = () => document.querySelector("berry-video").video.srcObject === null;

/** As in clock.mjs, for whatever the pictures are seen in. */
async function isLiveOn(kind) {
  const element = document.querySelector("berry-video");
  const of = async () => {
    if (kind === "video") return clock.of(element.video);
    const canvas = element.shadowRoot.querySelector("canvas");
    return canvas ? clock.of(canvas) : null;
  };
  const before = await of();
  if (before === null) return false;
  await new Promise((resolve) => setTimeout(resolve, 250));
  const now = await of();
  return now > before && (Date.now() % 2 ** 32) - now < 1000;
}

const POLICY = "default-src 'none'; script-src 'self'; worker-src 'self'; connect-src 'self'; img-src 'self'; media-src blob:; "
  + "require-trusted-types-for 'script'";

test("to a track: the picture is live, its delay is told and true, a strict policy is kept", async (t) => {
  await open([], { headers: { "content-security-policy": POLICY } });
  await tab.page.until("a live picture", isLiveOn, { given: ["video"] });
  assert.ok(await tab.page.evaluate(isByCodecs));
  await tab.page.evaluate(() => clock.watch(document.querySelector("berry-video").video));
  const gather = () => tab.page.evaluate(async () => {
    const element = document.querySelector("berry-video");
    const seconds = [];
    while (seconds.length < 5) {
      const { detail } = await new Promise((resolve) => element.addEventListener("delay", resolve, { once: true }));
      const last = clock.delays.slice(-detail.shown).sort((a, b) => a - b);
      seconds.push(Math.abs(detail.delay - last[last.length >> 1]));
    }
    return seconds.slice(1);
  });
  const wrong = await inOneOf(5, gather, (all) => quantile(all, 0.5) <= 10);
  const delays = await tab.page.until("100 young pictures", () => {
    const last = clock.delays.slice(-100);
    return last.length === 100 && [...last].sort((a, b) => a - b)[50] < 300 && last;
  });
  const [median, p95] = [0.5, 0.95].map((share) => quantile(delays, share));
  t.diagnostic(`median ${median.toFixed(0)} ms, 95 % ${p95.toFixed(0)} ms, told wrong by ${wrong.map((ms) => ms.toFixed(1)).join(", ")} ms`);
  assert.deepEqual(tab.page.messages, []);
});

test("to a canvas, where there are no tracks: live, a snapshot, paused and going on", async () => {
  await open([noTracks], { headers: { "content-security-policy": POLICY } });
  await tab.page.until("a live picture", isLiveOn, { given: ["canvas"] });
  assert.deepEqual(await tab.page.evaluate(surfaces), ["video", "canvas"]);
  await tab.page.until("a delay", () => document.querySelector("berry-video").delay > 0);
  const size = await tab.page.evaluate(async () => {
    const { width, height } = await createImageBitmap(await document.querySelector("berry-video").snapshot());
    return [width, height];
  });
  assert.deepEqual(size, [1280, 720]);
  const shape = await tab.page.evaluate(() => document.querySelector("berry-video").clientWidth / document.querySelector("berry-video").clientHeight);
  assert.ok(Math.abs(shape - 16 / 9) < 0.01, `${shape}`);
  await tab.page.evaluate(() => document.querySelector("berry-video").pause());
  // What the decoder had at that moment is still drawn.
  await tab.page.until("a picture that stands", async () => {
    const canvas = document.querySelector("berry-video").shadowRoot.querySelector("canvas");
    const before = clock.of(canvas);
    await new Promise((resolve) => setTimeout(resolve, 400));
    return clock.of(canvas) === before;
  });
  await tab.page.evaluate(() => document.querySelector("berry-video").play());
  await tab.page.until("a live picture", isLiveOn, { given: ["canvas"] });
  assert.deepEqual(tab.page.messages, []);
});

test("where workers are refused the page decodes itself", async () => {
  await open([], { headers: { "content-security-policy": POLICY.replace("worker-src 'self'", "worker-src 'none'") } });
  await tab.page.until("a live picture", isLiveOn, { given: ["video"] });
  assert.ok(await tab.page.evaluate(isByCodecs));
});

test("without WebCodecs, as on a page that did not come by TLS, Media Source Extensions show the picture", async () => {
  await open([() => { delete globalThis.VideoDecoder; }]);
  await tab.page.until("a live picture", isLive, { given: ["berry-video"] });
  assert.deepEqual(await tab.page.evaluate(surfaces), ["video"]);
});

test("a decoder that breaks is made again, and one that breaks each time is left without a black picture", async (t) => {
  await open([() => {
    // In the page, where the test can break it.
    delete globalThis.Worker;
    const { decode } = VideoDecoder.prototype;
    window.broken = 0;
    VideoDecoder.prototype.decode = function (chunk) {
      if (window.broken === 0) return decode.call(this, chunk);
      const noise = new Uint8Array(500).map(() => Math.random() * 256);
      return decode.call(this, new EncodedVideoChunk({ type: chunk.type, timestamp: chunk.timestamp, data: noise }));
    };
  }]);
  await tab.page.until("a live picture", isLiveOn, { given: ["video"] });
  await tab.page.evaluate(() => { window.broken = 1; });
  await new Promise((resolve) => setTimeout(resolve, 500));
  await tab.page.evaluate(() => { window.broken = 0; });
  await tab.page.until("a live picture", isLiveOn, { given: ["video"], within: 6000 });
  assert.ok(await tab.page.evaluate(isByCodecs));
  await tab.page.evaluate(() => {
    window.broken = 1;
    window.black = 0;
    const element = document.querySelector("berry-video");
    const look = () => {
      if (clock.seen(element) === null) window.black += 1;
      requestAnimationFrame(look);
    };
    look();
  });
  const from = Date.now();
  await tab.page.until("the other renderer", isMse, { within: 20_000 });
  t.diagnostic(`left after ${Date.now() - from} ms, ${await tab.page.evaluate(() => window.black)} looks without a picture`);
  await tab.page.until("a live picture", isLive, { given: ["berry-video"], within: 3000 });
  assert.equal(await tab.page.evaluate(() => window.black), 0);
});

test("turned pictures are turned", async () => {
  const turned = await serve(["--source", "test", "--rotation", "90", "--width", "320", "--height", "240"]);
  try {
    await open([], { url: turned.url });
    const size = await tab.page.until("a picture", () => {
      const { videoWidth, videoHeight, srcObject } = document.querySelector("berry-video")?.video ?? {};
      return videoWidth > 0 && srcObject && [videoWidth, videoHeight];
    });
    assert.deepEqual(size, [240, 320]);
  } finally {
    await turned.end();
  }
});

test("a tab that was hidden is live at once, and a server that was stopped is found again", async (t) => {
  await open();
  await tab.page.until("a live picture", isLiveOn, { given: ["video"] });
  const other = await tab.page.cover();
  await new Promise((resolve) => setTimeout(resolve, 8000));
  await other.close();
  await tab.page.until("the page to be seen", () => !document.hidden);
  let from = Date.now();
  await tab.page.until("a live picture", isLiveOn, { given: ["video"], within: 3000 });
  t.diagnostic(`${Date.now() - from} ms after it is seen again`);
  tab.server.signal("SIGSTOP");
  await new Promise((resolve) => setTimeout(resolve, 3000));
  tab.server.signal("SIGCONT");
  from = Date.now();
  await tab.page.until("a live picture", isLiveOn, { given: ["video"], within: 3000 });
  t.diagnostic(`${Date.now() - from} ms after the stall`);
});

test("late viewer of a stream with one keyframe sees the picture without a second connection", async () => {
  const origin = await serve(["--width", "320", "--height", "240"]);
  const encoder = `ffmpeg -v error -fflags nobuffer -flags low_delay -probesize 32768 -i http://127.0.0.1:${origin.port}/stream.mp4
    -c:v libx264 -preset ultrafast -tune zerolatency -x264-params keyint=infinite:scenecut=0 -b:v 1M -flush_packets 1 -f h264 -`;
  const server = await serve(["--source", `exec:${encoder.replace(/\s+/g, " ")}`]);
  try {
    const frames = async () => (await (await fetch(new URL("api/status", server.url))).json()).cameras[0].frames;
    // Three times as many as the decoder's queue may hold.
    while ((await frames()) < 270) await new Promise((resolve) => setTimeout(resolve, 100));
    const countSockets = () => {
      window.sockets = 0;
      window.WebSocket = class extends WebSocket {
        constructor(...given) {
          super(...given);
          window.sockets += 1;
        }
      };
    };
    await open([countSockets], { url: server.url });
    await tab.page.until("a live picture", isLiveOn, { given: ["video"] });
    assert.ok(await tab.page.evaluate(isByCodecs));
    assert.equal(await tab.page.evaluate(() => window.sockets), 1);
  } finally {
    await server.end();
    await origin.end();
  }
});
