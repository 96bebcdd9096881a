/** Streams as cameras and programs send them: slow, reordered, without keyframes, in rare profiles, and the same colours in every state. */

import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { browserName, launch } from "./browser.mjs";
import { installClock } from "./clock.mjs";
import { proxy } from "./proxy.mjs";
import { serve } from "./server.mjs";

const isFirefox = browserName === "firefox";
const PATIENCE = { within: 60_000 };

let browser;
let server;
let site;
let page;

before(async () => {
  browser = await launch();
});

after(() => browser?.close());

afterEach(async () => {
  await page?.close();
  await site?.end();
  await server?.end();
  page = site = server = null;
});

/** An `exec:` source: a picture of ffmpeg's, encoded by x264 with these parameters. */
function x264(picture, parameters, ...options) {
  const rate = "-preset ultrafast -tune zerolatency -b:v 1M";
  return `exec:ffmpeg -v error -re -f lavfi -i ${picture}=size=320x240:rate=30 -pix_fmt yuv420p -c:v libx264 ${rate} -x264-params ${parameters} ${options.join(" ")} -f h264 -`;
}

/** Opens a page with one element. `change` is applied to the player's script. */
async function open(options, attributes = "", { scripts = [], change = (text) => text } = {}) {
  server = await serve(options);
  const script = await (await fetch(new URL("berrymse.js", server.url))).text();
  const html = `<!doctype html><link rel="icon" href="icon.svg"><script type="module" src="berrymse.js"></script><berry-video ${attributes}></berry-video>`;
  const pages = {
    "/page.html": { html },
    "/berrymse.js": { html: change(script), headers: { "content-type": "text/javascript" } },
  };
  site = await proxy(server.url, { pages });
  page = await browser.newPage();
  for (const one of [installClock, keepSeeks, ...scripts]) await page.before(one);
  await page.goto(new URL("page.html", site.url).href);
  await page.until("a picture", () => document.querySelector("berry-video")?.delay > 0, PATIENCE);
  await page.evaluate(countShown);
}

/** Runs in the page before its scripts. */
function keepSeeks() {
  window.seeks = 0;
  const { get, set } = Object.getOwnPropertyDescriptor(HTMLMediaElement.prototype, "currentTime");
  Object.defineProperty(HTMLMediaElement.prototype, "currentTime", {
    get,
    set(to) {
      window.seeks += 1;
      set.call(this, to);
    },
  });
  window.appended = 0;
  const { appendBuffer } = SourceBuffer.prototype;
  SourceBuffer.prototype.appendBuffer = function (given) {
    window.appended += 1;
    appendBuffer.call(this, given);
  };
}

/** Runs in the page. */
function countShown() {
  const { video } = document.querySelector("berry-video");
  window.shown = 0;
  window.presented = 0;
  const next = (_, { presentedFrames }) => {
    window.shown += 1;
    window.presented = presentedFrames;
    video.requestVideoFrameCallback(next);
  };
  video.requestVideoFrameCallback(next);
}

test("reordered_frames_are_shown_without_seeks", async (t) => {
  await open(["--source", x264("testsrc2", "keyint=30:bframes=2:b-adapt=0:scenecut=0:rc-lookahead=0", "-tune film")], `renderer="mse"`);
  // Eight seconds in which 225 of 240 are shown. One of three was, and there were nine seeks in each second.
  const good = await page.until("eight good seconds", async () => {
    const before = { presented, appended, seeks };
    await new Promise((resolve) => setTimeout(resolve, 8000));
    const now = { presented: presented - before.presented, appended: appended - before.appended, seeks: seeks - before.seeks };
    return now.seeks === 0 && now.presented >= 225 / 240 * Math.max(now.appended, 200) && now;
  }, PATIENCE);
  t.diagnostic(`${good.presented} shown of ${good.appended}`);
});

