/** `renderer="auto"` in Chromium: WebCodecs for a live picture, Media Source Extensions for all else, and never a gap at a change. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { isByCodecs, isLive } from "./clock.mjs";
import { prepareTab } from "./tab.mjs";

const tab = prepareTab();

const POLICY = "default-src 'none'; script-src 'self'; connect-src 'self'; img-src 'self'; media-src blob:; require-trusted-types-for 'script'";

/** Opens a page, and waits until its picture is live: the first thing in it. */
async function open(body, options = {}) {
  await tab.open(body, { ...options, pages: { "/other.html": { html: "<!doctype html>" } } });
  await tab.page.until("a live picture", isLive, { given: [body.match(/\w[\w-]*/)[0]] });
}

/** Runs in the page: counts looks without a picture, and keeps the largest step back, in milliseconds of the clock in the picture. */
function watchGaps() {
  const element = document.querySelector("berry-video");
  window.gaps = { black: 0, back: 0 };
  let last = 0;
  const look = () => {
    requestAnimationFrame(look);
    // While it seeks a <video> keeps its picture, but gives it to nobody.
    if (element.video.seeking) return;
    const made = clock.seen(element);
    if (made === null) window.gaps.black += 1;
    else [window.gaps.back, last] = [Math.max(window.gaps.back, last - made), made];
  };
  look();
}

const age = () => (Date.now() % 2 ** 32) - clock.seen(document.querySelector("berry-video"));
const isMse = () => document.querySelector("berry-video").video.srcObject === null;
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

test("a latency is kept by Media Source Extensions, without it WebCodecs are back, and there is a picture all the time", async (t) => {
  await open(`<berry-video></berry-video>`, { headers: { "content-security-policy": POLICY } });
  await tab.page.until("WebCodecs", isByCodecs);
  await tab.page.evaluate(watchGaps);
  for (let round = 0; round < 3; round += 1) {
    await tab.page.evaluate(() => { document.querySelector("berry-video").latency = 0.5; });
    await tab.page.until("Media Source Extensions", isMse);
    await tab.page.until("the distance", () => document.querySelector("berry-video").delay > 400);
    await tab.page.evaluate(() => { document.querySelector("berry-video").latency = "min"; });
    await tab.page.until("WebCodecs", isByCodecs);
    await tab.page.until("no distance", () => document.querySelector("berry-video").delay < 200);
  }
  const { black, back } = await tab.page.evaluate(() => window.gaps);
  t.diagnostic(`${black} looks without a picture, at most ${back} ms back`);
  assert.equal(black, 0);
  // Half a second is what the latency is for; a whole group of pictures is 2 s.
  assert.ok(back < 1900, `${back} ms back`);
  assert.deepEqual(tab.page.messages, []);
});

test("WebCodecs that are ready while the picture seeks leave no moment without one", async () => {
  // Before each answer that they are ready: a seek, as a player does it that finds itself behind.
  const seekWhenReady = () => {
    const { set } = Object.getOwnPropertyDescriptor(Worker.prototype, "onmessage");
    Object.defineProperty(Worker.prototype, "onmessage", {
      set(receive) {
        set.call(this, (message) => {
          const video = document.querySelector("berry-video")?.video;
          if (message.data?.type === "ready" && video?.buffered.length > 0) {
            video.currentTime = video.buffered.start(0);
            window.wasSeeking = video.seeking;
          }
          receive(message);
        });
      },
    });
  };
  await open(`<berry-video></berry-video>`, { scripts: [seekWhenReady] });
  await tab.page.evaluate(() => {
    const element = document.querySelector("berry-video");
    window.without = 0;
    const look = () => {
      requestAnimationFrame(look);
      if (!element.shadowRoot.querySelector("canvas.video") && element.video.readyState === 0) window.without += 1;
    };
    look();
  });
  await tab.page.until("WebCodecs", isByCodecs);
  await tab.page.until("a live picture", isLive, { given: ["berry-video"] });
  assert.deepEqual(await tab.page.evaluate(() => [window.wasSeeking, window.without]), [true, 0]);
});

