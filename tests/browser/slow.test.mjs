/** Cameras that send a frame every few seconds: the state stays live, and every frame is shown, its pixels too. */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launch } from "./browser.mjs";
import { installClock } from "./clock.mjs";
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
      const late = states.filter(({ after }) => after >= LEARNED_FRAMES).map(({ words }) => words);
      assert.deepEqual(late.filter((words) => words !== "|"), []);
    } finally {
      await page.close();
      await server.end();
    }
  });
}
