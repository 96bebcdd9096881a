/** What a page that stays open lives through, without reload. */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launch } from "./chromium.mjs";
import { installClock, isLive, quantile } from "./clock.mjs";
import { serve } from "./server.mjs";

let browser;

before(async () => {
  browser = await launch();
});

after(() => browser?.close());

async function open(server) {
  const page = await browser.newPage();
  await page.before(installClock);
  await page.goto(server.url);
  await page.until("a live picture", isLive, { given: ["berry-video"] });
  return page;
}

test("after kill -9 and restart of the server there are pictures again within 3 seconds", async (t) => {
  let server = await serve();
  try {
    const page = await open(server);
    await page.evaluate(() => { window.sameDocument = true; });
    await server.end("SIGKILL");
    await page.until("the state in words", () =>
      document.querySelector("berry-video").shadowRoot.querySelector(".state").textContent === "Server gone, trying again…");
    server = await serve([], { port: server.port });
    const restarted = Date.now();
    await page.until("a live picture", isLive, { given: ["berry-video"], within: 3000 });
    t.diagnostic(`pictures ${Date.now() - restarted} ms after the server was back (250 ms of them to see that they move)`);
    assert.equal(await page.evaluate(() => window.sameDocument), true);
    await page.close();
  } finally {
    await server.end();
  }
});

test("the last picture stays through a restart, marked with its age", async () => {
  let server = await serve();
  try {
    const page = await open(server);
    // An element whose source is changed loses its picture: black until the next.
    await page.evaluate(() => {
      const { video } = document.querySelector("berry-video");
      window.without = 0;
      const look = () => {
        if (video.readyState === 0 || video.videoWidth === 0) window.without += 1;
        requestAnimationFrame(look);
      };
      look();
    });
    await server.end("SIGKILL");
    const age = await page.until("the age of the picture", () => {
      const element = document.querySelector("berry-video").shadowRoot.querySelector(".age");
      return !element.hidden && element.textContent;
    }, { within: 3000 });
    assert.match(age, /^Picture is \d+ s old$/);
    server = await serve([], { port: server.port });
    await page.until("a live picture", isLive, { given: ["berry-video"], within: 5000 });
    await page.until("no age any more", () => document.querySelector("berry-video").shadowRoot.querySelector(".age").hidden);
    assert.equal(await page.evaluate(() => window.without), 0);
    await page.close();
  } finally {
    await server.end();
  }
});

test("a server that comes back with another picture size shows it", async () => {
  let server = await serve(["--width", "1280", "--height", "720"]);
  const size = () => {
    const { video } = document.querySelector("berry-video");
    return `${video.videoWidth}x${video.videoHeight}`;
  };
  try {
    const page = await open(server);
    assert.equal(await page.evaluate(size), "1280x720");
    await server.end("SIGKILL");
    server = await serve(["--width", "640", "--height", "480"], { port: server.port });
    await page.until("the new size", () => document.querySelector("berry-video").video.videoWidth === 640, { within: 5000 });
    assert.equal(await page.evaluate(size), "640x480");
    await page.until("a live picture", isLive, { given: ["berry-video"], within: 3000 });
    await page.close();
  } finally {
    await server.end();
  }
});

test("a server that stood still for 3 seconds leaves no delay behind", async (t) => {
  const server = await serve();
  try {
    const page = await open(server);
    server.signal("SIGSTOP");
    await page.until("the age of the picture", () =>
      !document.querySelector("berry-video").shadowRoot.querySelector(".age").hidden, { within: 3000 });
    await new Promise((resolve) => setTimeout(resolve, 2000));
    server.signal("SIGCONT");
    await page.until("a live picture", isLive, { given: ["berry-video"], within: 3000 });
    await page.evaluate(() => clock.watch(document.querySelector("berry-video").video));
    const delays = await page.until("30 pictures", () => clock.delays.length >= 30 && clock.delays);
    t.diagnostic(`delay afterwards: median ${quantile(delays, 0.5).toFixed(0)} ms`);
    assert.ok(quantile(delays, 0.5) < 300);
    await page.close();
  } finally {
    server.signal("SIGCONT");
    await server.end();
  }
});

test("a tab that was hidden is at the live edge at once when it is seen again, and its buffer is short", async () => {
  const server = await serve(["--keyframe-interval", "30"]);
  try {
    const page = await open(server);
    const other = await page.cover();
    await page.until("the page to be hidden", () => document.hidden);
    await new Promise((resolve) => setTimeout(resolve, 10_000));
    const seconds = await page.evaluate(() => {
      const { buffered } = document.querySelector("berry-video").video;
      return buffered.end(0) - buffered.start(0);
    });
    assert.ok(seconds < 30, `${seconds} s are buffered`);
    await other.close();
    await page.until("the page to be seen", () => !document.hidden);
    await page.until("a live picture", isLive, { given: ["berry-video"], within: 1000 });
    await page.close();
  } finally {
    await server.end();
  }
});
