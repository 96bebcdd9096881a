/**
 * The program at port 8080 of a Klipper host: nginx passes /webcam/ on, without upgrades and without the Host header. The front end is a
 * page of nginx's own, which takes MJPEG, snapshots and the MP4 there.
 */

import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { browserName, launch } from "./browser.mjs";
import { installClock, isLive } from "./clock.mjs";
import { patience } from "./driven-page.mjs";
import { nginx } from "./nginx.mjs";
import { clockOnScreen, showImage } from "./screen-clock.mjs";
import { serve } from "./server.mjs";

/** As in the nginx configuration of Mainsail and Fluidd. */
const WEBCAM = `
  location /webcam/ {
    postpone_output 0;
    proxy_buffering off;
    proxy_ignore_headers X-Accel-Buffering;
    access_log off;
    error_log off;
    proxy_pass http://mjpgstreamer1/;
  }`;
const UPGRADE = `proxy_http_version 1.1; proxy_set_header Host $http_host; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection "upgrade";`;
const PICTURES = ["--width", "320", "--height", "240", "--fps", "10"];
const FRONT_END = `location / { default_type text/html; return 200 '<!doctype html><link rel="icon" href="data:,">'; }`;
const SCREENSHOTS = process.env.SCREENSHOTS;

let folder;
let browser;
let server;
let proxy;
let page;

const upstream = () => `upstream mjpgstreamer1 { ip_hash; server 127.0.0.1:${server.port}; }`;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "berrymse-"));
  [browser, server] = await Promise.all([launch(), serve(PICTURES)]);
  proxy = await nginx(folder, { http: upstream(), server: `${WEBCAM} ${FRONT_END}` });
  page = await browser.newPage();
  await page.before(installClock);
  await page.goto(proxy.url);
});

after(async () => {
  await page?.close();
  await Promise.all([browser?.close(), proxy?.end()]);
  await server?.end();
  await rm(folder, { recursive: true, force: true });
});

test("MJPEG plays behind the nginx of a Klipper host", async () => {
  await page.evaluate(showImage, "/webcam/?action=stream");
  const seen = new Set();
  for (const end = Date.now() + patience(20_000); seen.size < 4;) {
    assert.ok(Date.now() < end, `${[...seen]}`);
    const { made } = await clockOnScreen(page, SCREENSHOTS ? `${SCREENSHOTS}/klipper-${browserName}.png` : "");
    if (made !== null) seen.add(made);
  }
  assert.deepEqual(page.messages, []);
});

test("the MP4 plays behind the nginx of a Klipper host", async () => {
  await page.evaluate(() => {
    const video = Object.assign(document.createElement("video"), { src: "/webcam/video.mp4", muted: true, autoplay: true });
    document.body.replaceChildren(video);
  });
  // The browser keeps what it likes of an endless file.
  await page.until("a moving video", async () => {
    const video = document.querySelector("video");
    const before = clock.of(video);
    await new Promise((resolve) => setTimeout(resolve, 250));
    return before !== null && clock.of(video) > before;
  });
});

test("snapshots are new behind the nginx of a Klipper host", async () => {
  const clocks = await page.evaluate(async () => {
    const found = [];
    for (let i = 0; i < 3; i += 1) {
      const answer = await fetch(`/webcam/?action=snapshot&cacheBust=${i}`);
      found.push(clock.of(await createImageBitmap(await answer.blob())));
      await new Promise((resolve) => setTimeout(resolve, 150));
    }
    return found;
  });
  assert.ok(clocks[0] < clocks[1] && clocks[1] < clocks[2], `${clocks}`);
});

test("WebRTC of camera-streamer is refused in words", async () => {
  const { status, words } = await page.evaluate(async () => {
    const answer = await fetch("/webcam/webrtc", { method: "POST", body: `{"type":"request"}` });
    return { status: answer.status, words: await answer.text() };
  });
  assert.equal(status, 501);
  assert.match(words, /\/\?action=stream/);
});

const usesHttp = () => performance.getEntriesByType("resource").some(({ name }) => name.endsWith("/http-socket.js"));
const delayShown = () => /^\d+ ms$/.test(document.querySelector("berry-video")?.shadowRoot.querySelector(".delay").textContent);
const kept = () => document.querySelector("berry-video")?.dataset.kept;

/** Runs in the page before its scripts: what waits for many seconds waits for less. Counts WebSockets that open. */
function shortenWaits() {
  const { setTimeout: wait, WebSocket: Native } = window;
  window.opened = 0;
  window.WebSocket = class extends Native {
    constructor(...given) {
      super(...given);
      this.addEventListener("open", () => { window.opened += 1; });
    }
  };
  window.setTimeout = (action, ms, ...given) => wait(action, ms > 15_000 ? 500 : ms, ...given);
}