for (const [fps, most] of [[5, 110], [1, 300]]) {
  test(`camera_of_${fps}_fps_is_not_late`, async (t) => {
    await open(["--source", "test", "--fps", `${fps}`, "--width", "320", "--height", "240"]);
    const delay = await page.until("a small delay", (limit) => {
      const { delay } = document.querySelector("berry-video");
      return delay !== null && delay < limit && delay;
    }, { ...PATIENCE, given: [most] });
    t.diagnostic(`${delay.toFixed(0)} ms`);
  });
}

for (const [pixels, renderer] of [["yuv422p", "mse"], ["yuv422p", "webcodecs"], ["yuv444p", "mse"], ["yuv420p10le", "mse"]]) {
  test(`${pixels}_by_${renderer}_is_shown`, async () => {
    await open(["--source", x264("smptebars", "keyint=30", `-pix_fmt ${pixels}`)], `renderer="${renderer}"`);
    await page.until("pictures", () => window.shown > 20 || document.querySelector("berry-video").shadowRoot.querySelector("canvas"), PATIENCE);
    assert.equal(await page.evaluate(() => document.querySelector("berry-video").shadowRoot.querySelector(".state").textContent), "");
  });
}

const ENDLESS = "intra-refresh=1:keyint=30:bframes=0:ref=1:scenecut=0";

test("stream_without_keyframes_is_forgotten_behind", async (t) => {
  const change = (text) => {
    const changed = text.replace("16e6", "1e5");
    assert.notEqual(changed, text);
    return changed;
  };
  await open(["--source", x264("testsrc2", ENDLESS)], `renderer="mse" lookback="2"`, { change });
  const from = await page.until("a buffer that begins later", () => {
    const { buffered } = document.querySelector("berry-video").video;
    return buffered.length === 1 && buffered.start(0) > 2 && buffered.start(0);
  }, PATIENCE);
  const before = await page.evaluate(() => window.shown);
  await page.until("pictures", (count) => window.shown > count + 60, { ...PATIENCE, given: [before] });
  t.diagnostic(`begins at ${from.toFixed(1)} s`);
  assert.equal(await page.evaluate(() => document.querySelector("berry-video").video.error), null);
});

/** Runs in the page before its scripts: the 60th append is noise. */
function breakOnce() {
  const append = SourceBuffer.prototype.appendBuffer;
  let count = 0;
  SourceBuffer.prototype.appendBuffer = function (given) {
    count += 1;
    // Box lengths that are none: every browser gives up.
    append.call(this, count === 60 ? new Uint8Array(200).fill(255) : given);
    window.isBroken ||= count === 60;
  };
}

test("stream_without_keyframes_goes_on_after_an_error", async () => {
  await open(["--source", x264("testsrc2", ENDLESS)], `renderer="mse"`, { scripts: [breakOnce] });
  await page.until("an error", () => window.isBroken, PATIENCE);
  await page.until("another decoder", () => document.querySelector("berry-video").video.readyState < 2, PATIENCE).catch(() => {});
  const before = await page.evaluate(() => window.shown);
  await page.until("pictures", (count) => window.shown > count + 30, { ...PATIENCE, given: [before] });
});

/** Runs in the page: two colours of the bars in a picture, as [r, g, b]. `rect` is where it is in that of the page. */
async function colours(png) {
  const element = document.querySelector("berry-video");
  const blob = png ? await (await fetch(`data:image/png;base64,${png}`)).blob() : await element.snapshot("image/png");
  const bitmap = await createImageBitmap(blob);
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [bitmap.width, bitmap.height];
  const context = canvas.getContext("2d");
  context.drawImage(bitmap, 0, 0);
  const { x, y, width, height } = png ? element.getBoundingClientRect() : { x: 0, y: 0, width: bitmap.width, height: bitmap.height };
  const [shownWidth, shownHeight] = [Math.min(width, height * 4 / 3), Math.min(height, width * 3 / 4)];
  return [0.5, 0.78].map((share) => {
    const at = [x + (width - shownWidth) / 2 + share * shownWidth, y + (height - shownHeight) / 2 + 0.3 * shownHeight];
    return [...context.getImageData(...at.map(Math.round), 1, 1).data].slice(0, 3);
  });
}

