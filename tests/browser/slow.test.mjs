/** Cameras that send a frame every few seconds: the state stays live, and every frame is shown, its pixels too. */

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { browserName, launch } from "./browser.mjs";
import { installClock } from "./clock.mjs";
import { inOneOf } from "./driven-page.mjs";
import { serve } from "./server.mjs";

/** By then the player has seen two intervals and knows the rate. */
const LEARNED_FRAMES = 3;
const FRAMES = 8;

let browser;

before(async () => {
  browser = await launch();
});

after(() => browser?.close());

/** Runs in the page: notes each frame shown and each change of the words over it. */
function record() {
  const element = document.querySelector("berry-video");
  const { video } = element;
  window.shown = [];
  window.pictures = clock.keep(element);
  window.states = [];
  const frame = (_, { mediaTime }) => {
    window.shown.push(mediaTime);
    video.requestVideoFrameCallback(frame);
  };
  video.requestVideoFrameCallback(frame);
  const look = () => {
    const root = element.shadowRoot;
    const words = [root.querySelector(".state").textContent, root.querySelector(".age").hidden ? "" : "old"].join("|");
    if (window.states.at(-1)?.words !== words) window.states.push({ words, after: window.shown.length });
    setTimeout(look, 50);
  };
  look();
}

for (const fps of process.env.FULL_LENGTH ? ["0.4", "0.1"] : ["0.4"]) {
  test(`camera of ${fps} frames per second stays live`, async (t) => {
    // On a busy machine the browser may take a silent connection for a lost one.
    await inOneOf(3, () => watchSlow(fps, t), (late) => late.every((words) => words === "|"));
  });
}

/** Watches a camera of so many frames per second; gives the words over it once the rate is known. */
async function watchSlow(fps, t) {
  const server = await serve(["--width", "320", "--height", "240", "--fps", fps]);
  const page = await browser.newPage();
  await page.before(installClock);
  await page.goto(server.url);
  try {
    await page.until("the element", () => document.querySelector("berry-video")?.video !== undefined);
    await page.evaluate(record);
    const within = ((FRAMES + 2) / Number(fps)) * 1000 + 30_000;
    await page.until("the frames", (count) => window.shown.length >= count, { within, given: [FRAMES] });
    // The last frame is announced before its pixels can be read.
    await page.until("its pixels", (count) => window.pictures.length >= count, { within, given: [FRAMES] });
    const { shown, states, pictures } = await page.evaluate(() => ({ shown: window.shown, states: window.states, pictures: window.pictures }));
    t.diagnostic(JSON.stringify({ shown, states, ages: pictures.map(({ made, at }) => (at % 2 ** 32) - made) }));
    return states.filter(({ after }) => after >= LEARNED_FRAMES).map(({ words }) => words);
  } finally {
    await page.close();
    await server.end();
  }
}

/** Slow frames in the middle, and the seconds between them. */
const SLOW_FRAMES = 4;
const SLOW_INTERVAL = process.env.FULL_LENGTH ? 10 : 2.2;

/** A program that writes 30 frames per second until `go` exists, then some slow ones, then 30 per second again. */
function changingRate(folder) {
  const x264 = ["-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-x264-params", "keyint=30:scenecut=0:aud=1"];
  const input = ["-f", "lavfi", "-i", "testsrc2=size=320x240:rate=30", "-frames:v", "30", "-pix_fmt", "yuv420p"];
  const stream = execFileSync("ffmpeg", ["-v", "error", ...input, ...x264, "-f", "h264", "-"]);
  const starts = [];
  for (let at = 0; (at = stream.indexOf(Buffer.from([0, 0, 0, 1, 9]), at)) >= 0; at += 4) starts.push(at);
  starts.forEach((start, i) => writeFileSync(join(folder, `u${i}`), stream.subarray(start, starts[i + 1])));
  const fast = (from) => `for i in $(seq ${from} ${starts.length - 1}); do cat u$i; sleep 0.03; done`;
  const slow = Array.from({ length: SLOW_FRAMES }, (_, i) => `sleep ${SLOW_INTERVAL}; cat u${i}`).join("\n");
  const script = `cd ${folder}\nwhile [ ! -e go ]; do ${fast(0)}; done\n${slow}\n${fast(SLOW_FRAMES)}\nwhile :; do ${fast(0)}; done\n`;
  writeFileSync(join(folder, "script"), script);
  return `exec:sh ${join(folder, "script")}`;
}

// What differs in the other ways is how frames are shown, which the tests above see.
const isElsewhere = Boolean(process.env.PAGE_HOST) || browserName === "firefox";
test("change of the frame rate, both ways, is no loss", { skip: isElsewhere && !process.env.FULL_LENGTH }, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "berrymse-rate-"));
  const server = await serve(["--source", changingRate(folder)]);
  const page = await browser.newPage();
  await page.before(installClock);
  await page.goto(server.url);
  const within = 60_000;
  try {
    await page.until("the element", () => document.querySelector("berry-video")?.video !== undefined);
    await page.until("frames", () => document.querySelector("berry-video").delay > 0, { within });
    await page.evaluate(record);
    await page.until("fast frames", () => window.shown.length > 30, { within });
    writeFileSync(join(folder, "go"), "");
    await page.until("a pause", async () => {
      const count = window.shown.length;
      await new Promise((resolve) => setTimeout(resolve, 1500));
      return window.shown.length === count;
    }, { within });
    const [camera] = (await (await fetch(new URL("api/status", server.url))).json()).cameras;
    assert.equal(camera.state, "live");
    const slow = await page.evaluate(() => window.shown.length);
    const rest = SLOW_FRAMES * SLOW_INTERVAL * 1000 + within;
    await page.until("fast frames again", (count) => window.shown.length > count, { within: rest, given: [slow + SLOW_FRAMES + 45] });
    await page.until("no words", () => window.states.at(-1).words === "|", { within });
    const states = await page.evaluate(() => window.states);
    t.diagnostic(JSON.stringify(states));
    assert.ok(!states.some(({ words }) => /lost|signal|again|gone/i.test(words)), JSON.stringify(states));
    const [now] = (await (await fetch(new URL("api/status", server.url))).json()).cameras;
    assert.deepEqual([now.state, now.restarts], ["live", 0]);
  } finally {
    await page.close();
    await server.end();
    rmSync(folder, { recursive: true });
  }
});