test("picture in picture stays, and goes on, while the way to show changes, also of a page that is hidden", async () => {
  await open(`<berry-video></berry-video>`);
  await tab.page.until("WebCodecs", isByCodecs);
  await tab.page.until("a live picture", isLive, { given: ["berry-video"] });
  const expression = `document.querySelector("berry-video").requestPictureInPicture()`;
  await tab.page.send("Runtime.evaluate", { expression, userGesture: true, awaitPromise: true });
  const changeTo = async (latency, isThere) => {
    await tab.page.evaluate((wanted) => { document.querySelector("berry-video").latency = wanted; }, latency);
    // A machine that is busy makes a line jittery, which keeps Media Source Extensions for some time.
    await tab.page.until(`latency ${latency}`, isThere, { within: 60_000 });
    await tab.page.until("a live picture", isLive, { given: ["berry-video"] });
    assert.ok(await tab.page.evaluate(() => document.querySelector("berry-video").shadowRoot.pictureInPictureElement !== null));
  };
  await changeTo(0.5, isMse);
  await changeTo("min", isByCodecs);
  const other = await tab.page.cover();
  await tab.page.until("the page to be hidden", () => document.hidden);
  await changeTo(0.5, isMse);
  await other.close();
});

test("picture in picture that is asked for in the moment without a picture comes with the next one", async () => {
  await open(`<berry-video></berry-video>`);
  await tab.page.until("WebCodecs", isByCodecs);
  await tab.page.until("a live picture", isLive, { given: ["berry-video"] });
  const expression = `(async () => {
    const element = document.querySelector("berry-video");
    element.latency = 0.5;
    while (element.video.readyState > 0) await new Promise((resolve) => setTimeout(resolve));
    await element.requestPictureInPicture();
    return element.shadowRoot.pictureInPictureElement !== null;
  })()`;
  const { result } = await tab.page.send("Runtime.evaluate", { expression, userGesture: true, awaitPromise: true, returnByValue: true });
  assert.equal(result.value, true, result.description);
});

test("a page that is seen again after its way to show changed is not empty for a moment", async () => {
  await open(`<berry-video></berry-video>`);
  await tab.page.until("WebCodecs", isByCodecs);
  await tab.page.until("a live picture", isLive, { given: ["berry-video"] });
  const other = await tab.page.cover();
  await tab.page.until("the page to be hidden", () => document.hidden);
  await tab.page.evaluate(() => { document.querySelector("berry-video").latency = 0.5; });
  await pause(2000);
  await tab.page.evaluate(() => {
    window.empty = 0;
    const look = () => {
      requestAnimationFrame(look);
      const top = [...document.querySelector("berry-video").shadowRoot.querySelectorAll(".video")].at(-1);
      if (top.readyState < HTMLMediaElement.HAVE_CURRENT_DATA) window.empty += 1;
    };
    look();
  });
  await other.close();
  await tab.page.until("a live picture", isLive, { given: ["berry-video"] });
  assert.equal(await tab.page.evaluate(() => window.empty), 0);
});

test("looking back shows what was while WebCodecs showed the picture, and then the present again", async (t) => {
  await open(`<berry-video></berry-video>`);
  await tab.page.until("WebCodecs", isByCodecs);
  await pause(5000);
  await tab.page.evaluate(watchGaps);
  await tab.page.evaluate(() => document.querySelector("berry-video").lookBack(3));
  const now = await tab.page.until("the past", () => {
    const now = (Date.now() % 2 ** 32) - clock.seen(document.querySelector("berry-video"));
    return now > 2500 && now < 4500 && now;
  });
  t.diagnostic(`looking back 3 s shows what is ${now} ms old`);
  await tab.page.evaluate(() => document.querySelector("berry-video").live());
  await tab.page.until("a live picture", isLive, { given: ["berry-video"], within: 3000 });
  await tab.page.until("WebCodecs", isByCodecs);
  await tab.page.until("a live picture", isLive, { given: ["berry-video"], within: 3000 });
  assert.equal(await tab.page.evaluate(() => window.gaps.black), 0);
});