test("a front end shows the page in a frame", async () => {
  await page.evaluate(() => {
    const frame = document.createElement("iframe");
    Object.assign(frame, { src: "/webcam/?camera=camera&embed", width: 400, height: 300 });
    document.body.replaceChildren(frame);
  });
  await page.until("a moving picture", () => {
    const inner = document.querySelector("iframe").contentWindow;
    const time = inner.clock?.of(inner.document.querySelector("berry-video")?.video) ?? null;
    const isNewer = time !== null && time > (window.seen ?? time);
    if (time !== null) window.seen ??= time;
    return isNewer;
  });
  if (SCREENSHOTS) await page.screenshot(`${SCREENSHOTS}/klipper-frame-${browserName}.png`);
});

/** Opens a page of the front end with three cameras. */
async function openThree(from) {
  const viewer = await browser.newPage();
  await viewer.before(installClock);
  await viewer.goto(proxy.url);
  await viewer.evaluate((first) => {
    const elements = [0, 1, 2].map((i) => `<berry-video src="/webcam/live/camera?${first + i}" style="width: 320px; height: 240px"></berry-video>`);
    document.body.innerHTML = elements.join("");
    document.head.append(Object.assign(document.createElement("script"), { type: "module", src: "/webcam/berrymse.js" }));
  }, from);
  return viewer;
}

/** Runs in the page: how many of its cameras are live, and how many say that there are too many. */
function countStates() {
  const texts = [...document.querySelectorAll("berry-video")].map((one) => one.error?.message ?? "");
  const live = [...document.querySelectorAll("berry-video")].filter((one) => one.readyState === 4 && clock.seen(one) !== null);
  return `${live.length} ${texts.filter((text) => /four cameras/.test(text)).length}`;
}

test("pages without WebSockets share the browser's connections", async () => {
  // The streams of the tests before end.
  await page.goto(proxy.url);
  const pages = [];
  try {
    const has = async (viewer, wanted) => {
      for (const end = Date.now() + patience(30_000); ;) {
        const found = await viewer.evaluate(countStates);
        if (found === wanted) return;
        assert.ok(Date.now() < end, `${found} instead of ${wanted}`);
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    };
    const first = await openThree(0);
    pages.push(first);
    await has(first, "3 0");
    // The first page goes out of sight, and gives its streams up for the second.
    const cover = await first.cover();
    const second = await openThree(3);
    pages.push(second);
    await has(second, "3 0");
    await cover.close();
    await has(first, "1 2");
    await has(second, "3 0");
    await pages.pop().close();
    await has(first, "3 0");
  } finally {
    for (const viewer of pages) await viewer.close();
  }
});

test("the page plays by HTTP, then by a WebSocket again", async () => {
  const url = `${proxy.url}webcam/`;
  // The streams of the tests before end.
  await page.goto(proxy.url);
  const viewer = await browser.newPage();
  try {
    await viewer.before(installClock);
    await viewer.before(shortenWaits);
    await viewer.goto(url);
    await viewer.until("a live picture", isLive, { given: ["berry-video"] });
    assert.equal(await viewer.evaluate(usesHttp), true);
    await viewer.until("the delay", delayShown);
    if (SCREENSHOTS) await viewer.screenshot(`${SCREENSHOTS}/klipper-page-${browserName}.png`);

    // The server is restarted.
    await viewer.evaluate(() => { document.querySelector("berry-video").dataset.kept = "true"; });
    await server.end();
    await viewer.until("the age", () => !document.querySelector("berry-video").shadowRoot.querySelector(".age").hidden);
    server = await serve(PICTURES, { port: server.port });
    await viewer.until("a live picture again", isLive, { given: ["berry-video"] });
    assert.equal(await viewer.evaluate(kept), "true", "the page was loaded again");

    // Now the proxy passes the upgrade on.
    assert.equal(await viewer.evaluate(() => window.opened), 0);
    await proxy.change({ http: upstream(), server: `${WEBCAM.replace("proxy_pass", `${UPGRADE} proxy_pass`)} ${FRONT_END}` });
    await viewer.until("a WebSocket", () => window.opened > 0);
    await viewer.until("a live picture by WebSocket", isLive, { given: ["berry-video"] });
    await viewer.until("one viewer", async (status) => (await (await fetch(status)).json()).cameras[0].viewers === 1, { given: ["api/status"] });
  } finally {
    await viewer.close();
  }
});
