/** Which file of the player may import which: no circles, and rooms only in the order of the table. */

import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../src/", import.meta.url));

/** Rooms that a room may import. */
const MAY_IMPORT = {
  net: [],
  renderers: ["net"],
  playback: ["net", "renderers"],
  ui: [],
  element: ["net", "playback", "renderers", "ui"],
  page: ["element", "ui"],
  card: ["element"],
};

const files = readdirSync(root, { recursive: true }).filter((name) => name.endsWith(".js")).map((name) => name.replaceAll("\\", "/"));

/** Imports, dynamic ones and workers too; types in comments do not count. @param {string} text */
function importsIn(text) {
  const code = text.replaceAll(/\/\*[^]*?\*\//g, "");
  const patterns = [/^(?:import|export)\b[^;]*?from "(\.[^"]+)";/gm, /^import "(\.[^"]+)";/gm, /\bimport\("(\.[^"]+)"\)/g, /new URL\("(\.[^"]+\.js)", import\.meta\.url\)/g];
  return patterns.flatMap((pattern) => [...code.matchAll(pattern)].map(([, path]) => path));
}

const imports = new Map(files.map((name) => [name, importsIn(readFileSync(join(root, name), "utf8")).map((path) => join(dirname(name), path).replaceAll("\\", "/"))]));

/** The first circle that is found, as a path. @param {Map<string, string[]>} graph */
function circleIn(graph) {
  const done = new Set();
  const visit = (name, path) => {
    if (path.includes(name)) return [...path.slice(path.indexOf(name)), name];
    if (done.has(name)) return null;
    for (const next of graph.get(name) ?? []) {
      const found = visit(next, [...path, name]);
      if (found) return found;
    }
    done.add(name);
    return null;
  };
  for (const name of graph.keys()) {
    const found = visit(name, []);
    if (found) return found;
  }
  return null;
}

test("imports of the player form no circle", () => {
  assert.ok(files.length > 25);
  assert.ok(imports.get("element/berry-video.js")?.includes("playback/player.js"));
  for (const [name, targets] of imports) for (const target of targets) assert.ok(files.includes(target), `${name}: ${target}`);
  assert.equal(circleIn(imports), null);
});

test("rooms of the player import only what the table allows", () => {
  const wrong = [...imports].flatMap(([name, targets]) => targets.map((target) => [name, target])).filter(([name, target]) => {
    const [from, to] = [name, target].map((path) => path.split("/")[0]);
    return from !== to && !MAY_IMPORT[from].includes(to);
  });
  assert.deepEqual(wrong, []);
});

test("circles are found, by dynamic imports and workers too", () => {
  const text = `/** import("./types.js") */\nimport { a } from "./a.js";\nimport "./b.js";\nexport { c } from "./c.js";\nawait import("./d.js");
    new Worker(new URL("./e.js", import.meta.url), { type: "module" });`;
  assert.deepEqual(importsIn(text).sort(), ["a", "b", "c", "d", "e"].map((name) => `./${name}.js`));
  assert.deepEqual(circleIn(new Map([["a", ["b"]], ["b", ["c", "d"]], ["c", []], ["d", ["b"]]])), ["b", "d", "b"]);
  assert.equal(circleIn(new Map([["a", ["b", "c"]], ["b", ["c"]], ["c", []]])), null);
});

test("no file of the player is longer than 500 lines", () => {
  const long = files.filter((name) => readFileSync(join(root, name), "utf8").trimEnd().split("\n").length > 500);
  assert.deepEqual(long, []);
});