test("paused, played on, paused while the way to show changes: the picture stands, and is live when it is to be", async () => {
  await open(`<berry-video></berry-video>`);
  await tab.page.evaluate(() => document.querySelector("berry-video").pause());
  await pause(300);
  const before = await tab.page.evaluate(() => clock.seen(document.querySelector("berry-video")));
  await tab.page.evaluate(() => { document.querySelector("berry-video").latency = 0.5; });
  await pause(1500);
  assert.equal(await tab.page.evaluate(() => clock.seen(document.querySelector("berry-video"))), before);
  await tab.page.evaluate(() => document.querySelector("berry-video").play());
  await tab.page.until("a live picture", isLive, { given: ["berry-video"], within: 3000 });
});

test("looking back from a paused picture shows what was, without the still", async () => {
  await open(`<berry-video></berry-video>`);
  await tab.page.until("WebCodecs", isByCodecs);
  await pause(3000);
  await tab.page.evaluate(() => document.querySelector("berry-video").pause());
  const before = await tab.page.evaluate(() => clock.seen(document.querySelector("berry-video")));
  await tab.page.evaluate(() => document.querySelector("berry-video").lookBack(2));
  await tab.page.until("the still gone", () => !document.querySelector("berry-video").shadowRoot.querySelector("canvas"), { within: 3000 });
  await tab.page.until("the place", () => !document.querySelector("berry-video").video.seeking);
  const back = before - await tab.page.evaluate(() => clock.seen(document.querySelector("berry-video")));
  assert.ok(back > 1500 && back < 2500, `${back} ms back`);
});

test("who looks back before WebCodecs are ready goes on looking back", async () => {
  await open(`<berry-video></berry-video>`);
  // A picture that has just come has less than a second behind it.
  const reach = await tab.page.evaluate(() => {
    const element = document.querySelector("berry-video");
    const { buffered } = element.video;
    const length = buffered.length > 0 ? buffered.end(buffered.length - 1) - buffered.start(buffered.length - 1) : 0;
    element.lookBack(1);
    return Math.min(1000 * length, 1000);
  });
  await pause(4000);
  assert.equal(await tab.page.evaluate(isByCodecs), false);
  const now = await tab.page.evaluate(age);
  assert.ok(now > reach - 100, `${now} ms old, could be ${reach}`);
});

test("a page left and come back to is live again", async (t) => {
  await open(`<berry-video></berry-video>`);
  await tab.page.evaluate(() => {
    window.isKept = true;
    location.href = "other.html";
  });
  await tab.page.until("the other page", () => location.pathname.endsWith("other.html") && document.readyState === "complete");
  await pause(500);
  const from = Date.now();
  await tab.page.evaluate(() => history.back());
  await tab.page.until("the page", () => location.pathname.endsWith("page.html") && Boolean(window.clock));
  await tab.page.until("a live picture", isLive, { given: ["berry-video"], within: 5000 });
  t.diagnostic(`${await tab.page.evaluate(() => window.isKept) ? "kept" : "loaded again"}, live after ${Date.now() - from} ms`);
});

for (const file of ["renderer-switch.js", "decode-worker.js"]) {
  test(`${file} did not come, and is asked for again, while the picture goes on`, async () => {
    const refused = [`/${file}`];
    await open(`<berry-video></berry-video>`, { refused });
    await tab.page.evaluate(watchGaps);
    await pause(3000);
    assert.equal(await tab.page.evaluate(isByCodecs), false);
    refused.length = 0;
    await tab.page.until("WebCodecs", isByCodecs, { within: 15_000 });
    await tab.page.until("a live picture", isLive, { given: ["berry-video"] });
    assert.equal(await tab.page.evaluate(() => window.gaps.black), 0);
  });
}

for (const [what, body, options] of [
  ["a page's own video", `<video></video><script src="msevideo.js"></script>`, {}],
  ["a page that forbids workers", "<berry-video></berry-video>", { headers: { "content-security-policy": "worker-src 'none'" } }],
  [`renderer="mse"`, `<berry-video renderer="mse"></berry-video>`, {}],
]) {
  test(`${what} has Media Source Extensions`, async () => {
    await open(body, options);
    await pause(2000);
    const source = () => (document.querySelector("berry-video")?.video ?? document.querySelector("video")).srcObject;
    assert.equal(await tab.page.evaluate(source), null);
  });
}
