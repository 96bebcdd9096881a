/**
 * Runs the browser tests. Files that measure run alone, since two browsers at once would measure each other; the others, which
 * wait for conditions, run two at a time where there are two processors.
 * `node tests/browser/run.mjs [--shared | --alone] [FILE…]`, where --shared leaves out the files that run alone and --alone the
 * others; needs the built program and Chromium (CHROMIUM, else /usr/bin/chromium). Where
 * there is a Firefox (FIREFOX, else /usr/bin/firefox-esr) what depends on the browser runs in it, too. In Chromium that and the page
 * run once more at a plain-http name (PAGE_HOST, see host.mjs), where it has Media Source Extensions only.
 * BROWSER, PAGE_HOST, and RENDERER=mse name one of these.
 */

import { spawn } from "node:child_process";
import { readdirSync } from "node:fs";
import { availableParallelism } from "node:os";
import { basename } from "node:path";
import { fileURLToPath } from "node:url";
import { isThere } from "./firefox.mjs";
import { PLAIN_NAME } from "./host.mjs";

/** What differs by who decodes: playing, healing, turning. The rest is plain DOM. */
const IN_EVERY_BROWSER = ["access", "card", "colours", "cropping", "delay", "heal", "klipper", "media-element", "mjpeg", "other-sites", "plain-http", "play", "players", "recovery", "refusals", "restart", "rotation", "slow", "sources", "views"];
/**
 * What a page shows and does there, in Chromium by Media Source Extensions. Not sources, which names the way to show them; nor
 * restart, where the server differs and not the page. The element needs a browser that can be covered by another tab.
 */
const AT_PLAIN_NAME = ["colours", "cropping", "delay", "element", "heal", "join", "mjpeg", "page", "pages-2022", "play", "recovery",
  "refusals", "rotation", "slow", "streams"];
/** What is a measurement (the delay, the time to a first frame, memory), or needs a calm line, as WebCodecs do. */
const ALONE = ["auto", "delay", "join", "soak", "webcodecs"];

const here = fileURLToPath(new URL(".", import.meta.url));
const given = process.argv.slice(2).filter((argument) => !argument.startsWith("--"));
const [isShared, isAloneOnly] = ["--shared", "--alone"].map((option) => process.argv.includes(option));
const all = given.length > 0 ? given : readdirSync(here).filter((name) => name.endsWith(".test.mjs")).map((name) => here + name);
const ways = [
  { way: { BROWSER: "chromium" }, names: null },
  { way: { BROWSER: "chromium", PAGE_HOST: PLAIN_NAME }, names: AT_PLAIN_NAME },
  ...(isThere ? [{ way: { BROWSER: "firefox" }, names: IN_EVERY_BROWSER }] : []),
];
const nameOf = (path) => basename(path, ".test.mjs");
const runs = (process.env.BROWSER ? [{ way: {}, names: null }] : ways).flatMap(({ way, names }) =>
  all.filter((path) => !names || names.includes(nameOf(path))).map((file) => ({ file, way })));
const failed = [];

/** Runs one file. Of two at a time what each says is printed when it ends. */
function run({ file, way }, isOnly) {
  const what = [basename(file), ...Object.values(way)].join(" ");
  const from = Date.now();
  const stdio = ["ignore", ...Array(2).fill(isOnly ? "inherit" : "pipe")];
  if (isOnly) console.log(`\n# ${what}`);
  const child = spawn(process.execPath, ["--test", file], { stdio, env: { ...process.env, ...way } });
  let output = isOnly ? "" : `\n# ${what}\n`;
  for (const stream of [child.stdout, child.stderr]) stream?.setEncoding("utf8").on("data", (text) => { output += text; });
  return new Promise((resolve) => {
    child.once("close", (status) => {
      console.log(`${output}# ${what}: ${status === 0 ? "passed" : "failed"} in ${Math.round((Date.now() - from) / 1000)} s`);
      if (status !== 0) failed.push(what);
      resolve();
    });
  });
}

/** Runs this many at a time. */
async function runAll(waiting, lanes) {
  const lane = async () => {
    for (let next = waiting.shift(); next; next = waiting.shift()) await run(next, lanes === 1);
  };
  await Promise.all(Array.from({ length: lanes }, lane));
}

const isAlone = ({ file }) => ALONE.includes(nameOf(file));
if (!isAloneOnly) await runAll(runs.filter((one) => !isAlone(one)), runs.length > 1 && availableParallelism() > 1 ? 2 : 1);
if (!isShared) await runAll(runs.filter(isAlone), 1);
if (failed.length > 0) {
  console.error(`failed: ${failed.join(", ")}`);
  process.exitCode = 1;
}
