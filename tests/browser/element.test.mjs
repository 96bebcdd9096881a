/** <berry-video> as pages use it: attributes, events, methods, several of it, from another origin. */

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, test } from "node:test";
import { launch } from "./chromium.mjs";
import { installClock, isLive } from "./clock.mjs";
import { inOneOf } from "./driven-page.mjs";
import { atHost, isPlain } from "./host.mjs";
import { serve } from "./server.mjs";

let browser;
let server;
let site;
let page;
let folder;

/** A page of another origin, which the server lets show its cameras. */
async function startSite() {
  let html = "";
  const made = createServer((_, answer) => answer.setHeader("content-type", "text/html; charset=utf-8").end(html));
  await new Promise((resolve) => made.listen(0, "127.0.0.1", resolve));
  const origin = atHost(`http://127.0.0.1:${made.address().port}`);
  return { origin, write: (text) => { html = text; }, end: () => new Promise((resolve) => made.close(resolve)) };
}

before(async () => {
  site = await startSite();
  folder = await mkdtemp(join(tmpdir(), "berrymse-"));
  const config = join(folder, "config.yml");
  await writeFile(config, `server: { allowedOrigins: ["${site.origin}"] }\n`);
  [browser, server] = await Promise.all([launch(), serve(["--config", config])]);
});

after(async () => {
  await Promise.all([browser?.close(), server?.end()]);
  await site.end();
  await rm(folder, { recursive: true });
});

afterEach(() => page?.close());

async function open(body) {
  const { href } = new URL("berrymse.js", server.url);
  site.write(`<!doctype html><link rel="icon" href="data:,"><script type="module" src="${href}"></script>${body}`);
  page = await browser.newPage();
  await page.before(installClock);
  await page.goto(site.origin);
}

const socket = () => new URL("video_websocket", server.url).href.replace("http", "ws");

test("a page of another origin, with that origin allowed, plays with two lines", async () => {
  await open(`<berry-video src="${socket()}"></berry-video>`);
  await page.until("a live picture", isLive, { given: ["berry-video"] });
  assert.deepEqual(page.messages, []);
});

const viewers = async () => (await (await fetch(new URL("api/status", server.url))).json()).cameras[0].viewers;

test("elements with one address share a socket to the last", async () => {
  await open(`<berry-video src="${socket()}"></berry-video>`.repeat(2));
  for (const n of [1, 2]) await page.until(`live picture ${n}`, isLive, { given: [`berry-video:nth-of-type(${n})`] });
  assert.equal(await viewers(), 1);
  // One that comes late begins with what the others have had.
  await page.evaluate((src) => {
    const late = document.createElement("berry-video");
    late.src = src;
    document.body.append(late);
  }, socket());
  await page.until("a third live picture", isLive, { given: ["berry-video:nth-of-type(3)"] });
  assert.equal(await viewers(), 1);
  await page.evaluate(() => document.querySelector("berry-video").remove());
  await page.until("a live picture without the first", isLive, { given: ["berry-video"] });
  assert.equal(await viewers(), 1);
  assert.deepEqual(page.messages, []);
  await page.evaluate(() => document.querySelectorAll("berry-video").forEach((one) => one.remove()));
  while (await viewers() !== 0) await new Promise((resolve) => setTimeout(resolve, 50));
});

test("an element in another document keeps style and way", async () => {
  const renderer = isPlain ? "mse" : "webcodecs";
  await open(`<berry-video controls renderer="${renderer}" src="${socket()}"></berry-video><iframe style="width: 400px; height: 300px"></iframe>`);
  const look = () => {
    const element = document.querySelector("berry-video") ?? document.querySelector("iframe").contentDocument.querySelector("berry-video");
    const style = (one) => element.ownerDocument.defaultView.getComputedStyle(one);
    const part = (name) => element.shadowRoot.querySelector(`.${name}`);
    return part("controls") && [style(element).display, ...["state", "corner", "controls"].map((name) => style(part(name)).position)];
  };
  const isMoving = async () => {
    const element = document.querySelector("berry-video") ?? document.querySelector("iframe").contentDocument.querySelector("berry-video");
    const made = clock.seen(element);
    await new Promise((resolve) => setTimeout(resolve, 250));
    return made !== null && clock.seen(element) > made;
  };
  const styled = ["block", "absolute", "absolute", "absolute"];
  await page.until("a live picture", isLive, { given: ["berry-video"] });
  await page.until("the style", look);
  assert.deepEqual(await page.evaluate(look), styled);
  for (const to of ["iframe", "page"]) {
    await page.evaluate((to) => {
      const inner = document.querySelector("iframe").contentDocument;
      if (to === "iframe") inner.body.append(document.querySelector("berry-video"));
      else document.body.append(inner.querySelector("berry-video"));
    }, to);
    await page.until(`a picture that moves in the ${to}`, isMoving);
    assert.deepEqual(await page.evaluate(look), styled, to);
    if (!isPlain) {
      await page.until(`WebCodecs in the ${to}`, () => {
        const element = document.querySelector("berry-video") ?? document.querySelector("iframe").contentDocument.querySelector("berry-video");
        return element.video.srcObject !== null;
      });
    }
  }
  assert.deepEqual(page.messages, []);
});

