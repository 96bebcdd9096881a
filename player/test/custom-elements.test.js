/** The manifest for editors against the element's code, its types and its reference. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { manifest } from "../custom-elements.mjs";

const read = (/** @type {string} */ path) => readFileSync(new URL(path, import.meta.url), "utf8");
const [{ declarations: [element] }] = manifest().modules;
const sources = ["berry-video.js", "media-element.js"].map((name) => read(`../src/element/${name}`)).join("");
const reference = read("../../docs/reference/element.md");

/** First cells of the table below a heading. @param {string} heading */
function cells(heading) {
  const section = reference.split(`\n## ${heading}\n`)[1].split("\n## ")[0].split("\n### ")[0];
  return [...section.matchAll(/^\| `([\w-]+)`/gm)].map(([, name]) => name).sort();
}

const names = (/** @type {{ name: string }[]} */ list) => list.map(({ name }) => name).sort();

test("manifest has the attributes of the code and of the reference", () => {
  const asked = [...sources.matchAll(/(?:get|has)Attribute\("([\w-]+)"\)/g)].map(([, name]) => name);
  const observed = JSON.parse(/observedAttributes = (\[.*?\]);/.exec(sources)[1]);
  assert.deepEqual(names(element.attributes), [...new Set([...asked, ...observed])].sort());
  assert.deepEqual(names(element.attributes), cells("Attributes and properties"));
});

test("manifest has the events of the types and of the reference", () => {
  const map = /interface BerryVideoEventMap \{(.*?)\n\}/s.exec(read("../index.d.ts"))[1];
  assert.deepEqual(names(element.events), [...map.matchAll(/^ {2}(\w+):/gm)].map(([, name]) => name).sort());
  assert.deepEqual(names(element.events), cells("Events"));
});

test("manifest has the methods of the reference", () => {
  const table = reference.split("\n## Methods\n")[1].split("\n## ")[0];
  const documented = [...table.matchAll(/`(\w+)\([^)`]*\)`/g)].map(([, name]) => name);
  const methods = element.members.filter(({ kind }) => kind === "method");
  assert.deepEqual(names(methods), [...new Set(documented)].sort());
});

test("manifest has the styles of the reference", () => {
  const styles = reference.split("\n## Styles\n")[1].split("\n## ")[0];
  const [parts, properties] = styles.split("Custom properties");
  const words = (/** @type {string} */ text) => [...text.matchAll(/`([\w-]+)`/g)].map(([, name]) => name);
  assert.deepEqual(names(element.cssParts), words(parts).sort());
  assert.deepEqual(names(element.cssProperties), words(properties).filter((name) => name.startsWith("--")).sort());
});
