/** What becomes of a page when the server ends, comes back, or stands still; without reload. */

import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { launch } from "./browser.mjs";
import { serve } from "./server.mjs";
import { Viewing, pause } from "./viewing.mjs";

const PICTURES = ["--width", "640", "--height", "360"];
/** Two seconds of them until a keyframe, as by default; a new server begins with one. */
const BACK_WITHIN_MS = 5000;

let browser;
let server;
let viewing;

before(async () => {
  browser = await launch();
});

after(() => browser?.close());

afterEach(async () => {
  await viewing?.close();
  server.signal("SIGCONT");
  await server.end();
});

async function open() {
  server = await serve(PICTURES);
  viewing = await Viewing.open(browser, server.url);
}

async function restart(options = PICTURES) {
  server = await serve(options, { port: server.port });
}

test("after kill -9 and restart of the server the page is live again", async (t) => {
  await open();
  await server.end("SIGKILL");
  await viewing.page.until("the state in words", () =>
    document.querySelector("berry-video").shadowRoot.querySelector(".state").textContent === "Server gone, trying again…");
  await restart();
  t.diagnostic(await viewing.assertHealed({ within: BACK_WITHIN_MS }));
});

test("the last picture stays through a restart, marked with its age", async (t) => {
  await open();
  await server.end("SIGKILL");
  await viewing.untilMarkedOld();
  const age = await viewing.page.evaluate(() => document.querySelector("berry-video").shadowRoot.querySelector(".age").textContent);
  assert.match(age, /^Picture is \d+ s old$/);
  await restart();
  t.diagnostic(await viewing.assertHealed({ within: BACK_WITHIN_MS }));
  await viewing.page.until("no age any more", () => document.querySelector("berry-video").shadowRoot.querySelector(".age").hidden);
});

test("a server that comes back with another picture size shows it", async (t) => {
  const size = () => {
    const { video } = document.querySelector("berry-video");
    return `${video.videoWidth}x${video.videoHeight}`;
  };
  await open();
  assert.equal(await viewing.page.evaluate(size), "640x360");
  await server.end("SIGKILL");
  await restart(["--width", "320", "--height", "240"]);
  await viewing.page.until("the new size", () => document.querySelector("berry-video").video.videoWidth === 320, { within: BACK_WITHIN_MS });
  assert.equal(await viewing.page.evaluate(size), "320x240");
  t.diagnostic(await viewing.assertHealed({ within: BACK_WITHIN_MS }));
});

test("a server that stood still for 3 seconds leaves no delay behind", async (t) => {
  await open();
  server.signal("SIGSTOP");
  await viewing.untilMarkedOld();
  await pause(2000);
  server.signal("SIGCONT");
  t.diagnostic(await viewing.assertHealed({ within: BACK_WITHIN_MS }));
});