test("without a WebSocket left the page says so, then plays", async () => {
  await open(`<berry-video src="${socket()}"></berry-video>`);
  await page.until("a live picture", isLive, { given: ["berry-video"] });
  // Nothing is sent to who only opens one.
  const closing = createServer();
  closing.on("upgrade", ({ headers }, taken) => {
    const accept = createHash("sha1").update(`${headers["sec-websocket-key"]}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64");
    taken.write(`HTTP/1.1 101 .\r\nupgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-accept: ${accept}\r\n\r\n`);
    taken.on("data", () => taken.destroy()).on("error", () => {});
  });
  await new Promise((resolve) => closing.listen(0, "127.0.0.1", resolve));
  await page.evaluate(async (port) => {
    window.taken = [];
    for (let isLeft = true; isLeft && window.taken.length < 1000;) {
      const one = new WebSocket(`ws://127.0.0.1:${port}/`);
      isLeft = await new Promise((resolve) => {
        one.onopen = () => resolve(true);
        one.onerror = () => resolve(false);
      });
      if (isLeft) window.taken.push(one);
    }
  }, closing.address().port);
  await page.evaluate((src) => {
    const other = document.createElement("berry-video");
    other.className = "other";
    other.addEventListener("error", ({ detail: { code } }) => { window.code = code; });
    other.src = src;
    document.body.append(other);
  }, `${socket()}?other`);
  await page.until("the words", () => /no WebSocket left/.test(document.querySelector(".other").shadowRoot.querySelector(".state").textContent));
  assert.equal(await page.evaluate(() => window.code), "too_many_sockets");
  await page.evaluate(() => window.taken.forEach((one) => one.close()));
  await page.until("a live picture of the other", isLive, { given: [".other"] });
  closing.closeAllConnections();
  closing.close();
});

test("several on one page play, and each ends its viewer when it is taken away", async () => {
  await open([1, 2, 3, 4].map((n) => `<berry-video src="${socket()}?${n}"></berry-video>`).join(""));
  for (let n = 1; n <= 4; n += 1) {
    await page.until(`live picture ${n}`, isLive, { given: [`berry-video:nth-of-type(${n})`] });
  }
  assert.equal(await viewers(), 4);
  await page.evaluate(() => document.querySelectorAll("berry-video:not(:first-of-type)").forEach((one) => one.remove()));
  while (await viewers() !== 1) await new Promise((resolve) => setTimeout(resolve, 50));
});

test("attributes and properties mirror each other, also those given before the class was there", async () => {
  await open(`<berry-video></berry-video><script>
    Object.assign(document.querySelector("berry-video"), { src: "${socket()}", latency: "smooth", showDelay: true, lookback: 3 });
  </script>`);
  await page.until("a live picture", isLive, { given: ["berry-video"] });
  const seen = await page.evaluate(() => {
    const element = document.querySelector("berry-video");
    element.controls = true;
    element.restAfter = 7;
    element.setAttribute("latency", "0.5");
    return [element.outerHTML, element.latency, element.lookback, element.restAfter, element.showDelay];
  });
  assert.match(seen[0], /lookback="3".*controls="" rest-after="7"/);
  assert.deepEqual(seen.slice(1), [0.5, 3, 7, true]);
});

test("an empty address is that of the first camera, as none", async () => {
  await open(`<berry-video src=""></berry-video>`);
  await page.until("the element", () => customElements.get("berry-video"));
  assert.equal(await page.evaluate(() => document.querySelector("berry-video").src), "video_websocket");
});

