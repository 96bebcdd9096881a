/**
 * The page at a plain-http name, as most people open it (http://pi.local:2020/): no secure context, in each browser.
 * run.mjs runs other files there, too (PAGE_HOST); this one also asserts what is missing there.
 */

import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { launch } from "./browser.mjs";
import { installClock, isByCodecs, isLive } from "./clock.mjs";
import { PLAIN_NAME } from "./host.mjs";
import { serve } from "./server.mjs";

const LIVE = ["a live picture", isLive, { given: ["berry-video"] }];

let browser;
let server;
let page;
let folder;

/** A page of another origin, which the server lets show its cameras; and the Sec-Fetch headers with which it was asked, by host. */
let html = `<!doctype html><link rel="icon" href="data:,">`;
const asked = new Map();
const site = createServer(({ headers }, answer) => {
  asked.set(headers.host, Object.keys(headers).filter((name) => name.startsWith("sec-fetch-")));
  answer.setHeader("content-type", "text/html").end(html);
});

const start = (port = 0) => serve(["--config", join(folder, "config.yml")], { port, at: PLAIN_NAME });

async function open(url = server.url) {
  const opened = await browser.newPage();
  await opened.before(installClock);
  await opened.goto(url);
  await opened.until(...LIVE);
  return opened;
}

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "berrymse-"));
  await new Promise((resolve) => site.listen(0, "127.0.0.1", resolve));
  const config = `server: { controls: true, allowedOrigins: ["http://${PLAIN_NAME}:${site.address().port}"] }\n`;
  await writeFile(join(folder, "config.yml"), config);
  [browser, server] = await Promise.all([launch(), start()]);
});

after(async () => {
  await Promise.all([browser?.close(), server?.end()]);
  site.close();
  await rm(folder, { recursive: true });
});

test("a plain name has no Sec-Fetch headers, loopback has", async () => {
  const { port } = site.address();
  const blank = await browser.newPage();
  for (const name of [PLAIN_NAME, "127.0.0.1"]) await blank.goto(`http://${name}:${port}/`);
  await blank.close();
  assert.deepEqual(asked.get(`${PLAIN_NAME}:${port}`), []);
  assert.ok(asked.get(`127.0.0.1:${port}`).length > 0);
});

test("the page at a plain name plays without secure features", async () => {
  page = await open();
  const there = await page.evaluate(() => [isSecureContext, "VideoDecoder" in window, "clipboard" in navigator, "wakeLock" in navigator]);
  assert.deepEqual(there, [false, false, false, false]);
  assert.equal(await page.evaluate(isByCodecs), false);
  assert.deepEqual(page.messages, []);
});

test("a second viewer at a plain name joins", async () => {
  const second = await open();
  assert.deepEqual(second.messages, []);
  await second.close();
});

test("settings at a plain name set the camera", async () => {
  const bitrate = async () => {
    const { controls } = await (await fetch(new URL("api/cameras/camera/controls", server.url))).json();
    return controls.find(({ name }) => name === "video_bitrate").value;
  };
  await page.until("the button", () => !document.querySelector("[title='Camera settings']").hidden);
  await page.evaluate(() => document.querySelector("[title='Camera settings']").click());
  await page.until("the panel", () => document.querySelector("#panel[open] #control-video_bitrate")?.value > 0);
  await page.evaluate(() => {
    const slider = document.getElementById("control-video_bitrate");
    slider.value = 900_000;
    slider.dispatchEvent(new Event("input"));
  });
  while (await bitrate() !== 900_000) await new Promise((resolve) => setTimeout(resolve, 20));
  await page.evaluate(() => document.querySelector("#panel .close").click());
});

test("the snapshot button at a plain name offers a file", async () => {
  const [name, type, size] = await page.evaluate(async () => {
    const blobs = [];
    const create = URL.createObjectURL;
    URL.createObjectURL = (blob) => {
      blobs.push(blob);
      return create.call(URL, blob);
    };
    const clicked = new Promise((resolve) => {
      HTMLAnchorElement.prototype.click = function () { resolve(this.download); };
    });
    document.querySelector("[title='Save a snapshot']").click();
    return [await clicked, blobs[0].type, blobs[0].size];
  });
  assert.match(name, /^camera .*\.jpg$/);
  assert.equal(type, "image/jpeg");
  assert.ok(size > 1000);
});

test("look back at a plain name shows the past, then live", async () => {
  await page.until("4 s to look at", () => {
    const { buffered } = document.querySelector("berry-video").video;
    return buffered.length > 0 && buffered.end(buffered.length - 1) - buffered.start(0) > 4;
  });
  await page.evaluate(() => document.querySelector("berry-video").lookBack(3));
  await page.until("a picture of the past", () => {
    const made = clock.of(document.querySelector("berry-video").video);
    return made !== null && (Date.now() % 2 ** 32) - made > 2500;
  });
  await page.evaluate(() => document.querySelector("berry-video").live());
  await page.until(...LIVE);
});

test("the page at a plain name heals after the server's end", async () => {
  const { port } = server;
  await server.end("SIGKILL");
  await page.until("words", () => document.querySelector("berry-video").shadowRoot.querySelector(".state").textContent);
  server = await start(port);
  await page.until(...LIVE);
});

test("an element in a page of its own plays at a plain name", async () => {
  html = `<!doctype html><link rel="icon" href="data:,"><script type="module" src="${server.url}berrymse.js"></script>
    <berry-video controls src="${new URL("live/camera", server.url).href}"></berry-video>`;
  const own = await open(`http://${PLAIN_NAME}:${site.address().port}`);
  assert.deepEqual(own.messages, []);
  await own.close();
});
