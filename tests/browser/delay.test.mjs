/** The delay that the player tells is the true one: that of the clock in the test pattern. */

import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { browserName, launch } from "./browser.mjs";
import { installClock, isLive, quantile } from "./clock.mjs";
import { inOneOf } from "./driven-page.mjs";
import { serve } from "./server.mjs";

let browser;
let server;
let page;

before(async () => {
  [browser, server] = await Promise.all([launch(), serve()]);
});

after(async () => {
  await Promise.all([browser?.close(), server?.end()]);
});

afterEach(() => page?.close());

/** Runs in the page, after the clock of the tests took the true time: all that a page can ask for is 3 s ahead. */
function shiftClocks() {
  const { now } = Date;
  const origin = performance.timeOrigin;
  Date.now = () => now() + 3000;
  Object.defineProperty(Performance.prototype, "timeOrigin", { get: () => origin + 3000 });
}

/** Runs in the page: gathers the delay of each second, as the player tells it and as the pictures do. */
function gatherTold() {
  const element = document.querySelector("berry-video");
  window.told = [];
  element.addEventListener("delay", ({ detail }) => {
    const { textContent } = element.shadowRoot.querySelector(".delay");
    const pictures = clock.delays.splice(0).sort((a, b) => a - b);
    window.told.push({ ...detail, words: textContent, seen: pictures[pictures.length >> 1] });
  });
  clock.watch(element.video);
}

for (const [clocks, shift] of [["the clocks of server and page agree", null], ["the page's clock is 3 s ahead", shiftClocks]]) {
  test(`the delay on show is the true one when ${clocks}`, async (t) => {
    page = await browser.newPage();
    await page.before(installClock);
    if (shift) await page.before(shift);
    await page.goto(server.url);
    await page.until("a delay", () => document.querySelector("berry-video")?.delay > 0);
    await page.evaluate(gatherTold);
    // The first second began before the pictures were looked at.
    const wrongOf = (all) => quantile(all.map(({ delay, seen }) => Math.abs(delay - seen)), 0.5);
    const gather = async () => {
      await page.evaluate(() => { window.told.length = 0; });
      return (await page.until("8 seconds", () => window.told.length >= 9 && window.told)).slice(1);
    };
    // What Firefox draws into a canvas is an older picture than what is on its screen (bench/glass).
    const PICTURE_MS = 1000 / 30;
    const told = await inOneOf(5, gather, (all) => wrongOf(all) <= (browserName === "firefox" ? PICTURE_MS : 10));
    t.diagnostic(`told ${told.map(({ words, seen }) => `${words} (${seen.toFixed(0)} in the picture)`).join(", ")}`);
    assert.match(told.at(-1).words, /^(\d+ ms|\d+\.\d s)$/);
  });
}

test("the server hears of the delay and tells it, until the viewer is gone", async () => {
  page = await browser.newPage();
  await page.before(installClock);
  await page.goto(server.url);
  await page.until("a live picture", isLive, { given: ["berry-video"] });
  const told = async () => (await (await fetch(new URL("api/status", server.url))).json()).cameras[0].delay_ms;
  const isYoung = (delay) => delay !== null && delay > 0 && delay < 1000;
  while (!isYoung(await told())) await new Promise((resolve) => setTimeout(resolve, 200));
  const metrics = await (await fetch(new URL("metrics", server.url))).text();
  assert.match(metrics, /^berrymse_delay_seconds\{camera="[^"]+"\} \d+\.\d+$/m);
  await page.close();
  page = null;
  while (await told() !== null) await new Promise((resolve) => setTimeout(resolve, 200));
});
