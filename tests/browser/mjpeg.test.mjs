/**
 * MJPEG in an <img> and by fetch, in real browsers, at one frame a second: a client that waits for the next frame before it draws one
 * is a second late with each.
 */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { browserName, launch } from "./browser.mjs";
import { installClock } from "./clock.mjs";
import { patience } from "./driven-page.mjs";
import { clockOnScreen, showImage } from "./screen-clock.mjs";
import { serve } from "./server.mjs";

/** A frame that is drawn one frame late is older. */
const IN_TIME_MS = 900;
const PICTURES = 4;
const SCREENSHOTS = process.env.SCREENSHOTS;

let browser;
let server;
let page;

before(async () => {
  [browser, server] = await Promise.all([launch(), serve(["--width", "320", "--height", "240", "--fps", "1"])]);
  page = await browser.newPage();
  await page.before(installClock);
  // A page of the server's own origin, so that a canvas may read the pictures.
  await page.goto(`${server.url}healthz`);
});

after(async () => {
  await page?.close();
  await Promise.all([browser?.close(), server?.end()]);
});

for (const path of ["stream.mjpg", "?action=stream"]) {
  test(`an image of ${path} shows each frame at once`, async () => {
    await page.evaluate(showImage, `${server.url}${path}`);
    const ages = new Map();
    const inTime = () => [...ages.values()].filter((age) => age < IN_TIME_MS);
    // A busy machine may be late with some.
    for (const end = Date.now() + patience(30_000); inTime().length < PICTURES;) {
      assert.ok(Date.now() < end, `ages in ms: ${[...ages.values()]}`);
      const { made, at } = await clockOnScreen(page);
      if (made !== null && !ages.has(made)) ages.set(made, at - made);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    if (SCREENSHOTS) await page.screenshot(`${SCREENSHOTS}/mjpeg-${browserName}.png`);
  });
}

/** Runs in the page: reads the first parts as the workers of front ends do. Gives the ages of pictures that are complete. */
async function readParts(url, count) {
  const answer = await fetch(url);
  const reader = answer.body.getReader();
  const ages = [];
  let bytes = new Uint8Array(0);
  while (ages.length < count) {
    const { value } = await reader.read();
    const joined = new Uint8Array(bytes.length + value.length);
    joined.set(bytes);
    joined.set(value, bytes.length);
    bytes = joined;
    const start = bytes.findIndex((byte, i) => byte === 0xff && bytes[i + 1] === 0xd8);
    const header = new TextDecoder().decode(bytes.subarray(0, Math.max(start, 0)));
    const length = Number(header.match(/^content-length: (\d+)\r$/im)?.[1]);
    // One byte has to follow.
    if (start < 0 || !(bytes.length > start + length)) continue;
    const picture = await createImageBitmap(new Blob([bytes.subarray(start, start + length)], { type: "image/jpeg" }));
    ages.push((Date.now() % 2 ** 32) - clock.of(picture));
    bytes = bytes.slice(start + length + 1);
  }
  await reader.cancel();
  return { type: answer.headers.get("content-type"), ages };
}

test("fetch reads each frame at once, with its length", async () => {
  const { type, ages } = await page.evaluate(readParts, `${server.url}stream.mjpg`, PICTURES + 2);
  assert.equal(type, "multipart/x-mixed-replace;boundary=boundarydonotcross");
  assert.ok(ages.filter((age) => age < IN_TIME_MS).length >= 2, `ages in ms: ${ages}`);
});

test("the stream opened as a document is shown", async () => {
  const tab = await browser.newPage();
  await tab.before(installClock);
  // Its load event may never come.
  tab.goto(`${server.url}stream.mjpg`).catch(() => {});
  const isShown = () => (document.images[0]?.naturalWidth ?? 0) > 0;
  for (const end = Date.now() + patience(20_000); !await tab.evaluate(isShown).catch(() => false);) {
    assert.ok(Date.now() < end, "no picture");
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  await tab.close();
});
