/** The page as it is shipped, in a real Chromium, on the test pattern of the real program. */

import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { after, before, test } from "node:test";
import { browserName, launch } from "./browser.mjs";
import { installClock, isLive, noTracks, quantile } from "./clock.mjs";
import { inOneOf } from "./driven-page.mjs";
import { proxy } from "./proxy.mjs";
import { serve } from "./server.mjs";

let browser;
let server;

before(async () => {
  [browser, server] = await Promise.all([launch(), serve()]);
});

after(async () => {
  await Promise.all([browser?.close(), server?.end()]);
});

async function open(url = server.url) {
  const page = await browser.newPage();
  await page.before(installClock);
  await page.goto(url);
  return page;
}

const said = () => document.querySelector("berry-video")?.shadowRoot.querySelector(".state").textContent;

test("every built file of the player is in the program", async () => {
  const folder = new URL("../../player/dist/", import.meta.url);
  const urls = { "index.html": "", "legacy.js": "berryMSE.js" };
  const names = readdirSync(folder).filter((name) => !/\.(br|gz)$/.test(name));
  assert.ok(names.includes("berrymse.js"));
  for (const [name, coding] of names.flatMap((name) => ["br", "gzip"].map((coding) => [name, coding]))) {
    const answer = await fetch(new URL(urls[name] ?? name, server.url), { headers: { "accept-encoding": coding } });
    assert.equal(answer.headers.get("content-encoding"), coding, name);
    const isSame = await answer.text() === readFileSync(new URL(name, folder), "utf8");
    assert.ok(isSame, `${name}: is the program built from these files?`);
  }
});

/** @param {string} renderer @param {string[]} more files than every page loads after the first frame */
async function assertScripts(renderer, more) {
  const html = `<!doctype html><link rel="icon" href="icon.svg"><script type="module" src="berrymse.js"></script>
    <berry-video renderer="${renderer}"></berry-video>`;
  const site = await proxy(server.url, { pages: { "/one.html": { html } } });
  try {
    const page = await open(new URL("one.html", site.url).href);
    await page.until("a shown frame", () => document.querySelector("berry-video")?.delay > 0);
    // A busy machine brings the rules for jitter. Requests are counted, so a file that is loaded twice is seen.
    const scripts = site.requests.filter((path) => path.endsWith(".js") && path !== "/latency-controller.js");
    const hasCodecs = await page.evaluate(() => "VideoDecoder" in window);
    const expected = ["/frame-stats.js", "/media-element.js", "/overlay.js", ...more.filter((path) => hasCodecs || path !== "/decode-worker.js")];
    assert.equal(scripts.shift(), "/berrymse.js");
    assert.deepEqual(scripts.sort(), expected.sort());
    await page.close();
  } finally {
    await site.end();
  }
}

test("a page with Media Source Extensions loads one script, and three after the first frame", () => assertScripts("mse", []));

test("a page with WebCodecs loads two more, each once", () => assertScripts("webcodecs", ["/renderer-switch.js", "/decode-worker.js"]));

test("pictures advance and are less than a second old", async (t) => {
  const page = await open();
  await page.until("a live picture", isLive, { given: ["berry-video"] });
  await page.evaluate(() => clock.watch(document.querySelector("berry-video").video));
  const delays = await page.until("100 young pictures", () => {
    const last = clock.delays.slice(-100);
    return last.length === 100 && [...last].sort((a, b) => a - b)[50] < 1000 && last;
  });
  const [median, p95] = [0.5, 0.95].map((share) => quantile(delays, share));
  t.diagnostic(`delay from test pattern to presentation: median ${median.toFixed(0)} ms, 95 % ${p95.toFixed(0)} ms`);
  assert.equal(await page.evaluate(said), "");
  assert.deepEqual(page.messages, []);
  await page.close();
});

test("a late second viewer has a picture at once, not at the next keyframe", async (t) => {
  const first = await open();
  await first.until("a live picture", isLive, { given: ["berry-video"] });
  let edges = [];
  const joinOften = async () => {
    const waits = [];
    edges = [];
    for (let join = 0; join < 5; join += 1) {
      // Not in step with the keyframes.
      await new Promise((resolve) => setTimeout(resolve, 370));
      const page = await browser.newPage();
      await page.before(installClock);
      await page.before(noteFirsts);
      await page.goto(server.url);
      const firsts = await page.until("a picture at the live edge", () => window.firsts?.edge && window.firsts);
      waits.push(firsts.picture - firsts.open);
      edges.push(firsts.edge - firsts.open);
      await page.close();
    }
    return waits;
  };
  // One keyframe in 2 s: who waits for it waits 1 s. Firefox takes its time to start a decoder.
  const most = browserName === "firefox" ? 600 : 300;
  const waits = await inOneOf(5, joinOften, (all) => quantile(all, 0.5) < most);
  const list = (values) => values.map((value) => value.toFixed(0)).join(", ");
  t.diagnostic(`WebSocket to first picture: ${list(waits)} ms; to one less than 150 ms old: ${list(edges)} ms`);
  await first.close();
});

