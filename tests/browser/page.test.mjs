/** The demo page as a tool: one picture large, snapshot, what to copy. SCREENSHOTS=FOLDER keeps what it looks like. */

import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { launch } from "./chromium.mjs";
import { installClock, isLive } from "./clock.mjs";
import { serve } from "./server.mjs";

let browser;
let folder;
let server;
let page;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "berrymse-"));
  const config = join(folder, "config.yml");
  // At a plain name, too, the page changes the camera.
  await writeFile(config, "server: {controls: true}\n");
  [browser, server] = await Promise.all([launch(), serve(["--config", config])]);
  page = await browser.newPage();
  await page.before(installClock);
  await page.goto(server.url);
  await page.until("a live picture", isLive, { given: ["berry-video"] });
});

after(async () => {
  await Promise.all([browser?.close(), server?.end()]);
  await rm(folder, { recursive: true });
});

const press = (title) => document.querySelector(`[title="${title}"]`).click();

async function screenshot(name) {
  const { SCREENSHOTS } = process.env;
  if (SCREENSHOTS) await page.screenshot(`${SCREENSHOTS}/${name}.png`);
}

test("a picture is large on click and one of all on the next, and plays on", async () => {
  await page.resize(1280, 800);
  const height = () => document.querySelector("figure").clientHeight / innerHeight;
  await page.evaluate(() => document.querySelector("berry-video").click());
  assert.equal(await page.evaluate(height), 1);
  await page.until("a live picture", isLive, { given: ["berry-video"] });
  await screenshot("large");
  await page.evaluate(() => dispatchEvent(new KeyboardEvent("keydown", { key: "Escape" })));
  assert.ok(await page.evaluate(height) < 1);
  await screenshot("wall");
  await page.resize(390, 844, { scheme: "light", mobile: true });
  await screenshot("phone");
  await page.resize(1280, 800, { scheme: "light" });
});

test("the share dialog has what a page of one's own needs", async () => {
  await page.evaluate(press, "Link and code for a page");
  const snippet = await page.evaluate(() => document.getElementById("snippet").value);
  assert.ok(snippet.includes(`src="${server.url}berrymse.js"`), snippet);
  assert.match(snippet, /<berry-video src="ws:\S+\/live\/camera" controls>/);
  await screenshot("share");
  await page.evaluate(() => document.getElementById("share").close());
});

test("a snapshot is offered as a file", async () => {
  const [name, href] = await page.evaluate(async () => {
    const clicked = new Promise((resolve) => {
      HTMLAnchorElement.prototype.click = function () { resolve([this.download, this.href]); };
    });
    document.querySelector("[title='Save a snapshot']").click();
    return clicked;
  });
  assert.match(name, /^camera \d{4}-\d\d-\d\dT\d\d\.\d\d\.\d\d\.jpg$/);
  assert.match(href, /^blob:/);
  assert.deepEqual(page.messages, []);
});

test("the camera's settings are a panel: a slider sets the camera, what it refuses is said, Escape closes", async () => {
  await page.until("the button", () => !document.querySelector("[title='Camera settings']").hidden);
  await page.evaluate(() => document.querySelector("[title='Camera settings']").focus());
  await page.evaluate(press, "Camera settings");
  await page.until("the panel", () => document.querySelector("#panel[open] #control-video_bitrate")?.value > 0);
  await page.resize(1280, 800);
  await screenshot("panel");
  await page.resize(390, 844, { scheme: "light", mobile: true });
  await screenshot("panel-phone");
  await page.resize(1280, 800, { scheme: "light" });
  await screenshot("panel-light");
  const set = (value) => {
    const slider = document.getElementById("control-video_bitrate");
    slider.value = value;
    slider.dispatchEvent(new Event("input"));
  };
  const bitrate = async () => {
    const { controls } = await (await fetch(new URL("api/cameras/camera/controls", server.url))).json();
    return controls.find(({ name }) => name === "video_bitrate").value;
  };
  const before = await bitrate();
  await page.evaluate(set, 900_000);
  while (await bitrate() !== 900_000) await new Promise((resolve) => setTimeout(resolve, 20));
  await page.evaluate(() => document.querySelector("#panel .reset").click());
  while (await bitrate() === 900_000) await new Promise((resolve) => setTimeout(resolve, 20));
  assert.ok(before > 0);
  await page.until("no complaint", () => document.querySelector("#panel .said").textContent === "");
  await page.evaluate(() => {
    document.activeElement.dispatchEvent(new KeyboardEvent("keydown", { key: "Escape", bubbles: true }));
  });
  assert.equal(await page.evaluate(() => document.getElementById("panel").open), false);
  assert.equal(await page.evaluate(() => document.activeElement.title), "Camera settings");
});

