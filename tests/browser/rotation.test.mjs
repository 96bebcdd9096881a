/**
 * Turns and mirrors by the display, in a real browser: what counts is what is on the screen, so the clock in the picture is
 * read from screenshots.
 */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { browserName, launch } from "./browser.mjs";
import { patience } from "./driven-page.mjs";
import { serve } from "./server.mjs";

const WIDTH = 640;
const HEIGHT = 360;

/** What is asked for, and how that lays the picture: turned first, then mirrored. */
const LAYS = [0, 90, 180, 270].flatMap((degrees) =>
  [[], ["hflip"], ["vflip"], ["hflip", "vflip"]].map((flips) => ({ degrees, flips })));

/** Runs in the page: the size of the picture and where it is; null before there is one. Hides what could lie over it. */
function whereItIs(shape) {
  const player = document.querySelector("berry-video");
  const video = player?.video;
  if (!(video?.readyState >= 2)) return null;
  for (const part of player.shadowRoot.querySelectorAll(".corner, .controls, .play")) part.style.display = "none";
  const { left, top, width, height } = video.getBoundingClientRect();
  if (Math.abs(width / height / shape - 1) > 0.02) return null;
  return { left, top, width, height, size: [video.videoWidth, video.videoHeight] };
}

/**
 * Runs in the page: the 48 blocks of the running clock (see clock.mjs) in a picture of the page.
 * @param {string} png as base64
 */
async function clockBits(png, { left, top, width, height }, { degrees, flips }, across, down) {
  const image = new Image();
  image.src = `data:image/png;base64,${png}`;
  await image.decode();
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [image.width, image.height];
  const context = canvas.getContext("2d");
  context.drawImage(image, 0, 0);
  const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
  const turn = (degrees * Math.PI) / 180;
  const isSideways = degrees % 180 === 90;
  const scale = width / (isSideways ? down : across);
  const bit = (i) => {
    const [x, y] = [16 + (i % 12) * 16 + 8 - across / 2, 16 + Math.floor(i / 12) * 16 + 8 - down / 2];
    const right = (x * Math.cos(turn) - y * Math.sin(turn)) * (flips.includes("hflip") ? -1 : 1);
    const below = (x * Math.sin(turn) + y * Math.cos(turn)) * (flips.includes("vflip") ? -1 : 1);
    const [column, row] = [left + width / 2 + right * scale, top + height / 2 + below * scale].map(Math.round);
    return data[(row * canvas.width + column) * 4 + 1] > 127 ? 1 : 0;
  };
  return Array.from({ length: 48 }, (_, i) => bit(i)).join("");
}

/** Runs in the page: what the element gives as its picture, as base64. */
async function snapshot() {
  const blob = await document.querySelector("berry-video").snapshot("image/png");
  const bytes = new Uint8Array(await blob.arrayBuffer());
  return btoa(bytes.reduce((text, byte) => text + String.fromCharCode(byte), ""));
}

/** The clock is where it has to be, and goes right. */
function check(bits) {
  assert.match(bits, /^1010.*0101$/);
  const age = (Date.now() - Number.parseInt(bits.slice(4, 36), 2)) % 2 ** 32;
  assert.ok(age > 0 && age < 30_000, `${age} ms old`);
}

let browser;

before(async () => {
  browser = await launch();
});

after(() => browser?.close());

for (const lay of LAYS) {
  const words = [`turned by ${lay.degrees}`, ...lay.flips].join(" ");
  test(words, async () => {
    const flips = lay.flips.map((flip) => `--${flip}`);
    const server = await serve(["--rotation", `${lay.degrees}`, ...flips, "--width", `${WIDTH}`, "--height", `${HEIGHT}`]);
    try {
      const page = await browser.newPage();
      await page.resize(900, 700);
      await page.goto(server.url);
      const shown = lay.degrees % 180 === 90 ? [HEIGHT, WIDTH] : [WIDTH, HEIGHT];
      const place = await page.until("a picture in a box of its shape", whereItIs, { given: [shown[0] / shown[1]] });
      assert.deepEqual(place.size, shown);
      const png = await page.screenshot(process.env.SCREENSHOTS && `${process.env.SCREENSHOTS}/${browserName}-${words}.png`);
      let bits = await page.evaluate(clockBits, png, place, lay, WIDTH, HEIGHT);
      // Firefox has the size before the first frame: black until then.
      for (const end = Date.now() + patience(5000); !/^1010.*0101$/.test(bits) && Date.now() < end;) {
        bits = await page.evaluate(clockBits, await page.screenshot(), place, lay, WIDTH, HEIGHT);
      }
      check(bits);
      const whole = { left: 0, top: 0, width: shown[0], height: shown[1] };
      check(await page.evaluate(clockBits, await page.evaluate(snapshot), whole, lay, WIDTH, HEIGHT));
      const status = await (await fetch(new URL("api/status", server.url))).json();
      assert.deepEqual([status.cameras[0].width, status.cameras[0].height], shown);
      assert.deepEqual(page.messages, []);
      await page.close();
    } finally {
      await server.end();
    }
  });
}
