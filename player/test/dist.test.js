/** The built files, as far as that needs no esbuild: tests/npm builds again and compares. */

import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { compressed, uncompressed } from "../compression.mjs";

const folder = fileURLToPath(new URL("../dist/", import.meta.url));
const suffixes = Object.keys(compressed);
const plain = readdirSync(folder).filter((name) => !suffixes.some((suffix) => name.endsWith(suffix)));

test("compressed files of dist hold the content of the plain ones", () => {
  assert.ok(plain.includes("berrymse.js"));
  for (const name of plain) {
    const content = readFileSync(folder + name);
    for (const suffix of suffixes) assert.ok(uncompressed(folder + name + suffix).equals(content), name + suffix);
  }
});

test("built scripts are evaluated where there is no page", async () => {
  const { BerryVideo, Player, socketUrl } = await import("../dist/berrymse.js");
  assert.equal(globalThis.HTMLElement, undefined);
  assert.deepEqual([BerryVideo, Player, socketUrl].map((one) => typeof one), ["function", "function", "function"]);
});

test("files that are imported by built files are there", () => {
  const scripts = plain.filter((name) => name.endsWith(".js"));
  const imported = scripts.flatMap((name) => [...readFileSync(folder + name, "utf8").matchAll(/(?:import\(?|from|new URL\()"\.\/([^"]+)"/g)].map(([, path]) => path));
  assert.ok(imported.includes("renderer-switch.js") && imported.includes("decode-worker.js") && imported.includes("berrymse.js"));
  for (const name of imported) assert.ok(scripts.includes(name), name);
});
