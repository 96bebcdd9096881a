/** Rotation by the display, in a real Chromium: the picture is turned, and so is its box. */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launch } from "./chromium.mjs";
import { serve } from "./server.mjs";

let browser;

before(async () => {
  browser = await launch();
});

after(() => browser?.close());

const WIDTH = 640;
const HEIGHT = 360;

/**
 * Runs in the page: the running clock's frame (see clock.mjs), read with the picture turned back. Its first four and last four
 * blocks are fixed and no other place of the picture has them.
 */
function clockBits(degrees, width, height) {
  const video = document.querySelector("berry-video")?.video;
  if (!(video?.readyState >= 2)) return null;
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [width, height];
  const context = canvas.getContext("2d");
  context.translate(width / 2, height / 2);
  context.rotate((-degrees * Math.PI) / 180);
  context.drawImage(video, -video.videoWidth / 2, -video.videoHeight / 2);
  const { data } = context.getImageData(0, 0, width, height);
  const bit = (i) => {
    const [x, y] = [16 + (i % 12) * 16 + 8, 16 + Math.floor(i / 12) * 16 + 8];
    return data[(y * width + x) * 4 + 1] > 127 ? 1 : 0;
  };
  return Array.from({ length: 48 }, (_, i) => bit(i)).join("");
}

for (const degrees of [0, 90, 180, 270]) {
  test(`a picture turned by ${degrees} degrees`, async () => {
    const server = await serve(["--rotation", `${degrees}`, "--width", `${WIDTH}`, "--height", `${HEIGHT}`]);
    try {
      const page = await browser.newPage();
      await page.resize(900, 700);
      await page.goto(server.url);
      const given = [degrees, WIDTH, HEIGHT];
      const bits = await page.until("a picture", clockBits, { given });
      assert.match(bits, /^1010.*0101$/, "the clock stands where the picture turned back has it");
      const isSideways = degrees % 180 === 90;
      const shown = isSideways ? [HEIGHT, WIDTH] : [WIDTH, HEIGHT];
      const size = await page.evaluate(() => {
        const { video } = document.querySelector("berry-video");
        return [video.videoWidth, video.videoHeight];
      });
      assert.deepEqual(size, shown);
      await page.until("a box of the picture's shape", (ratio) => {
        const { width, height } = document.querySelector("berry-video").getBoundingClientRect();
        return Math.abs(width / height / ratio - 1) < 0.02;
      }, { given: [shown[0] / shown[1]], within: 3000 });
      const status = await (await fetch(new URL("api/status", server.url))).json();
      assert.deepEqual([status.cameras[0].width, status.cameras[0].height], shown);
      if (process.env.SCREENSHOTS) await page.screenshot(`${process.env.SCREENSHOTS}/rotation-${degrees}.png`);
      assert.deepEqual(page.messages, []);
      await page.close();
    } finally {
      await server.end();
    }
  });
}
