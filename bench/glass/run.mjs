/**
 * From the server having a picture to its pixels on the screen: our page, beside it a plain skip-ahead player, and any other page.
 *
 *   node bench/glass/run.mjs [--seconds 60] [--plain-seconds 60] [--browser chromium|firefox|webkit] [--size 1280x720] [--fps 30]
 *                            [--renderer NAME]… [--page NAME=URL]… [--ways] [--go2rtc PROGRAM] [--poll-us 1000] [--check]
 *
 * --renderer: beside it our element alone with that renderer (auto, mse, webcodecs), through a proxy on this machine, which adds a little.
 * --ways: beside it our page by HTTP through an nginx that passes no upgrade on, and MJPEG in an <img>. --go2rtc: the page of a go2rtc
 * that takes our RTSP, by its two ways.
 * "made": from the clock in the picture being read, so with making and encoding it; "told": what our page says of that.
 * One after the other, each in a new browser with a window on an X screen in memory (Xvfb). --check: exit code 1 when our page
 * misses the goals. URL of a page may have {ws} in it, the WebSocket of the test pattern, and {http}, the server. Needs
 * Xvfb, cargo and the browser (Debian: xvfb; chromium, firefox-esr, or libwebkit2gtk-4.1-0 with
 * gstreamer1.0-plugins-good, -bad and gstreamer1.0-libav); the program is BERRYMSE_BIN, else target/release/berrymse. Nothing else should run meanwhile.
 */

import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { preferences } from "./firefox-preferences.mjs";
import { nginx } from "../../tests/browser/nginx.mjs";
import { proxy } from "../../tests/browser/proxy.mjs";
import { serve } from "../../tests/browser/server.mjs";

const GOALS = {
  chromium: { p50: 8, p95: 12, p99: 25, shown: 0.999 },
  firefox: { p50: 35 },
};
const CRATE = fileURLToPath(new URL(".", import.meta.url));

const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "60" },
    "plain-seconds": { type: "string", default: "60" },
    browser: { type: "string", default: "chromium" },
    size: { type: "string", default: "1280x720" },
    fps: { type: "string", default: "30" },
    page: { type: "string", multiple: true, default: [] },
    "poll-us": { type: "string", default: "1000" },
    renderer: { type: "string", multiple: true, default: [] },
    ways: { type: "boolean", default: false },
    go2rtc: { type: "string", default: "" },
    check: { type: "boolean", default: false },
  },
});

const [WIDTH, HEIGHT] = values.size.split("x").map(Number);
/** So large that our page shows the picture as large as it is: wider than a phone, and not so high that it would be enlarged. */
const SCREEN = { width: Math.max(WIDTH + 24, 760), height: HEIGHT + 116 };

/** What is to be undone at the end, the newest first. */
const ends = [];

/** Starts an X server of its own on a number that is free. */
async function startScreen() {
  const child = spawn("Xvfb", ["-displayfd", "3", "-screen", "0", `${SCREEN.width}x${SCREEN.height}x24`, "-nolisten", "tcp"], {
    stdio: ["ignore", "ignore", "ignore", "pipe"],
  });
  ends.push(() => child.kill());
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", () => reject(new Error("Xvfb has ended")));
    child.stdio[3].once("data", (number) => resolve(`:${String(number).trim()}`));
  });
}

/** The plain player, from an origin of its own. */
async function servePlain() {
  const html = readFileSync(new URL("plain.html", import.meta.url));
  const server = createServer((_, answer) => answer.setHeader("content-type", "text/html; charset=utf-8").end(html));
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  ends.push(() => server.close());
  return `http://127.0.0.1:${server.address().port}`;
}

/** The page by HTTP, and MJPEG in an image. */
async function otherWays(server, folder) {
  const image = `<!doctype html><link rel="icon" href="data:,"><style>body { margin: 0 }</style><img src="${server.url}stream.mjpg">`;
  const site = await nginx(folder, { server: `location /http/ { proxy_buffering off; proxy_pass ${server.url}; }
    location /mjpeg { default_type text/html; return 200 '${image}'; }` });
  ends.push(() => site.end());
  return [{ name: "http", url: `${site.url}http/` }, { name: "mjpeg", url: `${site.url}mjpeg` }];
}

