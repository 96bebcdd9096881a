/**
 * Colours of what cameras tag in different ways: the `<video>` by Media Source Extensions, the track or canvas of WebCodecs, the
 * element's snapshot() and /snapshot.jpg show the same, and it is what the tags say.
 */

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { browserName, launch } from "./browser.mjs";
import { serve } from "./server.mjs";

const [WIDTH, HEIGHT] = [320, 240];

/** Levels off by rounding, by JPEG and by the conversions of browsers, which are not exact. */
const TOLERANCE = 6;

/** Luma, blue and red difference of six fields, three in a row. None is out of range in any matrix. */
const FIELDS = [[120, 110, 150], [150, 140, 110], [90, 120, 140], [60, 128, 128], [200, 128, 128], [110, 160, 100]];

const BT601 = [0.299, 0.114];
const BT709 = [0.2126, 0.0722];

/** What a camera says: primaries, transfer and matrix, null where nothing; and what that is. */
const TAGS = [
  { tags: null, isFull: false, matrix: BT709 },
  { tags: null, isFull: true, matrix: BT601 },
  { tags: [1, 1, 1], isFull: false, matrix: BT709 },
  { tags: [1, 1, 1], isFull: true, matrix: BT709 },
  { tags: [6, 6, 6], isFull: false, matrix: BT601 },
  { tags: [6, 6, 6], isFull: true, matrix: BT601 },
  { tags: [5, 5, 5], isFull: false, matrix: BT601 },
  { tags: [5, 6, 5], isFull: true, matrix: BT601 },
  { tags: [1, 13, 6], isFull: true, matrix: BT601 },
  { tags: [2, 2, 5], isFull: true, matrix: BT601 },
  { tags: [2, 2, 6], isFull: false, matrix: BT601 },
  { tags: [2, 2, 1], isFull: false, matrix: BT709 },
  { tags: [7, 7, 7], isFull: false, matrix: BT709 },
];

const nameOf = ({ tags, isFull }) => `t${(tags ?? ["none"]).join("-")}-${isFull ? "full" : "limited"}`;

/** The RGB of a field. */
function expected([luma, blue, red], { matrix: [kr, kb], isFull }) {
  const [black, range, differences] = isFull ? [0, 255, 255] : [16, 219, 224];
  const [y, b, r] = [(luma - black) / range, (blue - 128) / differences, (red - 128) / differences];
  const rgb = [y + 2 * (1 - kr) * r, 0, y + 2 * (1 - kb) * b];
  rgb[1] = (y - kr * rgb[0] - kb * rgb[2]) / (1 - kr - kb);
  return rgb.map((value) => Math.round(value * 255));
}

/** One picture with the fields. */
function picture() {
  const plane = (which, width, height) => Buffer.from(Array.from({ length: width * height }, (_, i) => {
    const [x, y] = [i % width, Math.floor(i / width)];
    return FIELDS[Math.floor(x * 3 / width) + 3 * Math.floor(y * 2 / height)][which];
  }));
  return Buffer.concat([plane(0, WIDTH, HEIGHT), plane(1, WIDTH / 2, HEIGHT / 2), plane(2, WIDTH / 2, HEIGHT / 2)]);
}

const folder = mkdtempSync(join(tmpdir(), "berrymse-colours-"));
let browser;
let server;

before(async () => {
  const ffmpeg = (options, input) => execFileSync("ffmpeg", ["-v", "error", "-y", ...options.split(" ")], { input, cwd: folder });
  const pictures = Buffer.concat(Array.from({ length: 20 }, picture));
  ffmpeg(`-f rawvideo -pix_fmt yuv420p -s ${WIDTH}x${HEIGHT} -r 5 -i - -c:v libx264 -qp 4 -tune zerolatency -g 5 -f h264 base.264`, pictures);
  for (const one of TAGS) {
    const [primaries, transfer, matrix] = one.tags ?? [];
    const tags = one.tags ? `:colour_primaries=${primaries}:transfer_characteristics=${transfer}:matrix_coefficients=${matrix}` : "";
    const filter = one.isFull || tags ? `-bsf:v h264_metadata=video_full_range_flag=${Number(one.isFull)}${tags} ` : "";
    ffmpeg(`-f h264 -i base.264 -c copy ${filter}-f h264 ${nameOf(one)}.264`);
  }
  const cameras = TAGS.map((one) => `  - {name: ${nameOf(one)}, fps: 5, source: "file:${join(folder, nameOf(one))}.264"}\n`);
  writeFileSync(join(folder, "config.yml"), `cameras:\n${cameras.join("")}`);
  [browser, server] = await Promise.all([launch(), serve(["--config", join(folder, "config.yml")], { isTestPicture: false })]);
});

after(async () => {
  await Promise.all([browser?.close(), server?.end()]);
  rmSync(folder, { recursive: true, force: true });
});

/** Runs in the page: shows this camera in this way. */
function show([name, renderer]) {
  document.body.innerHTML = `<berry-video renderer="${renderer}" src="live/${name}"></berry-video>`;
}

/** Runs in the page: the middles of the fields on what is shown, in its snapshot() and in the server's; undefined before there is a picture. */
async function look(name) {
  const element = document.querySelector("berry-video");
  const surface = element?.shadowRoot.querySelector("canvas.video") ?? element?.video;
  if (!(surface?.videoWidth ?? surface?.width)) return undefined;
  const middles = (image) => {
    const canvas = new OffscreenCanvas(320, 240);
    const context = canvas.getContext("2d");
    context.drawImage(image, 0, 0, 320, 240);
    return [0, 1, 2, 3, 4, 5].map((i) => [...context.getImageData(53 + i % 3 * 107, 60 + Math.floor(i / 3) * 120, 1, 1).data].slice(0, 3));
  };
  const own = await element.snapshot("image/png");
  const served = await fetch(`snapshot/${name}.jpg`);
  if (!own || !served.ok) return undefined;
  const seen = {
    shown: middles(surface),
    "snapshot()": middles(await createImageBitmap(own)),
    "/snapshot.jpg": middles(await createImageBitmap(await served.blob())),
  };
  // Firefox knows the size before it has the first frame. No field is black.
  const isBlack = Object.values(seen).some(([[red, green, blue]]) => red + green + blue === 0);
  return isBlack ? undefined : seen;
}

for (const renderer of ["mse", "webcodecs"]) {
  for (const one of TAGS) {
    const name = nameOf(one);
    test(`${name} by ${renderer}`, async () => {
      const page = await browser.newPage();
      await page.goto(server.url);
      await page.evaluate(show, [name, renderer]);
      const seen = await page.until("a picture", look, { given: [name], within: 60_000 });
      for (const [where, fields] of Object.entries(seen)) {
        // A canvas of Firefox's ignores the range: see docs/reference/websocket.md.
        if (browserName === "firefox" && one.isFull && where !== "/snapshot.jpg") continue;
        fields.forEach((rgb, i) => {
          const wanted = expected(FIELDS[i], one);
          const off = Math.max(...rgb.map((value, j) => Math.abs(value - wanted[j])));
          assert.ok(off <= TOLERANCE, `${where}, field ${i}: ${rgb}, not ${wanted}`);
        });
      }
      await page.close();
    });
  }
}
