/**
 * Runs the browser tests one file after the other: they measure times, and two browsers at once would measure each other.
 * `node tests/browser/run.mjs [FILE…]`; needs the built program and Chromium (CHROMIUM, else /usr/bin/chromium). Where
 * there is a Firefox (FIREFOX, else /usr/bin/firefox-esr) what depends on the browser runs in it, too, and in Chromium once more
 * by Media Source Extensions, which it has on pages by plain http. BROWSER (and RENDERER=mse) name one of these.
 */

import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { basename } from "node:path";
import { fileURLToPath } from "node:url";
import { isThere } from "./firefox.mjs";

/** What differs by who decodes: playing, healing, turning. The rest is plain DOM. */
const IN_EVERY_BROWSER = ["delay", "heal", "play", "restart", "rotation"].map((name) => `${name}.test.mjs`);

const here = fileURLToPath(new URL(".", import.meta.url));
const named = process.argv.slice(2);
const all = named.length > 0 ? named : readdirSync(here).filter((name) => name.endsWith(".test.mjs")).map((name) => here + name);
const chromium = [{ BROWSER: "chromium" }, { BROWSER: "chromium", RENDERER: "mse" }];
const ways = process.env.BROWSER ? [{}] : [...chromium, ...(isThere ? [{ BROWSER: "firefox" }] : [])];
const failed = [];
for (const way of ways) {
  const isFirst = way === ways[0];
  const files = isFirst ? all : all.filter((file) => IN_EVERY_BROWSER.includes(basename(file)));
  for (const file of files) {
    const what = [basename(file), ...Object.values(way)].join(" ");
    console.log(`\n# ${what}`);
    const { status } = spawnSync(process.execPath, ["--test", file], { stdio: "inherit", env: { ...process.env, ...way } });
    if (status !== 0) failed.push(what);
  }
}
if (failed.length > 0) {
  console.error(`failed: ${failed.join(", ")}`);
  process.exitCode = 1;
}
