/** What cameras, lines and computers do to a page that stays open: it is live again without reload, and in time. */

import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { launch } from "./browser.mjs";
import { inOneOf } from "./driven-page.mjs";
import { proxy } from "./proxy.mjs";
import { serve } from "./server.mjs";
import { Viewing, inWords, isFirefox, pause, seconds } from "./viewing.mjs";

const RELAY = fileURLToPath(new URL("relay.mjs", import.meta.url));
/** Small, so that the decoder has time to spare; and one keyframe in a second. */
const KEYFRAME_MS = 1000;
const PICTURES = ["--width", "640", "--height", "360", "--keyframe-interval", "30"];

let browser;
let viewing;
/** Ends what a test started, the newest first. */
const ends = [];

before(async () => {
  browser = await launch();
});

after(() => browser?.close());

afterEach(async () => {
  await viewing?.close();
  viewing = null;
  for (const end of ends.splice(0).reverse()) await end();
});

async function started(options = [], where = {}) {
  const server = await serve([...PICTURES, ...options], where);
  ends.push(() => server.end());
  return server;
}

async function open(url) {
  viewing = await Viewing.open(browser, url);
}

/** A camera whose pictures come from the test pattern of another server, by way of the relay. */
async function relayed(...options) {
  const origin = await started();
  const server = await started(["--source", `exec:${process.execPath} ${RELAY} ${origin.url}stream.mp4 ${options.join(" ")}`]);
  return { origin, server };
}

async function throughLine({ shift = 0 } = {}) {
  const server = await started();
  const line = await proxy(server.url);
  ends.push(() => line.end());
  line.shift(shift);
  await open(line.url);
  return line;
}

test("a camera that was gone for 10 seconds is live soon after it is back, and the page said so meanwhile", async (t) => {
  const { origin, server } = await relayed();
  await open(server.url);
  await origin.end("SIGKILL");
  await viewing.page.until("words", () => document.querySelector("berry-video").shadowRoot.querySelector(".state").textContent.startsWith("Camera lost"));
  await pause(seconds(10, 3) * 1000);
  await started([], { port: origin.port });
  // A source that fails is tried again after at most 5 s.
  t.diagnostic(await viewing.assertHealed({ within: 5000 + 4 * KEYFRAME_MS }));
});

test("a camera that changes its picture size goes on in the same page", async (t) => {
  const other = await started(["--width", "320", "--height", "240"]);
  const { server } = await relayed(`next=${other.url}stream.mp4`, "after=8");
  await open(server.url);
  const size = () => {
    const { video } = document.querySelector("berry-video");
    return `${video.videoWidth}x${video.videoHeight}`;
  };
  assert.equal(await viewing.page.evaluate(size), "640x360");
  await viewing.page.until("the new size", () => document.querySelector("berry-video").video.videoWidth === 320);
  assert.equal(await viewing.page.evaluate(size), "320x240");
  t.diagnostic(await viewing.assertHealed({ within: 4 * KEYFRAME_MS }));
});

test("with 1 % of the pictures lost at the source the rest is shown, and live", async (t) => {
  const { server } = await relayed("lose=0.01");
  await open(server.url);
  // No loss may cost more than the pictures lost: so in 3 s there is no pause as long as that until a keyframe.
  const good = ({ shown, longestPause }) => shown > 3 * 30 * (isFirefox ? 0.5 : 0.8) && longestPause < KEYFRAME_MS / 2;
  for (let window = 1; window <= 4; window += 1) t.diagnostic(inWords(await viewing.untilGood("nearly all shown", good, { ms: 3000 })));
  t.diagnostic(await viewing.assertHealed({ within: KEYFRAME_MS }));
});

test("damaged pictures stop playing for no longer than it takes to begin again at a keyframe", async (t) => {
  const { server } = await relayed("corrupt=150");
  await open(server.url);
  const good = ({ longestPause }) => longestPause < 4 * KEYFRAME_MS;
  t.diagnostic(inWords(await inOneOf(4, () => viewing.watch(12_000), good)));
  t.diagnostic(await viewing.assertHealed({ within: 4 * KEYFRAME_MS, keepsBuffer: false }));
});

