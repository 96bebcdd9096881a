/**
 * How soon a late viewer sees the present: with a keyframe made for them, and by playing through what has been since the last one.
 * JOINS=20 for figures.
 */

import { after, afterEach, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { launch } from "./chromium.mjs";
import { installClock, isLive, quantile } from "./clock.mjs";
import { inOneOf } from "./driven-page.mjs";
import { serve } from "./server.mjs";

const RELAY = fileURLToPath(new URL("relay.mjs", import.meta.url));
const JOINS = Number(process.env.JOINS ?? 7);
/** The keyframe interval is 2 s: joins are spread over it. */
const STEP_MS = 2000 * 0.37;

let browser;
/** Ends what a test started, the newest first. */
const ends = [];

before(async () => {
  browser = await launch();
});

after(() => browser?.close());

afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

async function started(options) {
  const server = await serve(options);
  ends.push(() => server.end());
  return server;
}

/** Runs in the page: when the WebSocket opened, when the first picture was shown, when the first fresh one. */
function noteFirsts() {
  const firsts = {};
  window.firsts = firsts;
  window.WebSocket = class extends WebSocket {
    constructor(...given) {
      super(...given);
      this.addEventListener("open", () => { firsts.open ??= performance.now(); });
    }
  };
  const prototype = HTMLVideoElement.prototype;
  const request = prototype.requestVideoFrameCallback;
  prototype.requestVideoFrameCallback = function (callback) {
    return request.call(this, (now, picture) => {
      firsts.picture ??= picture.presentationTime;
      // Reading the picture takes time: no longer than needed.
      if (!firsts.edge) {
        const age = ((performance.timeOrigin + picture.presentationTime) % 2 ** 32) - clock.of(this);
        if (age < 150) firsts.edge = picture.presentationTime;
      }
      callback(now, picture);
    });
  };
}

async function joins(url) {
  const first = await browser.newPage();
  await first.before(installClock);
  await first.goto(url);
  await first.until("a live picture", isLive, { given: ["berry-video"] });
  const seen = { picture: [], edge: [] };
  for (let join = 0; join < JOINS; join += 1) {
    await new Promise((resolve) => setTimeout(resolve, STEP_MS));
    const page = await browser.newPage();
    await page.before(installClock);
    await page.before(noteFirsts);
    await page.goto(url);
    const firsts = await page.until("a picture at the live edge", () => window.firsts?.edge && window.firsts);
    for (const name of ["picture", "edge"]) seen[name].push(firsts[name] - firsts.open);
    await page.close();
  }
  await first.close();
  return seen;
}

const words = (values) => {
  const [median, most] = [0.5, 1].map((share) => quantile(values, share).toFixed(0));
  return `median ${median} ms, at most ${most} ms (${values.map((one) => one.toFixed(0)).join(", ")})`;
};

for (const [how, source] of [["with a keyframe on request", null], ["by replay", "exec"]]) {
  test(`a late viewer sees the present ${how}`, async (t) => {
    const origin = await started([]);
    const { url } = source ? await started(["--source", `exec:${process.execPath} ${RELAY} ${origin.url}stream.mp4`]) : origin;
    const { picture, edge } = await inOneOf(4, () => joins(url), ({ edge }) => quantile(edge, 0.5) < 1500);
    t.diagnostic(`WebSocket to first picture: ${words(picture)}`);
    t.diagnostic(`WebSocket to one less than 150 ms old: ${words(edge)}`);
  });
}