/** Runs in the page: when the WebSocket opened, when the first picture was shown, when the first fresh one. */
function noteFirsts() {
  window.firsts = {};
  window.WebSocket = class extends WebSocket {
    constructor(...given) {
      super(...given);
      this.addEventListener("open", () => { window.firsts.open ??= performance.now(); });
    }
  };
  customElements.whenDefined("berry-video").then(async () => {
    while (!document.querySelector("berry-video")) await new Promise(requestAnimationFrame);
    const { video } = document.querySelector("berry-video");
    const shown = (_, { presentationTime }) => {
      window.firsts.picture ??= presentationTime;
      const age = ((performance.timeOrigin + presentationTime) % 2 ** 32) - clock.of(video);
      if (age < 150) window.firsts.edge ??= presentationTime;
      else video.requestVideoFrameCallback(shown);
    };
    video.requestVideoFrameCallback(shown);
  });
}

test("a page with a strict content security policy, with the program below a path of it, plays with one element", async () => {
  const html = `<!doctype html><link rel="icon" href="cam/icon.svg"><script type="module" src="cam/berrymse.js"></script>
    <berry-video src="cam/video_websocket"></berry-video>`;
  const policy = "default-src 'none'; script-src 'self'; connect-src 'self'; media-src blob:; img-src 'self'; "
    + "require-trusted-types-for 'script'";
  const pages = { "/strict.html": { html, headers: { "content-security-policy": policy } } };
  const site = await proxy(server.url, { prefix: "/cam/", pages });
  try {
    const page = await open(new URL("strict.html", site.url).href);
    await page.until("a live picture", isLive, { given: ["berry-video"] });
    assert.deepEqual(page.messages, []);
    await page.close();
  } finally {
    await site.end();
  }
});

test("the demo page below a path of a reverse proxy plays", async () => {
  const site = await proxy(server.url, { prefix: "/garden/cam/" });
  try {
    const page = await open(new URL("garden/cam/", site.url).href);
    await page.until("a live picture", isLive, { given: ["berry-video"] });
    await page.close();
  } finally {
    await site.end();
  }
});

test("an element moved to another place in the page, or to another camera, goes on playing", async () => {
  const page = await open();
  await page.until("a live picture", isLive, { given: ["berry-video"] });
  await page.evaluate(() => document.body.append(document.querySelector("berry-video")));
  await page.until("a live picture after the move", isLive, { given: ["berry-video"] });
  await page.evaluate(() => document.querySelector("berry-video").setAttribute("src", "/video_websocket"));
  await page.until("a live picture from the other URL", isLive, { given: ["berry-video"] });
  await page.evaluate(() => {
    const element = document.querySelector("berry-video");
    element.pause();
    document.body.prepend(element);
  });
  await page.until("a picture that stands", () => document.querySelector("berry-video").video.readyState >= HTMLMediaElement.HAVE_CURRENT_DATA);
  await new Promise((resolve) => setTimeout(resolve, 500));
  const { paused, video } = await page.evaluate(() => {
    const { paused, video } = document.querySelector("berry-video");
    return { paused, video: video.paused };
  });
  assert.deepEqual([paused, video], [true, true], "who paused finds it paused at the other place");
  await page.evaluate(() => document.querySelector("berry-video").play());
  await page.until("a live picture again", isLive, { given: ["berry-video"] });
  await page.close();
});

test("a paused picture stays, and playing goes on at the live edge", async () => {
  const page = await open();
  await page.until("a live picture", isLive, { given: ["berry-video"] });
  await page.evaluate(() => document.querySelector("berry-video").pause());
  const position = () => document.querySelector("berry-video").video.currentTime;
  const before = await page.evaluate(position);
  await new Promise((resolve) => setTimeout(resolve, 2500));
  assert.equal(await page.evaluate(position), before);
  assert.equal(await page.evaluate(said), "");
  await page.evaluate(() => document.querySelector("berry-video").play());
  await page.until("a live picture", isLive, { given: ["berry-video"], within: 3000 });
  await page.close();
});

/** Runs in the page before its own scripts: as on a slow line, pictures that no other refers to do not come. */
function loseSpare() {
  window.lost = 0;
  const isSpare = (data) => {
    const bytes = data instanceof ArrayBuffer ? new Uint8Array(data) : [];
    // sample_is_depended_on in the first sample's flags.
    return String.fromCharCode(...bytes.slice(4, 8)) === "moof" && (bytes[93] & 0xc0) === 0x80;
  };
  const { get, set } = Object.getOwnPropertyDescriptor(WebSocket.prototype, "onmessage");
  Object.defineProperty(WebSocket.prototype, "onmessage", {
    get,
    set(take) {
      set.call(this, take && ((event) => {
        if (isSpare(event.data)) window.lost += 1;
        else take.call(this, event);
      }));
    },
  });
}