test("a line that stood still for 5 seconds leaves no delay behind", async (t) => {
  const line = await throughLine();
  line.hold();
  await viewing.untilMarkedOld();
  await pause(4000);
  line.release();
  t.diagnostic(await viewing.assertHealed({ within: 3 * KEYFRAME_MS }));
});

test("media times that jump by an hour, or by two seconds, either way, leave nothing behind", async (t) => {
  const line = await throughLine({ shift: 3600 });
  let before = 3600;
  for (const shift of [7200, 3600, 3602, 3600]) {
    const jump = async () => {
      line.shift(before);
      await viewing.assertHealed({ within: KEYFRAME_MS });
      line.shift(shift);
      return viewing.watch(1500);
    };
    const { longestPause } = await inOneOf(5, jump, (figures) => figures.longestPause < KEYFRAME_MS);
    t.diagnostic(`to ${shift} s: longest pause ${longestPause.toFixed(0)} ms, ${await viewing.assertHealed({ within: KEYFRAME_MS })}`);
    before = shift;
  }
  assert.deepEqual(viewing.page.messages, []);
});

test("pictures that arrive up to 80 ms late become a steady picture, and a calm line a quick one", async (t) => {
  const line = await throughLine();
  t.diagnostic(`calm: ${inWords(await viewing.watch(3000))}`);
  line.jitter(80);
  t.diagnostic(`80 ms of jitter, first: ${inWords(await viewing.watch(3000))}`);
  // The pauses of pictures shown as they come go up to 113 ms; those of a steady rhythm are one picture long.
  const isSteady = ({ shown, pause90, median }) => shown > 45 && pause90 < (isFirefox ? 75 : 55) && median > viewing.before + 30
    && median < viewing.before + 300;
  const steady = await viewing.untilGood("a steady picture", isSteady, { within: 40_000, ms: 3000 });
  t.diagnostic(`80 ms of jitter, then: ${inWords(steady)}`);
  line.jitter(0);
  const quick = await viewing.untilGood("a quick picture", ({ median }) => median < viewing.before + 50, { within: 40_000 });
  t.diagnostic(`calm again: ${inWords(quick)}`);
});

test("a browser that stood still for 30 seconds is live soon after", async (t) => {
  await open((await started()).url);
  browser.signal("SIGSTOP");
  await pause(seconds(30, 6) * 1000);
  browser.signal("SIGCONT");
  t.diagnostic(await viewing.assertHealed({ within: 4 * KEYFRAME_MS }));
});

test("a tab that was hidden for 30 seconds is at the live edge at once when it is seen again, and its buffer is short", async (t) => {
  await open((await started()).url);
  const other = await viewing.page.cover();
  await viewing.page.until("the page to be hidden", () => document.hidden);
  await pause(seconds(30, 8) * 1000);
  const buffered = await viewing.page.evaluate(() => {
    const ranges = document.querySelector("berry-video").video.buffered;
    return ranges.length > 0 ? ranges.end(ranges.length - 1) - ranges.start(0) : 0;
  });
  assert.ok(buffered < 60, `${buffered} s are buffered`);
  await other.close();
  await viewing.page.until("the page to be seen", () => !document.hidden);
  t.diagnostic(await viewing.assertHealed({ within: 2 * KEYFRAME_MS }));
});

test("a page that was left and is come back to is live, from the browser's memory or loaded again", async (t) => {
  const server = await started();
  await open(server.url);
  await viewing.page.goto(new URL("api/status", server.url).href);
  await pause(3000);
  await viewing.page.back();
  const isSame = await viewing.page.evaluate(() => window.sameDocument === true);
  t.diagnostic(`${isSame ? "the same page" : "loaded again"}; live after ${await viewing.untilLive(4 * KEYFRAME_MS)} ms`);
});
