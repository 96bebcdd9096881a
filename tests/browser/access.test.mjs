/** Logins, links and tokens as people meet them: the form, the session, a link's page, an element on a page of another site. */

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, test } from "node:test";
import { launch } from "./browser.mjs";
import { installClock, isLive } from "./clock.mjs";
import { patience } from "./driven-page.mjs";
import { proxy } from "./proxy.mjs";
import { binary, serve } from "./server.mjs";

const PASSWORD = "correct horse 5";

/** A page of another site, which the server lists. */
const friend = createServer((_, answer) => answer.setHeader("content-type", "text/html").end("<!doctype html><link rel=icon href=data:,>"));

let browser;
let folder;
let config;
let server;
let page;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "berrymse-"));
  await new Promise((resolve) => friend.listen(0, "127.0.0.1", resolve));
  const key = join(folder, "access.key");
  await writeFile(key, "0123456789abcdef0123456789abcdef");
  await chmod(key, 0o600);
  const hash = execFileSync(binary(), ["hash-password"], { input: `${PASSWORD}\n`, encoding: "utf8" }).trim();
  config = join(folder, "config.yml");
  await writeFile(config, `cameras:
  - { name: front, source: test, width: 320, height: 240 }
  - { name: back, source: test, width: 320, height: 240 }
server: { allowedOrigins: ["${friendUrl().slice(0, -1)}"] }
access:
  keyFile: ${key}
  users:
    - { name: owner, password: "${hash}", right: operator }
    - { name: guest, password: "${hash}", right: viewer }
`);
  [browser, server] = await Promise.all([launch(), serve(["--config", config], { isTestPicture: false })]);
});

after(async () => {
  await browser?.close();
  await server?.end();
  friend.close();
  await rm(folder, { recursive: true });
});

afterEach(async () => {
  await page?.close();
  page = null;
});

const friendUrl = () => `http://localhost:${friend.address().port}/`;

/** A signed link's token. */
function linkToken(camera, life = "1h") {
  const url = execFileSync(binary(), ["link", camera, "--name", "test", "--for", life, "--config", config], { encoding: "utf8" }).trim();
  return new URL(url).searchParams.get("token");
}

async function open(url) {
  page = await browser.newPage();
  await page.before(installClock);
  await page.goto(url);
}