test("an address that is none is said, and the right one after it plays", async () => {
  await open(`<berry-video src="ws://:undefined/"></berry-video>`);
  await page.until("the mistake", () => customElements.get("berry-video"));
  await page.evaluate((src) => { document.querySelector("berry-video").src = src; }, socket());
  await page.until("a live picture", isLive, { given: ["berry-video"] });
  assert.equal(page.messages.length, 1);
  assert.match(page.messages[0], /Invalid URL/);
  // Taken away while it had none, it was not paused by anybody.
  await page.evaluate((src) => {
    const element = document.querySelector("berry-video");
    element.src = "ws://:undefined/";
    element.remove();
    element.src = src;
    document.body.append(element);
  }, socket());
  await page.until("a live picture at another place", isLive, { given: ["berry-video"] });
});

test("a snapshot is the picture in its own size", async () => {
  await open(`<berry-video src="${socket()}"></berry-video>`);
  await page.until("a live picture", isLive, { given: ["berry-video"] });
  const [type, width, height] = await page.evaluate(async () => {
    const blob = await document.querySelector("berry-video").snapshot();
    const image = await createImageBitmap(blob);
    return [blob.type, image.width, image.height];
  });
  const { cameras: [camera] } = await (await fetch(new URL("api/status", server.url))).json();
  assert.deepEqual([type, width, height], ["image/jpeg", camera.width, camera.height]);
});

test("the slider looks back and goes on there, and the button returns to live", async () => {
  await open(`<berry-video controls lookback="10" src="${socket()}"></berry-video>`);
  await page.until("a live picture", isLive, { given: ["berry-video"] });
  await page.until("5 s to look at", () => {
    const { buffered } = document.querySelector("berry-video").video;
    return buffered.end(0) - buffered.start(0) > 5;
  });
  const part = (name) => `document.querySelector("berry-video").shadowRoot.querySelector(".${name}")`;
  await page.evaluate(`() => { const it = ${part("lookback")}; it.value = -4; it.dispatchEvent(new Event("input")); }`);
  const age = () => (Date.now() % 2 ** 32) - clock.of(document.querySelector("berry-video").video);
  await page.until("a picture of the past", () => (Date.now() % 2 ** 32) - clock.of(document.querySelector("berry-video").video) > 3500);
  const after2s = async () => {
    const before = await page.evaluate(age);
    await new Promise((resolve) => setTimeout(resolve, 2000));
    return [before, await page.evaluate(age)];
  };
  // One that stood still would be 2 s older by then.
  await inOneOf(10, after2s, ([before, later]) => later > 3500 && later < before + 1000);
  assert.match(await page.evaluate(`() => ${part("age")}.textContent`), /^\d+ s ago$/);
  await page.evaluate(`() => ${part("live")}.click()`);
  await page.until("a live picture", isLive, { given: ["berry-video"], within: 3000 });
});

test("latency in seconds is kept", async (t) => {
  await open(`<berry-video latency="0.6" src="${socket()}"></berry-video>`);
  await page.evaluate(() => {
    const element = document.querySelector("berry-video");
    window.kept = [];
    element.addEventListener("delay", ({ detail: { delay } }) => {
      const rate = element.video.playbackRate;
      const isKept = delay > 400 && delay < 800 && rate > 0.9 && rate < 1.1;
      window.kept = isKept ? [...window.kept, { delay, rate }] : [];
    });
  });
  const kept = await page.until("the distance for 4 s", () => window.kept.length >= 4 && window.kept, { within: 60_000 });
  t.diagnostic(JSON.stringify(kept));
});

test("a page hidden for long leaves the server, and is live when it is seen again", async () => {
  await open(`<berry-video rest-after="2" src="${socket()}"></berry-video>`);
  await page.until("a live picture", isLive, { given: ["berry-video"] });
  const other = await page.cover();
  while (await viewers() > 0) await new Promise((resolve) => setTimeout(resolve, 100));
  await other.close();
  await page.until("the page to be seen", () => !document.hidden);
  await page.until("a live picture", isLive, { given: ["berry-video"], within: 2000 });
});