/** Pages of a go2rtc that takes our RTSP. */
async function relay(program, server, folder) {
  const { port } = new URL(server.url);
  const api = Number(port) === 21984 ? 21985 : 21984;
  const config = join(folder, "go2rtc.yaml");
  writeFileSync(config, `streams: {camera: "rtsp://127.0.0.1:${port}/live"}\napi: {listen: "127.0.0.1:${api}"}\nrtsp: {listen: ""}\nwebrtc: {listen: "127.0.0.1:${api + 2}"}\n`);
  const child = spawn(program, ["-config", config], { stdio: "ignore" });
  ends.push(() => child.kill());
  const isUp = () => fetch(`http://127.0.0.1:${api}/api`).then(({ ok }) => ok, () => false);
  for (let tries = 0; tries < 100 && !await isUp(); tries += 1) await new Promise((resolve) => setTimeout(resolve, 100));
  return ["mse", "webrtc"].map((mode) => ({ name: `go2rtc ${mode}`, url: `http://127.0.0.1:${api}/stream.html?src=camera&mode=${mode}` }));
}

function chromium(profile, url) {
  return [process.env.CHROMIUM ?? "/usr/bin/chromium", [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", `--user-data-dir=${profile}`, "--window-position=0,0",
    `--window-size=${SCREEN.width},${SCREEN.height}`, "--kiosk", url,
  ]];
}

function firefox(profile, url) {
  writeFileSync(join(profile, "user.js"), preferences());
  return [process.env.FIREFOX ?? "/usr/bin/firefox-esr", ["--no-remote", "--profile", profile, "--kiosk", url]];
}

/** WebKitGTK's own small browser. It lets nobody look into its pages, but its pixels are on the screen. */
function webkit(_, url) {
  return [process.env.MINIBROWSER ?? "/usr/lib/x86_64-linux-gnu/webkit2gtk-4.1/MiniBrowser", ["--full-screen", "--autoplay-policy=allow", url]];
}

/** There is no GPU under Xvfb, and the sandbox wants more rights than a container has. */
const WEBKIT_ENVIRONMENT = {
  LIBGL_ALWAYS_SOFTWARE: "1",
  WEBKIT_DISABLE_DMABUF_RENDERER: "1",
  WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS: "1",
};

/** What our page tells the server of its delay, each second; the function gives the median so far, and ends it. */
function watchTold(server) {
  const told = [];
  const timer = setInterval(async () => {
    try {
      const { cameras } = await (await fetch(new URL("api/status", server.url))).json();
      if (cameras[0].delay_ms !== null) told.push(cameras[0].delay_ms);
    } catch {
      // Its figures are only beside the measurement.
    }
  }, 1000);
  return () => {
    clearInterval(timer);
    return told.sort((a, b) => a - b)[told.length >> 1] ?? null;
  };
}

/** CPU seconds of a process group since its start. */
function cpuSeconds(group) {
  const { stdout } = spawnSync("ps", ["-A", "-o", "pgid=,cputimes="], { encoding: "utf8" });
  const rows = stdout.trim().split("\n").map((line) => line.trim().split(/\s+/).map(Number));
  return rows.filter(([pgid]) => pgid === group).reduce((sum, [, seconds]) => sum + seconds, 0);
}

/** Runs the meter while a browser of its own shows the page. */
async function measure({ name, url, seconds }, { screen, server }) {
  const profile = mkdtempSync(join(tmpdir(), "berrymse-glass-"));
  const [command, args] = { chromium, firefox, webkit }[values.browser](profile, url);
  const env = { ...process.env, DISPLAY: screen, HOME: profile, XDG_CACHE_HOME: profile, ...(values.browser === "webkit" ? WEBKIT_ENVIRONMENT : {}) };
  // A group of its own, so that all its processes can be ended.
  const browser = spawn(command, args, { env, stdio: "ignore", detached: true });
  const began = performance.now();
  const ended = new Promise((resolve) => browser.once("close", resolve));
  browser.once("error", (error) => console.error(`${command}: ${error.message}`));
  try {
    const { host } = new URL(server.url);
    const meter = spawn(join(CRATE, "target/release/glass"), [host, "/video_websocket", seconds, "5", values["poll-us"]], {
      env, stdio: ["ignore", "pipe", "inherit"],
    });
    const told = watchTold(server);
    let output = "";
    meter.stdout.setEncoding("utf8").on("data", (text) => { output += text; });
    const code = await new Promise((resolve) => meter.once("close", resolve));
    const cores = cpuSeconds(browser.pid) / ((performance.now() - began) / 1000);
    return code === 0 ? { name, cores, told: told(), load: loadavg()[0], ...JSON.parse(output) } : { name };
  } finally {
    try {
      process.kill(-browser.pid, "SIGKILL");
    } catch {
      // It has ended by itself.
    }
    await ended;
    rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
  }
}

