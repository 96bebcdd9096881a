/**
 * A page that stays open: is the picture as young at the end as at the start, and does nothing grow? Not a test by itself
 * (soak.test.mjs is a short one made of this), but to be left alone for hours:
 *
 *   node tests/browser/soak.mjs [--minutes 120] [--cameras 1] [--every 30] [--size 640x360] [--fps 30] [--source SOURCE]
 *     [--out FILE.jsonl]
 *
 * The program shows the test pattern, or another source, once for each camera, on its own page in a headless Chromium. Only the
 * test pattern has clocks to read: of another source the delay is the one that the page tells. Every few seconds
 * a line of JSON goes to FILE, and at the end a summary to standard output.
 */

import { appendFileSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { launch } from "./chromium.mjs";
import { installClock, isLive, quantile } from "./clock.mjs";
import { serve } from "./server.mjs";

/** Of each interval the clocks in the frames are read for this time only: reading costs, and is not what is tested. */
const READ_SECONDS = 5;
const MEGABYTE = 1e6;

/** Runs in the page: whether the element has shown a frame. */
const hasFrames = (selector) => document.querySelector(selector).video.getVideoPlaybackQuality().totalVideoFrames > 0;

/** Runs in the page: counts every picture that is shown, and reads the clock of those shown while `soaked.isReading`. */
function countPictures() {
  window.soaked = { shown: 0, unread: 0, isReading: false, longestPauseMs: 0 };
  for (const element of document.querySelectorAll("berry-video")) {
    const { video } = element;
    let last = performance.now();
    const shown = (_, { presentationTime }) => {
      video.requestVideoFrameCallback(shown);
      soaked.shown += 1;
      soaked.longestPauseMs = Math.max(soaked.longestPauseMs, presentationTime - last);
      last = presentationTime;
      if (!soaked.isReading) return;
      clock.ofLuma(video).then((made) => {
        if (made !== null) clock.delays.push((performance.timeOrigin + presentationTime) % 2 ** 32 - made);
      }, () => { soaked.unread += 1; });
    };
    video.requestVideoFrameCallback(shown);
  }
}

/** Runs in the page: what has come together since the last time. */
function takeCounts() {
  const elements = [...document.querySelectorAll("berry-video")];
  const buffered = elements.map(({ video }) => {
    const ranges = video.buffered;
    return ranges.length > 0 ? ranges.end(ranges.length - 1) - ranges.start(0) : 0;
  });
  const { shown, unread, longestPauseMs } = soaked;
  Object.assign(soaked, { shown: 0, unread: 0, longestPauseMs: 0, isReading: false });
  return {
    shown,
    unread,
    longestPauseMs,
    delays: clock.delays.splice(0),
    told: elements.map(({ delay }) => delay).filter((delay) => delay !== null),
    bufferSeconds: Math.max(...buffered),
  };
}

function residentMegabytes(pid) {
  try {
    const pages = Number(readFileSync(`/proc/${pid}/statm`, "latin1").split(" ")[1]);
    return (pages * 4096) / MEGABYTE;
  } catch {
    return 0;
  }
}

/** A server with this many cameras. */
async function startServer({ cameras, size, fps, source }) {
  const [width, height] = size.split("x");
  const folder = mkdtempSync(join(tmpdir(), "berrymse-soak-"));
  const config = join(folder, "config.yml");
  const list = Array.from({ length: cameras }, (_, i) => `  - { name: camera${i + 1}, source: ${JSON.stringify(source)}, width: ${width}, height: ${height}, fps: ${fps} }\n`);
  writeFileSync(config, `cameras:\n${list.join("")}`);
  try {
    return await serve(["--config", config], { isTestPicture: false });
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Rounded, so that the file can be read. */
const short = (value) => (value === undefined ? null : Math.round(value * 10) / 10);

class Soak {
  #options;
  #server;
  #browser;
  #page;
  #published = 0;

  /** One of these for each interval; all memory is in megabytes. */
  samples = [];

  constructor(options) {
    this.#options = options;
  }

  async open() {
    this.#server = await startServer(this.#options);
    this.#browser = await launch();
    this.#page = await this.#browser.newPage();
    await this.#page.resize(1280, 800);
    await this.#page.before(installClock);
    await this.#page.goto(this.#server.url);
    await this.#page.until("as many pictures as cameras", (count) => document.querySelectorAll("berry-video").length === count, { given: [this.#options.cameras] });
    for (let i = 1; i <= this.#options.cameras; i += 1) {
      await this.#page.until(`camera ${i} live`, this.#options.source === "test" ? isLive : hasFrames, { given: [`figure:nth-of-type(${i}) berry-video`] });
    }
    await this.#page.evaluate(countPictures);
    this.#published = (await this.#newlyPublished()).total;
  }

  async run() {
    const { minutes, every, out } = this.#options;
    const start = performance.now();
    const count = Math.max(1, Math.floor((minutes * 60) / every));
    for (let i = 1; i <= count; i += 1) {
      await this.#sleepUntil(start + (i * every - Math.min(READ_SECONDS, every)) * 1000);
      await this.#page.evaluate(() => { soaked.isReading = true; });
      await this.#sleepUntil(start + i * every * 1000);
      const sample = await this.#sample((performance.now() - start) / 1000);
      this.samples.push(sample);
      if (out) appendFileSync(out, `${JSON.stringify(sample)}\n`);
    }
  }

  async close() {
    await Promise.all([this.#browser?.close(), this.#server?.end()]);
  }

  #sleepUntil(then) {
    return new Promise((resolve) => setTimeout(resolve, then - performance.now()));
  }

  async #newlyPublished() {
    const { cameras } = await (await fetch(new URL("api/status", this.#server.url))).json();
    const total = cameras.reduce((sum, { frames }) => sum + frames, 0);
    return { total, skipped: cameras.reduce((sum, { frames_skipped: skipped }) => sum + skipped, 0), fresh: total - this.#published };
  }

  async #sample(seconds) {
    const counts = await this.#page.evaluate(takeCounts);
    const { total, skipped, fresh } = await this.#newlyPublished();
    this.#published = total;
    // What is only waiting to be collected is no growth.
    await this.#page.send("HeapProfiler.collectGarbage");
    const { usedSize } = await this.#page.send("Runtime.getHeapUsage");
    const memory = { renderer: 0, "gpu-process": 0, browser: 0 };
    for (const { pid, type } of this.#browser.processes()) memory[type] = Math.max(memory[type] ?? 0, residentMegabytes(pid));
    const { pid } = this.#server;
    return {
      at: new Date().toISOString(),
      seconds: short(seconds),
      delay_ms: short(quantile(counts.delays, 0.5)),
      delay_p95_ms: short(quantile(counts.delays, 0.95)),
      told_ms: short(quantile(counts.told, 0.5)),
      shown: counts.shown,
      unread: counts.unread,
      published: fresh,
      skipped,
      longest_pause_ms: short(counts.longestPauseMs),
      buffer_s: short(counts.bufferSeconds),
      heap_mb: short(usedSize / MEGABYTE),
      renderer_mb: short(memory.renderer),
      gpu_mb: short(memory["gpu-process"]),
      browser_mb: short(memory.browser),
      server_mb: short(residentMegabytes(pid)),
      server_fds: readdirSync(`/proc/${pid}/fd`).length,
      load: short(loadavg()[0]),
      messages: [...this.#page.messages],
    };
  }
}

/** By how much the value grows in an hour: least squares. */
export function slopePerHour(samples, key) {
  const points = samples.map((sample) => [sample.seconds / 3600, sample[key]]);
  const mean = (at) => points.reduce((sum, point) => sum + point[at], 0) / points.length;
  const [x, y] = [mean(0), mean(1)];
  const spread = points.reduce((sum, [a]) => sum + (a - x) ** 2, 0);
  return spread === 0 ? 0 : points.reduce((sum, [a, b]) => sum + (a - x) * (b - y), 0) / spread;
}

/** The start is the first fifth, the end the last; what a program takes while it warms up is in neither slope. */
export function summarize(samples) {
  const fifth = Math.max(1, Math.floor(samples.length / 5));
  const [start, end, warm] = [samples.slice(0, fifth), samples.slice(-fifth), samples.slice(fifth)];
  const median = (part, key) => quantile(part.map((sample) => sample[key]).filter((value) => value !== null), 0.5);
  const sum = (key) => samples.reduce((total, sample) => total + sample[key], 0);
  const lines = [`${(samples.at(-1).seconds / 60).toFixed(0)} minutes, ${sum("published")} pictures published, ${sum("shown")} shown (${((100 * sum("shown")) / sum("published")).toFixed(2)} %)`];
  for (const key of ["delay_ms", "delay_p95_ms", "told_ms", "load"]) {
    lines.push(`${key.padEnd(14)} start ${median(start, key)}, end ${median(end, key)}`);
  }
  for (const key of ["heap_mb", "renderer_mb", "gpu_mb", "browser_mb", "server_mb", "server_fds", "buffer_s"]) {
    const highest = Math.max(...samples.map((sample) => sample[key]));
    lines.push(`${key.padEnd(14)} start ${median(start, key)}, end ${median(end, key)}, highest ${highest}, ${slopePerHour(warm, key).toFixed(2)} per hour`);
  }
  return lines.join("\n");
}

/** @returns the samples of `options.minutes` */
export async function soak(options) {
  const made = new Soak(options);
  try {
    await made.open();
    await made.run();
  } finally {
    await made.close();
  }
  return made.samples;
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const { values } = parseArgs({
    options: {
      minutes: { type: "string", default: "120" },
      cameras: { type: "string", default: "1" },
      every: { type: "string", default: "30" },
      size: { type: "string", default: "640x360" },
      fps: { type: "string", default: "30" },
      source: { type: "string", default: "test" },
      out: { type: "string" },
    },
  });
  const [minutes, cameras, every] = [values.minutes, values.cameras, values.every].map(Number);
  console.log(summarize(await soak({ ...values, minutes, cameras, every })));
}