test("who paused or looks back and comes back to the page finds the picture where it was left", async () => {
  await open(`<berry-video renderer="mse" src="${socket()}"></berry-video>`);
  await page.until("a live picture", isLive, { given: ["berry-video"] });
  const made = () => clock.of(document.querySelector("berry-video").video);
  const leave = async () => {
    const other = await page.cover();
    await page.until("the page to be hidden", () => document.hidden);
    await new Promise((resolve) => setTimeout(resolve, 2000));
    await other.close();
    await page.until("the page to be seen", () => !document.hidden);
    await new Promise((resolve) => setTimeout(resolve, 500));
  };
  await page.evaluate(() => document.querySelector("berry-video").pause());
  // What the decoder had at that moment is still shown.
  await new Promise((resolve) => setTimeout(resolve, 300));
  const before = await page.evaluate(made);
  await leave();
  assert.equal(await page.evaluate(made), before);
  await page.evaluate(() => document.querySelector("berry-video").play());
  await page.until("a live picture", isLive, { given: ["berry-video"], within: 2000 });
  await page.evaluate(() => document.querySelector("berry-video").lookBack(3));
  await page.until("its speed", () => document.querySelector("berry-video").video.playbackRate === 1);
  await leave();
  const age = await page.evaluate(() => (Date.now() % 2 ** 32) - clock.of(document.querySelector("berry-video").video));
  assert.ok(age > 2500, `${age} ms old`);
});

/** Presses a button of the element, as a person does: browsers allow some things only then. */
async function press(part) {
  const expression = `document.querySelector("berry-video").shadowRoot.querySelector(".${part}").click()`;
  await page.send("Runtime.evaluate", { expression, userGesture: true });
}

for (const renderer of isPlain ? ["mse"] : ["mse", "webcodecs"]) {
  test(`full screen and picture in picture go on and off by their buttons, and play on (${renderer})`, async () => {
    await open(`<berry-video controls renderer="${renderer}" src="${socket()}"></berry-video>`);
    await page.until("a live picture", isLive, { given: ["berry-video"] });
    await page.until("buttons", () => document.querySelector("berry-video").shadowRoot.querySelector(".fullscreen"));
    const title = () => document.querySelector("berry-video").shadowRoot.querySelector(".fullscreen").title;

    await press("fullscreen");
    await page.until("full screen", () => document.fullscreenElement?.localName === "berry-video");
    await page.until("the button's other name", () => document.querySelector("berry-video").shadowRoot.querySelector(".fullscreen").title === "Leave full screen");
    await page.until("a live picture", isLive, { given: ["berry-video"] });
    await press("fullscreen");
    await page.until("the page again", () => !document.fullscreenElement);
    await page.until("the button's first name", () => document.querySelector("berry-video").shadowRoot.querySelector(".fullscreen").title === "Full screen");
    assert.equal(await page.evaluate(title), "Full screen");

    await press("pip");
    await page.until("a window of its own", () => document.querySelector("berry-video").shadowRoot.pictureInPictureElement);
    await page.until("a live picture", isLive, { given: ["berry-video"] });
    await press("pip");
    await page.until("the page again", () => !document.querySelector("berry-video").shadowRoot.pictureInPictureElement);
    await page.until("a live picture", isLive, { given: ["berry-video"] });
    assert.deepEqual(page.messages, []);
  });
}

test("keys reach every button, and each has a name for those who hear the page", async () => {
  await open(`<berry-video controls src="${socket()}"></berry-video>`);
  await page.until("a live picture", isLive, { given: ["berry-video"] });
  await page.until("buttons", () => document.querySelector("berry-video").shadowRoot.querySelector(".fullscreen"));
  const { nodes } = await page.send("Accessibility.getFullAXTree");
  const named = nodes.filter(({ role }) => ["button", "slider"].includes(role?.value)).map(({ name }) => name.value);
  assert.deepEqual(named, ["Look back", "Pause", "Picture in picture", "Full screen"]);
  const seen = [];
  for (let i = 0; i < 4; i += 1) {
    for (const type of ["keyDown", "keyUp"]) await page.send("Input.dispatchKeyEvent", { type, key: "Tab", code: "Tab", windowsVirtualKeyCode: 9 });
    seen.push(await page.evaluate(() => document.activeElement.shadowRoot?.activeElement?.title));
  }
  assert.deepEqual(seen, ["Look back", "Pause", "Picture in picture", "Full screen"]);
});
