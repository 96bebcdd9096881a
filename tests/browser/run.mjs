/**
 * Runs the browser tests one file after the other: they measure times, and two browsers at once would measure each other.
 * `node tests/browser/run.mjs [FILE…]`; needs the built program and Chromium (CHROMIUM, else /usr/bin/chromium). Where
 * there is a Firefox (FIREFOX, else /usr/bin/firefox-esr) what depends on the browser runs in it, too. In Chromium that and the page
 * run once more at a plain-http name (PAGE_HOST, see host.mjs), where it has Media Source Extensions only.
 * BROWSER, PAGE_HOST, and RENDERER=mse name one of these.
 */

import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { basename } from "node:path";
import { fileURLToPath } from "node:url";
import { isThere } from "./firefox.mjs";
import { PLAIN_NAME } from "./host.mjs";

/** What differs by who decodes: playing, healing, turning. The rest is plain DOM. */
const IN_EVERY_BROWSER = ["colours", "delay", "heal", "other-sites", "plain-http", "play", "recovery", "refusals", "restart", "rotation", "slow", "sources"];
/** What differs by what a page may do. The element needs a browser that can be covered by another tab. */
const AT_PLAIN_NAME = ["delay", "element", "heal", "page", "pages-2022", "play", "recovery", "refusals", "restart", "slow", "sources"];

const here = fileURLToPath(new URL(".", import.meta.url));
const named = process.argv.slice(2);
const all = named.length > 0 ? named : readdirSync(here).filter((name) => name.endsWith(".test.mjs")).map((name) => here + name);
const ways = [
  { way: { BROWSER: "chromium" }, names: null },
  { way: { BROWSER: "chromium", PAGE_HOST: PLAIN_NAME }, names: AT_PLAIN_NAME },
  ...(isThere ? [{ way: { BROWSER: "firefox" }, names: IN_EVERY_BROWSER }] : []),
];
const failed = [];
for (const { way, names } of process.env.BROWSER ? [{ way: {}, names: null }] : ways) {
  for (const file of all.filter((path) => !names || names.includes(basename(path, ".test.mjs")))) {
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
