/**
 * The npm package as its users get it: packed, installed into a project of its own, type-checked there against TypeScript and React
 * code, and loaded by Chromium from a page without a bundler, and from pages that Vite and webpack built. Needs npm, Chromium and the
 * built program.
 */

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { copyFileSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { launch } from "../browser/chromium.mjs";
import { installClock, isByCodecs, isLive } from "../browser/clock.mjs";
import { serve } from "../browser/server.mjs";
import { sameWithoutCase } from "../../player/test/paths.js";

const here = fileURLToPath(new URL(".", import.meta.url));
const player = fileURLToPath(new URL("../../player/", import.meta.url));
const mknpm = fileURLToPath(new URL("../../packaging/mknpm", import.meta.url));
const HOMEPAGE = "https://camera.example/berrymse";
const REPOSITORY = "https://git.example/someone/berrymse";
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
  const identity = join(project, "identity");
  writeFileSync(identity, `HOMEPAGE=${HOMEPAGE}\nREPOSITORY=${REPOSITORY}\n`);
  const env = { ...process.env, BERRYMSE_IDENTITY: identity };
  const archive = execFileSync(mknpm, ["--out", project], { env, encoding: "utf8" }).trim();
  packed = execFileSync("tar", ["-tf", archive], { encoding: "utf8" }).trim().split("\n").map((path) => path.replace("package/", ""));
  writeFileSync(join(project, "package.json"), `{"private": true, "type": "module"}`);
  npm(project, "install", "--offline", "--ignore-scripts", archive);
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

test("the package names who publishes it, and is ready for provenance", () => {
  const { homepage, repository, publishConfig } = JSON.parse(readFileSync(join(installed, "package.json"), "utf8"));
  assert.equal(homepage, HOMEPAGE);
  assert.deepEqual(repository, { type: "git", url: `git+${REPOSITORY}.git`, directory: "player" });
  assert.equal(publishConfig.provenance, true);
  assert.equal(readFileSync(join(player, "package.json"), "utf8").includes("repository"), false, "the sources name nobody");
});

test("the package tells editors what the element is", () => {
  const { customElements } = JSON.parse(readFileSync(join(installed, "package.json"), "utf8"));
  const { modules: [{ path, declarations: [element] }] } = JSON.parse(readFileSync(join(installed, customElements), "utf8"));
  assert.ok(packed.includes(path));
  assert.equal(element.tagName, "berry-video");
  assert.ok(element.attributes.some(({ name }) => name === "show-delay"));
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

/** Serves the files of a folder. @param {string} folder */
async function serveFolder(folder) {
  const kinds = { js: "text/javascript", html: "text/html" };
  const site = createServer((asked, answer) => {
    const path = asked.url.replace(/\?.*/, "").slice(1) || "index.html";
    try {
      // As content delivery networks do.
      answer.setHeader("access-control-allow-origin", "*");
      answer.setHeader("content-type", `${kinds[path.split(".").at(-1)]}; charset=utf-8`);
      answer.end(readFileSync(join(folder, path)));
    } catch {
      answer.writeHead(404).end();
    }
  });
  await new Promise((resolve) => site.listen(0, "127.0.0.1", resolve));
  return { origin: `http://127.0.0.1:${site.address().port}`, end: () => new Promise((resolve) => site.close(resolve)) };
}

/**
 * Opens a page of that folder beside a server that allows it.
 * @param {string} folder @param {(page: object, camera: string, origin: string) => Promise<void>} check
 */
async function withPage(folder, check) {
  const site = await serveFolder(folder);
  const config = join(project, "config.yml");
  writeFileSync(config, `server: { allowedOrigins: ["${site.origin}"] }\n`);
  const [browser, server] = await Promise.all([launch(), serve(["--config", config])]);
  try {
    const camera = new URL("video_websocket", server.url).href.replace("http", "ws");
    const page = await browser.newPage();
    await page.before(installClock);
    await check(page, camera, site.origin);
  } finally {
    await Promise.all([browser.close(), server.end()]);
    await site.end();
  }
}

test("a page without a bundler plays with it", () => withPage(project, async (page, camera, origin) => {
  writeFileSync(join(project, "index.html"), `<!doctype html><link rel="icon" href="data:,">
    <script type="importmap">{"imports": {"berrymse": "./node_modules/berrymse/dist/berrymse.js"}}</script>
    <script type="module">import "berrymse";</script><berry-video controls src="${camera}"></berry-video>`);
  await page.goto(origin);
  await page.until("a live picture", isLive, { given: ["berry-video"] });
  await page.until("buttons", () => document.querySelector("berry-video").shadowRoot.querySelector(".pause"));
  assert.deepEqual(page.messages, []);
}));

test("a page of another site plays with it, as from a content delivery network", async () => {
  const network = await serveFolder(join(project, "node_modules"));
  const other = join(project, "elsewhere");
  mkdirSync(other);
  writeFileSync(join(other, "index.html"), `<!doctype html><link rel="icon" href="data:,">
    <script type="module" src="${network.origin}/berrymse/dist/berrymse.js"></script>`);
  try {
    await withPage(other, async (page, camera, origin) => {
      await page.goto(origin);
      await page.evaluate((src) => document.body.append(Object.assign(document.createElement("berry-video"), { src, controls: true, renderer: "webcodecs" })), camera);
      await page.until("a live picture", isLive, { given: ["berry-video"] });
      await page.until("buttons", () => document.querySelector("berry-video").shadowRoot.querySelector(".pause"));
      assert.deepEqual(page.messages, []);
    });
  } finally {
    await network.end();
  }
});

test("a page that is open goes on with later files of another build", () => {
  const other = join(project, "other");
  // Other names inside of each file, as after a change of the sources.
  execFileSync(process.execPath, ["build.mjs", "--out", other, "--plain"], { cwd: player, stdio: "pipe" });
  const [first, another] = ["berrymse.js", "overlay.js"].map((name) => [installed + "/dist", other].map((folder) => readFileSync(join(folder, name), "utf8")));
  assert.notEqual(another[0], another[1]);
  writeFileSync(join(other, "berrymse.js"), first[0]);
  return withPage(other, async (page, camera, origin) => {
    writeFileSync(join(other, "index.html"), `<!doctype html><link rel="icon" href="data:,"><script type="module" src="berrymse.js"></script>
      <berry-video renderer="webcodecs" controls show-delay src="${camera}"></berry-video>`);
    await page.goto(origin);
    await page.until("a live picture", isLive, { given: ["berry-video"] });
    await page.until("WebCodecs", isByCodecs);
    await page.until("a delay", () => / ms$/.test(document.querySelector("berry-video").shadowRoot.querySelector(".delay").textContent));
    await page.until("buttons", () => document.querySelector("berry-video").shadowRoot.querySelector(".pause"));
    assert.ok(await page.evaluate(async () => (await document.querySelector("berry-video").snapshot()).size > 1000));
    await page.evaluate(() => document.querySelector("berry-video").lookBack(1));
    await page.until("the past", () => document.querySelector("berry-video").video.srcObject === null && document.querySelector("berry-video").video.currentTime > 0);
    assert.deepEqual(page.messages, []);
  });
});

/** Runs in the page before its scripts: which workers start and answer, and whether the page itself decodes. */
function watchWorkers() {
  window.workers = [];
  window.Worker = class extends Worker {
    constructor(url, options) {
      super(url, options);
      const seen = { url: new URL(url, location.href).href, answers: 0 };
      workers.push(seen);
      this.addEventListener("message", () => { seen.answers += 1; });
    }
  };
  window.decoders = 0;
  window.VideoDecoder = class extends VideoDecoder {
    constructor(...given) {
      super(...given);
      window.decoders += 1;
    }
  };
}

const BUNDLERS = {
  Vite: ["node_modules/vite/bin/vite.js", "build", "--logLevel", "warn"],
  webpack: ["webpack.mjs"],
};

test("bundlers", async (t) => {
  const app = join(project, "app");
  cpSync(join(here, "bundlers"), app, { recursive: true });
  npm(app, "ci", "--ignore-scripts");
  cpSync(installed, join(app, "node_modules/berrymse"), { recursive: true });
  await t.test("a server's part that webpack built, as Next does, evaluates it", () => {
    execFileSync(process.execPath, ["webpack.mjs", "server"], { cwd: app, encoding: "utf8", stdio: "pipe" });
    assert.equal(execFileSync(process.execPath, ["server/main.cjs"], { cwd: app, encoding: "utf8" }), "<berry-video> function\n");
  });
  for (const [name, command] of Object.entries(BUNDLERS)) {
    await t.test(`a page built by ${name} decodes in the player's worker`, async () => {
      execFileSync(process.execPath, command, { cwd: app, encoding: "utf8", stdio: "pipe" });
      await withPage(join(app, "dist"), async (page, camera, origin) => {
        await page.before(watchWorkers);
        await page.goto(`${origin}/?camera=${encodeURIComponent(camera)}`);
        await page.until("a live picture", isLive, { given: ["berry-video"] });
        await page.until("buttons", () => document.querySelector("berry-video").shadowRoot.querySelector(".pause"));
        assert.ok(await page.evaluate(isByCodecs), "frames come by a track");
        const { workers, decoders } = await page.evaluate(() => ({ workers, decoders }));
        assert.equal(workers.length, 1);
        assert.ok(workers[0].answers > 1, "the worker said that it runs, and that there is a frame");
        assert.ok(workers[0].url.startsWith(origin), workers[0].url);
        assert.equal(decoders, 0, "the page itself decodes nothing");
        assert.deepEqual(page.messages, []);
      });
    });
  }
});

test("the package can be imported where there is no page", () => {
  const script = `import("berrymse").then(({ BerryVideo }) => console.log(typeof BerryVideo, typeof document))`;
  assert.equal(execFileSync(process.execPath, ["-e", script], { cwd: project, encoding: "utf8" }), "function undefined\n");
});
