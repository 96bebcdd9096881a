/** <berry-video> as a media element: driven by media-chrome, and by what a page asks of a <video>. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, afterEach, before, test } from "node:test";
import { browserName, launch } from "./browser.mjs";
import { installClock, isLive } from "./clock.mjs";
import { proxy } from "./proxy.mjs";
import { serve } from "./server.mjs";

const MEDIA_CHROME = readFileSync(new URL("node_modules/media-chrome/dist/iife/index.js", import.meta.url), "utf8");
const SCREENSHOTS = process.env.SCREENSHOTS;

let browser;
let server;
let site;
let page;

before(async () => {
  [browser, server] = await Promise.all([launch(), serve(["--width", "320", "--height", "240", "--fps", "10", "--keyframe-interval", "10"])]);
});

after(async () => {
  await Promise.all([browser?.close(), server?.end()]);
});

afterEach(async () => {
  await page?.close();
  await site?.end();
});

async function open(body) {
  const html = `<!doctype html><link rel="icon" href="icon.svg"><style>berry-video { width: 320px; height: 240px }</style>
    <script type="module" src="berrymse.js"></script>${body}`;
  site = await proxy(server.url, { pages: { "/page.html": { html }, "/media-chrome.js": { html: MEDIA_CHROME, headers: { "content-type": "text/javascript" } } } });
  page = await browser.newPage();
  await page.before(installClock);
  await page.before(noteEvents);
  await page.goto(new URL("page.html", site.url).href);
}

/** Runs in a page before its scripts: keeps the media events of the element. */
function noteEvents() {
  window.events = [];
  for (const type of ["loadstart", "loadedmetadata", "loadeddata", "canplay", "play", "playing", "pause", "waiting", "seeking", "seeked", "emptied"]) {
    addEventListener(type, ({ target }) => {
      if (target.localName === "berry-video") window.events.push(type);
    }, true);
  }
}

const viewers = async () => (await (await fetch(new URL("api/status", server.url))).json()).cameras[0].viewers;
const live = () => page.until("a live picture", isLive, { given: ["berry-video"] });

test("media-chrome shows live, pauses, plays and goes back to live", async () => {
  await open(`<script src="media-chrome.js"></script>
    <media-controller style="width: 480px; height: 320px">
      <berry-video slot="media" style="width: 100%; height: 100%"></berry-video>
      <media-loading-indicator slot="centered-chrome" noautohide></media-loading-indicator>
      <media-control-bar>
        <media-play-button></media-play-button><media-live-button></media-live-button>
        <media-time-range></media-time-range><media-fullscreen-button></media-fullscreen-button>
      </media-control-bar>
    </media-controller>`);
  await live();
  const state = (name) => page.evaluate((attribute) => document.querySelector("media-controller").getAttribute(attribute), name);
  const until = (what, name, wanted) => page.until(what, (attribute, value) => document.querySelector("media-controller").getAttribute(attribute) === value, { given: [name, wanted] });
  await until("live", "mediastreamtype", "live");
  await until("at the live edge", "mediatimeislive", "");
  await until("playing", "mediapaused", null);
  assert.equal(await state("medialoading"), null);
  if (SCREENSHOTS) await page.screenshot(`${SCREENSHOTS}/media-chrome-${browserName}.png`);
  const click = (selector) => page.evaluate((name) => document.querySelector(name).click(), selector);
  await click("media-play-button");
  await until("paused", "mediapaused", "");
  assert.equal(await page.evaluate(() => document.querySelector("berry-video").paused), true);
  await click("media-play-button");
  await until("playing again", "mediapaused", null);
  await live();
  // Looking back, by the scrubber's event.
  await page.until("seconds to look back at", () => document.querySelector("berry-video").targetLiveWindow > 0);
  await new Promise((resolve) => setTimeout(resolve, 3000));
  await page.evaluate(() => {
    const { currentTime } = document.querySelector("berry-video");
    const detail = { detail: currentTime - 2, composed: true, bubbles: true };
    document.querySelector("media-time-range").dispatchEvent(new CustomEvent("mediaseekrequest", detail));
  });
  await until("behind the live edge", "mediatimeislive", null);
  await click("media-live-button");
  await until("at the live edge again", "mediatimeislive", "");
  await live();
});