function print({ name, seen, ...figures }) {
  if (seen === undefined) {
    console.log(`${name.padEnd(13)} no clock seen`);
    return;
  }
  const { p50, p95, p99, max, had, cores, load, scale } = figures;
  const ms = [p50, p95, p99, max].map((value) => value.toFixed(1).padStart(7)).join("");
  const thirds = `${figures.first_third_p50.toFixed(1)} -> ${figures.last_third_p50.toFixed(1)}`;
  console.log(`${name.padEnd(13)}${ms}${figures.made_p50.toFixed(1).padStart(9)}${(figures.told?.toFixed(1) ?? "-").padStart(7)}${`${seen}/${had}`.padStart(14)}`
    + `${thirds.padStart(17)}${figures.longest_pause.toFixed(0).padStart(8)}${cores.toFixed(2).padStart(7)}${load.toFixed(1).padStart(6)}${scale.toFixed(2).padStart(7)}`);
}

function missed({ p50, p95, p99, seen, had }) {
  const goals = GOALS[values.browser] ?? {};
  const has = { p50, p95, p99, shown: seen / had };
  return Object.entries(goals).filter(([key, goal]) => (key === "shown" ? !(has[key] >= goal) : !(has[key] <= goal))).map(([key]) => key);
}

async function main() {
  const built = spawnSync("cargo", ["build", "--release", "--quiet", "--locked"], { cwd: CRATE, stdio: "inherit" });
  if (built.status !== 0) throw new Error("the meter cannot be built");
  const screen = await startScreen();
  const plain = await servePlain();
  const folder = mkdtempSync(join(tmpdir(), "berrymse-glass-"));
  ends.push(() => rmSync(folder, { recursive: true }));
  const config = join(folder, "config.yml");
  writeFileSync(config, `server: { allowedOrigins: ["${plain}"] }\n`);
  const server = await serve(["--config", config, "--width", `${WIDTH}`, "--height", `${HEIGHT}`, "--fps", values.fps]);
  ends.push(() => server.end());

  const ws = new URL("video_websocket", server.url).href.replace("http", "ws");
  const pages = [{ name: "ours", url: server.url, seconds: values.seconds }];
  if (Number(values["plain-seconds"]) > 0) {
    pages.push({ name: "plain", url: `${plain}/?width=${WIDTH}&ws=${encodeURIComponent(ws)}`, seconds: values["plain-seconds"] });
  }
  for (const renderer of values.renderer) {
    const html = `<!doctype html><link rel="icon" href="icon.svg"><script type="module" src="berrymse.js"></script>
      <style>body { margin: 0 } berry-video { width: ${WIDTH}px }</style><berry-video renderer="${renderer}"></berry-video>`;
    // A worker must come from the page's own origin.
    const site = await proxy(server.url, { pages: { "/element.html": { html } } });
    ends.push(() => site.end());
    pages.push({ name: renderer, url: `${site.url}element.html`, seconds: values.seconds });
  }
  const others = [...values.ways ? await otherWays(server, folder) : [], ...values.go2rtc ? await relay(values.go2rtc, server, folder) : []];
  pages.push(...others.map((page) => ({ ...page, seconds: values.seconds })));
  for (const given of values.page) {
    const [, name, url] = given.match(/^([^=]+)=(.*)$/) ?? [null, "page", given];
    pages.push({ name, url: url.replaceAll("{ws}", encodeURIComponent(ws)).replaceAll("{http}", server.url), seconds: values.seconds });
  }
  console.log(`${values.browser}, ${values.size} at ${values.fps}/s; milliseconds from the server having a picture to its pixels`);
  console.log("page             p50    p95    p99    max  made p50   told      seen/had  1st -> 3rd third   pause  cores  load  scale");
  for (const page of pages) {
    const found = await measure(page, { screen, server });
    print(found);
    if (page.name !== "ours" || !values.check) continue;
    const short = found.seen === undefined ? ["all"] : missed(found);
    console.log(short.length > 0 ? `ours misses: ${short.join(", ")}` : "ours meets the goals");
    if (short.length > 0) process.exitCode = 1;
  }
}

try {
  await main();
} finally {
  for (const end of ends.reverse()) await end();
}
