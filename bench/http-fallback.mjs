/**
 * Compares the delay of the page over a WebSocket, over one through nginx, and over HTTP through an nginx that passes no upgrade on.
 * `node bench/http-fallback.mjs [ROUNDS]`; BERRYMSE_BIN, BROWSER, CHROMIUM and FIREFOX as for tests/browser/run.mjs. The clock in the
 * test pattern is read from the video, so the delay is that of the decoded frame, not of the screen.
 */

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { browserName, launch } from "../tests/browser/browser.mjs";
import { installClock, quantile } from "../tests/browser/clock.mjs";
import { nginx } from "../tests/browser/nginx.mjs";
import { serve } from "../tests/browser/server.mjs";

const ROUNDS = Number(process.argv[2] ?? 3);
const [SETTLE_MS, WATCH_MS] = [6000, 10_000];
const UPGRADE = `proxy_http_version 1.1; proxy_set_header Host $http_host; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection "upgrade";`;

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const folder = await mkdtemp(join(tmpdir(), "berrymse-"));
const [browser, server] = await Promise.all([launch(), serve()]);
const at = `proxy_pass http://127.0.0.1:${server.port}/;`;
const proxy = await nginx(folder, { server: `location /http/ { proxy_buffering off; ${at} } location /socket/ { ${UPGRADE} ${at} }` });
const ways = { "WebSocket": server.url, "WebSocket, nginx": `${proxy.url}socket/`, "HTTP, nginx": `${proxy.url}http/` };
const delays = Object.fromEntries(Object.keys(ways).map((name) => [name, []]));
try {
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const [name, url] of Object.entries(ways)) {
      const page = await browser.newPage();
      await page.before(installClock);
      await page.goto(url);
      await page.until("a delay", () => document.querySelector("berry-video")?.delay > 0);
      await pause(SETTLE_MS);
      await page.evaluate(() => clock.watch(document.querySelector("berry-video").video));
      await pause(WATCH_MS);
      const seen = await page.evaluate(() => clock.delays.splice(0));
      delays[name].push(...seen);
      await page.close();
    }
  }
  for (const [name, all] of Object.entries(delays)) {
    console.log(`${browserName}, ${name}: median ${quantile(all, 0.5).toFixed(1)} ms, 90 % ${quantile(all, 0.9).toFixed(1)} ms, ${all.length} frames`);
  }
} finally {
  await browser.close();
  await Promise.all([proxy.end(), server.end()]);
  await rm(folder, { recursive: true });
}
