/**
 * The page as addresses ask for it (one camera, kiosk, in a frame, enlarged), its keys, zoom, titles and the share dialog.
 * SCREENSHOTS=FOLDER keeps what it looks like.
 */

import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, test } from "node:test";
import { browserName, launch } from "./browser.mjs";
import { installClock, isLive } from "./clock.mjs";
import { atHost } from "./host.mjs";
import { serve } from "./server.mjs";

let browser;
let folder;
let server;
let page;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "berrymse-"));
  const config = join(folder, "config.yml");
  const camera = "source: test, width: 320, height: 240, fps: 10, keyframeInterval: 10";
  await writeFile(config, `cameras:\n  - {name: front, title: "Front door", ${camera}}\n  - {name: yard, ${camera}}\n`);
  [browser, server] = await Promise.all([launch(), serve(["--config", config], { isTestPicture: false })]);
});

after(async () => {
  await Promise.all([browser?.close(), server?.end()]);
  await rm(folder, { recursive: true });
});

afterEach(() => page?.close());

async function open(path, { at = server.url } = {}) {
  page = await browser.newPage();
  await page.before(installClock);
  await page.goto(new URL(path, at).href);
}

const live = (selector = "berry-video") => page.until("a live picture", isLive, { given: [selector] });
const press = (key) => page.evaluate((key) => document.body.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true })), key);
const large = () => [...document.querySelectorAll(".large .name")].map((one) => one.textContent).join();

async function screenshot(name) {
  const { SCREENSHOTS } = process.env;
  if (SCREENSHOTS) await page.screenshot(`${SCREENSHOTS}/${name}-${browserName}.png`);
}

test("titles are shown instead of names", async () => {
  await open("");
  await live();
  await page.until("the names", () => [...document.querySelectorAll(".name")].map((one) => one.textContent).join() === "Front door,yard");
  await screenshot("titles");
});

test("one camera of the address is alone, and a kiosk has nothing but video", async () => {
  await open("?camera=yard");
  await live();
  assert.deepEqual(await page.evaluate(() => [...document.querySelectorAll(".name")].map((one) => one.textContent)), ["yard"]);
  await page.close();
  await open("?camera=yard&kiosk=1");
  await live();
  const covered = () => {
    const { width, height } = document.querySelector("berry-video").getBoundingClientRect();
    return width === innerWidth && height === innerHeight && document.querySelector("header").clientHeight === 0;
  };
  await screenshot("kiosk");
  assert.equal(await page.evaluate(covered), true);
  assert.equal(await page.evaluate(() => document.querySelector("berry-video").controls), false);
  await page.close();
  await open("?camera=nobody");
  await page.until("the words", () => /no such camera/.test(document.querySelector("berry-video")?.shadowRoot.querySelector(".state").textContent));
});

