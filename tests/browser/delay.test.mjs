/** The delay that the player tells is the true one: that of the clock in the test picture. */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launch } from "./chromium.mjs";
import { installClock, isLive, quantile } from "./clock.mjs";
import { serve } from "./server.mjs";

let browser;
let server;

before(async () => {
  [browser, server] = await Promise.all([launch(), serve()]);
});

after(async () => {
  await Promise.all([browser?.close(), server?.end()]);
});

/** Runs in the page, after the clock of the tests took the true time: all that a page can ask for is 3 s ahead. */
function shiftClocks() {
  const { now } = Date;
  const origin = performance.timeOrigin;
  Date.now = () => now() + 3000;
  Object.defineProperty(Performance.prototype, "timeOrigin", { get: () => origin + 3000 });
}

/** Runs in the page: gathers the delay as shown over the picture, each second anew. */
function gatherTold() {
  const element = document.querySelector("berry-video");
  window.told = [];
  element.addEventListener("delay", ({ detail }) => {
    const { textContent } = element.shadowRoot.querySelector(".delay");
    window.told.push({ ...detail, words: textContent });
  });
  clock.watch(element.video);
}

for (const [clocks, shift] of [["the clocks of server and page agree", null], ["the page's clock is 3 s ahead", shiftClocks]]) {
  test(`the delay on show is the true one when ${clocks}`, async (t) => {
    const page = await browser.newPage();
    await page.before(installClock);
    if (shift) await page.before(shift);
    await page.goto(server.url);
    await page.until("a delay", () => document.querySelector("berry-video")?.delay > 0);
    await page.evaluate(gatherTold);
    const told = await page.until("8 seconds", () => window.told.length >= 8 && window.told);
    const shown = quantile(told.map(({ delay }) => delay), 0.5);
    const seen = quantile(await page.evaluate(() => clock.delays), 0.5);
    t.diagnostic(`told ${shown.toFixed(1)} ms, in the picture ${seen.toFixed(1)} ms; ${told.at(-1).words}, ${told.at(-1).shown} shown`);
    assert.ok(Math.abs(shown - seen) <= 10, `${shown} told, ${seen} in the picture`);
    assert.match(told.at(-1).words, /^\d+ ms$/);
    await page.close();
  });
}

test("the server hears of the delay and tells it, until the viewer is gone", async () => {
  const page = await browser.newPage();
  await page.before(installClock);
  await page.goto(server.url);
  await page.until("a live picture", isLive, { given: ["berry-video"] });
  const told = async () => (await (await fetch(new URL("api/status", server.url))).json()).cameras[0].delay_ms;
  while (await told() === null) await new Promise((resolve) => setTimeout(resolve, 200));
  assert.ok(await told() > 0 && await told() < 1000);
  const metrics = await (await fetch(new URL("metrics", server.url))).text();
  assert.match(metrics, /^berrymse_delay_seconds\{camera="[^"]+"\} 0\.\d+$/m);
  await page.close();
  while (await told() !== null) await new Promise((resolve) => setTimeout(resolve, 200));
});
