/** The card for Home Assistant, driven as its dashboards do: another origin, `setConfig`, `hass`, `layout`, sizes. */

import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { browserName, launch } from "./browser.mjs";
import { installClock } from "./clock.mjs";
import { atHost } from "./host.mjs";
import { serve } from "./server.mjs";

let browser;
let server;
let site;
let folder;
let page;

before(async () => {
  let html = "";
  site = createServer((_, answer) => answer.setHeader("content-type", "text/html").end(html));
  await new Promise((resolve) => site.listen(0, "127.0.0.1", resolve));
  const origin = atHost(`http://127.0.0.1:${site.address().port}`);
  folder = await mkdtemp(join(tmpdir(), "berrymse-"));
  const config = join(folder, "config.yml");
  await writeFile(config, `server: {allowedOrigins: ["${origin}"]}\n`);
  [browser, server] = await Promise.all([launch(), serve(["--config", config, "--width", "320", "--height", "240", "--fps", "10"])]);
  html = `<!doctype html><link rel="icon" href="data:,"><script type="module" src="${server.url}berry-camera-card.js"></script>`;
  page = await browser.newPage();
  await page.before(installClock);
  await page.goto(origin);
  await page.until("the card", () => customElements.get("berry-camera-card") !== undefined);
});

after(async () => {
  await Promise.all([browser?.close(), server?.end()]);
  site.closeAllConnections();
  site.close();
  await rm(folder, { recursive: true });
});

/** Runs in the page: makes a card as a dashboard does, in a cell of a grid. */
function makeCard(config, layout) {
  document.querySelector(".cell")?.remove();
  const cell = document.createElement("div");
  cell.className = "cell";
  cell.style.cssText = "width: 400px; height: 312px";
  const card = document.createElement("berry-camera-card");
  card.setConfig(config);
  card.hass = { states: {} };
  if (layout) card.layout = layout;
  cell.append(card);
  document.body.append(cell);
}

test("the card plays in a dashboard of another origin and fills its cell", async () => {
  await page.evaluate(makeCard, { url: server.url, camera: "camera", title: "Front door", show_delay: true }, "grid");
  const seen = () => {
    const { video } = document.querySelector("berry-camera-card").shadowRoot.querySelector("berry-video");
    const time = clock.of(video);
    const isNewer = time !== null && time > (window.before ?? time);
    window.before ??= time;
    return isNewer;
  };
  await page.until("a moving picture", seen);
  const { height, title } = await page.evaluate(() => {
    const { shadowRoot } = document.querySelector("berry-camera-card");
    return { height: shadowRoot.querySelector("ha-card").clientHeight, title: shadowRoot.querySelector("h2").textContent };
  });
  assert.deepEqual({ height, title }, { height: 312, title: "Front door" });
  if (process.env.SCREENSHOTS) await page.screenshot(`${process.env.SCREENSHOTS}/card-${browserName}.png`);
});

test("the card tells its sizes and its default, and changes without a new connection", async () => {
  const facts = await page.evaluate(() => {
    const Card = customElements.get("berry-camera-card");
    const card = document.querySelector("berry-camera-card");
    const video = card.shadowRoot.querySelector("berry-video");
    const src = video.getAttribute("src");
    card.setConfig({ url: Card.getStubConfig().url, camera: "camera", fit: "cover", controls: false });
    return {
      size: card.getCardSize(), grid: card.getGridOptions(), stub: Card.getStubConfig().url, isListed: window.customCards.some(({ type }) => type === "berry-camera-card"),
      isSame: video === card.shadowRoot.querySelector("berry-video") && src === video.getAttribute("src"), controls: video.controls, fit: getComputedStyle(video).getPropertyValue("--berry-video-fit"),
    };
  });
  assert.deepEqual(facts, { size: 5, grid: { columns: 12, rows: 5, min_columns: 3, min_rows: 2 }, stub: server.url, isListed: true, isSame: true, controls: false, fit: "cover" });
});

test("a wrong configuration is said", async () => {
  const said = (config) => page.evaluate((config) => {
    try {
      document.createElement("berry-camera-card").setConfig(config);
      return "";
    } catch ({ message }) {
      return message;
    }
  }, config);
  assert.match(await said({ url: "ftp://pi" }), /http:\/\//);
  assert.match(await said({ url: 5 }), /url: has to be text/);
  assert.match(await said({ camera: ["a"] }), /camera/);
  assert.match(await said({ aspect_ratio: "wide" }), /16:9/);
  assert.match(await said({ fit: "fill" }), /contain or cover/);
  assert.equal(await said({}), "");
});