test("properties are those of a live media element", async () => {
  await open(`<berry-video></berry-video>`);
  await live();
  await page.until("the events", () => window.events.includes("canplay") && window.events.includes("playing"));
  const facts = await page.evaluate(() => {
    const element = document.querySelector("berry-video");
    const { duration, readyState, videoWidth, videoHeight, streamType, playbackRate, muted, volume, error, ended, seeking, paused } = element;
    const { currentTime, liveEdgeStart, seekable } = element;
    element.playbackRate = 3;
    element.muted = false;
    return { duration: String(duration), readyState, videoWidth, videoHeight, streamType, playbackRate, muted, volume, error, ended, seeking, paused,
      isLive: currentTime >= liveEdgeStart, length: seekable.length, isInside: currentTime <= element.seekable.end(0), rate: element.playbackRate };
  });
  assert.deepEqual(facts, { duration: "Infinity", readyState: 4, videoWidth: 320, videoHeight: 240, streamType: "live", playbackRate: 1, muted: true,
    volume: 1, error: null, ended: false, seeking: false, paused: false, isLive: true, length: 1, isInside: true, rate: 1 });
  const events = await page.evaluate(() => window.events);
  const order = ["loadstart", "loadedmetadata", "loadeddata", "canplay", "playing"].map((type) => events.indexOf(type));
  assert.deepEqual(order, order.toSorted((a, b) => a - b), `${events}`);
});

test("the element joins a player that gives it the context of Video.js 10", async () => {
  await open(`<div id="player"></div><script>
    // It is there later than the element, as a script that loads slowly.
    const player = document.getElementById("player");
    player.innerHTML = "<berry-video></berry-video>";
    player.addEventListener("context-request", (event) => {
      if (event.context !== Symbol.for("@videojs/media") || !player.querySelector("berry-video").readyState) return;
      event.stopPropagation();
      event.callback({ setMedia: (media) => { window.media = media; } });
    });
  </script>`);
  await page.until("the media", () => window.media === document.querySelector("berry-video"));
  const { currentSrc } = await page.evaluate(() => ({ currentSrc: window.media.currentSrc }));
  assert.match(currentSrc, /^http:.*\/video_websocket$/);
});

test("an element with preload=none connects at the first play", async () => {
  await open(`<berry-video preload="none" poster="icon.svg"></berry-video>`);
  await page.until("the button", () => document.querySelector("berry-video").shadowRoot.querySelector(".play")?.hidden === false);
  const { paused, poster } = await page.evaluate(() => {
    const element = document.querySelector("berry-video");
    return { paused: element.paused, poster: element.video.poster };
  });
  assert.equal(paused, true);
  assert.match(poster, /icon\.svg$/);
  assert.equal(await viewers(), 0);
  if (SCREENSHOTS) await page.screenshot(`${SCREENSHOTS}/preload-none-${browserName}.png`);
  await page.evaluate(() => document.querySelector("berry-video").play());
  await live();
  assert.equal(await page.evaluate(() => document.querySelector("berry-video").paused), false);
});

test("an element out of sight rests until it is seen", async () => {
  await open(`<berry-video rest-below="0.5"></berry-video><div style="height: 3000px"></div>`);
  await live();
  await page.evaluate(() => scrollTo(0, 1500));
  for (const end = Date.now() + 30_000; await viewers() > 0;) {
    assert.ok(Date.now() < end, "it stays connected");
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  await page.evaluate(() => scrollTo(0, 0));
  await live();
  assert.equal(await viewers(), 1);
});

test("the error is a property as well as an event", async () => {
  await open(`<berry-video src="live/nobody"></berry-video>`);
  const error = await page.until("the error", () => document.querySelector("berry-video").error);
  assert.equal(error.code, 2);
  assert.match(error.message, /no such camera/);
});