/** Runs in the page: what may be the reason for a picture without a video. */
function stateOfVideo() {
  const { shadowRoot, video } = document.querySelector("berry-video");
  const { readyState, paused, videoWidth, srcObject } = video;
  return JSON.stringify({ readyState, paused, videoWidth, hasTrack: srcObject !== null, canvases: shadowRoot.querySelectorAll("canvas").length });
}

for (const renderer of ["mse", "webcodecs"]) {
  test(`colours_by_${renderer}_stay_in_every_state`, async (t) => {
    await open(["--source", x264("smptebars", "keyint=30", "-vf scale=out_color_matrix=bt709")], `renderer="${renderer}"`);
    const isOther = (a, b) => a.flat().some((value, i) => Math.abs(value - b.flat()[i]) > 4);
    const wanted = [[0, 190, 6], [190, 0, 0]];
    const background = [[12, 11, 16], [12, 11, 16]];
    // A busy machine takes its time to a state. Colours that are right stay right.
    const look = async (state) => {
      const isRight = async () => {
        const [seen, kept] = [await page.evaluate(colours, await page.screenshot()), await page.evaluate(colours, "")];
        const words = `${state}: ${seen.join("  ")}, snapshot ${kept.join("  ")}`;
        return { isRight: !isOther(seen, wanted) && !isOther(kept, wanted), isEmpty: !isOther(seen, background), words };
      };
      let now = await isRight();
      for (const until = Date.now() + PATIENCE.within; !now.isRight && Date.now() < until; now = await isRight()) await rest();
      t.diagnostic(now.words);
      assert.ok(now.isRight, now.words);
      for (const _ of [1, 2]) {
        let then = await isRight();
        // Seen once, at a load of 10: a screenshot without any video. The next one shows whether the player has none.
        if (then.isEmpty) {
          t.diagnostic(`${then.words}, ${await page.evaluate(stateOfVideo)}`);
          then = await isRight();
        }
        assert.ok(then.isRight, `at first ${now.words}, then ${then.words}`);
      }
    };
    const rest = () => new Promise((resolve) => setTimeout(resolve, 700));
    await rest();
    await look("live");
    for (const [state, act] of [
      ["paused", () => document.querySelector("berry-video").pause()],
      ["played on", () => document.querySelector("berry-video").play()],
      ...[1, 2, 3, 4].flatMap((turn) => [
        [`paused by the browser, ${turn}`, () => document.querySelector("berry-video").video.pause()],
        [`played on, ${turn}`, () => document.querySelector("berry-video").play()],
      ]),
      ["live again", () => document.querySelector("berry-video").live()],
      ["looked back", () => document.querySelector("berry-video").lookBack(1)],
      ["back", () => document.querySelector("berry-video").live()],
    ]) {
      await page.evaluate(act);
      await rest();
      await look(state);
    }
    if (isFirefox) return;
    const other = await page.cover();
    await rest();
    await other.close();
    await rest();
    await look("hidden and seen again");
  });
}

test("snapshot_of_other_primaries_is_as_on_screen", { skip: isFirefox }, async () => {
  const tags = "colorprim=bt470bg:transfer=bt470bg:colormatrix=bt470bg";
  await open(["--source", x264("smptebars", `keyint=30:${tags}`)], `renderer="mse"`);
  await new Promise((resolve) => setTimeout(resolve, 700));
  const [seen, kept] = [await page.evaluate(colours, await page.screenshot()), await page.evaluate(colours, "")];
  const wrong = Math.max(...seen.flat().map((value, i) => Math.abs(value - kept.flat()[i])));
  assert.ok(wrong <= 4, `${seen.join("  ")} on the screen, ${kept.join("  ")} in the snapshot`);
});
