/**
 * A stream that is cropped at all four edges shows the same part as in ffmpeg: on the screen by Media Source Extensions and by
 * WebCodecs, in the element's snapshot() and in /snapshot.jpg.
 */

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { launch } from "./browser.mjs";
import { serve } from "./server.mjs";

/** 26 columns and 60 rows are hidden at each edge of 352x288. */
const [WIDTH, HEIGHT] = [300, 168];
const file = fileURLToPath(new URL("../fixtures/streams/CVFC1_Sony_C.jsv", import.meta.url));

/** Mean levels off by conversions, and by JPEG. */
const TOLERANCE = { "snapshot()": 4, screen: 4, "/snapshot.jpg": 6 };

let browser;
let server;
/** @type {Buffer[]} */
let frames;

before(async () => {
  const options = `-v error -flags unaligned -i ${file} -vf scale=in_color_matrix=bt709:out_range=pc -pix_fmt rgb24 -f rawvideo -`;
  const all = execFileSync("ffmpeg", options.split(" "), { maxBuffer: 2 ** 30 });
  const size = WIDTH * HEIGHT * 3;
  frames = Array.from({ length: all.length / size }, (_, i) => all.subarray(i * size, (i + 1) * size));
  [browser, server] = await Promise.all([launch(), serve(["--source", `file:${file}`])]);
});

after(async () => {
  await Promise.all([browser?.close(), server?.end()]);
});

/** Runs in the page: shows the camera in this way, as large as it is. */
function show([renderer]) {
  const element = document.createElement("berry-video");
  element.setAttribute("renderer", renderer);
  element.setAttribute("src", "video_websocket");
  // By the object model: the page's content security policy has no style attributes.
  Object.assign(element.style, { position: "fixed", inset: "0 auto auto 0", width: "300px", height: "168px" });
  document.body.replaceChildren(element);
  document.querySelector("berry-video").addEventListener("resize", ({ detail }) => { window.told = [detail.width, detail.height]; });
}

/** Runs in the page: the size that was told, and the pixels of snapshot() and /snapshot.jpg; undefined before there is a picture. */
async function look() {
  const element = document.querySelector("berry-video");
  const surface = element?.shadowRoot.querySelector("canvas.video") ?? element?.video;
  const isThere = surface instanceof HTMLVideoElement ? surface.readyState > 1 : surface?.width > 0;
  // The file that crops may come after the first frames.
  if (!isThere || window.told?.join() !== "300,168") return undefined;
  const pixels = async (blob) => {
    const image = await createImageBitmap(blob);
    const canvas = new OffscreenCanvas(image.width, image.height);
    const context = canvas.getContext("2d");
    context.drawImage(image, 0, 0);
    const { data } = context.getImageData(0, 0, image.width, image.height);
    return { size: [image.width, image.height], rgb: [...data.filter((_, i) => i % 4 < 3)] };
  };
  const own = await element.snapshot("image/png");
  const served = await fetch("snapshot.jpg");
  if (!own || !served.ok) return undefined;
  return { "snapshot()": await pixels(own), "/snapshot.jpg": await pixels(await served.blob()) };
}

/** Runs in the page: the pixels of a screenshot where the element is. */
async function cut([png]) {
  const image = await createImageBitmap(await (await fetch(`data:image/png;base64,${png}`)).blob());
  const canvas = new OffscreenCanvas(300, 168);
  const context = canvas.getContext("2d");
  context.drawImage(image, 0, 0);
  return { size: [300, 168], rgb: [...context.getImageData(0, 0, 300, 168).data.filter((_, i) => i % 4 < 3)] };
}

/** Mean levels between these pixels and the frame that is most alike. */
function off(rgb) {
  const from = (frame) => frame.reduce((sum, value, i) => sum + Math.abs(value - rgb[i]), 0) / frame.length;
  return Math.min(...frames.map(from));
}

for (const renderer of ["mse", "webcodecs"]) {
  test(`a cropped stream by ${renderer}`, async (t) => {
    const page = await browser.newPage();
    await page.goto(server.url);
    await page.evaluate(show, [renderer]);
    // Where the file begins again its cropping changes: one look may see both.
    let wrong = "no look";
    for (let looks = 0; wrong && looks < 10; looks++) {
      const seen = await page.until("a picture", look, { within: 60_000 });
      const shot = await page.screenshot();
      // The page's content security policy has no data: addresses.
      const blank = await browser.newPage();
      seen.screen = await blank.evaluate(cut, [shot]);
      await blank.close();
      const levels = Object.entries(seen).map(([where, { size, rgb }]) => [where, size.join() === `${WIDTH},${HEIGHT}` ? off(rgb) : 255]);
      t.diagnostic(levels.map(([where, value]) => `${where}: ${value.toFixed(2)} levels off`).join(", "));
      wrong = levels.filter(([where, value]) => value > TOLERANCE[where]).join("; ");
    }
    assert.equal(wrong, "");
    await page.close();
  });
}