/** Waits as `until` does. While the browser leaves a page, no answer comes from it. */
async function settled(what, action, ...given) {
  const deadline = Date.now() + patience(20_000);
  for (;;) {
    let answer;
    try {
      answer = await page.evaluate(action, ...given);
    } catch (error) {
      answer = null;
      if (Date.now() > deadline) throw error;
    }
    if (answer) return answer;
    assert.ok(Date.now() < deadline, `not in time: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

const atForm = () => document.querySelector("input[name=password]") !== null && document.readyState === "complete";
const live = (count = 1) => settled("live pictures", (many) => document.querySelectorAll("berry-video").length === many, count)
  .then(() => page.until("a live picture", isLive, { given: ["berry-video"] }));

/** Fills the form in and sends it. */
function enter(user, password) {
  return page.evaluate((name, secret) => {
    document.querySelector("input[name=user]").value = name;
    document.querySelector("input[name=password]").value = secret;
    setTimeout(() => document.querySelector("#entry button").click());
    return true;
  }, user, password);
}

async function endSession() {
  await page.evaluate(() => {
    setTimeout(() => document.querySelector("#logout button").click());
    return true;
  });
  await settled("the form after the logout", atForm);
}

test("a wrong password is refused with words, the right one shows the cameras until the logout", async () => {
  await open(server.url);
  await settled("the form", atForm);
  await enter("owner", "wrong");
  await settled("the words", () => /password is wrong/.test(document.getElementById("message")?.textContent));
  await enter("owner", PASSWORD);
  await live(2);
  assert.equal(await page.evaluate(() => document.cookie), "", "scripts see the session");
  await settled("the logout", () => !document.getElementById("logout").hidden);
  assert.equal(await page.evaluate(() => document.getElementById("banner").hidden), true);
  // The operator may change the cameras.
  await settled("the settings", () => document.querySelector('[title="Camera settings"]')?.hidden === false);
  await endSession();
  await page.goto(server.url);
  await settled("the form", atForm);
});

test("an operator sees who watches, and ends one", async () => {
  const other = await fetch(`${server.url}stream/back.mp4`, { headers: { authorization: `Basic ${btoa(`guest:${PASSWORD}`)}` } });
  const reader = other.body.getReader();
  await open(server.url);
  await settled("the form", atForm);
  await enter("owner", PASSWORD);
  await live(2);
  await settled("the number", () => document.getElementById("watching").textContent === "3 viewers");
  await page.evaluate(() => document.getElementById("watching").click());
  const expected = ["guest 127.0.0.1 back", "owner 127.0.0.1 back", "owner 127.0.0.1 front"];
  await settled("three rows", (wanted) => {
    const rows = [...document.querySelectorAll("#viewers[open] tbody tr")].map(({ cells }) => [...cells].map((cell) => cell.textContent));
    const isRight = rows.every(([, , , time, bytes]) => /^\d+ (s|min)$/.test(time) && /^[\d.]+ [kM]B$/.test(bytes));
    return isRight && rows.map((cells) => cells.slice(0, 3).join(" ")).sort().join() === wanted.join();
  }, expected);
  await page.evaluate(() => {
    const row = [...document.querySelectorAll("#viewers tbody tr")].find(({ cells }) => cells[0].textContent === "guest");
    row.querySelector("button").click();
  });
  // Its last chunk, or the end of the connection.
  while (!(await reader.read().catch(() => ({ done: true }))).done);
  await settled("the end of a row", () => document.querySelectorAll("#viewers[open] tbody tr").length === 2);
  assert.equal(await page.evaluate(() => document.querySelector("#viewers .said").textContent), "");
  await page.evaluate(() => document.querySelector("#viewers .head button").click());
  await endSession();
});

test("a viewer watches and is offered no settings", async () => {
  await open(server.url);
  await settled("the form", atForm);
  await enter("guest", PASSWORD);
  await live(2);
  const { allowed } = await page.evaluate(async () => (await fetch("api/cameras/front/controls")).json());
  assert.equal(allowed, false);
  assert.equal(await page.evaluate(() => document.getElementById("watching").hidden), true);
  await endSession();
});

test("login works below the path of a proxy, and leads back", async () => {
  const site = await proxy(server.url, { prefix: "/cam/" });
  try {
    await open(`${site.url}cam/?kiosk=1`);
    await settled("the form", atForm);
    assert.equal(await page.evaluate(() => location.pathname), "/cam/login");
    await enter("guest", PASSWORD);
    await live(2);
    assert.equal(await page.evaluate(() => location.pathname + location.search), "/cam/?kiosk=1");
    await endSession();
  } finally {
    await page.close();
    page = null;
    await site.end();
  }
});

test("a logout elsewhere ends the picture and leads to the form", async () => {
  await open(server.url);
  await settled("the form", atForm);
  await enter("guest", PASSWORD);
  await live(2);
  await page.evaluate(() => fetch("logout", { method: "POST" }));
  await settled("the form", atForm);
});

test("the page of a signed link shows its camera alone", async () => {
  await open(`${server.url}?token=${linkToken("back")}`);
  await live(1);
  assert.equal(await page.evaluate(() => document.querySelector(".name").textContent), "back");
  assert.equal(await page.evaluate(() => document.getElementById("login").hidden), true);
  const other = await page.evaluate(async () => (await fetch("snapshot/front.jpg")).status);
  assert.equal(other, 401, "the link left a session");
});

test("an expired link says so", async () => {
  const token = linkToken("back", "1s");
  await new Promise((resolve) => setTimeout(resolve, 2100));
  await open(`${server.url}?token=${token}`);
  await settled("the words", () => /link has expired/.test(document.body.textContent));
});

test("an element on another site plays with a token, and says login_required without", async () => {
  await open(friendUrl());
  const add = (script, src, token) => {
    const code = document.createElement("script");
    Object.assign(code, { type: "module", src: script });
    const video = document.createElement("berry-video");
    window.codes = [];
    video.addEventListener("error", ({ detail }) => window.codes.push(detail.code));
    video.setAttribute("src", src);
    if (token) video.token = async () => token;
    document.body.replaceChildren(code, video);
    return true;
  };
  const script = `${server.url}berrymse.js`;
  const src = `${server.url.replace("http", "ws")}live/front`;
  await page.evaluate(add, script, src, null);
  await settled("the refusal", () => window.codes.includes("login_required"));
  const token = linkToken("front");
  await page.evaluate(add, script, src, token);
  await page.until("a live picture", isLive, { given: ["berry-video"] });
  assert.equal(await page.evaluate((secret) => performance.getEntriesByType("resource").some(({ name }) => name.includes(secret)), token), false);
  await page.evaluate(add, script, src.replace("front", "back"), token);
  await settled("the words of the server", () => window.codes.includes("camera"));
});