test("without the pictures that no other refers to the rest is shown, one after the other", async (t) => {
  const page = await browser.newPage();
  await page.before(installClock);
  await page.before(loseSpare);
  await page.goto(server.url);
  await page.until("a live picture", isLive, { given: ["berry-video"] });
  await page.evaluate(() => { window.pictures = clock.keep(document.querySelector("berry-video")); });
  const fifty = async () => {
    const from = await page.evaluate(() => window.pictures.length);
    return page.until("50 pictures", (first) => window.pictures.length >= first + 50 && window.pictures.slice(first), { given: [from] });
  };
  const pausesOf = (seen) => seen.slice(1).map(({ made }, i) => made - seen[i].made);
  // Who does not take the larger step shows nothing until the next keyframe, 2 s later.
  const seen = await inOneOf(5, fifty, (all) => quantile(pausesOf(all), 0.9) < 200);
  const pauses = pausesOf(seen);
  t.diagnostic(`${await page.evaluate(() => window.lost)} lost, ${quantile(pauses, 0.5)} ms from picture to picture, at most ${Math.max(...pauses)}`);
  assert.ok(await page.evaluate(() => window.lost) > 40);
  await page.close();
});

test("a broken picture breaks playing only until the next keyframe", async () => {
  const page = await browser.newPage();
  await page.before(installClock);
  await page.before(breakOnce);
  await page.before(noTracks);
  await page.goto(server.url);
  // Firefox shows what is left of such a picture.
  await page.until("a decode error", (isFirefox) => (isFirefox ? window.isBroken : window.decodeError), { given: [browserName === "firefox"] });
  await page.until("a live picture again", isLive, { given: ["berry-video"], within: 6000 });
  await page.close();
});

/** Runs in the page: the 30th picture that the browser gets has noise where its slices were. */
function breakOnce() {
  const append = SourceBuffer.prototype.appendBuffer;
  let count = 0;
  SourceBuffer.prototype.appendBuffer = function (given) {
    count += 1;
    if (count === 30) {
      window.isBroken = true;
      const { video } = document.querySelector("berry-video");
      video.addEventListener("error", () => { window.decodeError = video.error.message; });
      given = given.slice();
      // Behind the boxes and the NAL unit's length and type.
      for (let i = 140; i < given.length; i += 1) given[i] = Math.random() * 256;
    }
    append.call(this, given);
  };
}

test("without a camera the page says so, and why", async () => {
  const absent = await serve(["--source", "file:/nonexistent"]);
  try {
    const page = await open(absent.url);
    const text = await page.until("words about the camera", () => {
      const { textContent } = document.querySelector("berry-video")?.shadowRoot.querySelector(".state") ?? {};
      return textContent?.startsWith("No signal: ") && textContent;
    });
    // Viewers get no path.
    assert.match(text, /^No signal: (?!.*nonexistent).{5,}/);
    await page.close();
  } finally {
    await absent.end();
  }
});

/** Runs in the page before its own scripts: its sockets can be told what this server never says. */
function keepSockets() {
  window.sockets = [];
  window.WebSocket = class extends WebSocket {
    constructor(...given) {
      super(...given);
      sockets.push(this);
    }
  };
}

test("an error that a server tells stands in its words where the picture would be", async () => {
  const absent = await serve(["--source", "file:/nonexistent"]);
  const page = await browser.newPage();
  try {
    await page.before(keepSockets);
    await page.goto(absent.url);
    await page.until("words about the camera", () => document.querySelector("berry-video")?.shadowRoot.querySelector(".state").textContent.startsWith("No signal: "));
    const heard = await page.evaluate(() => {
      const heard = [];
      const element = document.querySelector("berry-video");
      for (const type of ["error", "state"]) element.addEventListener(type, ({ detail }) => heard.push([type, detail.message ?? detail.text]));
      sockets.at(-1).onmessage({ data: JSON.stringify({ type: "error", code: "not-allowed", message: "Not allowed: ask <b>Ada</b>" }) });
      return heard;
    });
    const words = "Not allowed: ask <b>Ada</b>";
    assert.deepEqual(heard, [["error", words], ["state", words]]);
    assert.equal(await page.evaluate(said), words);
    // A connection that is made again begins without it.
    await page.evaluate(() => sockets.at(-1).onmessage({ data: '{"type":"hello"}' }));
    assert.match(await page.evaluate(said), /^No signal: /);
  } finally {
    await page.close();
    await absent.end();
  }
});
