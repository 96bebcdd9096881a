/**
 * Runs the browser tests one file after the other: they measure times, and two browsers at once would measure each other.
 * `node tests/browser/run.mjs [FILE…]`; needs Chromium (CHROMIUM, else /usr/bin/chromium) and the built program.
 */

import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";

const here = fileURLToPath(new URL(".", import.meta.url));
const named = process.argv.slice(2);
const files = named.length > 0 ? named : readdirSync(here).filter((name) => name.endsWith(".test.mjs")).map((name) => here + name);
const failed = files.filter((file) => spawnSync(process.execPath, ["--test", file], { stdio: "inherit" }).status !== 0);
if (failed.length > 0) {
  console.error(`failed: ${failed.join(", ")}`);
  process.exitCode = 1;
}
