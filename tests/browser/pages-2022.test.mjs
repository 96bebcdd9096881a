/** Pages written for the 2022 program play when only the server is replaced. The pages here have its ids and calls. */

import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { launch } from "./chromium.mjs";
import { installClock, isLive } from "./clock.mjs";
import { proxy } from "./proxy.mjs";
import { serve } from "./server.mjs";

let browser;
let server;
let site;

before(async () => {
  [browser, server] = await Promise.all([launch(), serve()]);
});

after(async () => {
  await Promise.all([browser?.close(), server?.end()]);
});

/** The page lies beside the program's files, as if the program served it. */
async function open(html) {
  const icon = `<link rel="icon" href="icon.svg">`;
  site = await proxy(server.url, { pages: { "/own-page.html": { html: `<!DOCTYPE html><html><head>${icon}${html}</html>` } } });
  const page = await browser.newPage();
  await page.before(installClock);
  await page.goto(new URL("own-page.html", site.url).href);
  return page;
}

afterEach(() => site?.end());

const buttonText = (id) => document.getElementById(id).textContent;
const click = (id) => document.getElementById(id).click();

test("a page with msevideo.js and its three buttons plays, pauses, looks back and resets", async () => {
  const page = await open(`<script src="msevideo.js"></script></head><body>
    <video autoplay controls muted></video>
    <button id="play-button" type="button">Pause</button>
    <button id="auto-skip-button" type="button">Auto Skip Enabled</button>
    <button id="reset-button" type="button">Reset</button></body>`);
  await page.until("a live picture", isLive, { given: ["video"] });

  await page.evaluate(click, "play-button");
  await page.until("the button's other text", () => document.getElementById("play-button").textContent === "Play");
  assert.equal(await page.evaluate(() => document.querySelector("video").paused), true);
  await page.evaluate(click, "play-button");
  await page.until("a live picture after the pause", isLive, { given: ["video"] });
  assert.equal(await page.evaluate(buttonText, "play-button"), "Pause");

  await page.evaluate(click, "auto-skip-button");
  assert.equal(await page.evaluate(buttonText, "auto-skip-button"), "Auto Skip Disabled");
  // What is kept may begin at the end of the pause.
  await page.until("as much of a past", () => {
    const { buffered, currentTime } = document.querySelector("video");
    return buffered.length > 0 && currentTime - buffered.start(buffered.length - 1) > 2;
  });
  await page.evaluate(() => { document.querySelector("video").currentTime -= 1.5; });
  await new Promise((resolve) => setTimeout(resolve, 1000));
  const behind = await page.evaluate(() => (Date.now() % 2 ** 32) - clock.of(document.querySelector("video")));
  assert.ok(behind > 1000, `looking back, the picture is ${behind} ms old`);
  await page.evaluate(click, "auto-skip-button");
  assert.equal(await page.evaluate(buttonText, "auto-skip-button"), "Auto Skip Enabled");
  await page.until("a live picture after looking back", isLive, { given: ["video"] });

  await page.evaluate(click, "reset-button");
  await page.until("a live picture after the reset", isLive, { given: ["video"] });
  await page.close();
});

test("a page with msevideo.js and nothing but a video plays", async () => {
  const page = await open(`</head><body><video></video><script src="msevideo.js"></script></body>`);
  await page.until("a live picture", isLive, { given: ["video"] });
  assert.deepEqual(page.messages, []);
  await page.close();
});

const BUTTONS = `<button id="auto-skip-button" type="button"></button><button id="reset-button" type="button"></button>`;

test("a page that calls BerryMSE.initialize with its buttons plays", async () => {
  const page = await open(`<script src="berryMSE.js"></script><script type="text/javascript">
      window.onload = function () {
        window.BerryMSE.initialize(document.getElementById("video"), null,
          document.getElementById("auto-skip-button"), document.getElementById("reset-button"));
      }
    </script></head><body><video id="video" autoplay controls muted></video>${BUTTONS}</body>`);
  await page.until("a live picture", isLive, { given: ["video"] });
  assert.equal(await page.evaluate(buttonText, "reset-button"), "Reset");
  assert.equal(await page.evaluate(buttonText, "auto-skip-button"), "Disable Auto Skip");
  await page.evaluate(click, "auto-skip-button");
  assert.equal(await page.evaluate(buttonText, "auto-skip-button"), "Enable Auto Skip");
  await page.evaluate(click, "reset-button");
  await page.until("a live picture after the reset", isLive, { given: ["video"] });
  await page.close();
});

const WRITTEN = {
  "in the short form of 2022": () => "ws:/video_websocket",
  "in full": () => new URL("video_websocket", site.url).href.replace("http", "ws"),
};

for (const [how, url] of Object.entries(WRITTEN)) {
  test(`a page that names its WebSocket ${how} and has no buttons plays`, async () => {
    const page = await open(`<script src="berryMSE.js"></script></head><body><video id="video"></video></body>`);
    await page.evaluate((named) => BerryMSE.initialize(document.getElementById("video"), named), url());
    await page.until("a live picture", isLive, { given: ["video"] });
    await page.close();
  });
}
