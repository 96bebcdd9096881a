/**
 * Prints custom-elements.json, from which editors know the element: its attributes, events and styles are what the comment at the top
 * of src/element/berry-video.js says, its methods those of the class.
 *
 *     node custom-elements.mjs > custom-elements.json
 */

import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const SOURCE = fileURLToPath(new URL("src/element/berry-video.js", import.meta.url));
const MODULE = "dist/berrymse.js";

/** Lifecycle of elements: the browser calls these. */
const CALLBACKS = new Set(["constructor", "connectedCallback", "disconnectedCallback", "attributeChangedCallback"]);

/**
 * Returns the tags of a comment: name, and text on one line.
 * @param {string} comment
 */
function tagsOf(comment) {
  const lines = comment.split("\n").map((line) => line.replace(/^\s*\*\s?/, "").trimEnd());
  /** @type {{ tag: string, text: string }[]} */
  const tags = [];
  for (const line of lines) {
    const begun = /^@(\w+)\s+(.*)$/.exec(line);
    if (begun) tags.push({ tag: begun[1], text: begun[2] });
    else if (/^\s+\S/.test(line) && tags.length > 0) tags[tags.length - 1].text += ` ${line.trim()}`;
    else if (line === "") tags.push({ tag: "", text: "" });
  }
  return tags;
}

/** @param {string} text */
function nameAndDescription(text) {
  const [, name, description] = /^(\S+)\s+(.*)$/.exec(text) ?? [];
  return { name, description };
}

/** @param {string} text names with commas between, each perhaps with words in parentheses */
function names(text) {
  return text.split(/,\s*(?![^(]*\))/).map((part) => {
    const [, name, description] = /^(\S+)(?:\s+\((.*)\))?$/.exec(part) ?? [];
    return description ? { name, description } : { name };
  });
}

/** @param {string} attribute */
const property = (attribute) => attribute.replaceAll(/-(\w)/g, (_, letter) => letter.toUpperCase());

/** Returns the manifest (custom-elements-manifest, schema 1). */
export function manifest(source = readFileSync(SOURCE, "utf8")) {
  const tags = tagsOf(source.slice(source.indexOf("/**") + 3, source.indexOf("*/")));
  const all = (/** @type {string} */ wanted) => tags.filter(({ tag }) => tag === wanted).map(({ text }) => text);
  const attributes = all("attr").map(nameAndDescription);
  // The body of the class up to its end in the first column.
  const body = /^export class BerryVideo extends .*?^\}/ms.exec(source)?.[0] ?? source;
  const methods = [...body.matchAll(/^ {2}(?:async )?(\w+)\([^)]*\) \{$/gm)].map(([, name]) => name);
  const readers = [...body.matchAll(/^ {2}get (\w+)\(\)/gm)].map(([, name]) => name);
  const fields = new Set([...attributes.map(({ name }) => property(name)), ...readers]);
  return {
    schemaVersion: "1.0.0",
    modules: [{
      kind: "javascript-module",
      path: MODULE,
      declarations: [{
        kind: "class",
        customElement: true,
        name: "BerryVideo",
        tagName: "berry-video",
        superclass: { name: "HTMLElement" },
        attributes: attributes.map(({ name, description }) => ({ name, description, fieldName: property(name) })),
        members: [
          ...[...fields].map((name) => ({ kind: "field", name })),
          ...methods.filter((name) => !CALLBACKS.has(name)).map((name) => ({ kind: "method", name })),
        ],
        events: all("fires").map(nameAndDescription).map(({ name, description }) => ({ name, description, type: { text: "CustomEvent" } })),
        slots: all("slot").map((description) => ({ name: "", description })),
        cssParts: all("csspart").flatMap(names),
        cssProperties: all("cssproperty").flatMap(names),
      }],
      exports: [
        { kind: "js", name: "BerryVideo", declaration: { name: "BerryVideo", module: MODULE } },
        { kind: "custom-element-definition", name: "berry-video", declaration: { name: "BerryVideo", module: MODULE } },
      ],
    }],
  };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) console.log(JSON.stringify(manifest(), null, 2));