/** Opens a page of this size with cameras of these names. */
async function wallOf(names, [width, height], settings, action) {
  const folder = await mkdtemp(join(tmpdir(), "berrymse-"));
  const config = join(folder, "config.yml");
  await writeFile(config, `cameras:\n${names.map((name) => `  - {name: ${name}, source: test, fps: 5, ${settings}}\n`).join("")}`);
  const many = await serve(["--config", config], { isTestPicture: false });
  const wall = await browser.newPage();
  try {
    await wall.resize(width, height);
    await wall.before(installClock);
    await wall.goto(many.url);
    await action(wall, many);
  } finally {
    await Promise.all([wall.close(), many.end()]);
    await rm(folder, { recursive: true });
  }
}

/** Waits for the nth camera of a wall. */
const isNthLive = (wall, n) => wall.until(`live picture ${n}`, isLive, { given: [`figure:nth-of-type(${n}) berry-video`] });

/** Opens a page with nine cameras, whose names are as long as people's. */
function nine(action) {
  const names = ["front-door", "garage", "driveway", "garden-left", "garden-right", "backyard", "living-room", "workshop", "letterbox"];
  return wallOf(names, [1280, 800], "width: 320, height: 240", async (wall) => {
    for (let n = 1; n <= 9; n += 1) await isNthLive(wall, n);
    await action(wall, names);
  });
}

test("of sixty cameras those in sight play", async () => {
  const names = Array.from({ length: 60 }, (_, i) => `camera${i + 1}`);
  await wallOf(names, [800, 600], "width: 320, height: 240, onDemand: true", async (wall, server) => {
    const watched = async () => {
      const { cameras } = await (await fetch(new URL("api/status", server.url))).json();
      return cameras.filter(({ viewers }) => viewers > 0).map(({ name }) => name);
    };
    await isNthLive(wall, 1);
    const first = await watched();
    assert.ok(first.length <= 24, `${first}`);
    assert.ok(await wall.evaluate(() => document.querySelector("figure").clientWidth >= 160));
    if (process.env.SCREENSHOTS) await wall.screenshot(`${process.env.SCREENSHOTS}/sixty.png`);
    await wall.evaluate(() => document.querySelector("figure:last-of-type").scrollIntoView());
    await isNthLive(wall, 60);
    while ((await watched()).includes("camera1")) await new Promise((resolve) => setTimeout(resolve, 100));
    await wall.evaluate(() => scrollTo(0, 0));
    await isNthLive(wall, 1);
  });
});

test("nine cameras have whole names, one large hides others", () => nine(async (wall, names) => {
  const shownWhole = () => [...document.querySelectorAll(".name")].filter((one) => one.scrollWidth <= one.clientWidth).map((one) => one.textContent);
  assert.deepEqual(await wall.evaluate(shownWhole), names);
  if (process.env.SCREENSHOTS) await wall.screenshot(`${process.env.SCREENSHOTS}/nine.png`);
  // The pixels at the corners of the tiles below, which would shine through.
  const corners = await wall.evaluate(() => [...document.querySelectorAll("figure")].slice(1).map((one) => {
    const { x, y } = one.getBoundingClientRect();
    return [Math.round(x), Math.round(y)];
  }));
  await wall.evaluate(() => {
    document.querySelector("berry-video").click();
    document.querySelector("berry-video").shadowRoot.querySelector(".frame").style.visibility = "hidden";
  });
  assert.equal(await wall.evaluate(() => document.querySelectorAll(".large").length), 1);
  const png = await wall.screenshot();
  const colours = await wall.evaluate(async (data, corners) => {
    const image = new Image();
    image.src = `data:image/png;base64,${data}`;
    await image.decode();
    const canvas = new OffscreenCanvas(image.width, image.height);
    const context = canvas.getContext("2d");
    context.drawImage(image, 0, 0);
    const height = document.querySelector(".large berry-video").clientHeight;
    const seen = corners.filter(([, y]) => y < height - 12).map(([x, y]) => [...context.getImageData(x, y, 12, 12).data].join());
    return [...new Set(seen)];
  }, png, corners);
  assert.equal(colours.length, 1, "all are the large picture's own black");
}));

test("words of a page say what is seen: live, behind, paused", async () => {
  const label = () => document.querySelector("figcaption .said").textContent;
  await page.until("live", () => document.querySelector("figcaption .said").textContent === "live");
  await page.evaluate(() => document.querySelector("berry-video").lookBack(4));
  await page.until("behind", () => /^[2-6] s behind$/.test(document.querySelector("figcaption .said").textContent));
  assert.equal(await page.evaluate(() => document.querySelector("figcaption").dataset.tone), "behind");
  await page.evaluate(() => document.querySelector("berry-video").pause());
  await page.until("paused", () => document.querySelector("figcaption .said").textContent === "paused");
  await page.evaluate(() => document.querySelector("berry-video").live());
  await page.until("live again", () => document.querySelector("figcaption .said").textContent === "live");
  assert.equal(await page.evaluate(label), "live");
});
