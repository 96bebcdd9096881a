/** Chromium plays real streams that nobody of this project made, through their repeat. */

import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { launch } from "./chromium.mjs";
import { serve } from "./server.mjs";

const folder = new URL("../fixtures/streams/", import.meta.url);
const names = readdirSync(folder).filter((name) => /\.(264|jsv)$/.test(name));

let browser;

before(async () => {
  browser = await launch();
});

after(async () => {
  await browser?.close();
});

/** Runs in the page: counts the pictures that are really shown. */
function countPictures() {
  const video = document.querySelector("berry-video")?.video;
  if (!video) return undefined;
  if (window.shown === undefined) {
    window.shown = 0;
    const next = () => {
      window.shown += 1;
      video.requestVideoFrameCallback(next);
    };
    video.requestVideoFrameCallback(next);
  }
  return window.shown > 60 && { width: video.videoWidth, height: video.videoHeight, error: video.error?.message ?? null };
}

for (const name of names) {
  test(`${name} plays`, async () => {
    const server = await serve(["--source", `file:${fileURLToPath(new URL(name, folder))}`]);
    try {
      const page = await browser.newPage();
      await page.goto(server.url);
      const { width, height, error } = await page.until("60 pictures", countPictures);
      const [camera] = (await (await fetch(new URL("api/status", server.url))).json()).cameras;
      assert.equal(error, null);
      // One stream has pixels that are not square, one changes its size all the time, and of one that is cropped on the
      // left and above Chromium tells the size wrongly (also when it is an MP4 of ffmpeg's).
      const shown = { "SarVui.264": [427, 144] }[name] ?? [camera.width, camera.height];
      if (!["Error_I_P.264", "CVFC1_Sony_C.jsv"].includes(name)) assert.deepEqual([width, height], shown);
      assert.equal(camera.restarts, 0);
      await page.close();
    } finally {
      await server.end();
    }
  });
}
