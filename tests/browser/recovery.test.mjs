/**
 * Streams whose only keyframe is their first one (libx264 makes them of the test pattern, with its clock): a late viewer sees the
 * picture, and again after an outage.
 */

import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { launch } from "./browser.mjs";
import { installClock, isLive } from "./clock.mjs";
import { isPlain } from "./host.mjs";
import { proxy } from "./proxy.mjs";
import { serve } from "./server.mjs";
import { pause } from "./viewing.mjs";

/** More frames than a viewer gets since a keyframe. */
const LATE_FRAMES = 150;
const STREAMS = {
  "intra refresh": "intra-refresh=1:keyint=30:bframes=0:ref=1:scenecut=0",
  "open GOP": "open-gop=1:keyint=30:min-keyint=30:bframes=2:b-adapt=0:scenecut=0",
};

let browser;
/** Ends what a test started, the newest first. */
const ends = [];

before(async () => {
  browser = await launch();
});

after(() => browser?.close());

afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

async function started(options) {
  const server = await serve(options);
  ends.push(() => server.end());
  return server;
}

const camera = async ({ url }) => (await (await fetch(new URL("api/status", url))).json()).cameras[0];

/** A server whose stream began with its only keyframe some time ago. */
async function late(params) {
  const origin = await started(["--width", "320", "--height", "240"]);
  const encoder = `ffmpeg -v error -fflags nobuffer -flags low_delay -probesize 32768 -i http://127.0.0.1:${origin.port}/stream.mp4 -c:v libx264
    -preset ultrafast -tune zerolatency -x264-params ${params} -b:v 1M -flush_packets 1 -f h264 -`.replace(/\s+/g, " ");
  const server = await started(["--source", `exec:${encoder}`]);
  while ((await camera(server)).frames < LATE_FRAMES) await pause(100);
  return server;
}

/** Runs in the page before its scripts: what goes wrong there. */
function noteWarnings() {
  window.warnings = [];
  const { warn } = console;
  console.warn = (...words) => {
    window.warnings.push(words.join(" "));
    warn(...words);
  };
}

/** The page chooses how to show frames; an element may ask for WebCodecs, where the browser has them. */
const CASES = [
  ...Object.entries(STREAMS).map(([name, params]) => ({ name, params, path: "/" })),
  { name: "intra refresh by WebCodecs", params: STREAMS["intra refresh"], path: "/webcodecs.html", skip: isPlain },
];
const html = `<!doctype html><script type="module" src="berrymse.js"></script><berry-video renderer="webcodecs"></berry-video>`;

for (const { name, params, path, skip = false } of CASES) {
  test(`late viewer of ${name} sees the picture`, { skip }, async () => {
    const server = await late(params);
    const line = await proxy(server.url, { pages: { "/webcodecs.html": { html } } });
    ends.push(() => line.end());
    const page = await browser.newPage();
    await page.before(installClock);
    await page.before(noteWarnings);
    await page.goto(new URL(path, line.url).href);
    // The clock has a checksum: a picture that is a mix has none.
    await page.until("a live picture", isLive, { given: ["berry-video"], within: 30_000 });

    line.hold();
    await pause(3000);
    line.release();
    await page.until("a live picture after an outage", isLive, { given: ["berry-video"], within: 30_000 });

    await page.evaluate(() => {
      const { video } = document.querySelector("berry-video");
      if (video.srcObject === null && video.buffered.length > 0) video.currentTime = video.buffered.end(video.buffered.length - 1) - 0.1;
    });
    await page.until("a live picture after a seek", isLive, { given: ["berry-video"], within: 30_000 });
    assert.deepEqual(await page.evaluate(() => window.warnings), []);
    const { restarts, error } = await camera(server);
    assert.deepEqual({ restarts, error }, { restarts: 0, error: null });
    await page.close();
  });
}
