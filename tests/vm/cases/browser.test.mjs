/**
 * A Chromium on this machine watches a camera in the guest: a USB camera on the kernel's own driver, and the finished program
 * in front of it. Run by tests/vm/test, which makes the clip.
 */

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createServer, connect } from "node:net";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { launch } from "../../browser/chromium.mjs";

const RUN = fileURLToPath(new URL("../run", import.meta.url));
const GUEST_MS = 60_000;

/** In the guest: a camera, the program, and somebody at the plug. */
const SCRIPT = `
  modprobe -r vivid # else the program takes that camera while it waits for the other
  v4l2-uvc-sim -s 320x240 -r 10 "$CLIPS/clip.h264" & camera=$!
  "$BERRYMSE_BIN" -l "0.0.0.0:$PORT" -w 320 -h 240 -f 10 &
  while word=$(busybox nc -l -p "$PLUG"); do
      [ "$word" != pull ] && [ "$word" != push ] || kill -USR1 "$camera"
  done`;

let browser;
let guest;
let output = "";
let port;
let plug;

before(async () => {
  [port, plug] = await Promise.all([freePort(), freePort()]);
  guest = spawn(RUN, ["-q", "--loop", "4,5", "--timeout", "300", "--forward", `${port}:${port}`, "--forward", `${plug}:${plug}`,
    ...["CLIPS", "BERRYMSE_BIN"].flatMap((name) => ["--env", `${name}=${process.env[name]}`]),
    "--env", `PORT=${port}`, "--env", `PLUG=${plug}`, "--", "bash", "-c", SCRIPT], { stdio: ["ignore", "pipe", "pipe"] });
  for (const stream of [guest.stdout, guest.stderr]) stream.setEncoding("utf8").on("data", (text) => { output += text; });
  browser = await launch();
  await until("the program in the guest is live", async () => (await camera())?.state === "live", GUEST_MS);
});

after(async () => {
  guest?.kill();
  await browser?.close();
});

function freePort() {
  return new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port: free } = server.address();
      server.close(() => resolve(free));
    });
  });
}

async function until(what, isSo, within) {
  const deadline = Date.now() + within;
  while (!(await isSo())) {
    if (Date.now() > deadline) throw new Error(`not within ${within} ms: ${what}; the guest said:\n${output}`);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

/** The camera in the status; nothing while the guest does not answer. */
async function camera() {
  try {
    const answer = await fetch(`http://127.0.0.1:${port}/api/status`, { signal: AbortSignal.timeout(2000) });
    return (await answer.json()).cameras[0];
  } catch {
    return undefined;
  }
}

/** Pulls the camera's plug, or pushes it in; again until the guest has heard it. */
async function hand(word, isDone) {
  connect(plug, "127.0.0.1").on("error", () => {}).end(`${word}\n`);
  await until(`somebody to ${word} the plug`, async () => isDone(await camera()), GUEST_MS);
}

/** Runs in the page: the position, and what the picture there looks like. */
function look() {
  const { video } = document.querySelector("berry-video");
  const canvas = Object.assign(document.createElement("canvas"), { width: video.videoWidth, height: video.videoHeight });
  const context = canvas.getContext("2d");
  if (!canvas.width) return { at: 0 };
  context.drawImage(video, 0, 0);
  const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
  const sum = (part) => part.reduce((total, value, i) => (total * 31 + value + i) % 1_000_003, 7);
  return { at: video.currentTime, width: canvas.width, height: canvas.height, pixels: sum(data), spread: new Set(data).size };
}

const said = () => document.querySelector("berry-video")?.shadowRoot.querySelector(".state").textContent;

/** The clock of the page goes, and the decoded pictures are others each time. */
async function plays(page) {
  const seen = [await page.evaluate(look)];
  await until("five more pictures on the page", async () => {
    const now = await page.evaluate(look);
    const last = seen.at(-1);
    if (now.at > last.at && now.pixels !== last.pixels) seen.push(now);
    return seen.length > 5;
  }, GUEST_MS);
  return seen;
}

test("a guest's USB camera plays in a browser, and again after it was unplugged", async (t) => {
  const page = await browser.newPage();
  await page.goto(`http://127.0.0.1:${port}/`);
  await page.evaluate(() => { window.isSamePage = true; });
  await page.until("a picture", () => document.querySelector("berry-video")?.video?.readyState >= 2);
  const seen = await plays(page);
  const last = seen.at(-1);
  assert.deepEqual([last.width, last.height], [320, 240]);
  assert.ok(last.spread > 20, "the picture is of one colour");
  t.diagnostic(`from ${seen[0].at.toFixed(2)} s to ${last.at.toFixed(2)} s, ${last.spread} values of colour in the picture`);
  assert.equal(await page.evaluate(said), "");

  await hand("pull", (status) => status?.state === "lost");
  await page.until("words about the camera", () => /no such node|unplugged|no camera/.test(
    document.querySelector("berry-video").shadowRoot.querySelector(".state").textContent));
  t.diagnostic(`unplugged, the page says: ${(await page.evaluate(said)).slice(0, 70)}…`);

  await hand("push", (status) => status?.state === "live");
  await plays(page);
  assert.equal(await page.evaluate(said), "");
  assert.equal(await page.evaluate(() => window.isSamePage), true);
  // On a loaded machine the player may find its video slow and begin it again; it says so, and it is no error.
  const [warnings, errors] = [true, false].map((isOwn) => page.messages.filter((line) => isOwn === line.startsWith("warning: berrymse:")));
  for (const line of warnings) t.diagnostic(line);
  assert.deepEqual(errors, []);
});
