/**
 * What a page says when its WebSocket is refused: each reason in words, with the remedy, and an `error` event with the code; and
 * the words go by themselves when it works. With nginx as people put it before the program.
 */

import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, test } from "node:test";
import { launch } from "./browser.mjs";
import { installClock, isLive } from "./clock.mjs";
import { PLAIN_NAME, atHost } from "./host.mjs";
import { nginx } from "./nginx.mjs";
import { serve } from "./server.mjs";

const PICTURES = ["--width", "320", "--height", "240", "--fps", "10"];

let browser;
let page;
let folder;
/** Ends what a test started, the newest first. */
const ends = [];

before(async () => {
  browser = await launch();
  folder = await mkdtemp(join(tmpdir(), "berrymse-"));
});

after(async () => {
  await browser?.close();
  await rm(folder, { recursive: true, force: true });
});

afterEach(async () => {
  await page?.close();
  page = null;
  for (const end of ends.splice(0).reverse()) await end();
});

/** The program with the lines of config.yml given. */
async function started(lines = "", where = {}) {
  const config = join(folder, "config.yml");
  await writeFile(config, lines);
  const server = await serve([...PICTURES, "--config", config], where);
  ends.push(() => server.end());
  return server;
}

async function open(url) {
  page = await browser.newPage();
  await page.before(installClock);
  await page.before(noteErrors);
  await page.goto(url);
}

/** Runs in a page before its scripts: keeps the codes of `error` events. */
function noteErrors() {
  window.codes = [];
  addEventListener("error", ({ detail }) => {
    if (detail?.code !== undefined) window.codes.push(detail.code);
  }, true);
}

const words = () => document.querySelector("berry-video")?.shadowRoot.querySelector(".state").textContent;
const live = () => page.until("a live picture", isLive, { given: ["berry-video"] });

/** Waits for words that match. */
async function said(pattern) {
  const match = (source) => new RegExp(source).test(document.querySelector("berry-video")?.shadowRoot.querySelector(".state").textContent);
  try {
    await page.until("the words", match, { given: [pattern.source] });
  } catch (error) {
    assert.match(await page.evaluate(words), pattern, error.message);
  }
}

/** A page of one's own with an element for that WebSocket, and its origin. */
async function site(src) {
  const { href: script } = new URL("/berrymse.js", src.replace(/^ws/, "http"));
  const html = `<!doctype html><link rel="icon" href="data:,"><script type="module" src="${script}"></script><berry-video src="${src}"></berry-video>`;
  const made = createServer((_, answer) => answer.setHeader("content-type", "text/html").end(html));
  await new Promise((resolve) => made.listen(0, "127.0.0.1", resolve));
  ends.push(() => new Promise((resolve) => {
    made.closeAllConnections();
    made.close(resolve);
  }));
  return atHost(`http://127.0.0.1:${made.address().port}`);
}

const socket = (server, path) => new URL(path, server.url).href.replace(/^http/, "ws");

/** nginx before a server, with these lines for it; `change` gives it others. */
async function proxied(server, lines) {
  const config = (text) => ({ server: `location / { proxy_pass http://127.0.0.1:${server.port}; ${text} }` });
  const proxy = await nginx(folder, config(lines));
  ends.push(() => proxy.end());
  return { url: proxy.url, change: (text) => proxy.change(config(text)) };
}

const UPGRADE = `proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection "upgrade";`;

/** The messages without an upgrade are asked for by this header. */
const NO_STREAM = `proxy_set_header Accept "";`;

test("nginx without upgrade lines is named, then plays", async () => {
  const server = await started();
  const proxy = await proxied(server, `proxy_set_header Host $http_host; ${NO_STREAM}`);
  await open(proxy.url);
  await said(/^A proxy between .* Upgrade .*proxy_http_version 1\.1/);
  assert.deepEqual([...new Set(await page.evaluate(() => window.codes))], ["no_upgrade"]);
  await proxy.change(`proxy_set_header Host $http_host; ${NO_STREAM} ${UPGRADE}`);
  await live();
  assert.equal(await page.evaluate(words), "");
});

test("nginx that passes Host without its port is named", async () => {
  const server = await started();
  const proxy = await proxied(server, `proxy_set_header Host $host; ${NO_STREAM} ${UPGRADE}`);
  await open(proxy.url);
  await said(/\$http_host/);
  assert.deepEqual(await page.evaluate(() => window.codes), ["origin"]);
  await proxy.change(`proxy_set_header Host $http_host; ${UPGRADE}`);
  await live();
});

test("a page of a foreign origin is told what to allow", async () => {
  const server = await started();
  const origin = await site(socket(server, "live/camera"));
  await open(origin);
  await said(new RegExp(`add "${origin}" to server\\.allowedOrigins`));
  assert.deepEqual(await page.evaluate(() => window.codes), ["origin"]);
  await server.end();
  await started(`server: { allowedOrigins: ["${origin}"] }\n`, { port: server.port });
  await live();
  assert.equal(await page.evaluate(words), "");
});

test("one viewer too many waits for a place", async () => {
  const server = await started("server: { maxViewers: 1 }\n");
  await open(server.url);
  await live();
  const first = page;
  await open(server.url);
  await said(/^Too many viewers .*server\.maxViewers/);
  assert.deepEqual(await page.evaluate(() => window.codes), ["full"]);
  await first.close();
  await live();
});

test("an unknown camera is told with those there are", async () => {
  const server = await started();
  await open(`${server.url}api/status`);
  await page.close();
  const origin = await site(socket(server, "live/nobody"));
  await server.end();
  await started(`server: { allowedOrigins: ["${origin}"] }\n`, { port: server.port });
  await open(origin);
  await said(/no such camera.*: camera$/);
  assert.deepEqual(await page.evaluate(() => window.codes), ["camera"]);
  await page.evaluate((src) => { document.querySelector("berry-video").src = src; }, socket(server, "live/camera"));
  await live();
});

test("a server called by a wrong name says which to add", async () => {
  const server = await started("server: { hosts: [other.test] }\n", { at: PLAIN_NAME });
  // The script comes from elsewhere: this server answers nothing at that name.
  const script = await started();
  const src = socket(server, "live/camera");
  const html = `<!doctype html><link rel="icon" href="data:,"><script type="module" src="${script.url}berrymse.js"></script><berry-video src="${src}"></berry-video>`;
  const made = createServer((_, answer) => answer.setHeader("content-type", "text/html").end(html));
  await new Promise((resolve) => made.listen(0, "127.0.0.1", resolve));
  ends.push(() => made.close());
  const origin = atHost(`http://127.0.0.1:${made.address().port}`, PLAIN_NAME);
  await open(origin);
  await said(/does not answer to the name camera\.test.*server\.hosts/);
  assert.deepEqual(await page.evaluate(() => window.codes), ["host"]);
  await server.end();
  await started(`server: { hosts: [${PLAIN_NAME}], allowedOrigins: ["${origin}"] }\n`, { port: server.port });
  await live();
});

test("a server that is gone is no refusal", async () => {
  const server = await started();
  await open(server.url);
  await live();
  await server.end("SIGKILL");
  await said(/^Server gone, trying again…$/);
  await new Promise((resolve) => setTimeout(resolve, 3000));
  assert.equal(await page.evaluate(words), "Server gone, trying again…");
  assert.deepEqual(await page.evaluate(() => window.codes), []);
});
