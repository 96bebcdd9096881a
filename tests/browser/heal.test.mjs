/** What cameras, lines and computers do to a page that stays open: it is live again without reload, and in time. */

import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { launch } from "./chromium.mjs";
import { installClock, isLive, quantile } from "./clock.mjs";
import { proxy } from "./proxy.mjs";
import { serve } from "./server.mjs";

const RELAY = fileURLToPath(new URL("relay.mjs", import.meta.url));

let browser;
let page;
/** Ends what a test started, the newest first. */
const ends = [];

before(async () => {
  browser = await launch();
});

after(() => browser?.close());

afterEach(async () => {
  await page?.close();
  for (const end of ends.splice(0).reverse()) await end();
});

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function started(...given) {
  const server = await serve(...given);
  ends.push(() => server.end());
  return server;
}

async function open(url) {
  page = await browser.newPage();
  await page.before(installClock);
  await page.goto(url);
  await page.until("a live picture", isLive, { given: ["berry-video"] });
}

/** A camera whose pictures come from the test picture of another server, by way of the relay. */
async function relayed(...options) {
  const origin = await started();
  const server = await started(["--source", `exec:${process.execPath} ${RELAY} ${origin.url}stream.mp4 ${options.join(" ")}`]);
  return { origin, server };
}

/** Milliseconds until the picture is live, of which 250 are spent on seeing that it moves. */
async function liveAgain(within) {
  const from = Date.now();
  await page.until("a live picture again", isLive, { given: ["berry-video"], within });
  return Date.now() - from;
}

/** Delays and pauses of the pictures shown in the coming seconds. */
async function watch(seconds) {
  await page.evaluate(() => {
    const { video } = document.querySelector("berry-video");
    clock.delays.length = 0;
    window.longestPause = window.shownPictures = 0;
    let last = performance.now();
    window.watched = (window.watched ?? 0) + 1;
    const mine = window.watched;
    const shown = (_, { presentationTime }) => {
      if (window.watched !== mine) return;
      window.shownPictures += 1;
      window.longestPause = Math.max(window.longestPause, presentationTime - last);
      last = presentationTime;
      video.requestVideoFrameCallback(shown);
    };
    video.requestVideoFrameCallback(shown);
    if (mine === 1) clock.watch(video);
  });
  await pause(seconds * 1000);
  const { delays, longestPause, shown } = await page.evaluate(() => ({
    delays: clock.delays, longestPause: window.longestPause, shown: window.shownPictures,
  }));
  const [median, p95] = [0.5, 0.95].map((share) => quantile(delays, share));
  const said = `${shown} shown in ${seconds} s, longest pause ${longestPause.toFixed(0)} ms, delay ${median?.toFixed(0)} ms, 95 % ${p95?.toFixed(0)} ms`;
  return { median, longestPause, shown, said };
}

test("a camera that was gone for 10 seconds is live soon after it is back, and the page said so meanwhile", async (t) => {
  const { origin, server } = await relayed();
  await open(server.url);
  await origin.end("SIGKILL");
  await page.until("words", () => document.querySelector("berry-video").shadowRoot.querySelector(".state").textContent.startsWith("Camera lost"));
  await pause(10_000);
  await started([], { port: origin.port });
  t.diagnostic(`live ${await liveAgain(8000)} ms after the camera was back`);
});

test("with 1 % of the pictures lost at the source the rest is shown, and live", async (t) => {
  const { server } = await relayed("lose=0.01");
  await open(server.url);
  const { median, longestPause, shown, said } = await watch(15);
  t.diagnostic(said);
  assert.ok(median < 300 && longestPause < 1000 && shown > 15 * 30 * 0.8);
});

test("damaged pictures stop playing for no longer than it takes to begin anew at a keyframe", async (t) => {
  const { server } = await relayed("corrupt=150");
  await open(server.url);
  const { median, longestPause, said } = await watch(16);
  t.diagnostic(said);
  assert.ok(median < 300 && longestPause < 3000);
  t.diagnostic(`live within ${await liveAgain(4000)} ms`);
});

test("a line that stood still for 5 seconds leaves no delay behind", async (t) => {
  const server = await started();
  const line = await proxy(server.url);
  ends.push(() => line.end());
  await open(line.url);
  line.hold();
  await page.until("the age of the picture", () => !document.querySelector("berry-video").shadowRoot.querySelector(".age").hidden);
  await pause(4000);
  line.release();
  t.diagnostic(`live after ${await liveAgain(3000)} ms`);
  const { median, said } = await watch(3);
  t.diagnostic(said);
  assert.ok(median < 300);
});

test("pictures that arrive up to 80 ms late become a steady picture, and a calm line a quick one", async (t) => {
  const server = await started();
  const line = await proxy(server.url);
  ends.push(() => line.end());
  await open(line.url);
  t.diagnostic(`calm: ${(await watch(4)).said}`);
  line.jitter(80);
  t.diagnostic(`80 ms of jitter, first: ${(await watch(3)).said}`);
  await pause(4000);
  const steady = await watch(6);
  t.diagnostic(`80 ms of jitter, then: ${steady.said}`);
  assert.ok(steady.median > 60 && steady.median < 300 && steady.longestPause < 110);
  line.jitter(0);
  await page.until("a quick picture", () => document.querySelector("berry-video").delay < 50, { within: 30_000 });
});

test("a browser that stood still for 5 seconds is live soon after", async (t) => {
  const server = await started();
  await open(server.url);
  browser.signal("SIGSTOP");
  await pause(5000);
  browser.signal("SIGCONT");
  t.diagnostic(`live after ${await liveAgain(3000)} ms`);
  const { median, said } = await watch(3);
  t.diagnostic(said);
  assert.ok(median < 300);
});

/** Runs in the page: the media times of all pictures are `window.shiftSeconds` later than the server has them. */
function shiftTimes() {
  window.shiftSeconds = 7200;
  const { get } = Object.getOwnPropertyDescriptor(MessageEvent.prototype, "data");
  const changed = new WeakSet();
  Object.defineProperty(MessageEvent.prototype, "data", {
    get() {
      const data = get.call(this);
      if (!(data instanceof ArrayBuffer) || data.byteLength < 100 || changed.has(data)) return data;
      changed.add(data);
      const view = new DataView(data);
      const MOOF = 0x6d6f6f66;
      if (view.getUint32(4) === MOOF) view.setBigUint64(64, view.getBigUint64(64) + BigInt(window.shiftSeconds * 90_000));
      return data;
    },
  });
}

test("times that jump an hour ahead or back, anywhere in a stream, change nothing that is seen", async (t) => {
  const server = await started();
  page = await browser.newPage();
  await page.before(installClock);
  await page.before(shiftTimes);
  await page.goto(server.url);
  await page.until("a live picture", isLive, { given: ["berry-video"] });
  for (const [jump, seconds] of [["ahead", 10_800], ["back", 3600], ["back by three seconds", 3597]]) {
    const watching = watch(3);
    await pause(1100);
    await page.evaluate((to) => { window.shiftSeconds = to; }, seconds);
    const { longestPause, median, said } = await watching;
    t.diagnostic(`${jump}: ${said}`);
    assert.ok(longestPause < 500 && median < 300);
  }
  assert.deepEqual(page.messages, []);
});
