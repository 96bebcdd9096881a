/**
 * The npm package as its users get it: packed, installed into a project of its own, type-checked there against TypeScript and React
 * code, and loaded by Chromium from a page without a bundler. Needs npm, Chromium and the built program.
 */

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { copyFileSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { launch } from "../browser/chromium.mjs";
import { installClock, isLive } from "../browser/clock.mjs";
import { serve } from "../browser/server.mjs";
import { sameWithoutCase } from "../../player/test/paths.js";

const here = fileURLToPath(new URL(".", import.meta.url));
const player = fileURLToPath(new URL("../../player/", import.meta.url));
const cargo = readFileSync(new URL("../../Cargo.toml", import.meta.url), "utf8");
const project = mkdtempSync(join(tmpdir(), "berrymse-npm-"));
/** @type {string[]} paths in the package */
let packed;
const installed = join(project, "node_modules/berrymse");

function npm(folder, ...given) {
  return execFileSync("npm", [...given, "--no-audit", "--no-fund", "--silent"], { cwd: folder, encoding: "utf8" });
}

before(() => {
  npm(player, "ci");
  npm(player, "run", "check");
  const [{ filename, files }] = JSON.parse(npm(player, "pack", "--json", "--pack-destination", project));
  packed = files.map(({ path }) => path);
  writeFileSync(join(project, "package.json"), `{"private": true, "type": "module"}`);
  npm(project, "install", "--offline", "--ignore-scripts", join(project, filename));
});

after(() => rmSync(project, { recursive: true }));

test("dist is what the sources give", () => {
  execFileSync(process.execPath, ["build.mjs", "--check"], { cwd: player, stdio: "pipe", encoding: "utf8" });
});

test("the package has the program's version, both licences, its types and no tests", () => {
  const { version } = JSON.parse(readFileSync(join(installed, "package.json"), "utf8"));
  assert.equal(version, cargo.match(/^version = "(.+)"$/m)[1]);
  for (const name of ["LICENSE-MIT", "LICENSE-APACHE", "README.md", "types/element/berry-video.d.ts"]) {
    assert.ok(readFileSync(join(installed, name)).length > 100, name);
  }
  assert.throws(() => readFileSync(join(installed, "test/boxes.js")));
});

test("packed paths without case are all different", () => {
  assert.ok(packed.includes("dist/berrymse.js"));
  assert.ok(!packed.includes("dist/legacy.js"));
  assert.deepEqual(sameWithoutCase(packed), []);
});

test("TypeScript and React code that uses it is checked", () => {
  for (const name of ["user.ts", "user.tsx"]) copyFileSync(join(here, name), join(project, name));
  const options = {
    strict: true, noEmit: true, target: "es2022", module: "nodenext", jsx: "react-jsx", lib: ["es2023", "dom", "dom.iterable"],
    types: ["react"],
  };
  // React's own types are those that the package was made with.
  symlinkSync(join(player, "node_modules/@types"), join(project, "node_modules/@types"));
  writeFileSync(join(project, "tsconfig.json"), JSON.stringify({ compilerOptions: options, files: ["user.ts", "user.tsx"] }));
  try {
    execFileSync(join(player, "node_modules/.bin/tsc"), ["-p", project], { encoding: "utf8" });
  } catch (error) {
    assert.fail(error.stdout);
  }
});

test("a page without a bundler plays with it", async () => {
  const kinds = { js: "text/javascript", html: "text/html" };
  const site = createServer((asked, answer) => {
    const path = asked.url === "/" ? "index.html" : asked.url.slice(1);
    try {
      answer.setHeader("content-type", `${kinds[path.split(".").at(-1)]}; charset=utf-8`);
      answer.end(readFileSync(join(project, path)));
    } catch {
      answer.writeHead(404).end();
    }
  });
  await new Promise((resolve) => site.listen(0, "127.0.0.1", resolve));
  const origin = `http://127.0.0.1:${site.address().port}`;
  writeFileSync(join(project, "config.yml"), `server: { allowedOrigins: ["${origin}"] }\n`);
  const [browser, server] = await Promise.all([launch(), serve(["--config", join(project, "config.yml")])]);
  try {
    const socket = new URL("video_websocket", server.url).href.replace("http", "ws");
    writeFileSync(join(project, "index.html"), `<!doctype html><link rel="icon" href="data:,">
      <script type="importmap">{"imports": {"berrymse": "./node_modules/berrymse/dist/berrymse.js"}}</script>
      <script type="module">import "berrymse";</script><berry-video controls src="${socket}"></berry-video>`);
    const page = await browser.newPage();
    await page.before(installClock);
    await page.goto(origin);
    await page.until("a live picture", isLive, { given: ["berry-video"] });
    await page.until("buttons", () => document.querySelector("berry-video").shadowRoot.querySelector(".pause"));
    assert.deepEqual(page.messages, []);
  } finally {
    await Promise.all([browser.close(), server.end()]);
    await new Promise((resolve) => site.close(resolve));
  }
});
