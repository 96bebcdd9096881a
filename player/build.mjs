/**
 * Builds dist/, which is committed: Cargo and users of the server need no Node.
 *
 *     node build.mjs                     writes dist/
 *     node build.mjs --out DIR           writes another folder
 *     node build.mjs --out DIR --maps    adds source maps
 *     node build.mjs --out DIR --plain   does not minify
 *     node build.mjs --check             compares dist/ with the sources, fails if it is not current
 *
 * Each entry becomes one file under a fixed name, because an open page must find the files of a newer server. No file imports
 * minified names of another one: such names change from build to build. So shared code is copied into each entry that uses it.
 */

import { mkdtempSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { build, transformSync } from "esbuild";
import { compressed, uncompressed } from "./compression.mjs";

const here = (/** @type {string} */ path) => fileURLToPath(new URL(path, import.meta.url));

/** Names in dist/ and their sources. Dynamic imports lead to entries only. */
const ENTRIES = {
  "berrymse": "element/berry-video.js",
  "berry-camera-card": "card/berry-camera-card.js",
  "legacy": "element/legacy.js",
  "media-element": "element/media-element.js",
  "msevideo": "element/msevideo.js",
  "http-socket": "net/http-socket.js",
  "refusal": "net/refusal.js",
  "token": "net/token.js",
  "camera-settings": "page/camera-settings.js",
  "page": "page/page.js",
  "viewers": "page/viewers.js",
  "frame-stats": "playback/frame-stats.js",
  "latency-controller": "playback/latency-controller.js",
  "crop": "renderers/crop.js",
  "decode-worker": "renderers/decode-worker.js",
  "keyframe-marker": "renderers/keyframe-marker.js",
  "renderer-switch": "renderers/renderer-switch.js",
  "snapshot": "renderers/snapshot.js",
  "video-decoder": "renderers/video-decoder.js",
  "controls": "ui/controls.js",
  "overlay": "ui/overlay.js",
  "picture-in-picture": "ui/picture-in-picture.js",
};
/** Imported by other entries as a file of its own: an element is defined once. */
const ELEMENT = "berrymse";
const COPIED = ["page/icon.svg", "page/index.html", "page/login.html", "page/manifest.webmanifest"];
const STYLES = ["page/page.css"];

const sources = new Map(Object.entries(ENTRIES).map(([name, path]) => [here(`src/${path}`), name]));

/** Leaves imports of other entries as they are, but for the path. */
const separateEntries = {
  name: "separate-entries",
  /** @param {import("esbuild").PluginBuild} build */
  setup(build) {
    build.onResolve({ filter: /^\./ }, ({ kind, path, resolveDir }) => {
      const name = sources.get(join(resolveDir, path));
      if (kind === "dynamic-import" && !name) return { errors: [{ text: `${path} is no entry of build.mjs` }] };
      const isSeparate = kind === "dynamic-import" || (kind === "import-statement" && name === ELEMENT);
      return isSeparate ? { path: `./${name}.js`, external: true } : null;
    });
  },
};

/** Minifies the style sheets in scripts, each of which is a template without expressions. */
const minifiedStyles = {
  name: "minified-styles",
  /** @param {import("esbuild").PluginBuild} build */
  setup(build) {
    build.onLoad({ filter: /\.js$/ }, ({ path }) => {
      const styles = /(?<=^const CSS = `)[^`$]+(?=`;$)/m;
      const minified = (/** @type {string} */ css) => transformSync(css, { loader: "css", minify: true, target: "es2022" }).code.trim();
      return { contents: readFileSync(path, "utf8").replace(styles, minified), loader: "js" };
    });
  },
};

/** @param {string} folder @param {{maps?: boolean, plain?: boolean}} [options] */
async function write(folder, { maps = false, plain = false } = {}) {
  mkdirSync(folder, { recursive: true });
  const old = new Set(readdirSync(folder));
  const settings = /** @type {const} */ ({
    outdir: folder, bundle: true, minify: !plain, write: false, target: "es2022", charset: "utf8", legalComments: "none",
    sourcemap: maps ? "linked" : false,
  });
  const entries = [...Object.entries(ENTRIES), ...STYLES.map((path) => [basename(path, ".css"), path])];
  const built = await Promise.all(entries.map(([name, path]) =>
    build({ ...settings, format: "esm", entryPoints: { [name]: here(`src/${path}`) }, plugins: [separateEntries, minifiedStyles] })));
  const files = built.flatMap(({ outputFiles }) => outputFiles.map((file) => ({ name: relative(folder, file.path), content: Buffer.from(file.contents) })));
  for (const path of COPIED) files.push({ name: basename(path), content: readFileSync(here(`src/${path}`)) });
  for (const { name, content } of files) {
    writeFileSync(join(folder, name), content);
    old.delete(name);
    if (name.endsWith(".map")) continue;
    for (const [suffix, compress] of Object.entries(compressed)) {
      const path = join(folder, name + suffix);
      // Another zlib writes other bytes for the same content.
      const isCurrent = old.delete(name + suffix) && uncompressed(path).equals(content);
      if (!isCurrent) writeFileSync(path, compress(content));
    }
  }
  for (const name of old) rmSync(join(folder, name));
}

/** The files of a folder, uncompressed. @param {string} folder */
function contents(folder) {
  return new Map(readdirSync(folder).sort().map((name) => [name, uncompressed(join(folder, name))]));
}

async function check() {
  const folder = mkdtempSync(join(tmpdir(), "berrymse-dist-"));
  try {
    await write(folder);
    const [now, expected] = [contents(here("dist")), contents(folder)];
    const wrong = [...new Set([...now.keys(), ...expected.keys()])].filter((name) => !now.get(name)?.equals(expected.get(name) ?? Buffer.of()));
    if (wrong.length === 0) return;
    console.error(`player/dist: not current (${wrong.join(", ")}); run "npm run build" in player/`);
    process.exitCode = 1;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const flag = /** @type {const} */ ({ type: "boolean", default: false });
const { values } = parseArgs({ options: { out: { type: "string", default: here("dist") }, maps: flag, plain: flag, check: flag } });
await (values.check ? check() : write(values.out, values));