test("a page of the same host shows one camera in a frame", async () => {
  const html = `<!doctype html><link rel="icon" href="data:,"><iframe src="${server.url}?camera=front&embed" width="400" height="300" style="border: 0"></iframe>`;
  const site = createServer((_, answer) => answer.setHeader("content-type", "text/html").end(html));
  await new Promise((resolve) => site.listen(0, "127.0.0.1", resolve));
  try {
    await open("", { at: atHost(`http://127.0.0.1:${site.address().port}`) });
    const viewers = async () => (await (await fetch(new URL("api/status", server.url))).json()).cameras[0].viewers;
    for (const end = Date.now() + 60_000; await viewers() === 0;) {
      assert.ok(Date.now() < end, "nothing plays");
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    await screenshot("embed");
  } finally {
    site.closeAllConnections();
    site.close();
  }
});

test("the enlarged camera is in the address, and Back leads to all", async () => {
  await open("");
  await live();
  await page.evaluate(() => document.querySelector("figure:nth-of-type(2) .name").click());
  await page.until("the second large", () => location.hash === "#yard" && document.querySelectorAll(".large").length === 1);
  assert.equal(await page.evaluate(large), "yard");
  await press("ArrowDown");
  await page.until("the next", () => location.hash === "#front");
  await page.evaluate(() => history.back());
  await page.until("all", () => location.hash === "" && !document.querySelector(".large"));
  await page.close();
  await open("#yard");
  await page.until("the second large", () => document.querySelector(".large .name")?.textContent === "yard");
  await press("Escape");
  await page.until("all", () => location.hash === "" && !document.querySelector(".large"));
});

test("keys pause, play, look back and zoom the enlarged camera", async () => {
  await open("#front");
  await live(".large berry-video");
  const paused = () => document.querySelector(".large berry-video").paused;
  await press(" ");
  assert.equal(await page.evaluate(paused), true);
  await press(" ");
  await page.until("playing", () => !document.querySelector(".large berry-video").paused);
  await page.until("seconds to look back at", () => document.querySelector(".large berry-video").targetLiveWindow > 0);
  await new Promise((resolve) => setTimeout(resolve, 3000));
  await press("ArrowLeft");
  await page.until("behind", () => {
    const { currentTime, liveEdgeStart } = document.querySelector(".large berry-video");
    return currentTime < liveEdgeStart;
  });
  await press("ArrowRight");
  await page.until("live", () => {
    const { currentTime, liveEdgeStart } = document.querySelector(".large berry-video");
    return currentTime >= liveEdgeStart;
  });
  const scale = () => Number(document.querySelector(".large berry-video").style.getPropertyValue("--zoom-scale"));
  await press("+");
  assert.equal(await page.evaluate(scale), 1.5);
  await press("Escape");
  assert.equal(await page.evaluate(scale), 1);
  assert.equal(await page.evaluate(large), "Front door");
});

test("wheel, drag and double click zoom into the video", async () => {
  await open("#front");
  await live(".large berry-video");
  const state = () => {
    const { style } = document.querySelector(".large berry-video");
    return ["scale", "x", "y"].map((name) => parseFloat(style.getPropertyValue(`--zoom-${name}`)));
  };
  const fire = (type, kind, options) => page.evaluate((type, kind, options) => {
    const video = document.querySelector(".large berry-video");
    video.dispatchEvent(new window[kind](type, { bubbles: true, cancelable: true, composed: true, ...options }));
  }, type, kind, options);
  await fire("wheel", "WheelEvent", { deltaY: -300, clientX: 100, clientY: 100 });
  assert.deepEqual(await page.evaluate(state), [2, -100, -100]);
  await fire("pointerdown", "PointerEvent", { pointerId: 1, clientX: 200, clientY: 200 });
  await fire("pointermove", "PointerEvent", { pointerId: 1, clientX: 203, clientY: 202 });
  await fire("pointerup", "PointerEvent", { pointerId: 1 });
  assert.deepEqual(await page.evaluate(state), [2, -97, -98]);
  await screenshot("zoom");
  await fire("dblclick", "MouseEvent", { clientX: 10, clientY: 10 });
  assert.equal((await page.evaluate(state))[0], 1);
  // Two fingers that part.
  await fire("pointerdown", "PointerEvent", { pointerId: 2, clientX: 100, clientY: 100 });
  await fire("pointerdown", "PointerEvent", { pointerId: 3, clientX: 200, clientY: 100 });
  await fire("pointermove", "PointerEvent", { pointerId: 3, clientX: 300, clientY: 100 });
  assert.equal((await page.evaluate(state))[0], 2);
});

test("the share dialog copies each address, on plain http too", async () => {
  await open("");
  await live();
  await page.until("the title", () => document.querySelector(".name").textContent === "Front door");
  await page.evaluate(() => document.querySelector("[title='Link and code for a page']").click());
  const rows = await page.evaluate(() => [...document.querySelectorAll("#share label")].map((one) => one.querySelector("input, textarea").value));
  const [all, alone, snippet, frame, snapshot, mjpeg, mp4, rtsp] = rows;
  assert.equal(all, server.url);
  assert.equal(alone, `${server.url}?camera=front`);
  assert.match(snippet, /<berry-video src="ws:\S+\/live\/front" controls>/);
  assert.ok(frame.includes(`${server.url}?camera=front&embed`), frame);
  assert.deepEqual([snapshot, mjpeg, mp4], ["snapshot/front.jpg", "stream/front.mjpg", "stream/front.mp4"].map((path) => server.url + path));
  assert.equal(rtsp, `${server.url.replace("http", "rtsp")}live/front`);
  for (const url of [snapshot, alone]) assert.equal((await fetch(url)).status, 200, url);
  await screenshot("share");
  // Without a clipboard for scripts, as on plain http.
  const copied = await page.evaluate(() => {
    Object.defineProperty(navigator, "clipboard", { value: undefined, configurable: true });
    let text = "";
    document.execCommand = () => {
      const field = document.activeElement;
      text = field.value.slice(field.selectionStart, field.selectionEnd);
      return true;
    };
    document.querySelectorAll("#share .copy")[4].click();
    return text;
  });
  assert.equal(copied, snapshot);
  await page.until("the word", () => document.querySelectorAll("#share .copy")[4].textContent === "Copied");
  const manifest = await (await fetch(new URL("manifest.webmanifest", server.url))).json();
  assert.equal(manifest.display, "standalone");
  assert.deepEqual(page.messages, []);
});
