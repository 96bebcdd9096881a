/**
 * What pages of other sites may show, read and frame, in real browsers, at loopback and at a plain-http name: there browsers
 * send no Sec-Fetch headers, and Cross-Origin-Resource-Policy alone keeps the frames.
 */

import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { launch } from "./browser.mjs";
import { patience } from "./driven-page.mjs";
import { PLAIN_NAME } from "./host.mjs";
import { serve } from "./server.mjs";

const HOSTS = ["127.0.0.1", PLAIN_NAME];

/** An empty page, at any path and by any name that leads here. */
const site = () => createServer((_, answer) => answer.setHeader("content-type", "text/html").end(`<!doctype html><link rel="icon" href="data:,">`));
const [stranger, friend] = [site(), site()];
const listen = (server) => new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
const at = (name, server) => `http://${name}:${server.address().port}/`;

let browser;
let folder;
const servers = new Map();

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "berrymse-"));
  await Promise.all([listen(stranger), listen(friend)]);
  const config = `cameras:
  - { name: show, source: test, width: 320, height: 240 }
  - { name: door, source: test, width: 320, height: 240, onDemand: true }
server: { allowedOrigins: ["${at("localhost", friend).slice(0, -1)}"] }
`;
  const path = join(folder, "config.yml");
  await writeFile(path, config);
  browser = await launch();
  for (const host of HOSTS) servers.set(host, await serve(["--config", path], { isTestPicture: false, at: host }));
});

after(async () => {
  await browser?.close();
  for (const server of servers.values()) await server.end();
  for (const server of [stranger, friend]) server.close();
  await rm(folder, { recursive: true });
});

/** What the page at `url` gets of the server. */
async function got(url, server) {
  const page = await browser.newPage();
  await page.goto(url);
  const result = await page.evaluate(async (base) => {
    const element = (name, good, properties) => new Promise((resolve) => {
      const made = Object.assign(document.createElement(name), properties);
      made.addEventListener(good, () => resolve("shown"));
      made.addEventListener("error", () => resolve("error"));
      document.body.append(made);
    });
    const read = (path, take) => fetch(base + path).then(take, () => "error");
    return {
      img: await element("img", "load", { src: `${base}snapshot/show.jpg` }),
      video: await element("video", "loadeddata", { src: `${base}stream/show.mp4`, muted: true, autoplay: true }),
      fetch: await read("snapshot/show.jpg", ({ status }) => status),
      code: await read("live/show", async (answer) => (await answer.json()).code),
    };
  }, server.url);
  await page.close();
  return result;
}

const status = async ({ port }, number) => (await (await fetch(`http://127.0.0.1:${port}/api/status`)).json()).cameras[number];

/** Waits for a status that a browser brings about. */
async function until(server, number, isIt) {
  for (const end = Date.now() + patience(20_000); ;) {
    const camera = await status(server, number);
    if (isIt(camera)) return;
    assert.ok(Date.now() < end, JSON.stringify(camera));
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

for (const host of HOSTS) {
  test(`other sites show nothing of http://${host}`, async () => {
    const server = servers.get(host);
    await until(server, 0, ({ state }) => state === "live");
    assert.deepEqual(await got(at("localhost", stranger), server), { img: "error", video: "error", fetch: "error", code: "origin" });
  });

  test(`another port of http://${host} shows frames, reads none`, async () => {
    const server = servers.get(host);
    assert.deepEqual(await got(at(host, stranger), server), { img: "shown", video: "shown", fetch: "error", code: "origin" });
  });

  test(`an allowed origin shows and reads frames of http://${host}`, async () => {
    const server = servers.get(host);
    assert.deepEqual(await got(at("localhost", friend), server), { img: "shown", video: "shown", fetch: 200, code: "no_upgrade" });
  });

  test(`the page of http://${host} is framed by those that may`, async () => {
    const server = servers.get(host);
    await until(server, 0, ({ viewers }) => viewers === 0);
    let framed = 0;
    const pages = [];
    for (const [url, isAllowed] of [[at("localhost", stranger), false], [at(host, stranger), true], [at("localhost", friend), true]]) {
      const page = await browser.newPage();
      pages.push(page);
      await page.goto(url);
      await page.evaluate((src) => new Promise((resolve) => {
        const frame = Object.assign(document.createElement("iframe"), { src, width: 640, height: 480 });
        frame.addEventListener("load", resolve);
        document.body.append(frame);
      }), server.url);
      framed += Number(isAllowed);
      await until(server, 0, ({ viewers }) => viewers === framed);
    }
    for (const page of pages) await page.close();
  });
}

test("an on-demand camera is not opened by other sites", async () => {
  const server = servers.get("127.0.0.1");
  await until(server, 1, ({ state }) => state === "idle");
  const page = await browser.newPage();
  await page.goto(at("localhost", stranger));
  const shown = await page.evaluate((src) => new Promise((resolve) => {
    const image = Object.assign(new Image(), { src, referrerPolicy: "no-referrer" });
    image.addEventListener("load", () => resolve(true));
    image.addEventListener("error", () => resolve(false));
  }), `${server.url}snapshot/door.jpg`);
  assert.equal(shown, false);
  assert.equal((await status(server, 1)).state, "idle");
  await page.close();
});
