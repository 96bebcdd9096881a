/** jMuxer, a player of others, plays the WebSocket `/raw`, as Mainsail's `jmuxer-stream` does. */

import { readFileSync } from "node:fs";
import { after, afterEach, before, test } from "node:test";
import { browserName, launch } from "./browser.mjs";
import { installClock } from "./clock.mjs";
import { inOneOf } from "./driven-page.mjs";
import { proxy } from "./proxy.mjs";
import { serve } from "./server.mjs";

const script = (path) => ({ html: readFileSync(new URL(`node_modules/${path}`, import.meta.url), "utf8"), headers: { "content-type": "text/javascript" } });
const PAGES = { "/jmuxer.js": script("jmuxer/dist/jmuxer.min.js") };
const SCREENSHOTS = process.env.SCREENSHOTS;

let browser;
let server;
let site;
let page;

before(async () => {
  [browser, server] = await Promise.all([launch(), serve(["--width", "320", "--height", "240", "--fps", "30", "--keyframe-interval", "30"])]);
});

after(async () => {
  await Promise.all([browser?.close(), server?.end()]);
});

afterEach(async () => {
  await page?.close();
  await site?.end();
});

async function open(body) {
  const html = `<!doctype html><link rel="icon" href="icon.svg"><style>video, berry-video { width: 320px; height: 240px }</style>${body}`;
  site = await proxy(server.url, { pages: { ...PAGES, "/page.html": { html } } });
  page = await browser.newPage();
  await page.before(installClock);
  await page.goto(new URL("page.html", site.url).href);
}

/** Opens a page with jMuxer; gives the age of its picture in ms, null where it does not move. */
async function measureAge() {
  await page?.close();
  await site?.end();
  await open(`<video id="player" muted autoplay></video><script src="jmuxer.js"></script><script>
    const jmuxer = new JMuxer({ node: "player", mode: "video", flushingTime: 0, fps: 30 });
    const socket = new WebSocket(new URL("raw/camera", location.href.replace("http", "ws")));
    socket.binaryType = "arraybuffer";
    socket.addEventListener("message", ({ data }) => jmuxer.feed({ video: new Uint8Array(data) }));
  </script>`);
  // It keeps a buffer of its own.
  const moves = async () => {
    const video = document.querySelector("video");
    const before = clock.of(video);
    await new Promise((resolve) => setTimeout(resolve, 250));
    return before !== null && clock.of(video) > before && Math.round(Date.now() % 2 ** 32 - clock.of(video));
  };
  return page.until("a moving picture", moves, { within: 5000 }).catch((error) => {
    console.log(`# ${error.message}`);
    return null;
  });
}

test("jMuxer plays the WebSocket with one access unit per message", async () => {
  // Seen once, in Chromium 148 at a load of 14: it did not move for eight minutes.
  const age = await inOneOf(4, measureAge, (seen) => seen !== null);
  console.log(`# jMuxer in ${browserName}: the picture is ${age} ms old`);
  if (SCREENSHOTS) await page.screenshot(`${SCREENSHOTS}/jmuxer-${browserName}.png`);
});
